"""What `rlprobe intervene` shows: tables, figures, and at the terminal one line an arm, at 80 columns.

A summary of analysis/interventions.py comes in. The donor is the model that does not decode, its token what it would
have said at the same place. Computes nothing; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table as Screen
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.figures.intervene import FIGURES
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.names import NAMES, name_of
from rlprobe.reporting.table import Column, Row, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, few_problems, first_alone, fixed, percent, screen, share
from rlprobe.reporting.unanswered import warning

__all__ = ["FIGURES", "TABLES", "show"]


# -- rows


def arms_of(summary: Summary, answer: str | None = None) -> list[dict[str, Any]]:
    """One row an arm, with what is known of it by an answer (None: the reading's)."""
    answer = answer or summary["reading"]["answer"]
    return [
        {**arm, **arm["answers"][answer], "title": title, "answer": answer} for title, arm in summary["arms"].items()
    ]


def _with_floors(summary: Summary) -> Iterator[dict[str, Any]]:
    """The same, with the noise floor of the end that an arm writes in exact arithmetic."""
    floors = summary.get("noise_floor") or {}
    yield from ({**row, "floor": floors.get((row["apart"] or {}).get("end"))} for row in arms_of(summary))


def _swept(summary: Summary) -> list[dict[str, Any]]:
    """The arms that belong to a sweep, in the order of its parameter."""
    rows = [row for row in arms_of(summary) if row["dose"] is not None]
    return sorted(rows, key=lambda row: (row["mode"], row["host"], row["dose"]))


def _by_answer(summary: Summary) -> Iterator[dict[str, Any]]:
    for answer in summary["arms"]["base"]["answers"]:
        yield from arms_of(summary, answer)


# -- tables

ARM = Column("arm", lambda row: name_of(row["title"]))
HOST = Column("host", lambda row: name_of(row["host"]))
ACCURACY, NO_ANSWER = Column("accuracy", "accuracy", "%"), Column("no answer", "no_answer", "%")
GATED, EDITED = Column("gated", "gated", "%"), Column("edited", "edited", "%")
EDITS, RECOVERY = Column("edits per response", "edited_per_response", ""), Column("recovery", "recovery", "")
LENGTHS = (Column("truncated", "truncated", "%"), Column("mean length", "length", ""))


def _first_of(key: str) -> Column:
    """What the comparisons with either end have in common."""

    def entry(row: Row) -> Any:
        return next((test[key] for test in row["against"].values() if test and test.get(key)), None)

    return Column({"family": "arms corrected for"}.get(key, key), entry)


TEST = _first_of("test")


def p_against(end: str) -> Column:
    """The p-value of the comparison with an end."""
    return Column(f"p against {NAMES[end]}", lambda row: Cell.p(row["against"][end]))


def _corrected(end: str) -> Column:
    def entry(row: Row) -> Cell:
        test = row["against"][end]
        return Cell.p(test if test and "family" in test else None, "p_adjusted")

    return Column(f"p against {NAMES[end]}, corrected", entry)


def _number(what: str, end: str) -> Column:
    """How many problems: whole numbers as they are; expected ones with three digits."""

    def entry(row: Row) -> Any:
        number = (row["against"][end] or {}).get(what)
        return number if number is None or isinstance(number, int) else Cell(number)

    return Column(f"{what} against {NAMES[end]}", entry)


APART = Column("apart from its end", lambda row: row["apart"] and Cell.of(row["apart"]["share"], "%"))
FLOOR = Column("noise floor", lambda row: row["apart"] and Cell.of(row["floor"], "%"))

# name of the table: summary -> table
TABLES = {
    # by the reading's answer. Repaired: problems that the end gets wrong, the arm right; broken: the other way round.
    # "apart from its end": of arms that write an end's own text in exact arithmetic, the share that is not, by rounding
    "interventions": Table(
        _with_floors,
        (
            *(ARM, HOST, ACCURACY, NO_ANSWER, GATED, EDITED, Column("no-ops", "no_ops", "%", "gated tokens")),
            Column("edits that are the donor's token", "donors_token", "%", "edits"),
            *(Column("gated per response", "gated_per_response", ""), EDITS),
            *(Column(f"{NAMES[end]} on its problems", f"ends.{end}", "%") for end in MEMBERS),
            *(RECOVERY, *(column for end in MEMBERS for column in (p_against(end), _corrected(end)))),
            *(_first_of("family"), TEST),
            *(_number(what, end) for end in MEMBERS for what in ("repaired", "broken")),
            *(Column(f"identical to {NAMES[end]}", f"identical.{end}", "%") for end in MEMBERS),
            *(APART, FLOOR, *LENGTHS),
            *(*plain("problems"), Column("told for", lambda row: f"{row['half']} half" if row["half"] else "all")),
            *(*plain("responses", "ungraded"), Column("specification", "spec")),
        ),
    ),
    "doses": Table(
        _swept,
        (
            *(Column("family", "mode"), Column("parameter", lambda row: f"{row['dose']:g}"), Column("arm", "title")),
            *(HOST, GATED, EDITED, ACCURACY, NO_ANSWER, RECOVERY),
        ),
    ),
    "answers": Table(
        _by_answer,
        (
            *(*plain("answer"), ARM, ACCURACY, NO_ANSWER, *plain("correct", "graded", "ungraded"), RECOVERY),
            *(Column(f"minus {NAMES[end]}", f"against.{end}.difference", "%") for end in MEMBERS),
        ),
    ),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    problems = max(arm["problems"] for arm in summary["arms"].values())
    settings = f"{problems:,} problems, by the {summary['reading']['answer']} answer"
    heading = Text.assemble(("What the substituted tokens do", "bold"), f"   {settings}")
    return blocks([heading, _arms(summary)], _notes(summary))


def _recovery(row: Row) -> str:
    """An identity is called one; the ends recover 0 and 1 by definition."""
    identity = row["identity"] if row["title"] not in MEMBERS and row["recovery"]["value"] is not None else None
    return fixed(row["recovery"], 2) + (f" = {name_of(identity)}" if identity else "")


def _holm(row: Row) -> Cell:
    test = row["against"]["base"]
    return Cell.p(test, "p_adjusted" if test and "family" in test else "p_value")


SCREEN = (
    *(ARM, Column("n", "problems"), Column("accuracy\n%", lambda row: fixed(row["accuracy"], 1, scale=100))),
    *(share("gated\n%", "gated", is_bare=True), share("edited\n%", "edited", is_bare=True)),
    *(Column("recovery", _recovery), Column("p, base\n(Holm)", _holm)),
)


def _arms(summary: Summary) -> Screen:
    """One line an arm, base at the top and RL at the foot; where they are of other problems, each with its number."""
    rows = arms_of(summary)
    differ = len({row["problems"] for row in rows}) > 1
    columns = [column for column in SCREEN if column.title != "n" or differ]
    table = screen(columns, rows, parted=lambda row: row["title"] if row["title"] in MEMBERS else "")
    for i, column in enumerate(table.columns):
        column.no_wrap, column.overflow = i > 0, "fold"  # a composed gate may have a long name
    return table


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield from first_alone(summary)
    yield from few_problems(max(arm["problems"] for arm in summary["arms"].values()))
    reading, arms = summary["reading"], summary["arms"]
    yield Text("gated: the gate fired, no-ops included; edited: not what the host would say.")
    yield Text("Both are shares of the arm's own text, which is neither the base's nor RL's.")
    yield Text(f"[ ] is a {100 * reading['confidence']:g} % interval over problems.")
    silent = (f"{name_of(t)} {percent(arm['answers'][reading['answer']]['no_answer'])}" for t, arm in arms.items())
    yield Text(f"No answer found (and so not right), in % of responses: {', '.join(silent)}.")
    yield from _families(summary)
    yield Text("recovery = (arm - base) / (RL - base), over problems with all three verdicts.")
    for end in reversed(MEMBERS):
        same = [title for title, arm in arms.items() if arm["identity"] == end and title not in MEMBERS]
        if same:
            yield Text(f"An identity, not a finding (every response is {name_of(end)}'s own): {', '.join(same)}.")
    yield from _on_other_problems(arms, reading["answer"])
    for title, arm in arms.items():
        if arm["half"]:
            problems = f"the {arm['problems']:,} problems of the {arm['half']} half"
            yield Text(f"{title}: read off the other half of the problems; told for {problems}.")
    yield from _apart(summary)
    yield from _undefined(arms["rl"]["answers"][reading["answer"]])
    yield from _left_out(summary)


def _families(summary: Summary) -> Iterator[Text]:
    """For how many arms the p-values are corrected."""
    answer, arms = summary["reading"]["answer"], [arm for t, arm in summary["arms"].items() if t not in MEMBERS]
    sizes = {(arm["host"], arm["answers"][answer]["against"]["base"]["family"]) for arm in arms}
    for host, n in sorted(sizes):
        yield Text(f"p: against the base, corrected for the {n:,} arms of the run that are decoded alike")
        yield Text(f"with {name_of(host)} as host, shown here or not.")


def _on_other_problems(arms: dict, answer: str) -> Iterator[Text]:
    """The arms that stand beside ends on other problems than theirs, and the ends on theirs."""
    for title, arm in arms.items():
        ends = {end: cell for end, cell in arm["answers"][answer]["ends"].items() if cell}
        if ends and title not in MEMBERS:
            same = ", ".join(f"{name_of(end)} {fixed(found, 1, scale=100)} %" for end, found in ends.items())
            n = arm["answers"][answer]["accuracy"]["n_problems"]
            yield Text(f"{title} has {n:,} problems, not those of the ends' rows; on its own: {same}.", style="yellow")


def _apart(summary: Summary) -> Iterator[Text]:
    """The arms that are an end's own text in exact arithmetic, and are not here: rounding decided near ties."""
    floors = summary.get("noise_floor") or {}
    for title, arm in summary["arms"].items():
        if arm["apart"] and arm["apart"]["differing"]:
            apart, end = arm["apart"], name_of(arm["apart"]["end"])
            floor = Cell.of(floors.get(apart["end"]), "%")
            beside = f"{end}'s noise floor: {floor}" if floor.value is not None else f"no token table of {end}'s text"
            yield Text(
                f"{title} is no identity here: {apart['differing']:,} of {apart['responses']:,} responses "
                f"({Cell.of(apart['share'], '%')}) are not {end}'s own, by rounding ({beside}).",
                style="yellow",
            )


def _undefined(rl: dict) -> Iterator[Text]:
    """Why no arm has a recovery."""
    if rl["recovery"]["value"] is None:
        gain = Cell.of(rl["against"]["base"]["difference"], "%")
        yield Text(f"Recovery is undefined: {rl['recovery']['reason']} (RL - base = {gain}).", style="yellow")


def _left_out(summary: Summary) -> Iterator[Text]:
    """What is not in the numbers, or cut short in them."""
    arms, answer = summary["arms"], summary["reading"]["answer"]
    cut = [arm["truncated"]["value"] for arm in arms.values() if arm["truncated"]["value"]]
    if cut:
        yield Text(f"Cut at the token limit: {100 * min(cut):.1f} to {100 * max(cut):.1f} % of an arm's responses.")
    if ungraded := sum(arm["answers"][answer]["ungraded"] for arm in arms.values()):
        yield Text(f"Responses without a verdict by the {answer} answer, left out: {ungraded:,}.", style="yellow")
    if summary["no_answer_differs"][answer]:
        silent = (arms[end]["answers"][answer]["no_answer"] for end in MEMBERS)
        yield Text(warning(silent, summary.get("grader")), style="yellow")
    for reason, n in summary["left_out"]["reasons"].items():
        yield Text(f"Problems left out: {n:,} ({reason}).", style="yellow")
    if summary["other_arms"]:
        yield Text(f"In the run, not shown here: {len(summary['other_arms']):,} arms.")
