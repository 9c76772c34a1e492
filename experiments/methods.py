"""Methods of training side by side: what each gains, what it costs, and what it leaves, under one instrument.

Every method trains a LoRA adapter on the same base, from problems that the held-out ones share no question with, and
stops after the round in which it has generated as many response tokens as the others. Then the commands of rlprobe are
run on base and adapter. What was not run says so. Everything is kept in runs/ and goes on where it was stopped; what
was found of the trainings that figures/methods.md shows is kept in measured/, a copy of each one's found.json.

    python -m experiments.methods --method grpo --seed 1            trains and measures; repeatable
    python -m experiments.methods --pair smollm2 --method dir       (its base: python -m rlprobe.pairs.fetch smollm2)
    python -m experiments.methods                                   the table and the figure of what there is
"""

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.kept import Shelf
from experiments.organism import word_problems
from experiments.script import script
from experiments.smollm2 import problems
from rlprobe import storage
from rlprobe.analysis.claims import Claim, fact
from rlprobe.analysis.statistics import Interval, mean_difference, missing, recovery
from rlprobe.commands.progress import Reporter
from rlprobe.commands.train import train
from rlprobe.pairs.registry import DEFAULT_PAIR, PAIRS
from rlprobe.records import Status
from rlprobe.reporting.formats import FORMATS, Cell, table_of
from rlprobe.settings import Resampling, TrainSettings, made
from rlprobe.training.grpo import LOG
from rlprobe.training.methods import OWN_LOOPS

WORK = Path("runs") / "methods"
FOUND = "found.json"
MEASURED = Path(__file__).with_name("measured")  # what was found of trainings that are not done again for a table
PROBLEMS = 4000  # to train on; more than any budget here asks
OTHER_PROBLEMS = 2000  # added to the seed, so that they are none that base or RL model was trained on
AT_K = 16
RESAMPLING = Resampling()
COLOURS, MARKERS = sns.color_palette("colorblind", 10), "osD^vP<X>"  # 9 markers, so that no two methods are alike

Found = Sequence[Mapping[str, Any]]  # of one row of the table, a seed after the other


@dataclass(frozen=True)
class Setup:
    """What all methods of one table share: problems, budget, rounds and adapter; and how they are measured."""

    problems: Callable[[int], Iterator[Any]]
    tokens: int  # response tokens generated
    how: Mapping[str, Any]
    loops: Mapping[str, Mapping[str, Any]]  # beside it, of the methods with loops of their own
    measured: Mapping[str, Any]
    tau: float  # of the entropy gate, nats
    limit: int  # held-out problems
    draws_of: int  # of which so many are drawn from as well


@dataclass(frozen=True)
class Arm:
    """A row of the table: a method of `rlprobe train`, with options of its own; None is the pair's own RL model."""

    method: str | None
    options: Mapping[str, Any] = field(default_factory=dict)


ARMS: dict[str, Arm] = {
    "grpo": Arm("grpo"),
    "reasonmaxxer": Arm("reasonmaxxer"),
    "kl-lora": Arm("kl-lora"),
    "dir": Arm("dir"),
    "lp-reg": Arm("lp-reg"),
    "coin": Arm("grpo", {"reward": "coin"}),
    "dapo": Arm("dapo"),
    "dr-grpo": Arm("dr-grpo"),
    "gspo": Arm("gspo", {"updates": 4}),
    "cispo": Arm("cispo"),
    "80-20": Arm("80-20"),
    "entropy-bonus": Arm("entropy-bonus"),
    "kl-cov": Arm("kl-cov"),
    "pass-at-k": Arm("pass-at-k"),
    "prorl": Arm("prorl"),
    "reasonmaxxer W_o rank 8": Arm("reasonmaxxer", {"modules": ("o_proj",), "rank": 8}),
    "kl-lora disagreements": Arm("kl-lora", {"positions": "disagreements"}),
    "kl-lora rest": Arm("kl-lora", {"positions": "rest"}),
    "kl-lora rank 1": Arm("kl-lora", {"rank": 1}),
    "kl-lora rank 4": Arm("kl-lora", {"rank": 4}),
    "the pair's RL": Arm(None),
}

SETUPS: dict[str, Setup] = {
    "bundled": Setup(
        problems=word_problems.training_problems,
        tokens=400_000,
        how={
            "prompts": 16,
            "samples": 8,
            "rows": 16,
            "steps": 400,
            "max_new_tokens": 360,
            "learning_rate": 1e-3,
            "rank": 32,
        },
        loops={
            "reasonmaxxer": {"steps": 150, "rows": 8, "learning_rate": 3e-4, "warmup": 50, "tau": 0.6},
            "kl-lora": {"steps": 300, "rows": 16},
        },
        measured={"max_new_tokens": 360},
        tau=0.6,
        limit=300,
        draws_of=100,
    ),
    "smollm2": Setup(
        problems=problems.training_problems,
        tokens=60_000,
        how={
            "prompts": 12,
            "samples": 8,
            "rows": 8,
            "steps": 80,
            "max_new_tokens": 64,
            "learning_rate": 5e-4,
            "rank": 16,
            "temperature": 0.7,
            "dtype": "bfloat16",
        },
        loops={
            "reasonmaxxer": {"steps": 150, "rows": 8, "learning_rate": 3e-4, "warmup": 50, "tau": 0.6},
            "kl-lora": {"steps": 150, "rows": 8},
        },
        measured={"max_new_tokens": 128},
        tau=0.6,
        limit=100,
        draws_of=40,
    ),
}


# ---- what is claimed -------------------------------------------------------------------------------------------------
# Written before any of them was trained here. "Matches full RL": nine tenths of GRPO's gain, since so few problems do
# not resolve less. "Three orders of magnitude cheaper" is asked as a hundredth of GRPO's processor time, an order less
# than the claim; all methods of the table generate as many tokens, so that the method's own saving (fewer responses) is
# not in it. "Rank 8 on W_o alone": no more than 2 points below the same method on q, k, v and o. "Sustain": the last
# rounds' entropy of the policy against GRPO's; it has no interval, and so no verdict.

REASONMAXXER, DIR, LP_REG = "2605.06241, §5", "2603.22117", "2510.03222"

CLAIMS = (
    Asked(
        Claim(
            statement="ReasonMaxxer's share of GRPO's gain",
            source=REASONMAXXER,
            published="matches full RL (.502 against .496)",
            low=0.9,
        ),
        ("share", "reasonmaxxer"),
    ),
    Asked(
        Claim(
            statement="ReasonMaxxer's processor time, of GRPO's",
            source=REASONMAXXER,
            published="three orders of magnitude less",
            high=0.01,
        ),
        ("time", "reasonmaxxer"),
    ),
    Asked(
        Claim(
            statement="ReasonMaxxer with rank 8 on W_o alone: accuracy, less ReasonMaxxer's",
            source=REASONMAXXER,
            published="rank 8 on W_o alone is enough",
            low=-0.02,
            unit="%",
        ),
        ("less", "reasonmaxxer W_o rank 8", "reasonmaxxer"),
    ),
    Asked(
        Claim(
            statement="entropy in the last rounds of Lp-Reg, less GRPO's",
            source=LP_REG,
            published="low-probability tokens sustain exploration",
            low=0.0,
            unit="nats",
        ),
        ("entropy", "lp-reg"),
    ),
    Asked(
        Claim(
            statement="DIR's reweighting: accuracy, less GRPO's",
            source=DIR,
            published="raises pass@1",
            low=0.0,
            unit="%",
        ),
        ("less", "dir", "grpo"),
    ),
)


# ---- one cell --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A method on a pair with a seed, in a folder of its own."""

    pair: str
    name: str
    seed: int
    work: Path = WORK
    setup: Setup | None = None

    @property
    def folder(self) -> Path:
        """Training, run and what was found."""
        return self.work / self.pair / f"{self.name.replace(' ', '-')}-seed{self.seed}"

    @property
    def plan(self) -> Setup:
        """The setup of its pair, unless it has another."""
        return self.setup or SETUPS[self.pair]

    def found(self) -> dict[str, Any] | None:
        """What was measured, here or where it is kept; None where it was not, or under another setup."""
        kept = MEASURED / self.pair / f"{self.folder.name}.json"
        for file in (self.folder / FOUND, *([kept] if self.work == WORK else [])):
            told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
            if told.get("asked") == self.asked:
                return told
        return None

    @property
    def asked(self) -> dict[str, Any]:
        """What its numbers depend on, as JSON has it."""
        plan = self.plan
        measured = {**plan.measured, "limit": plan.limit, "drawn": plan.draws_of, "k": AT_K, "tau": plan.tau}
        return json.loads(json.dumps({**self.how, "tokens": plan.tokens, "measured": measured}))

    def run(self) -> None:
        """Train, measure, and keep what was found; what is there already is not done again."""
        if self.found():
            return
        rl = self._train()
        told = {"asked": self.asked, **self._measure(rl), **self._cost()}
        storage.write(self.folder / FOUND, lambda path: path.write_text(json.dumps(told), encoding="utf-8"))

    def _train(self) -> str:
        """The adapter, as base+ADAPTER; the pair's own RL model, where nothing is trained."""
        entry, arm, plan = PAIRS[self.pair], ARMS[self.name], self.plan
        if arm.method is None:
            return entry.rl
        file = self.work / self.pair / f"problems-seed{self.seed}.jsonl"
        if not file.exists():
            rows = (
                {"id": f"t{n}", "question": p.question, "answer": str(p.answer)}
                for n, p in enumerate(islice(plan.problems(self.seed + OTHER_PROBLEMS), PROBLEMS))
            )
            storage.make_folder(file.parent)
            storage.write(file, lambda path: path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8"))
        teacher = {"rl": entry.rl} if arm.method == "kl-lora" else {}
        where = {"base": entry.base, "dataset": str(file), "style": entry.prompt_style, **teacher}
        how = {**self.how, "tokens": plan.tokens, "seed": self.seed}
        settings = made(TrainSettings, {"method": arm.method, **where, **how, "out": self.folder / "training"})
        return f"base+{train(settings, Reporter())}"

    @property
    def how(self) -> dict[str, Any]:
        """The options of its training, but for budget and seed."""
        arm = ARMS[self.name]
        return {**self.plan.how, **self.plan.loops.get(arm.method or "", {}), **arm.options}

    def price(self) -> tuple[float, float]:
        """(processor seconds a thousand tokens generated, processor minutes of the whole training), by a short one.

        A round; of the loops of our own, one of drawing and four updates, which are priced apart.
        """
        updates = 4 if ARMS[self.name].method in OWN_LOOPS else self.how.get("updates", 2)
        tiny = replace(self.plan, tokens=1, how={**self.plan.how, "steps": updates}, loops=_cut(self.plan, updates))
        short = replace(self, work=self.work / "prices", setup=tiny)
        short._train()
        lines = short.log()
        drawn = [line for line in lines if line["step"] == 0]
        seconds, tokens = (drawn or lines)[-1]["cpu_seconds"], lines[-1]["generated"]
        each = (lines[-1]["cpu_seconds"] - seconds) / updates if drawn else 0.0
        whole = seconds / tokens * self.plan.tokens + each * self.how["steps"] * bool(drawn)
        return 1000 * seconds / tokens, whole / 60

    def log(self) -> list[dict[str, Any]]:
        """The lines of its training."""
        return [json.loads(line) for line in (self.folder / "training" / LOG).read_text().splitlines()]

    def _measure(self, rl: str) -> dict[str, Any]:
        entry, plan = PAIRS[self.pair], self.plan
        same = {"base": entry.base, "rl": rl, "dataset": entry.dataset, "style": entry.prompt_style, **plan.measured}
        run = {**same, "out": self.folder / "run", "limit": plan.limit}
        compared = rp.disagree(**run)
        gated = rp.intervene(**run, modes=("oracle", f"entropy:{plan.tau:g}"))
        draws = {
            "out": self.folder / "drawn",
            "draws": AT_K,
            "temperature": plan.how.get("temperature", 1.0),
            "member": "rl",
        }
        drawn = rp.sample(**same, **draws, limit=plan.draws_of)
        rates = compared.summary["trajectories"]["base"]["rates"]["all"]["micro"]
        curve = drawn.summary["answers"]["last"]["members"]["rl"]["pass_at_k"]
        arms = gated.summary["arms"]
        return {
            "right": {member: _right(compared.grades, member) for member in ("base", "rl")},
            "reranked": rates["reranked"]["value"],
            "shifted": rates["shifted"]["value"],
            "edited": arms["oracle"]["edited"]["value"],
            "gate": arms[f"entropy {plan.tau:g}"]["answers"]["last"]["recovery"],
            "pass_at_k": curve[str(AT_K)],
            "rank_90": _rank(entry.base, rl, self.folder / "weights"),
            "edits": _edits(compared.tokens),
        }

    def _cost(self) -> dict[str, Any]:
        """Of the training: tokens and processor minutes, and how the entropy went."""
        if ARMS[self.name].method is None:
            return {}
        lines = self.log()
        entropies = [line["entropy"] for line in lines if line.get("entropy") is not None]
        last = lines[-1]
        return {
            "generated": last["generated"],
            "trained": last["trained"],
            "minutes": last["cpu_seconds"] / 60,
            "entropy": [float(np.mean(entropies[:4])), float(np.mean(entropies[-4:]))],
        }


def _cut(plan: Setup, updates: int) -> dict[str, dict[str, Any]]:
    return {name: {**how, "steps": updates} for name, how in plan.loops.items()}


def _right(grades: pd.DataFrame, member: str) -> dict[str, int]:
    mine = grades[(grades["arm"] == member) & grades["status_last"].notna()]
    return {p: int(s == Status.CORRECT) for p, s in zip(mine["problem_id"], mine["status_last"], strict=True)}


def _rank(base: str, rl: str, out: Path) -> float | None:
    """The median over the matrices that changed, of the rank that holds 90 % of the energy of the change."""
    return rp.weights(base=base, rl=rl, out=out).summary["weights"]["total"]["rank_90"]["value"]


def _edits(tokens: pd.DataFrame) -> list[list[Any]]:
    """Where RL would have said something else along the base's own text."""
    here = tokens[(tokens["arm"] == "base") & (tokens["argmax_base"] != tokens["argmax_rl"])]
    return [[str(p), int(at)] for p, at in zip(here["problem_id"], here["position"], strict=True)]


# ---- the table -------------------------------------------------------------------------------------------------------


def accuracy(found: Found) -> Cell:
    """The mean over seeds and problems, with an interval that resamples both."""
    names = sorted(set.intersection(*(set(each["right"]["rl"]) for each in found)))
    right = np.array([[each["right"]["rl"][name] for name in names] for each in found], dtype=float)
    rng, means = RESAMPLING.generator(), []
    for _ in range(RESAMPLING.resamples):
        seeds, problems = (rng.integers(0, size, size) for size in right.shape)
        means.append(right[np.ix_(seeds, problems)].mean())
    low, high = np.quantile(means, RESAMPLING.tails)
    return Cell(float(right.mean()), float(low), float(high), "%")


def share_of_gain(found: Found, grpo: Found) -> Interval:
    """(method - base) / (GRPO - base), paired over problems, each the mean over its seeds."""
    if not (found and grpo):
        return missing("not run")
    names = _problems(found, grpo)
    arm, base, rl = _column(found, "rl", names), _column(found, "base", names), _column(grpo, "rl", names)
    return recovery(arm, base, rl, RESAMPLING)


def difference(found: Found, other: Found) -> Interval:
    """Of two accuracies, paired over problems, each the mean over its seeds."""
    if not (found and other):
        return missing("not run")
    names = _problems(found, other)
    return mean_difference(_column(found, "rl", names) - _column(other, "rl", names), RESAMPLING)


def _problems(found: Found, other: Found) -> list[str]:
    return sorted(set.intersection(*(set(each["right"]["rl"]) for each in (*found, *other))))


def _column(found: Found, member: str, names: Sequence[str]) -> np.ndarray:
    return np.array([np.mean([each["right"][member][name] for each in found]) for name in names])


def claimed(found: Mapping[str, Found]) -> dict[str, Any]:
    """What CLAIMS ask for."""

    def mean(name: str, of: Callable[[Mapping[str, Any]], float]) -> float | None:
        return float(np.mean([of(each) for each in found[name]])) if found[name] else None

    def against(name: str, of: Callable[[Mapping[str, Any]], float], how: Callable[[float, float], float]) -> Interval:
        mine, grpos = mean(name, of), mean("grpo", of)
        if mine is None or grpos is None:
            return missing("not run")
        return Interval(how(mine, grpos), None, None, 0, None, None)

    time = against("reasonmaxxer", lambda each: each["minutes"], operator.truediv)
    pairs = (("reasonmaxxer W_o rank 8", "reasonmaxxer"), ("dir", "grpo"))
    return {
        "share": {"reasonmaxxer": share_of_gain(found["reasonmaxxer"], found["grpo"])},
        "time": {"reasonmaxxer": time if time.value is None else fact(time.value)},
        "less": {one: {other: difference(found[one], found[other])} for one, other in pairs},
        "entropy": {"lp-reg": against("lp-reg", lambda each: each["entropy"][1], operator.sub)},
    }


def overlap(found: Found, grpo: Found) -> float | None:
    """Edits in common with GRPO's, over the edits of either (Jaccard): the mean over pairs of two different runs."""
    shares = []
    for one in found:
        for other in (each for each in grpo if each is not one):
            mine, its = ({tuple(at) for at in each["edits"]} for each in (one, other))
            shares.append(len(mine & its) / len(mine | its) if mine | its else None)
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if known else None


def row(name: str, found: Found, grpo: Found) -> dict[str, Any]:
    """A method: means over its seeds, with intervals where there are some."""
    if not found:
        return {"method": name, "seeds": "not run"}

    def average(key: str, unit: str = "") -> Cell:
        known = [each[key] for each in found if each.get(key) is not None]
        return Cell(float(np.mean(known)) if known else None, unit=unit)

    first, share = found[0], share_of_gain(found, grpo)
    return {
        "method": name,
        "seeds": str(len(found)),
        "accuracy": accuracy(found),
        "share of GRPO's gain": Cell(share.value, share.low, share.high),
        "edited": average("edited", "%"),
        "reranked": average("reranked", "%"),
        "shifted": average("shifted", "%"),
        "recovery of the entropy gate": _cell(first["gate"]),
        "overlap with GRPO's edits": Cell(overlap(found, grpo), unit="%"),
        "rank of 90 % of the change": average("rank_90"),
        f"pass@{AT_K}": _cell(first["pass_at_k"], "%"),
        "tokens generated": _whole(average("generated")),
        "tokens trained": _whole(average("trained")),
        "processor minutes": average("minutes"),
        "entropy at first": Cell(first["entropy"][0] if "entropy" in first else None, unit="nats"),
        "entropy at last": Cell(first["entropy"][1] if "entropy" in first else None, unit="nats"),
    }


def _cell(interval: Mapping[str, Any], unit: str = "") -> Cell:
    return Cell(interval["value"], interval["low"], interval["high"], unit)


def _whole(cell: Cell) -> int | None:
    return None if cell.value is None else round(cell.value)


def all_found(pair: str, work: Path = WORK, seeds: Sequence[int] = range(1, 10)) -> dict[str, Found]:
    """What was measured of every row of ARMS on a pair, a seed after the other."""
    return {n: [told for seed in seeds if (told := Case(pair, n, seed, work).found())] for n in ARMS}


def table(found: Mapping[str, Found]) -> pd.DataFrame:
    """Every row of ARMS, run or not."""
    rows = [row(name, told, found["grpo"]) for name, told in found.items()]
    columns = next((list(each) for each in rows if len(each) > 2), ["method", "seeds"])
    return table_of(rows, columns)


def drawing(found: pd.DataFrame) -> Figure:
    """Gain against cost, and footprint against gain; a point a method that was run, accuracies with their intervals."""
    run = found[found["seeds"] != "not run"].to_dict("records")
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, each in enumerate(run):
        accuracy, edited, minutes = each["accuracy"], each["edited"], each["processor minutes"].value
        ends = [100 * (accuracy.value if end is None else end) for end in (accuracy.low, accuracy.high)]
        look = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1}
        point = look | {"marker": MARKERS[number % len(MARKERS)], "markersize": 6, "linestyle": "", "alpha": 0.8}
        if minutes is not None:
            left.plot([minutes] * 2, ends, **look)
            left.plot([minutes], [100 * accuracy.value], **point)
        right.plot(ends, [100 * edited.value] * 2, **look)
        right.plot([100 * accuracy.value], [100 * edited.value], **point, label=each["method"])
    left.set(xlabel="processor minutes of the training", ylabel="accuracy, %", title="What it gains for what it costs")
    right.set(
        xlabel="accuracy, %", ylabel="tokens that the oracle replaces, %", title="What it leaves for what it gains"
    )
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    for ax in (left, right):
        ax.margins(0.1)
        sns.despine(ax=ax)
    return figure


def keep(pair: str, work: Path, shelf: Shelf) -> None:
    """Write the table, the claims and, where something was run, the figure."""
    told = all_found(pair, work)
    found = table(told)
    write_claims("methods", CLAIMS, claimed(told), shelf)
    for suffix in ("csv", "md", "json"):
        shelf.file(f"methods.{suffix}").write_text(FORMATS[suffix](found), encoding="utf-8")
    if (found["seeds"] != "not run").any():
        drawing(found).savefig(shelf.file("methods.png"), dpi=150)


@script(help=__doc__)
@click.option("--pair", default=DEFAULT_PAIR, show_default=True, type=click.Choice([*SETUPS]))
@click.option("--method", "names", multiple=True, type=click.Choice([*ARMS]), help="Train and measure it; repeatable.")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(min=1), default=(1,), show_default=True)
@click.option("--price", is_flag=True, help="Train a round of what is named, and say what the whole would cost.")
@click.option("--work", type=click.Path(path_type=Path), default=WORK, show_default=True, help="Where all is kept.")
@click.option("--out", type=click.Path(path_type=Path), help="Of table and figure.  [default: figures/]")
def main(pair: str, names: tuple[str, ...], seeds: tuple[int, ...], price: bool, work: Path, out: Path | None) -> None:
    """Run what is named, then write what there is."""
    torch.set_num_threads(1)
    if price:
        for name in names:
            each, whole = Case(pair, name, seeds[0], work).price()
            click.echo(
                f"{name}: {each:.2f} processor seconds a thousand tokens, {whole:.1f} minutes the whole training"
            )
        return
    for name in names:
        for seed in seeds:
            Case(pair, name, seed, work).run()
    shelf = Shelf(pair, out) if out else Shelf.shown(pair)
    keep(pair, work, shelf)
    shelf.show("methods")


if __name__ == "__main__":
    main()
