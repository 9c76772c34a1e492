"""What `rlprobe disagree` says at the terminal: a summary on one screen, at 80 columns, with or without colour.

The tables hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.disagree.tables import (
    PUBLISHED,
    PUBLISHED_RANK,
    PUBLISHED_RATIO,
    Summary,
    noise_floor,
    text_of,
)
from rlprobe.reporting.formats import Cell, quoted
from rlprobe.reporting.terminal import bounds_of, few_problems, first_alone, open_table, texts_of
from rlprobe.reporting.unanswered import warning

SWAPS_SHOWN = 5

# One row of the first table: its name, what stands in the column of one trajectory (summary, arm), what was published.
Row = tuple[str, Callable[[Summary, str], Any], Any]


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    blocks: list[RenderableType] = [_heading(summary), _rates(summary)]
    blocks += [_accuracy(summary)] if summary["accuracy"] else []
    blocks += [_swaps(summary)]
    return Group(*(part for block in blocks for part in (block, Text())), *_notes(summary))


def _heading(summary: Summary) -> Text:
    reading = summary["reading"]
    settings = f"k = {reading['class_k']}, the {reading['answer']} answer, τ = {reading['tau']:g} nats"
    return Text.assemble(("Where base and RL disagree", "bold"), f"   {settings}")


def _rates(summary: Summary) -> Table:
    """One column a trajectory, one row a number, the published range beside them."""
    arms = list(summary["trajectories"])
    table = open_table("", *(f"on {text_of(arm)}" for arm in arms), "published")
    for section in SECTIONS:
        for name, entry, published in section:
            table.add_row(name, *texts_of([*(entry(summary, arm) for arm in arms), published]))
        table.add_section()
    return table


def _accuracy(summary: Summary) -> Table:
    """One column an answer policy: both accuracies with their shares of no answer, the gain, and McNemar's test."""
    accuracy = summary["accuracy"]
    table = open_table("accuracy", *(f"by the {answer} answer" for answer in accuracy))
    for arm in {arm: None for found in accuracy.values() for arm in found["arms"]}:
        cells = [Cell.of(found["arms"][arm]["accuracy"], "%") for found in accuracy.values()]
        table.add_row(text_of(arm), *texts_of(cells))
        silent = [Cell.of(found["arms"][arm]["no_answer"], "%") for found in accuracy.values()]
        table.add_row("  no answer found", *texts_of(silent))
    tests = [found["mcnemar"] for found in accuracy.values()]
    if any(tests):
        table.add_row("RL - base", *texts_of([Cell.of(found["gain"], "%") for found in accuracy.values()]))
        only = [t and f"{t['only_base']} : {t['only_rl']}" for t in tests]
        table.add_row("only base right : only RL", *texts_of(only))
        table.add_row("McNemar, exact p", *texts_of([t and Cell(t["p_value"]) for t in tests]))
    return table


def _swaps(summary: Summary) -> Table:
    """The most frequent swaps of each trajectory."""
    table = open_table("base would say", "RL would say", "times", "problems", "entropy", texts=2)
    for arm, found in summary["trajectories"].items():
        table.add_row(Text(f"on {text_of(arm)}{'' if found['swaps'] else ': none'}", style="dim"))
        for swap in found["swaps"][:SWAPS_SHOWN]:
            numbers = [swap["count"], swap["problems"], Cell(swap["mean_entropy"], unit="nats")]
            table.add_row(*texts_of([quoted(swap["base"]), quoted(swap["rl"]), *numbers]))
        table.add_section()
    return table


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield from first_alone(summary)
    yield from few_problems(max(found["problems"] for found in summary["trajectories"].values()))
    near_tie, left_out = summary["noise"]["near_tie"], summary["left_out"]
    yield Text("Rates on the base's text and on RL's text are different numbers.")
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    yield Text("Published: arXiv 2605.06241, four pairs, on the base's text.")
    yield from bounds_of(
        (f"{name.strip()} on {text_of(arm)}", entry(summary, arm))
        for section in SECTIONS
        for name, entry, _ in section
        for arm in summary["trajectories"]
    )
    if any(found["problems"] == 1 for found in summary["trajectories"].values()):
        yield Text("One problem cannot be resampled: its rates have no intervals.", style="yellow")
    if near_tie["threshold"] is None:
        yield Text(f"Near ties are not told apart: {near_tie['reason']}.")
    else:
        threshold = Cell(near_tie["threshold"], unit="nats")
        yield Text(f"Near tie: a margin below {threshold}, 10 x p99 of |decoding - teacher-forced|,")
        yield Text("of the tokens that can flip (margin below 1 nat).")
        for arm, found in summary["trajectories"].items():
            if reason := found["rates"]["without_near_ties"]["reason"]:
                yield Text(f"Without near ties on {text_of(arm)}: no rate; {reason}.", style="yellow")
    for arm, found in summary["trajectories"].items():
        if outside := found.get("outside"):
            said = (f"{m} {100 * p['mean']:.2g} % (at most {100 * p['largest']:.2g} %)" for m, p in outside.items())
            yield Text(f"Probability outside the common vocabulary on {text_of(arm)}: {', '.join(said)}.")
        if found.get("identical"):
            yield Text(f"RL equals the base at every position of {text_of(arm)}: is that the RL model?", style="yellow")
    if sampler := summary["sampler"]:
        sizes = [f"{Cell.of(sampler[model]['absolute'], 'nats')} from {name}'s" for model, name in _WHOSE.items()]
        yield Text(f"Log-probabilities in the file, of {sampler['responses']:,} responses: {' and '.join(sizes)}.")
    for answer, found in (summary["accuracy"] or {}).items():
        if ungraded := sum(arm["ungraded"] for arm in found["arms"].values()):
            yield Text(f"Responses without a verdict by the {answer} answer, left out: {ungraded:,}.", style="yellow")
    found = (summary["accuracy"] or {}).get(summary["reading"]["answer"])
    if found and found["no_answer_differs"]:
        silent = (found["arms"][m]["no_answer"] for m in MEMBERS)
        yield Text(warning(silent, summary.get("grader")), style="yellow")
    for reason, n in left_out["reasons"].items():
        yield Text(f"Problems left out: {n:,} ({reason}).", style="yellow")
    if unknown := summary.get("about", {}).get("responses", {}).get("unknown_ids"):
        yield Text(f"Rows of the file that answer no problem, left out: {unknown:,}.", style="yellow")


_WHOSE = {"base": "the base", "rl": "RL"}


# -- the rows of the first table


def _count(name: str) -> Callable[[Summary, str], Any]:
    return lambda summary, arm: summary["trajectories"][arm][name]


def _interval(*path: str, unit: str = "%") -> Callable[[Summary, str], Any]:
    """The interval at the end of a path into one trajectory; empty where the path ends early."""

    def entry(summary: Summary, arm: str) -> Cell:
        found = summary["trajectories"][arm]
        for key in path:
            found = found and found[key]
        return Cell.of(found, unit)

    return entry


def _rate(event: str, subset: str = "all", each: str = "micro") -> Callable[[Summary, str], Any]:
    return _interval("rates", subset, each, event)


def _near_ties(summary: Summary, arm: str) -> Cell:
    rates = summary["trajectories"][arm]["rates"]["without_near_ties"]
    return Cell(rates and rates["removed"], unit="%")


SECTIONS: tuple[tuple[Row, ...], ...] = (
    (
        ("problems", _count("problems"), ""),
        ("tokens", _count("tokens"), ""),
        ("truncated", _interval("truncated"), ""),
    ),
    (
        ("unchanged", _rate("unchanged"), ""),
        ("reranked", _rate("reranked"), PUBLISHED["arXiv 2605.06241, text"]["reranked"]),
        ("shifted", _rate("shifted"), "0–0.12 %"),
    ),
    (
        ("disagreements", _rate("disagreements"), ""),
        ("  mean of problems", _rate("disagreements", each="macro"), ""),
        ("  up to the answer", _rate("disagreements", "up_to_answer"), ""),
        ("  without stop ids", _rate("disagreements", "without_terminator"), ""),
        ("  without near ties", _rate("disagreements", "without_near_ties"), ""),
        ("noise floor", noise_floor, ""),
        ("near ties", _near_ties, ""),
    ),
    (
        ("mean base rank", _interval("ranks", "mean", unit=""), PUBLISHED_RANK),
        ("entropy ratio", _interval("entropy", "ratio", unit="×"), PUBLISHED_RATIO),
        ("AUROC of entropy", _interval("detector", "auroc", unit=""), ""),
        ("entropy above τ", _interval("detector", "gated"), ""),
        ("  precision", _interval("detector", "precision"), ""),
        ("  recall", _interval("detector", "recall"), ""),
    ),
)
