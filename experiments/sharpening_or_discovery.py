"""Does RL sharpen what its base has, or find what it lacks? Every indicator of that debate, on all pairs side by side.

The runs of a pair are made part by part (`--only`, repeatable; each resumes): greedy answers that both models read,
interventions, draws, and draws from the power of the base. What they say of the pair is kept on its shelf; the table of
all pairs is made of what is kept: a part that was not run leaves cells that say so, and n stands beside every number.

    python -m experiments.sharpening_or_discovery --pair bundled
    python -m experiments.sharpening_or_discovery --pair smollm2 --only disagree --only sample
    python -m experiments.sharpening_or_discovery --table
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

import rlprobe as rp
from experiments import kept
from experiments.kept import Shelf
from experiments.own_pairs import OWN
from experiments.request import Request, asked
from rlprobe.reporting.formats import FORMATS, Cell, table_of
from rlprobe.reporting.passk import crossing_of
from rlprobe.runs import Run

NAME = "sharpening_or_discovery"
ALPHA, POWER_PROBLEMS, POWER_DRAWS = 4.0, 100, 1
DRAWS = {"bundled": 128, "discovery": 128}  # of each problem; of the other pairs OTHER_DRAWS
OTHER_DRAWS = 32
TOP, TAU = 5, 1.2  # what the oracle is capped at; nats, of the gates
NOT_RUN = "not run"
END = "base"  # the text whose positions are told
Summary = dict[str, Any]
Found = dict[str, Any]  # value, low, high, and in words n


@dataclass(frozen=True)
class Indicator:
    """What is told of a pair: its words, the part that it comes from, its unit, and what each camp would expect."""

    words: str
    part: str
    unit: str
    of: Callable[[Summary], Found]
    sharpening: str
    discovery: str


# -- the parts: what is made, and what is kept of it


def greedy(request: Request, _: int) -> Summary:
    """Both models answer and read both answers; the largest Δ log p comes from the token tables themselves."""
    written = rp.disagree(**request.options)
    return {**written.summary, "largest": largest(written.run, written.summary["first"])}


def largest(run: Run, first: int | None) -> Found:
    """The largest Δ log p of a token that RL wrote, over its own greedy texts. An extreme has no interval."""
    rows = run.table("tokens", columns=["arm", "problem_id", "logprob_base", "logprob_rl"]).to_pandas()
    ids = [problem.problem_id for problem in run.problems()[:first]]
    rows = rows[(rows["arm"] == "rl") & rows["problem_id"].isin(ids)]
    delta = rows["logprob_rl"].to_numpy(np.float64) - rows["logprob_base"].to_numpy(np.float64)
    return {"value": float(delta.max()) if len(delta) else None, "n": f"{len(delta):,} tokens; an extreme"}


def edited(request: Request, _: int) -> Summary:
    """The oracle, the oracle held to the base's own best, and both sides of an entropy gate."""
    modes = ("oracle", f"support:{TOP}", f"entropy:{TAU}", f"inverse:{TAU}")
    return dict(rp.intervene(**request.options, modes=modes).summary)


def drawn(request: Request, draws: int) -> Summary:
    """Draws of both models."""
    summary = rp.sample(**request.options, draws=draws).summary
    return summary["answers"][summary["reading"]["answer"]]


def powered(request: Request, _: int) -> Summary:
    """Draws from the power of the base, on fewer problems and in a run beside."""
    limit = min(request.limit or POWER_PROBLEMS, POWER_PROBLEMS)
    options = request.options | {"limit": limit, "out": request.path("power")}
    summary = rp.sample(**options, draws=POWER_DRAWS, power=ALPHA).summary
    return {**summary["answers"][summary["reading"]["answer"]], "cost": summary["cost"]}


PARTS: dict[str, Callable[[Request, int], Summary]] = {
    "disagree": greedy,
    "intervene": edited,
    "sample": drawn,
    "power": powered,
}


# -- the indicators


def told(interval: dict[str, Any] | None, n: str = "") -> Found:
    """The ends of an interval, and what it was counted on; a number that could not be had, with its reason."""
    if interval is None:
        return {"value": None, "n": "not to be had"}
    problems, tokens = interval.get("n_problems"), interval.get("n_tokens")
    counted = n or (f"{problems} problems" + (f", {tokens:,} tokens" if tokens else ""))
    reason = f": {interval['reason']}" if interval["value"] is None and interval.get("reason") else ""
    return {**{end: interval[end] for end in ("value", "low", "high")}, "n": counted + reason}


def of_text(way: str, arm: str = END) -> Callable[[Summary], Found]:
    """A number of `disagree`, of one text."""

    def found(summary: Summary) -> Found:
        entry = summary["trajectories"][arm]
        for key in way.split("."):
            entry = entry[key]
        return told(entry)

    return found


def recovery(mode: str) -> Callable[[Summary], Found]:
    """The recovery of the arm of a mode."""
    return lambda summary: told(next(a["recovery"] for a in summary["arms"].values() if a["mode"] == mode))


def gap(summary: Summary) -> Found:
    """RL's pass@k less the base's at the largest k."""
    if not summary["gain"]:
        return {"value": None, "n": summary["reason"] or "no draws of both"}
    k, test = list(summary["gain"].items())[-1]
    return told(test["difference"], f"k = n = {k}, {test['difference']['n_problems']} problems")


def cross(summary: Summary) -> Found:
    """The k at which the curves cross; in words where they do not, up to which k was looked."""
    crossing = summary["crossing"]
    ends = {"value": crossing["k"], "low": crossing["low"], "high": crossing["high"]}
    return {**ends, "n": f"{crossing_of(crossing)}; n = {crossing['up_to']}"}


def solved(which: str) -> Callable[[Summary], Found]:
    """The share of problems that one model alone solves in its draws."""

    def found(summary: Summary) -> Found:
        sets = summary["solvable"]
        return told(sets["shares"][which], f"{sets['problems']} problems, n = {min(sets['draws'].values())}")

    return found


def power_gap(summary: Summary) -> Found:
    """RL's pass@1 less that of the power of the base, on the same problems."""
    if "1" not in summary["gain"]:
        return {"value": None, "n": "no draws of both"}
    test, cost = summary["gain"]["1"]["difference"], summary["cost"]["per_token"]["value"]
    drawn_for = f"{cost:.1f} tokens drawn for each" if cost else "no tokens"
    return told(test, f"{test['n_problems']} problems, n = {summary['members']['rl']['draws']}; {drawn_for}")


INDICATORS = (
    Indicator("shifted, on the base's text", "disagree", "%", of_text("rates.all.micro.shifted"), "about 0", "above 0"),
    Indicator("shifted, on RL's text", "disagree", "%", of_text("rates.all.micro.shifted", "rl"), "about 0", "above 0"),
    Indicator(f"recovery, oracle held to the base's {TOP} best", "intervene", "", recovery("support"), "1", "below 1"),
    Indicator(f"recovery, entropy gate {TAU:g}", "intervene", "", recovery("entropy"), "near 1", "near 0"),
    Indicator(f"recovery, inverse gate {TAU:g}", "intervene", "", recovery("inverse"), "near 0", "near 1"),
    Indicator("pass@k, RL − base, at the largest k", "sample", "%", gap, "0 or below", "above 0"),
    Indicator("the curves of pass@k cross at k", "sample", "", cross, "at some k", "at none"),
    Indicator("problems that RL alone solves", "sample", "%", solved("rl_only"), "about 0", "many"),
    Indicator("problems that the base alone solves", "sample", "%", solved("base_only"), "some", "about 0"),
    Indicator("β − 1, one β for all positions", "disagree", "", of_text("sharpening.all.slope"), "above 0", "–"),
    Indicator("R² of Δ log p, one β", "disagree", "", of_text("sharpening.all.r2_one"), "near 1", "near 0"),
    Indicator("R² of Δ log p, a β each", "disagree", "", of_text("sharpening.all.r2_own"), "near 1", "lower"),
    Indicator(f"pass@1, RL − the base to the power {ALPHA:g}", "power", "%", power_gap, "about 0", "above 0"),
    Indicator("largest Δ log p of a token of RL", "disagree", "nats", lambda s: s["largest"], "small", "large"),
    Indicator(
        "perplexity of RL's text under the base, over its own",
        "disagree",
        "×",
        lambda s: told((s["perplexity_ratio"] or {}).get("base")),
        "about 1",
        "above 1",
    ),
)


# -- one pair


def keep(shelf: Shelf, part: str, summary: Summary) -> None:
    """Put what one part says of a pair beside what the other parts said."""
    file = shelf.file(f"{NAME}.csv")
    before = pd.read_csv(file).to_dict("records") if file.exists() else []
    mine = [{"indicator": i.words, "part": part, **i.of(summary)} for i in INDICATORS if i.part == part]
    rows = [row for row in before if row["part"] != part] + mine
    order = [i.words for i in INDICATORS]
    rows = sorted((row for row in rows if row["indicator"] in order), key=lambda row: order.index(row["indicator"]))
    pd.DataFrame(rows, columns=["indicator", "part", "value", "low", "high", "n"]).to_csv(file, index=False)


# -- all pairs


def measured(folder: Path) -> dict[str, Found]:
    """By the words of an indicator, what is kept of it; nothing where no part was run."""
    file = folder / f"{NAME}.csv"
    if not file.exists():
        return {}
    rows = pd.read_csv(file).to_dict("records")
    return {row["indicator"]: {str(k): None if v != v else v for k, v in row.items()} for row in rows}


def cell(found: Found | None, unit: str) -> Any:
    """The number with its interval, or that it was not run, or not to be had."""
    if found is None:
        return NOT_RUN
    if found["value"] is None:
        return "–"
    return Cell(found["value"], found.get("low"), found.get("high"), unit)


def apart(ours: Found | None, theirs: Found | None) -> bool | None:
    """Whether two intervals have nothing in common; None where there are not two."""
    a, b = ends_of(ours), ends_of(theirs)
    return None if a is None or b is None else a[1] < b[0] or b[1] < a[0]


def ends_of(found: Found | None) -> tuple[float, float] | None:
    """The ends of an interval, where there are two."""
    low, high = (found.get(end) if found else None for end in ("low", "high"))
    return None if low is None or high is None else (low, high)


def separates(found: dict[str, Found | None], pair: str) -> str:
    """From which of the others the intervals of one pair lie apart, and from which they do not."""
    others = {name: apart(found.get(pair), it) for name, it in found.items() if name != pair}
    words = {
        "apart from": [name for name, is_apart in others.items() if is_apart],
        "not from": [name for name, is_apart in others.items() if is_apart is False],
    }
    return "; ".join(f"{said} {', '.join(names)}" for said, names in words.items() if names) or "no two intervals"


def table(shelves: dict[str, Path]) -> pd.DataFrame:
    """One row an indicator; for each pair the number and what it was counted on, and for each which others differ."""
    of_pairs = {pair: measured(folder) for pair, folder in shelves.items()}
    rows = []
    for indicator in INDICATORS:
        found = {pair: mine.get(indicator.words) for pair, mine in of_pairs.items()}
        row: dict[str, Any] = {"indicator": indicator.words}
        for pair, it in found.items():
            row |= {pair: cell(it, indicator.unit), f"{pair}: n": it["n"] if it else NOT_RUN}
        expected = {"were it sharpening": indicator.sharpening, "were it discovery": indicator.discovery}
        rows.append(row | expected | {f"{p}: intervals": separates(found, p) for p in found})
    return table_of(rows, list(rows[0]))


def write_table(pairs: Sequence[str], out: Path) -> None:
    """Write and print it."""
    found = table({pair: Shelf.shown(pair).folder for pair in pairs})
    for suffix in ("csv", "md"):
        (out / f"{NAME}_pairs.{suffix}").write_text(FORMATS[suffix](found), encoding="utf-8")
    click.echo(FORMATS["md"](found))


@click.command(help=__doc__)
@asked
@click.option("--only", multiple=True, type=click.Choice([*PARTS]), help="Parts to do now; repeatable.  [default: all]")
@click.option(
    "--n", "draws", type=click.IntRange(min=1), help="Draws of each problem.  [default: as shown of the pair]"
)
@click.option("--table", "just_table", is_flag=True, help="Only the table of all pairs, of what is kept.")
def main(request: Request, only: tuple[str, ...], draws: int | None, just_table: bool) -> None:
    """Make the parts, keep what they say, and write the table of all pairs."""
    if just_table:
        write_table(tuple(OWN), kept.FIGURES)
        return
    shelf = Shelf.shown(request.pair) if request.as_shown else Shelf(request.pair, request.path() / kept.KEPT)
    for part in only or tuple(PARTS):
        summary = PARTS[part](request, draws or DRAWS.get(request.pair, OTHER_DRAWS))
        keep(shelf, part, summary)
    if request.as_shown:
        write_table(tuple(OWN), kept.FIGURES)
    else:
        click.echo(f"kept in {shelf.folder}, not in figures/", err=True)
        click.echo(FORMATS["md"](table({request.pair: shelf.folder})))


if __name__ == "__main__":
    main()
