"""Does RL sharpen what its base has, or find what it lacks? Every indicator of that debate, on all pairs side by side.

The runs of a pair are made part by part (`--only`, repeatable; each resumes): greedy answers that both models read,
interventions, draws, and draws from the power of the base. What they say of the pair is kept on its shelf; the table of
all pairs is made of what is kept: a part that was not run leaves cells that say so, and n stands in every cell.

The discovery pair is the control: its RL answers what its base cannot. An indicator that does not tell it from pairs
whose RL had less to find can carry no claim of discovery; the table says so in words, made of the intervals.

    python -m experiments.sharpening_or_discovery --pair bundled --n 32
    python -m experiments.sharpening_or_discovery --pair smollm2 --only disagree --only sample
    python -m experiments.sharpening_or_discovery --table --among bundled --among discovery
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

import rlprobe as rp
from experiments import kept
from experiments.kept import Shelf
from experiments.own_pairs import OWN
from experiments.request import NAMES, Request, asked
from experiments.script import script
from rlprobe.reporting.formats import FORMATS, Cell, table_of
from rlprobe.reporting.passk import crossing_of
from rlprobe.runs import Run

NAME = "sharpening_or_discovery"
CONTROL = "discovery"  # the pair whose RL does what its base cannot
SAMPLED = {"bundled": (100, 128), "discovery": (200, 128)}  # problems that are drawn for at most, draws of each
OTHERS_SAMPLED = (200, 32)
ALPHA, POWER_PROBLEMS, POWER_DRAWS = 4.0, 100, 1
TOP, TAU = 5, 1.2  # what the oracle is capped at; nats, of the gates
NOT_RUN = "not run"
COLUMNS = ["indicator", "part", "value", "low", "high", "n_units", "problems_bound", "n"]  # of what is kept
HELD = "oracle-reranked"  # RL's token where it is among the base's best, and no edit elsewhere
END = "base"  # the text whose positions are told
Summary = dict[str, Any]
Found = dict[str, Any]  # value, low, high, in words n, and the bounds of what was never seen (formats.Cell)


@dataclass(frozen=True)
class Indicator:
    """What is told of a pair: its words, the part that it comes from, and its unit (None: n says it all in words).

    `sharpening` and `discovery` are what either camp would expect, `claim` what it is quoted for; `above` says whether
    discovery should lie above the other pairs (None: nobody says).
    """

    words: str
    part: str
    unit: str | None
    of: Callable[[Summary], Found]
    sharpening: str
    discovery: str
    claim: str
    above: bool | None


# -- the parts: what is made, and what is kept of it


def greedy(request: Request, _: int | None) -> Summary:
    """Both models answer and read both answers; the largest Δ log p comes from the token tables themselves."""
    written = rp.disagree(**request.options)
    return {**written.summary, "largest": largest(written.run, written.summary["first"])}


def largest(run: Run, first: int | None) -> Found:
    """The largest Δ log p of a token that RL wrote, over its own greedy texts. An extreme has no interval."""
    rows = run.table("tokens", ["problem_id", "logprob_base", "logprob_rl"], ("rl",)).to_pandas()
    rows = rows[rows["problem_id"].isin([problem.problem_id for problem in run.problems()[:first]])]
    delta = rows["logprob_rl"].to_numpy(np.float64) - rows["logprob_base"].to_numpy(np.float64)
    return {"value": float(delta.max()) if len(delta) else None, "n": f"{len(delta):,} tokens; an extreme"}


def edited(request: Request, _: int | None) -> Summary:
    """The oracle, the oracle held to the base's best, RL's own best of these, and both sides of an entropy gate."""
    modes = ("oracle", f"{HELD}:{TOP}", f"support:{TOP}", f"entropy:{TAU}", f"inverse:{TAU}")
    summary = rp.intervene(**request.options, modes=modes).summary
    answer = summary["reading"]["answer"]
    return {"arms": {arm["mode"]: {**arm, **arm["answers"][answer]} for arm in summary["arms"].values()}}


def drawn(request: Request, draws: int | None) -> Summary:
    """Draws of both models."""
    most, usual = SAMPLED.get(request.pair, OTHERS_SAMPLED)
    return by_answer(rp.sample(**request.options | first(request, most), draws=draws or usual).summary)


def powered(request: Request, _: int | None) -> Summary:
    """Draws from the power of the base, and as many at the temperature 1/α, in a run beside; RL draws at 1.

    Both models read the draws.
    """
    options = request.options | first(request, POWER_PROBLEMS)
    options |= {"out": request.path("power"), "draws": POWER_DRAWS, "read": True}
    of_power = rp.sample(**options, power=ALPHA).summary
    cold = rp.sample(**options, temperature=1 / ALPHA, rl_temperature=1.0).summary
    read = {"power": of_power["read"]["base"], "cold": cold["read"]["base"], "rl": cold["read"]["rl"]}
    return {"power": by_answer(of_power), "cold": by_answer(cold), "cost": of_power["cost"], "read": read}


def first(request: Request, most: int) -> dict[str, int]:
    """As many problems as were asked for, and no more than `most`."""
    return {"limit": min(request.limit or most, most)}


def by_answer(summary: Summary) -> Summary:
    """What `sample` says by the answer that is read."""
    found: Summary = summary["answers"][summary["reading"]["answer"]]
    return found


PARTS: dict[str, Callable[[Request, int | None], Summary]] = {
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
    reason = f": {interval['reason']}" if interval["low"] is None and interval.get("reason") else ""
    bounds = ("n_units", "problems_bound") if tokens else ()  # of what was never seen
    return {**{name: interval.get(name) for name in ("value", "low", "high", *bounds)}, "n": counted + reason}


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
    return lambda summary: told(summary["arms"][mode]["recovery"])


def below_oracle(summary: Summary) -> Found:
    """What the oracle loses where it writes only what is among the base's best: against RL's text, the oracle's own."""
    found = told(summary["arms"][HELD]["against"]["rl"]["difference"])
    if summary["arms"]["oracle"]["identity"] == "rl":
        return found
    return {"value": None, "n": f"{found['n']}: the oracle did not write RL's own text"}


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


def power_gap(of: str) -> Callable[[Summary], Found]:
    """RL's pass@1 less that of the base's power, or of the base at a low temperature, on the same problems."""

    def found(summary: Summary) -> Found:
        if "1" not in summary[of]["gain"]:
            return {"value": None, "n": "no draws of both"}
        test, draws = summary[of]["gain"]["1"]["difference"], summary[of]["members"]["rl"]["draws"]
        cost = summary["cost"]["per_token"]["value"] if of == "power" else None
        drawn_for = f"; {cost:.1f} tokens drawn for each" if cost else ""
        return told(test, f"{test['n_problems']} problems, n = {draws}{drawn_for}")

    return found


def as_rl(of: str) -> Callable[[Summary], Found]:
    """Where the two models' first choices differ along these draws: the share of RL's among what was drawn."""
    return lambda summary: told(summary["read"][of].get("rl"))


def likely(summary: Summary) -> Found:
    """The perplexity of RL's typical response over that of the base's, problems paired."""
    return told((summary["perplexity_ratio"] or {}).get("base"))


BEYOND, POWERED = "RL says what its base ranks low", "RL is its base, drawn more sharply"
WAVERS, SOLVES = "RL's gain is made where its base wavers", "RL solves what its base does not in as many draws"
INDICATORS = (
    Indicator(
        *("shifted, on the base's text", "disagree", "%", of_text("rates.all.micro.shifted")),
        *("about 0", "above 0", BEYOND, True),
    ),
    Indicator(
        *("shifted, on RL's text", "disagree", "%", of_text("rates.all.micro.shifted", "rl")),
        *("about 0", "above 0", BEYOND, True),
    ),
    Indicator(
        *(f"accuracy, the oracle held to the base's {TOP} best − the oracle", "intervene", "%", below_oracle),
        *("about 0", "below 0", BEYOND, False),
    ),
    Indicator(
        *(f"recovery, oracle held to the base's {TOP} best", "intervene", "", recovery(HELD)),
        *("1", "below 1", BEYOND, False),
    ),
    Indicator(
        *(f"recovery, RL's best among the base's {TOP} best, all along", "intervene", "", recovery("support")),
        *("1", "below 1", BEYOND, False),
    ),
    Indicator(
        *(f"recovery, entropy gate {TAU:g}", "intervene", "", recovery("entropy")),
        *("near 1", "near 0", WAVERS, False),
    ),
    Indicator(
        *(f"recovery, inverse gate {TAU:g}", "intervene", "", recovery("inverse")),
        *("near 0", "near 1", WAVERS, True),
    ),
    Indicator("pass@k, RL − base, at the largest k", "sample", "%", gap, "0 or below", "above 0", SOLVES, True),
    Indicator("the curves of pass@k cross at k", "sample", None, cross, "at some k", "at none", SOLVES, None),
    Indicator("problems that RL alone solves", "sample", "%", solved("rl_only"), "about 0", "many", SOLVES, True),
    Indicator(
        *("problems that the base alone solves", "sample", "%", solved("base_only")),
        *("some", "about 0", "RL loses what its base solves", False),
    ),
    Indicator(
        *("β − 1, one β for all positions", "disagree", "", of_text("sharpening.all.slope")),
        *("above 0", "–", POWERED, None),
    ),
    Indicator(
        *("R² of Δ log p, one β", "disagree", "", of_text("sharpening.all.r2_one")),
        *("near 1", "near 0", POWERED, False),
    ),
    Indicator(
        *("R² of Δ log p, a β each", "disagree", "", of_text("sharpening.all.r2_own")),
        *("near 1", "lower", POWERED, False),
    ),
    Indicator(
        *(f"pass@1, RL − the base to the power {ALPHA:g}", "power", "%", power_gap("power")),
        *("about 0", "above 0", POWERED, True),
    ),
    Indicator(
        *(f"pass@1, RL − the base at temperature {1 / ALPHA:g}", "power", "%", power_gap("cold")),
        *("above 0", "above 0", POWERED, True),
    ),
    Indicator(
        *(f"RL's choice where the two differ, in draws of the base's power {ALPHA:g}", "power", "%", as_rl("power")),
        *("as in RL's own", "about 0", POWERED, False),
    ),
    Indicator(
        *(f"the same in draws of the base at temperature {1 / ALPHA:g}", "power", "%", as_rl("cold")),
        *("–", "about 0", POWERED, None),
    ),
    Indicator(*("the same in RL's own draws, at 1", "power", "%", as_rl("rl"), "–", "–", POWERED, None)),
    Indicator(
        *("largest Δ log p of a token of RL", "disagree", "nats", lambda summary: summary["largest"]),
        *("small", "large", BEYOND, True),
    ),
    Indicator(
        *("perplexity of RL's text under the base", "disagree", "", of_text("perplexity.base.typical", "rl")),
        *("low", "high", "the base finds RL's text unlikely", True),
    ),
    Indicator(
        *("the same over that of the base's own text", "disagree", "×", likely),
        *("about 1 or below", "above 1", "the base finds RL's text unlikely", True),
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
    pd.DataFrame(rows, columns=COLUMNS).to_csv(file, index=False)


# -- all pairs


def measured(folder: Path) -> dict[str, Found]:
    """By the words of an indicator, what is kept of it; nothing where no part was run."""
    file = folder / f"{NAME}.csv"
    if not file.exists():
        return {}
    rows = pd.read_csv(file).to_dict("records")
    return {row["indicator"]: {str(k): None if v != v else v for k, v in row.items()} for row in rows}


def cell(found: Found | None, unit: str | None) -> str:
    """The number with its interval and what it was counted on, or that it was not run, or why it is not to be had."""
    if found is None:
        return NOT_RUN
    if unit is None or found["value"] is None:
        return str(found["n"])
    units = None if found.get("n_units") is None else int(found["n_units"])
    bound = found.get("problems_bound")
    return (
        f"{Cell(found['value'], found.get('low'), found.get('high'), unit, units, problems_bound=bound)}; {found['n']}"
    )


def ends_of(found: Found | None) -> tuple[float, float] | None:
    """The ends of an interval, where there are two."""
    low, high = (found.get(end) if found else None for end in ("low", "high"))
    return None if low is None or high is None else (low, high)


def side(ours: Found | None, theirs: Found | None) -> int | None:
    """1 where the first interval lies above the second, -1 where below, 0 where they meet; None without two."""
    a, b = ends_of(ours), ends_of(theirs)
    return None if a is None or b is None else int(a[0] > b[1]) - int(a[1] < b[0])


def trusted(indicator: Indicator, found: dict[str, Found | None]) -> str:
    """Whether it may carry its claim: what tells the control from every other pair, on the side that it should."""
    sides = {name: side(found.get(CONTROL), it) for name, it in found.items() if name != CONTROL}
    known = {name: each for name, each in sides.items() if each is not None}
    if not known:
        return f"not known: no interval of {CONTROL} and of another pair"
    wanted = (1, -1) if indicator.above is None else (1,) if indicator.above else (-1,)
    alike, right = ([name for name, each in known.items() if (each in these)] for these in ((0,), wanted))
    wrong = [name for name in known if name not in (*alike, *right)]
    words = {f"tells {CONTROL} from": right, "not from": alike, "but on the other side than expected of": wrong}
    told_apart = "; ".join(f"{said} {', '.join(names)}" for said, names in words.items() if names)
    verdict = "no" if not right else "yes" if len(right) == len(known) else "in part"
    return f"{verdict}: {told_apart}"


def table(shelves: dict[str, Path]) -> pd.DataFrame:
    """One row an indicator: each pair's number with its n, what either camp expects, and whether it may be trusted."""
    of_pairs = {pair: measured(folder) for pair, folder in shelves.items()}
    rows = []
    for indicator in INDICATORS:
        found = {pair: mine.get(indicator.words) for pair, mine in of_pairs.items()}
        row: dict[str, Any] = {"indicator": indicator.words}
        row |= {pair: cell(it, indicator.unit) for pair, it in found.items()}
        row |= {"were it sharpening": indicator.sharpening, "were it discovery": indicator.discovery}
        rows.append(row | {"quoted for": indicator.claim, "to be trusted for it": trusted(indicator, found)})
    return table_of(rows, list(rows[0]))


def shelf_of(request: Request) -> Shelf:
    """figures/, or a folder of the run for what is asked otherwise."""
    return Shelf.shown(request.pair) if request.as_shown else Shelf(request.pair, request.path() / kept.KEPT)


def write_table(request: Request, pairs: Sequence[str]) -> None:
    """Write and print it, of what is kept of these pairs as the request asks: as shown, or in their runs."""
    like = {pair: replace(Request.of(pair, {}), as_shown=request.as_shown) for pair in pairs}
    own = shelf_of(request)
    found = table({pair: own.folder if pair == request.pair else shelf_of(it).folder for pair, it in like.items()})
    folder = kept.FIGURES if request.as_shown else own.folder
    for suffix in ("csv", "md"):
        Shelf(request.pair, folder).file(f"{NAME}_pairs.{suffix}").write_text(FORMATS[suffix](found), encoding="utf-8")
    click.echo(f"written in {folder}", err=True)
    click.echo(FORMATS["md"](found))


@script(help=__doc__)
@asked
@click.option("--only", multiple=True, type=click.Choice([*PARTS]), help="Parts to do now; repeatable.  [default: all]")
@click.option(
    "--n", "drawn", type=click.IntRange(min=1), help="Draws of each problem.  [default: as shown of the pair]"
)
@click.option("--table", "just_table", is_flag=True, help="Only the table of all pairs, of what is kept.")
@click.option(
    "--among", multiple=True, type=click.Choice(NAMES), metavar="NAME", help="Pairs of the table; repeatable."
)
def main(request: Request, only: tuple[str, ...], drawn: int | None, just_table: bool, among: tuple[str, ...]) -> None:
    """Make the parts, keep what they say, and write the table of all pairs."""
    for part in () if just_table else only or tuple(PARTS):
        keep(shelf_of(request), part, PARTS[part](request, drawn))
    write_table(request, among or tuple(OWN))


if __name__ == "__main__":
    main()
