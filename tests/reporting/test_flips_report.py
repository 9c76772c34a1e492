"""The tables and the terminal text of `rlprobe flips`, on a summary counted from small tables."""

import io
import re

import pandas as pd
import pytest
from rich.console import Console

from rlprobe.analysis.flips import summarise
from rlprobe.records import SearchEnd
from rlprobe.reporting.flips import OF_ONE_PROBLEM, TABLES, WRITTEN, show
from rlprobe.reporting.formats import FORMATS
from rlprobe.settings import Reading


def summary_of(problems: int, problem: str | None = None, ends=tuple(SearchEnd)):
    """Every problem has three flips, of which the second fixes; sizes grow from problem to problem."""
    ids, places = [f"q{n}" for n in range(problems)], range(3)
    single = pd.DataFrame(
        [
            {"problem_id": i, "ordinal": n, "position": 7 * n, "base_id": n, "rl_id": n + 5, "right": n == 1}
            for i in ids
            for n in places
        ],
        columns=["problem_id", "ordinal", "position", "base_id", "rl_id", "right"],
    )
    kept = [list(range(1 + n % 3)) for n in range(problems)]
    needed = pd.DataFrame(
        {
            "problem_id": ids,
            "base_right": False,
            "rl_right": True,
            "flips": 3,
            "trials": 4,
            "oracle_edits": 5,
            "end": [ends[n % len(ends)] for n in range(problems)],
            **dict.fromkeys(("ordinals", "positions", "base_ids", "rl_ids"), pd.Series(kept, dtype=object)),
        }
    )
    columns = ["problem_id", "kind", "ordinal", "position", "base_id", "written_id", "entropy", "right"]
    placebo = pd.DataFrame(
        [(i, kind, n, 7 * n, n, n + 6, 0.5, n == 0) for i in ids for kind in ("same", "agreed") for n in places],
        columns=columns,
    )
    found = summarise(single, needed, placebo, Reading(), lambda i: [" the", "\n", "[/b]", " 1", "2", " +"][i % 6])
    of_run = {"asked": problems, "left_out": {}, "ungraded": found.pop("ungraded")}
    return {"about": {}, "scope": "solved", "problem": problem, "problems": of_run, **found}


def printed(summary, width=80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(show(summary))
    return stream.getvalue()


@pytest.mark.parametrize("name", [*TABLES, *OF_ONE_PROBLEM])
@pytest.mark.parametrize("problems", [0, 1, 9])
def test_every_table_is_written_in_every_format(name, problems):
    for registry in (TABLES, OF_ONE_PROBLEM):
        if name in registry:
            table = registry[name](summary_of(problems))
            assert all(write(table) for write in FORMATS.values())


def test_tables_hold_the_numbers_of_the_summary():
    summary = summary_of(9, ends=(SearchEnd.MINIMAL,))
    flips = TABLES["flips"](summary)
    assert list(flips["changed"]) == [9, 9, 9, 0, 0, 0]
    assert list(flips["problems"]) == ["base wrong"] * 3 + ["base right"] * 3
    assert list(flips["written"]) == 2 * list(WRITTEN.values())
    assert [cell.value for cell in flips["RL's less this"][1:3]] == [0, 0]
    assert [cell.value for cell in flips["mean entropy of the base there, nats"]][:3] == [None, 0.5, 0.5]
    assert list(TABLES["needed_sizes"](summary)["problems"]) == [3, 3, 3]
    assert TABLES["needed_edits"](summary)["1-minimal"][0] == 9
    tokens = TABLES["flip_tokens"](summary)
    assert (tokens["base"][0], tokens["fixed"][0]) == (repr("\n"), 9)


def test_the_report_fits_80_columns_and_says_what_a_reader_must_know():
    text = printed(summary_of(9))
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "Which single tokens matter",
        "base wrong",
        "9 fix",
        "placebo",
        "where both agree",
        "'[/b]'",
        "no smaller set exists",
    ):
        assert words in text
    assert re.search(r"Stopped at the limit of trials, not in the sizes: 2", text)
    assert "base right" not in text


def test_one_problem_is_shown_flip_by_flip():
    text = printed(summary_of(1, problem="q0"))
    assert "problem q0: base wrong, RL right" in text
    last = [line.split()[-1] for line in text.splitlines() if re.search(r" \d+ +\d+ +\w+ *$", line)]
    assert last == ["nothing", "fix", "nothing"]
    assert "Edits kept (one flip is enough): 0 ' the' -> ' the'" in text


def test_nothing_to_flip_is_one_sentence():
    assert "Nothing to flip: of 0 problems" in " ".join(printed(summary_of(0)).split())
