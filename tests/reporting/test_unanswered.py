"""The share of responses without an answer: beside each accuracy, and a warning where base and RL differ much in it."""

import io

import pytest
from rich.console import Console
from synthetic_arms import arm_tables, named_arms
from synthetic_run import make_run
from synthetic_tables import tables

from rlprobe.analysis import disagreement, interventions
from rlprobe.commands.progress import Reporter
from rlprobe.commands.report import report
from rlprobe.reporting import disagree, intervene
from rlprobe.settings import Reading, ReportSettings

READING = Reading(resamples=200)
GRADER = {"grader": {"extract": "box"}}
WARNING = "was found in 50.0 % of the base's and 0 % of RL's responses"


def on_screen(renderable):
    console = Console(width=200, file=io.StringIO())
    console.print(renderable)
    return " ".join(console.file.getvalue().split())


def disagreements(silent):
    """A summary in which the base's responses to every second problem have no answer, if `silent`."""
    tokens, rollouts, grades = tables(problems=40)
    grades[["status_first", "status_last"]] = "correct"
    if silent:
        grades.loc[(grades["arm"] == "base") & (grades.groupby("arm").cumcount() % 2 == 0), "status_last"] = "no_answer"
    return disagreement.summarise(tokens, rollouts, grades, READING) | GRADER


def test_a_large_difference_is_a_warning_on_the_screen_and_a_column_in_the_table():
    summary = disagreements(silent=True)
    assert WARNING in on_screen(disagree.show(summary))
    table = disagree.TABLES["accuracy"](summary)
    shares = {(a, arm): str(cell).split(" [")[0] for a, arm, cell in table[["answer", "arm", "no answer"]].to_numpy()}
    assert (shares["last", "base"], shares["last", "rl"], shares["first", "base"]) == ("50.0 %", "0 %", "0 %")


def test_without_a_difference_there_is_no_warning():
    assert "was found in" not in on_screen(disagree.show(disagreements(silent=False)))


def test_every_arm_of_an_intervention_has_its_share():
    arms = named_arms(("oracle", "entropy"))
    rollouts, grades = arm_tables(arms, problems=40)
    grades["status_last"] = grades["status_last"].fillna("wrong")
    base = (grades["arm"] == "base") & (grades.groupby("arm").cumcount() % 2 == 0)
    grades.loc[base, "status_last"] = "no_answer"
    summary = interventions.summarise(rollouts, grades, arms, READING) | GRADER
    said = on_screen(intervene.show(summary))
    assert WARNING in said
    assert "base 50.0, oracle 0.0" in said
    assert set(intervene.TABLES["interventions"](summary)["no answer"].map(str).str.split(" ").str[0]) == {"50.0", "0"}
    assert intervene.TABLES["answers"](summary)["no answer"].notna().all()


@pytest.mark.parametrize("silent", [True, False])
def test_the_page_warns_too(tmp_path, silent):
    run = make_run(tmp_path / "run", problems=4, length=20)
    told = disagreements(silent) | {"grader": {"key": "made", "extract": "box", "libraries": "made"}}
    run.write_json("summary.json", {name: told[name] for name in ("grader", "reading", "accuracy")})
    report(ReportSettings(run=run.path), Reporter(quiet=True))
    page = (run.path / "report.html").read_text().replace("&#39;", "'")
    assert (WARNING in page) == silent
