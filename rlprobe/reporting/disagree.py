"""What `rlprobe disagree` shows: tables, figures, and one screen at 80 columns of what a reader needs first.

A summary of analysis/disagreement.py comes in. Computes nothing but shares of counts; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table as Screen
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.figures.disagree import FIGURES
from rlprobe.reporting.formats import Cell, quoted
from rlprobe.reporting.names import text_of
from rlprobe.reporting.table import Column, Summary, Table, each, plain, walk
from rlprobe.reporting.terminal import blocks, bounds_of, few_problems, first_alone, open_table, texts_of
from rlprobe.reporting.unanswered import warning

__all__ = ["FIGURES", "TABLES", "show"]

# What arXiv 2605.06241 reports over its four pairs, on the base's own MATH-500 responses: its text, and its Table 2 as
# a third party's note gives it.
PUBLISHED_RANK = Cell(None, 2.14, 2.39)
PUBLISHED_RATIO = Cell(None, 5.0, 12.0, "×")
PUBLISHED = {
    "arXiv 2605.06241, text": {"reranked": Cell(None, 0.010, 0.041, "%"), "shifted": Cell(0.0, unit="%")},
    "arXiv 2605.06241, table": {
        "reranked": Cell(None, 0.0103, 0.0396, "%"),
        "shifted": Cell(None, 0.0001, 0.0012, "%"),
    },
}
POSITIONS = {
    "all": "all",
    "without_terminator": "without stop ids",
    "up_to_answer": "up to the answer",
    "without_near_ties": "without near ties",
}
SWAPS_SHOWN = 5


# -- rows


def _texts(summary: Summary) -> list[dict[str, Any]]:
    """One row a trajectory; `floor` is of the model that wrote it, absent where that was neither of the two."""
    floors = {model: found["floor"] for model, found in summary["noise"]["models"].items()}
    return [{**found, "arm": arm, "floor": floors.get(arm)} for arm, found in summary["trajectories"].items()]


def _with_published(summary: Summary) -> list[dict[str, Any]]:
    """The published ranges under the trajectories, in the same places."""
    whole = {"ranks": {"mean": PUBLISHED_RANK}, "entropy": {"ratio": PUBLISHED_RATIO}}
    published = ({"arm": name, "rates": {"all": {"micro": rates}}, **whole} for name, rates in PUBLISHED.items())
    return [*_texts(summary), *published]


def _rates(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a class, over all positions and over each part of them."""
    for text in _texts(summary):
        for subset, rates in text["rates"].items():
            for event in (rates and rates["micro"]) or ():
                ends = {mean: rates[mean][event] for mean in ("micro", "macro")}
                yield {**text, **rates, **ends, "positions": POSITIONS[subset], "class": event}


def _accuracies(summary: Summary) -> Iterator[dict[str, Any]]:
    """By either answer, and RL against base: the gain and McNemar's exact test of the discordant pairs."""
    for answer, found in (summary["accuracy"] or {}).items():
        yield from each(found["arms"], "arm", answer=answer)
        if test := found["mcnemar"]:
            yield {**test, "answer": answer, "arm": "rl - base", "accuracy": found["gain"]}


def _entropies(summary: Summary) -> Iterator[dict[str, Any]]:
    """The base's entropy by class, and its ratio to that of the unchanged positions."""
    for text in _texts(summary):
        for name, mean in text["entropy"]["mean"].items():
            ratio = Cell.of(text["entropy"]["ratio"], "×") if name == "reranked" else None
            median = text["entropy"]["median"][name]
            yield {**text, "class": name, "tokens": mean["n_tokens"], "mean": mean, "median": median, "ratio": ratio}


def _ranks(summary: Summary) -> Iterator[dict[str, Any]]:
    """How often RL's argmax had each base rank, over the disagreements."""
    for text in _texts(summary):
        histogram = text["ranks"]["histogram"]
        total = sum(histogram.values())
        for rank, n in histogram.items():
            yield {"arm": text["arm"], "rank": rank, "n": n, "share": n / total if total else None}


def _swaps(summary: Summary) -> Iterator[dict[str, Any]]:
    """The most frequent swaps: what the base would say, what RL would say in its place."""
    for text in _texts(summary):
        for swap in text["swaps"]:
            yield {**swap, "arm": text["arm"], **{m: quoted(swap[m]) for m in MEMBERS}}


def _noise(summary: Summary) -> Iterator[dict[str, Any]]:
    """Each model on its own greedy text: the noise floor, and |logprob decoding - logprob teacher-forced|."""
    for row in each(summary["noise"]["models"], "model", near_tie=summary["noise"]["near_tie"]):
        apart = walk(summary["trajectories"], f"{row['model']}.rates.without_near_ties") or {}
        yield {**row, "near_ties": (apart.get("reason") or Cell(apart["removed"], unit="%")) if apart else None}


def _perplexities(summary: Summary) -> Iterator[dict[str, Any]]:
    """Each text as either model reads it; RL's typical response beside the base's, under the same model."""
    ratios = summary["perplexity_ratio"] or {}
    for text in _texts(summary):
        for model, found in text["perplexity"].items():
            yield {**text, **found, "under": model, "ratio": ratios.get(model) if text["arm"] == "rl" else None}


def _sharpening(summary: Summary) -> Iterator[dict[str, Any]]:
    """The line through Δ log p and the base's own log p, over all positions and by class."""
    for text in _texts(summary):
        yield from each(text["sharpening"], "class", arm=text["arm"])


def _sampler(summary: Summary) -> list[dict[str, Any]]:
    """The log-probabilities that came with responses made elsewhere, less those of either model."""
    sampler = summary["sampler"]
    return [{**sampler, **sampler[model], "model": model} for model in MEMBERS] if sampler else []


# -- tables


TEXT, FLOOR = Column("trajectory", "arm"), Column("noise floor", "floor", "%")
CLASSES = tuple(Column(name, f"rates.all.micro.{name}", "%") for name in ("unchanged", "reranked", "shifted"))
RANK, RATIO = Column("mean base rank", "ranks.mean", ""), Column("entropy ratio", "entropy.ratio", "×")
SLOPE = Column("β − 1", "slope", "")
AUROC = Column("AUROC", "detector.auroc", "")
GATE = tuple(Column(name, f"detector.{name}", "%") for name in ("gated", "precision", "recall"))

# name of the table: summary -> table
TABLES = {
    "classes": Table(
        _with_published,
        (
            *(TEXT, *plain("problems", "tokens"), *CLASSES, RANK, RATIO),
            Column("disagreements without near ties", "rates.without_near_ties.micro.disagreements", "%"),
            FLOOR,
        ),
    ),
    "rates": Table(
        _rates,
        (
            *(TEXT, *plain("positions", "class")),
            *(Column("micro", "micro", "%"), Column("macro", "macro", "%"), *plain("tokens")),
            Column("removed", "removed", "%"),
            Column("disagreements removed", "removed_of_disagreements", "%"),
            FLOOR,
        ),
    ),
    "responses": Table(
        _texts,
        (
            *(TEXT, *plain("problems", "responses", "empty", "tokens")),
            *(Column("truncated", "truncated", "%"), Column("mean length", "length", "")),
        ),
    ),
    "accuracy": Table(
        _accuracies,
        (
            *(*plain("answer", "arm"), Column("accuracy", "accuracy", "%")),
            Column("no answer", "no_answer", "%"),
            *plain("correct", "graded", "ungraded"),
            *(Column("only base right", "only_base"), Column("only rl right", "only_rl")),
            Column("McNemar p", "p_value", ""),
        ),
    ),
    "entropy": Table(
        _entropies,
        (
            *(TEXT, *plain("class", "tokens"), Column("mean entropy", "mean", "nats")),
            *(Column("median entropy", "median", "nats"), Column("ratio to unchanged", "ratio")),
        ),
    ),
    "detector": Table(_texts, (TEXT, AUROC, Column("tau", "detector.tau", "nats"), *GATE)),
    "ranks": Table(
        _ranks, (TEXT, Column("base rank", "rank"), Column("disagreements", "n"), Column("share", "share", "%"))
    ),
    "swaps": Table(
        _swaps,
        (
            *(TEXT, *plain("base", "rl", "count"), Column("share", "share", "%"), *plain("problems")),
            Column("mean entropy", "mean_entropy", "nats"),
        ),
    ),
    "perplexity": Table(
        _perplexities,
        (
            *(TEXT, *plain("under", "responses", "tokens"), Column("mean −log p", "nats", "nats")),
            *(Column("perplexity", "all", ""), Column("of a typical response", "typical", "")),
            Column("over the base's typical response", "ratio", "×"),
        ),
    ),
    "sharpening": Table(
        _sharpening,
        (
            *(TEXT, *plain("class", "tokens"), Column("without a line", "without"), SLOPE),
            *(Column("R², one β", "r2_one", ""), Column("R², a β each", "r2_own", "")),
            *(Column("mean R² of positions", "r2", ""), Column("acceptance", "acceptance", "%")),
        ),
    ),
    "noise": Table(
        _noise,
        (
            *plain("model", "positions", "differing"),
            *(FLOOR, *(Column(name, f"difference.{name}", "nats") for name in ("mean", "p99", "max"))),
            Column("small margins", "difference.small"),
            Column("p99 of small margins", "difference.p99_small", "nats"),
            *(Column("near-tie threshold", "near_tie.threshold", "nats"), Column("near ties", "near_ties")),
        ),
    ),
    "sampler": Table(
        _sampler,
        (
            *(*plain("model", "responses", "without", "tokens"), Column("mean difference", "mean", "nats")),
            *(Column("mean size", "absolute", "nats"), Column("p99", "p99", "nats"), Column("max", "max", "nats")),
        ),
    ),
}


# -- the screen

EVENT = "disagreements"
# of the first table, which has one column a trajectory: each row, and what was published of it
SECTIONS: tuple[dict[Column, Any], ...] = (
    dict.fromkeys((*plain("problems", "tokens"), Column("truncated", "truncated", "%")), ""),
    dict(zip(CLASSES, ("", PUBLISHED["arXiv 2605.06241, text"]["reranked"], "0–0.12 %"), strict=True)),
    dict.fromkeys(
        (
            Column(EVENT, f"rates.all.micro.{EVENT}", "%"),
            Column("  mean of problems", f"rates.all.macro.{EVENT}", "%"),
            Column("  up to the answer", f"rates.up_to_answer.micro.{EVENT}", "%"),
            Column("  without stop ids", f"rates.without_terminator.micro.{EVENT}", "%"),
            Column("  without near ties", f"rates.without_near_ties.micro.{EVENT}", "%"),
            FLOOR,
            Column("near ties", "rates.without_near_ties.removed", "%"),
        ),
        "",
    ),
    {RANK: PUBLISHED_RANK, RATIO: PUBLISHED_RATIO}
    | {Column("AUROC of entropy", AUROC.way, ""): "", Column("entropy above τ", GATE[0].way, "%"): ""}
    | {Column("  precision", GATE[1].way, "%"): "", Column("  recall", GATE[2].way, "%"): ""},
    dict.fromkeys(
        (
            Column("perplexity, base's", "perplexity.base.all", ""),
            Column("  RL's", "perplexity.rl.all", ""),
            Column("acceptance", "sharpening.all.acceptance", "%"),
            Column("sharpening, β − 1", "sharpening.all.slope", ""),
            Column("  R², one β", "sharpening.all.r2_one", ""),
            Column("  R², a β each", "sharpening.all.r2_own", ""),
        ),
        "",
    ),
)


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    accuracy = [_accuracy_screen(summary)] if summary["accuracy"] else []
    return blocks([_heading(summary), _rates_screen(summary), *accuracy, _swaps_screen(summary)], _notes(summary))


def _heading(summary: Summary) -> Text:
    reading = summary["reading"]
    settings = f"k = {reading['class_k']}, the {reading['answer']} answer, τ = {reading['tau']:g} nats"
    return Text.assemble(("Where base and RL disagree", "bold"), f"   {settings}")


def _rates_screen(summary: Summary) -> Screen:
    """One column a trajectory, one row a number, the published range beside them."""
    texts = _texts(summary)
    table = open_table("", *(f"on {text_of(text['arm'])}" for text in texts), "published")
    for section in SECTIONS:
        for column, published in section.items():
            table.add_row(column.title, *texts_of([*map(column.entry, texts), published]))
        table.add_section()
    return table


def _accuracy_screen(summary: Summary) -> Screen:
    """One column an answer policy: both accuracies with their shares of no answer, the gain, and McNemar's test."""
    found = summary["accuracy"].values()
    table = open_table("accuracy", *(f"by the {answer} answer" for answer in summary["accuracy"]))
    for arm in {arm: None for by_answer in found for arm in by_answer["arms"]}:
        for words, name in ((text_of(arm), "accuracy"), ("  no answer found", "no_answer")):
            table.add_row(words, *texts_of([Cell.of(by_answer["arms"][arm][name], "%") for by_answer in found]))
    tests = [by_answer["mcnemar"] for by_answer in found]
    if any(tests):
        table.add_row("RL - base", *texts_of([Cell.of(by_answer["gain"], "%") for by_answer in found]))
        only = [t and f"{t['only_base']} : {t['only_rl']}" for t in tests]
        table.add_row("only base right : only RL", *texts_of(only))
        table.add_row("McNemar, exact p", *texts_of([t and Cell(t["p_value"]) for t in tests]))
    return table


def _swaps_screen(summary: Summary) -> Screen:
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
        (f"{column.title.strip()} on {text_of(text['arm'])}", column.entry(text))
        for section in SECTIONS
        for column in section
        for text in _texts(summary)
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
