"""What `rlprobe signals` shows: tables, the figure, and at the terminal accuracies by signal and target.

A summary of commands/signals.py comes in. Computes nothing; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table as Screen
from rich.text import Text

from rlprobe.analysis.signals import CHANGED
from rlprobe.records import MEMBERS
from rlprobe.reporting.figures.signals import FIGURES, PRESET_FIGURES, REPLACED_FIGURES
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.intervene import (
    ACCURACY,
    ARM,
    EDITED,
    EDITS,
    GATED,
    HOST,
    LENGTHS,
    NO_ANSWER,
    RECOVERY,
    TEST,
    arms_of,
    p_against,
)
from rlprobe.reporting.names import signal_name
from rlprobe.reporting.table import Column, Row, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, open_table, percent, screen, share, texts_of
from rlprobe.reporting.unanswered import warning
from rlprobe.signal import SIGNALS

EVERY = "mean of all"  # in the place of a target
DOSES = {  # what a dose is, in words
    "edits": "tokens really edited, of the oracle's edits",
    "replaced": "tokens replaced, no-ops counted, of all tokens",
}


def _host(summary: Summary) -> str:
    """Who decodes; the first, where a protocol has several."""
    return next((point["arms"][0]["host"] for point in summary["points"]), "base")


def _at(target: float | None) -> str | None:
    """A target as people write it."""
    return None if target is None else f"{100 * target:g} %"


def _digits(threshold: float | None) -> str | None:
    """All its digits: it is a setting, not a measurement."""
    return None if threshold is None else f"{threshold:g}"


# -- rows


def _results(summary: Summary) -> list[dict[str, Any]]:
    """Every signal and target on the evaluation problems, between base, the oracles and RL; absent ones are not there.

    The dose that was realised stands beside the one that was wanted.
    """
    arms = {row["title"]: {**row, "signal": ARM.entry(row)} for row in arms_of(summary)}
    oracles = [t for t in dict.fromkeys(["oracle", *arms]) if t in arms and arms[t]["mode"] == "oracle"]
    points = [
        arms[point["title"]]
        | {"signal": signal_name(point["signal"], point["arms"][0]["host"]), "target": _at(point["target"])}
        | {"dose": DOSES[summary["equal"]], "realised": Cell.of(point["dose"], "%")}
        | {"threshold": _digits(point["threshold"])}
        for point in summary["points"]
    ]
    return [*({**arms[title], "dose": None} for title in ("base", *oracles)), *points, {**arms["rl"], "dose": None}]


def _calibration(summary: Summary) -> list[dict[str, Any]]:
    """What each search on the calibration problems ended with; why, where it found no threshold."""
    return [
        {**found, "signal": signal_name(found["signal"], _host(summary)), "target": _at(found["target"])}
        for found in summary["calibration"]["targets"]
    ]


def _differences(summary: Summary) -> list[dict[str, Any]]:
    """The first signal minus each other at each target that both reached; on average over these, every two signals.

    All at matched dose (analysis/matched_dose.py): the dose at which accuracies are compared stands beside the target,
    and beside it what either signal had realised there.
    """
    realised = {(point["signal"], point["target"]): point["dose"]["value"] for point in summary["points"]}
    rows = [
        {**row, "target": _at(row["target"]), "at": Cell(next(iter(row["at"]), None), unit="%")}
        | {f"realised by {place}": Cell(realised[row[place], row["target"]], unit="%") for place in ("first", "other")}
        for row in summary["differences"]
    ]
    every = [{**row, "target": EVERY if row["targets"] else None, "at": None} for row in summary["overall"]]
    host, dose = _host(summary), DOSES[summary["equal"]]
    names = ({place: signal_name(row[place], host) for place in ("first", "other")} for row in (*rows, *every))
    return [{**row, **name, "dose": dose} for row, name in zip((*rows, *every), names, strict=True)]


def _detection(summary: Summary) -> list[dict[str, Any]]:
    """The AUROC of each signal for "the two models disagree here", on the host's own text of the evaluation half."""
    return [
        {
            **found,
            "auroc": found,
            "signal": signal,
            "of": "the host alone" if SIGNALS[signal].of_host else "both models",
        }
        for signal, found in summary["detection"].items()
    ]


def _learned(summary: Summary) -> list[dict[str, Any]]:
    """What the signal `learned` is the sum of: log-odds a standard deviation of each feature of the host."""
    if not (found := summary["learned"]):
        return []
    columns = zip(*(found[name] for name in ("features", "means", "scales", "weights")), strict=True)
    rows = [{"feature": f.replace("_", " "), "mean": m, "scale": s, "weight": w} for f, m, s, w in columns]
    return [*rows, {"feature": "intercept", "weight": found["intercept"]}]


# -- tables


def _calibrated(summary: Summary) -> list[Column]:
    return [
        *(*plain("signal", "target"), Column(f"{CHANGED[summary['equal']]} wanted", "wanted", "%")),
        Column("threshold", lambda row: _digits(row["threshold"])),
        *(Column("edited there", "edited", "%"), Column("gated there", "gated", "%"), *plain("decodes")),
        Column("nearest", lambda row: None if row["reason"] is None else Cell(row["nearest"], unit="%")),
        Column("absent because", "reason"),
    ]


RESULTS = Table(
    _results,
    (
        *(*plain("signal", "dose", "target", "realised", "threshold"), HOST, ACCURACY, NO_ANSWER, EDITED, GATED),
        *(Column("no-ops", "no_ops", "%"), EDITS, RECOVERY, *map(p_against, MEMBERS), TEST, *LENGTHS),
        *(*plain("problems", "responses", "ungraded"), Column("specification", "spec")),
    ),
)
DIFFERENCES = Table(
    _differences,
    (
        *(*plain("first", "other", "dose", "target"), Column("compared at", "at")),
        *(Column("difference", "difference", "%"), *plain("realised by first", "realised by other")),
        *(Column("p", Cell.p), Column("p corrected", "p_adjusted", ""), *plain("tests", "test", "problems")),
    ),
)
CALIBRATION = Table(_calibration, _calibrated)
DETECTION = Table(
    _detection,
    (
        *(*plain("signal"), Column("made of", "of"), Column("AUROC", "auroc", "")),
        *(Column("tokens", "n_tokens"), Column("problems", "n_problems")),
    ),
)
LEARNED = Table(
    _learned,
    (
        *(*plain("feature"), Column("mean", "mean", ""), Column("standard deviation", "scale", "")),
        Column("log-odds per deviation", "weight", ""),
    ),
)
# A published arm beside RL alone at the temperature at which its mean entropy is the arm's. Entropies are of what is
# drawn from, nats a token, each along its own text. The temperature was found on one half of the problems; accuracies,
# their difference (the arm's less RL's) and the last two entropies are of the other half.
EQUAL_ENTROPY = Table(
    lambda summary: summary["equal_entropy"],
    (
        *(Column("threshold", lambda row: _digits(row["threshold"])), Column("entropy wanted", "wanted", "")),
        Column("RL's temperature", lambda row: _digits(row["temperature"])),
        *(Column("RL's entropy there", "reached", ""), *plain("decodes"), ACCURACY),
        *(Column("accuracy of RL there", "accuracy_rl", "%"), Column("difference", "difference", "%")),
        *(Column("p", "p_value", ""), *plain("problems"), Column("entropy told", "entropy", "")),
        *(Column("RL's entropy told", "entropy_rl", ""), Column("absent because", "reason")),
        Column("specification", "arm"),
    ),
)
# name of the table: summary -> table; at equal edits, at equal shares of replaced tokens, and of a preset, which has
# neither targets nor calibration
TABLES = {
    "equal-edits": RESULTS,
    "signal-differences": DIFFERENCES,
    "signal-calibration": CALIBRATION,
    "signal-detection": DETECTION,
    "signal-learned": LEARNED,
}
REPLACED_TABLES = {f"{name.replace('equal-edits', 'equal')}-replaced": table for name, table in TABLES.items()}
PRESET_TABLES = {"preset": RESULTS, "equal-entropy": EQUAL_ENTROPY}
# what is compared: its tables, its figures
REPORTS = {
    "equal-edits": (TABLES, FIGURES),
    "equal-replaced": (REPLACED_TABLES, REPLACED_FIGURES),
    "preset": (PRESET_TABLES, PRESET_FIGURES),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    parts = [_preset(summary)] if summary["preset"] else [_accuracies(summary), _overall(summary)]
    return blocks([_heading(summary), *parts], _notes(summary))


def _heading(summary: Summary) -> Text:
    problems = summary["arms"]["base"]["problems"]
    how = summary["sampling"]
    decoding = "greedy" if how is None else f"temperature {how['temperature']:g}, top-p {how['top_p']:g}"
    heading = Text.assemble(("Which signal finds the tokens", "bold"), f"   {problems:,} problems, {decoding}")
    return heading if summary["preset"] else heading.append(f"\nequal doses: {DOSES[summary['equal']]}")


def _accuracies(summary: Summary) -> Screen:
    """Accuracy, below it the dose that was realised, and how often no answer was found, by signal and dose wanted."""
    targets = list(dict.fromkeys(found["target"] for found in summary["calibration"]["targets"]))
    unit = "of edits" if summary["equal"] == "edits" else "replaced"
    table = open_table("accuracy %\n(realised dose %)", *(f"at {_at(target)}\n{unit}" for target in targets))
    at = {(point["signal"], point["target"]): point for point in summary["points"]}
    arms = {row["title"]: row for row in arms_of(summary)}
    for signal in summary["signals"]:
        points = [at.get((signal, target)) for target in targets]
        rows = [point and arms[point["title"]] for point in points]
        name = signal_name(signal, _host(summary))
        table.add_row(*texts_of([name, *(percent(row and row["accuracy"]) for row in rows)]))
        table.add_row(*texts_of(["", *map(_realised, points)]))
        table.add_row(*texts_of(["  no answer", *(percent(row and row["no_answer"]) for row in rows)]))
    return table


def _realised(point: Row | None) -> str:
    return "" if point is None or point["dose"]["value"] is None else f"({Cell(100 * point['dose']['value'])})"


def _overall(summary: Summary) -> Screen:
    """Every two signals at matched dose, over the targets that both reached."""
    host = _host(summary)
    title = "accuracy at matched dose, mean"
    names = Column(title, lambda row: " - ".join(signal_name(row[place], host) for place in ("first", "other")))
    columns = (names, share("difference, %-points", "difference"), Column("p", Cell.p))
    return screen((*columns, Column("p corrected", lambda row: Cell.p(row, "p_adjusted"))), summary["overall"])


def _preset(summary: Summary) -> Screen:
    """One line an arm."""
    arms = {row["title"]: row for row in arms_of(summary)}
    rows = [arms[title] for title in ("base", *(point["title"] for point in summary["points"]), "rl")]
    return screen(OF_PRESET, rows)


OF_PRESET = (
    *(ARM, Column("accuracy %", lambda row: percent(row["accuracy"]))),
    Column("no answer", lambda row: percent(row["no_answer"])),
    *(share("gated %", "gated", is_bare=True), share("edited %", "edited", is_bare=True), RECOVERY),
)


def _equal_entropy(summary: Summary) -> Iterator[Text]:
    """How the published arms compare with RL alone when it is as sharp as they are."""
    for found in summary["equal_entropy"]:
        if found["temperature"] is None:
            yield Text(f"Absent: RL at the entropy of Δ < {found['threshold']:g}: {found['reason']}.", style="yellow")
            continue
        difference = Cell.of(found["difference"], "%")
        beside = f"RL alone at temperature {found['temperature']:g} (equal mean entropy)"
        yield Text(f"Δ < {found['threshold']:g} less {beside}: {difference}, on {found['problems']:,} problems.")


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    ends = [
        f"{ARM.entry(row)} {percent(row['accuracy'])} % (no answer {percent(row['no_answer'])} %)"
        for row in arms_of(summary)
        if row["title"] in MEMBERS
    ]
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
        yield Text(f"{signal_name('random', _host(summary))}: a gate that fires by chance, and so lets through some of")
        yield Text("the donor's edits; where both agree it changes nothing.")
    for found in summary["calibration"]["targets"]:
        if found["reason"]:
            name = signal_name(found["signal"], _host(summary))
            yield Text(f"Absent: {name} at {_at(found['target'])}: {found['reason']}.", style="yellow")
    known = {signal: found["value"] for signal, found in summary["detection"].items() if found["value"] is not None}
    if known:
        told = ", ".join(f"{signal} {value:.3f}" for signal, value in sorted(known.items(), key=lambda s: -s[1]))
        yield Text(f"Telling where the two disagree on the host's own text, AUROC: {told} (see signal-detection).")
    number = len([row for row in summary["overall"] if row["p_value"] is not None])
    yield Text(f"Corrected: Holm's p for {number} comparisons; each target's own are in the table signal-differences.")
