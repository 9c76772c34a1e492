"""What `rlprobe signals` says at the terminal: accuracies by signal and target, differences, and what to bear in mind.

The tables hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import MISSING, Cell
from rlprobe.reporting.names import name_of
from rlprobe.reporting.signals.tables import DOSES, Summary, host_of, share, signal_name
from rlprobe.reporting.terminal import open_table, percent, texts_of
from rlprobe.reporting.unanswered import warning


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    parts = [_preset(summary)] if summary["preset"] else [_accuracies(summary), Text(), _differences(summary)]
    return Group(_heading(summary), Text(), *parts, Text(), *_notes(summary))


def _heading(summary: Summary) -> Text:
    problems = summary["arms"]["base"]["problems"]
    how = summary["sampling"]
    decoding = "greedy" if how is None else f"temperature {how['temperature']:g}, top-p {how['top_p']:g}"
    heading = Text.assemble(("Which signal finds the tokens", "bold"), f"   {problems:,} problems, {decoding}")
    return heading if summary["preset"] else heading.append(f"\nequal doses: {DOSES[summary['equal']]}")


def _accuracies(summary: Summary) -> Table:
    """Accuracy, below it the dose that was realised, and how often no answer was found, by signal and dose wanted."""
    targets = list(dict.fromkeys(found["target"] for found in summary["calibration"]["targets"]))
    unit = "of edits" if summary["equal"] == "edits" else "replaced"
    table = open_table("accuracy %\n(realised dose %)", *(f"at {share(target)}\n{unit}" for target in targets))
    at = {(point["signal"], point["target"]): point for point in summary["points"]}
    for signal in summary["signals"]:
        points = [at.get((signal, target)) for target in targets]
        arms = [point and summary["arms"][point["title"]] for point in points]
        name = signal_name(signal, host_of(summary))
        table.add_row(*texts_of([name, *(_accuracy(arm, summary) for arm in arms)]))
        table.add_row(*texts_of(["", *(_realised(point) for point in points)]))
        table.add_row(*texts_of(["  no answer", *(_silent(arm, summary) for arm in arms)]))
    return table


def _accuracy(arm: dict[str, Any] | None, summary: Summary) -> str:
    value = None if arm is None else arm["answers"][summary["reading"]["answer"]]["accuracy"]["value"]
    return MISSING if value is None else f"{100 * value:.1f}"


def _silent(arm: dict[str, Any] | None, summary: Summary) -> str:
    return percent(arm and arm["answers"][summary["reading"]["answer"]]["no_answer"])


def _realised(point: dict[str, Any] | None) -> str:
    return "" if point is None or point["dose"]["value"] is None else f"({Cell(100 * point['dose']['value'])})"


def _differences(summary: Summary) -> Table:
    """Every two signals at matched dose, over the targets that both reached."""
    table = open_table("accuracy at matched dose, mean", "difference, %-points", "p", "p corrected")
    for row in summary["overall"]:
        found = {end: value and 100 * value for end, value in row["difference"].items() if end in _ENDS}
        cells = [Cell(**found), Cell.p(row), Cell.p(row, "p_adjusted")]
        names = (signal_name(row[place], host_of(summary)) for place in ("first", "other"))
        table.add_row(*texts_of([" - ".join(names), *cells]))
    return table


def _equal_entropy(summary: Summary) -> Iterator[Text]:
    """How the published arms compare with RL alone when it is as sharp as they are."""
    for found in summary["equal_entropy"]:
        if found["temperature"] is None:
            yield Text(f"Absent: RL at the entropy of Δ < {found['threshold']:g}: {found['reason']}.", style="yellow")
            continue
        difference = Cell.of(found["difference"], "%")
        beside = f"RL alone at temperature {found['temperature']:g} (equal mean entropy)"
        yield Text(f"Δ < {found['threshold']:g} less {beside}: {difference}, on {found['problems']:,} problems.")


_ENDS = ("value", "low", "high")


def _preset(summary: Summary) -> Table:
    """One line an arm."""
    table = open_table("arm", "accuracy %", "no answer", "gated %", "edited %", "recovery")
    for title in ("base", *(point["title"] for point in summary["points"]), "rl"):
        arm = summary["arms"][title]
        shares = [Cell(arm[name]["value"] and 100 * arm[name]["value"]) for name in ("gated", "edited")]
        recovery = Cell.of(arm["answers"][summary["reading"]["answer"]]["recovery"])
        table.add_row(*texts_of([name_of(title), _accuracy(arm, summary), _silent(arm, summary), *shares, recovery]))
    return table


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    of_ends = [
        (name_of(m), _accuracy(summary["arms"][m], summary), _silent(summary["arms"][m], summary)) for m in MEMBERS
    ]
    ends = [f"{name} {accuracy} % (no answer {silent} %)" for name, accuracy, silent in of_ends]
    yield Text(f"The ends: {', '.join(ends)}.")
    answer = summary["reading"]["answer"]
    if summary["no_answer_differs"][answer]:
        shares = (summary["arms"][m]["answers"][answer]["no_answer"] for m in MEMBERS)
        yield Text(warning(shares, summary.get("grader")), style="yellow")
    if summary["preset"]:
        yield Text("Edited: not what the host would say; gated: the gate fired, no-ops counted.")
        yield Text("Thresholds and sampling are the published ones; nothing was calibrated.")
        yield from _equal_entropy(summary)
        return
    yield Text(f"Thresholds were set on {len(summary['split']['calibration']):,} other problems, to within a tenth.")
    yield Text("Matched dose: each signal's accuracy is interpolated between the doses it realised;")
    yield Text("the interval resamples problems, and doses with them.")
    if "random" in summary["signals"]:
        yield Text(
            f"{signal_name('random', host_of(summary))}: a gate that fires by chance, and so lets through some of"
        )
        yield Text("the donor's edits; where both agree it changes nothing.")
    for found in summary["calibration"]["targets"]:
        if found["reason"]:
            name = signal_name(found["signal"], host_of(summary))
            yield Text(f"Absent: {name} at {share(found['target'])}: {found['reason']}.", style="yellow")
    known = {signal: found["value"] for signal, found in summary["detection"].items() if found["value"] is not None}
    if known:
        told = ", ".join(f"{signal} {value:.3f}" for signal, value in sorted(known.items(), key=lambda s: -s[1]))
        yield Text(f"Telling where the two disagree on the host's own text, AUROC: {told} (see signal-detection).")
    number = len([row for row in summary["overall"] if row["p_value"] is not None])
    yield Text(f"Corrected: Holm's p for {number} comparisons; each target's own are in the table signal-differences.")
