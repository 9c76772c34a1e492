"""The tables of `rlprobe signals`: each function takes a summary of pipeline/signals.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.analysis.signals import CHANGED
from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell, table_of
from rlprobe.reporting.names import name_of

Summary = dict[str, Any]
EVERY = "mean of all"  # in the place of a target
OF_HOST = ("entropy", "margin", "learned")  # signals that know nothing of the donor
DOSES = {  # what a dose is, in words
    "edits": "tokens really edited, of the oracle's edits",
    "replaced": "tokens replaced, no-ops counted, of all tokens",
}
SIGNALS = {"random": "RL's edits, thinned"}  # what a signal is called, where its own name would not say what it does
BACKWARD = {"random": "the base's edits, thinned"}


def signal_name(signal: str, host: str = "base") -> str:
    """What a signal is called: a gate that fires by chance is no signal, it lets through some of the donor's edits."""
    return (SIGNALS if host == "base" else BACKWARD).get(signal, signal)


def host_of(summary: Summary) -> str:
    """Who decodes; the first, where a protocol has several."""
    return next((point["arms"][0]["host"] for point in summary["points"]), "base")


def share(target: float | None) -> str | None:
    """A target as people write it."""
    return None if target is None else f"{100 * target:g} %"


def results_table(summary: Summary) -> pd.DataFrame:
    """One row a signal and target on the evaluation problems, between base and RL; absent ones are not there.

    The dose that was realised stands beside the one that was wanted.
    """
    rows = [_result("base", summary["arms"]["base"], summary)]
    for title in dict.fromkeys(["oracle", *summary["arms"]]):
        if title in summary["arms"] and summary["arms"][title]["mode"] == "oracle":
            rows.append(_result(title, summary["arms"][title], summary))
    for point in summary["points"]:
        signal, target = signal_name(point["signal"], point["arms"][0]["host"]), share(point["target"])
        named: dict[str, Any] = {"signal": signal, "target": target, "dose": DOSES[summary["equal"]]}
        named |= {"realised": Cell.of(point["dose"], "%"), "threshold": _digits(point["threshold"])}
        rows.append(_result(point["title"], summary["arms"][point["title"]], summary) | named)
    rows.append(_result("rl", summary["arms"]["rl"], summary))
    columns = [
        "signal",
        *("dose", "target", "realised"),
        "threshold",
        "host",
        "accuracy",
        "no answer",
        "edited",
        "gated",
        "no-ops",
        "edits per response",
    ]
    columns += ["recovery", "p against base", "p against RL", "test", "truncated", "mean length", "problems"]
    return table_of(rows, [*columns, "responses", "ungraded", "specification"])


def _digits(threshold: float | None) -> str | None:
    """All its digits: it is a setting, not a measurement."""
    return None if threshold is None else f"{threshold:g}"


def _result(title: str, arm: dict[str, Any], summary: Summary) -> dict[str, Any]:
    found = arm["answers"][summary["reading"]["answer"]]
    against = {end: found["against"][end] for end in MEMBERS}
    return {
        "signal": name_of(title),
        "host": name_of(arm["host"]),
        "accuracy": Cell.of(found["accuracy"], "%"),
        "no answer": Cell.of(found["no_answer"], "%"),
        **{name.replace("_", "-"): Cell.of(arm[name], "%") for name in ("edited", "gated", "no_ops")},
        "edits per response": Cell.of(arm["edited_per_response"]),
        "recovery": Cell.of(found["recovery"]),
        **{f"p against {name_of(end)}": test and Cell.p(test) for end, test in against.items()},
        "test": next((test["test"] for test in against.values() if test and test["test"]), None),
        "truncated": Cell.of(arm["truncated"], "%"),
        "mean length": Cell.of(arm["length"]),
        **{name: arm[name] for name in ("problems", "responses")},
        "ungraded": found["ungraded"],
        "specification": arm["spec"],
    }


def calibration_table(summary: Summary) -> pd.DataFrame:
    """What each search on the calibration problems ended with; why, where it found no threshold."""
    wanted = f"{CHANGED[summary['equal']]} wanted"
    rows = [
        {
            "signal": signal_name(found["signal"], host_of(summary)),
            "target": share(found["target"]),
            wanted: Cell(found["wanted"], unit="%"),
            "threshold": _digits(found["threshold"]),
            **{f"{name} there": Cell(found[name], unit="%") for name in ("edited", "gated")},
            "decodes": found["decodes"],
            "nearest": None if found["reason"] is None else Cell(found["nearest"], unit="%"),
            "absent because": found["reason"],
        }
        for found in summary["calibration"]["targets"]
    ]
    columns = ["signal", "target", wanted, "threshold", "edited there", "gated there", "decodes", "nearest"]
    return table_of(rows, [*columns, "absent because"])


def differences_table(summary: Summary) -> pd.DataFrame:
    """The first signal minus each other at each target that both reached; on average over these, every two signals.

    All at matched dose (analysis/matched_dose.py): the dose at which accuracies are compared stands beside the target,
    and beside it what either signal had realised there.
    """
    realised = {(p["signal"], p["target"]): Cell(p["dose"]["value"], unit="%") for p in summary["points"]}
    rows = [
        _difference(row, host_of(summary))
        | {"target": share(row["target"]), "compared at": Cell(next(iter(row["at"]), None), unit="%")}
        | {f"realised by {place}": realised[row[place], row["target"]] for place in ("first", "other")}
        for row in summary["differences"]
    ]
    every = (
        _difference(row, host_of(summary)) | {"target": EVERY if row["targets"] else None} for row in summary["overall"]
    )
    doses = [{"dose": DOSES[summary["equal"]]} | row for row in (*rows, *every)]
    columns = ["first", "other", "dose", "target", "compared at", "difference", "realised by first"]
    return table_of(doses, [*columns, "realised by other", "p", "p corrected", "tests", "test", "problems"])


def _difference(row: dict[str, Any], host: str) -> dict[str, Any]:
    return {
        **{place: signal_name(row[place], host) for place in ("first", "other")},
        **{name: row[name] for name in ("tests", "test", "problems")},
        "difference": Cell.of(row["difference"], "%"),
        "p": Cell.p(row),
        "p corrected": Cell(row["p_adjusted"]),
    }


def equal_entropy_table(summary: Summary) -> pd.DataFrame:
    """A published arm beside RL alone at the temperature at which its mean entropy is the arm's.

    Entropies are of what is drawn from, nats a token, each along its own text. The temperature was found on one half of
    the problems; accuracies, their difference (the arm's less RL's) and the last two entropies are of the other half.
    """
    rows = [
        {
            "threshold": _digits(found["threshold"]),
            "entropy wanted": Cell(found["wanted"]),
            "RL's temperature": _digits(found["temperature"]),
            "RL's entropy there": Cell(found["reached"]),
            "decodes": found["decodes"],
            "accuracy": Cell.of(found.get("accuracy"), "%"),
            "accuracy of RL there": Cell.of(found.get("accuracy_rl"), "%"),
            "difference": Cell.of(found.get("difference"), "%"),
            "p": Cell(found.get("p_value")),
            "problems": found.get("problems"),
            "entropy told": Cell(found["entropy"]),
            "RL's entropy told": Cell(found["entropy_rl"]),
            "absent because": found["reason"],
            "specification": found["arm"],
        }
        for found in summary["equal_entropy"]
    ]
    columns = ["threshold", "entropy wanted", "RL's temperature", "RL's entropy there", "decodes", "accuracy"]
    columns += ["accuracy of RL there", "difference", "p", "problems", "entropy told", "RL's entropy told"]
    return table_of(rows, [*columns, "absent because", "specification"])


def detection_table(summary: Summary) -> pd.DataFrame:
    """The AUROC of each signal for "the two models disagree here", on the host's own text of the evaluation half."""
    rows = [
        {
            "signal": signal,
            "made of": "the host alone" if signal in OF_HOST else "both models",
            "AUROC": Cell.of(found),
            "tokens": found["n_tokens"],
            "problems": found["n_problems"],
        }
        for signal, found in summary["detection"].items()
    ]
    return table_of(rows, ["signal", "made of", "AUROC", "tokens", "problems"])


def learned_table(summary: Summary) -> pd.DataFrame:
    """What the signal `learned` is the sum of: log-odds a standard deviation of each feature of the host."""
    found = summary["learned"] or {"features": [], "means": [], "scales": [], "weights": []}
    columns = zip(*(found[name] for name in ("features", "means", "scales", "weights")), strict=True)
    rows = [
        {
            "feature": feature.replace("_", " "),
            "mean": Cell(mean),
            "standard deviation": Cell(scale),
            "log-odds per deviation": Cell(w),
        }
        for feature, mean, scale, w in columns
    ]
    rows += [{"feature": "intercept", "log-odds per deviation": Cell(found["intercept"])}] if rows else []
    return table_of(rows, ["feature", "mean", "standard deviation", "log-odds per deviation"])


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "equal-edits": results_table,
    "signal-differences": differences_table,
    "signal-calibration": calibration_table,
    "signal-detection": detection_table,
    "signal-learned": learned_table,
}
# the same at equal shares of replaced tokens
REPLACED_TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "equal-replaced": results_table,
    "signal-differences-replaced": differences_table,
    "signal-calibration-replaced": calibration_table,
    "signal-detection-replaced": detection_table,
    "signal-learned-replaced": learned_table,
}
# the same of a preset, which has neither targets nor calibration
PRESET_TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "preset": results_table,
    "equal-entropy": equal_entropy_table,
}
