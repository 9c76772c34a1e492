"""What `rlprobe intervene` says at the terminal: one line an arm, at 80 columns, with or without colour.

The tables hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.intervene.tables import Summary, name_of
from rlprobe.reporting.terminal import few_problems, first_alone, fixed, open_table, percent, texts_of
from rlprobe.reporting.unanswered import warning


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    return Group(_heading(summary), Text(), _arms(summary), Text(), *_notes(summary))


def _heading(summary: Summary) -> Text:
    problems = max(arm["problems"] for arm in summary["arms"].values())
    settings = f"{problems:,} problems, by the {summary['reading']['answer']} answer"
    return Text.assemble(("What the substituted tokens do", "bold"), f"   {settings}")


def _arms(summary: Summary) -> Table:
    """One line an arm, base at the top and RL at the foot."""
    table = open_table(
        "arm",
        *(("n",) if _differ(summary) else ()),
        "accuracy\n%",
        "gated\n%",
        "edited\n%",
        "recovery",
        "p, base\n(Holm)",
    )
    for i, column in enumerate(table.columns):
        column.no_wrap, column.overflow = i > 0, "fold"  # a composed gate may have a long name
    last = [title for title in summary["arms"] if title != "rl"][-1]
    for title, arm in summary["arms"].items():
        table.add_row(*texts_of(_line(title, arm, summary)), end_section=title in ("base", last))
    return table


def _differ(summary: Summary) -> bool:
    """Whether the rows are of other numbers of problems than the heading's: then each row has its own."""
    return len({arm["problems"] for arm in summary["arms"].values()}) > 1


def _line(title: str, arm: dict, summary: Summary) -> list[Any]:
    """An arm's numbers; an identity is called one; the ends recover 0 and 1 by definition."""
    found, identity = arm["answers"][summary["reading"]["answer"]], arm["identity"]
    test = found["against"]["base"]
    is_identity = identity is not None and title not in MEMBERS and found["recovery"]["value"] is not None
    return [
        name_of(title),
        *((arm["problems"],) if _differ(summary) else ()),
        fixed(found["accuracy"], 1, scale=100),
        *(Cell(value and 100 * value) for value in (arm["gated"]["value"], arm["edited"]["value"])),
        fixed(found["recovery"], 2) + (f" = {name_of(identity)}" if is_identity else ""),
        Cell.p(test, "p_adjusted" if test and "family" in test else "p_value"),
    ]


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
