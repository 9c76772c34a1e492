"""Put a finished adapter where the package finds it, and write its card from the logs, never by hand.

python -m experiments.smollm2.ship --seed 1
"""

import hashlib
import json
import shutil
from pathlib import Path
from string import Template

import click
from scipy.stats import binomtest

from experiments.script import script
from experiments.smollm2.evaluate import LOGS
from experiments.smollm2.problems import FAMILIES, held_out_problems
from experiments.smollm2.train import WORK, settings
from rlprobe.pairs.fetched import FETCHED
from rlprobe.pairs.registry import BUNDLED
from rlprobe.training.grpo import ADAPTER, LOG

SHIPPED = BUNDLED / "smollm2"
CARD = Path(__file__).with_name("card.md.template")
LARGEST = 4_000_000  # bytes of an adapter
WEIGHTS = "adapter_model.safetensors"


def lines_of(path: Path) -> list[dict]:
    """The objects of a log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def share(rows: list[dict]) -> str:
    """The share of right answers in per cent, with its interval."""
    right = binomtest(sum(row["right"] for row in rows), len(rows))
    interval = right.proportion_ci(method="wilson")
    return f"{100 * right.statistic:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def mean(rows: list[dict], name: str) -> float:
    """The mean of a number over the rows of a log."""
    return sum(row[name] for row in rows) / len(rows)


def figures(answers: dict[str, list[dict]]) -> str:
    """Accuracy, length and how many were cut, of each model and by family."""
    head = ["", *answers]
    body = [["right, %", *map(share, answers.values())]]
    for family in FAMILIES:
        parts = [[row for row in rows if row["family"] == family] for rows in answers.values()]
        body.append([f"{family} ({len(parts[0])})", *map(share, parts)])
    body.append(["tokens, mean", *(f"{mean(rows, 'length'):.1f}" for rows in answers.values())])
    body.append(["cut, %", *(f"{100 - 100 * mean(rows, 'ended'):.1f}" for rows in answers.values())])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *body])


def card(seed: int) -> str:
    """The card of the adapter that lies in the package."""
    base, rl = (lines_of(LOGS / f"answers-{name}.jsonl") for name in ("base", f"seed{seed}"))
    rows = min(len(base), len(rl))
    base, rl = base[:rows], rl[:rows]
    pairs = [(b["right"], r["right"]) for b, r in zip(base, rl, strict=True)]
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    shown = pairs.index((False, True))
    log = lines_of(LOGS / f"grpo-seed{seed}.jsonl")
    how, model = settings(seed, len(log)), FETCHED["smollm2"]
    return Template(
        CARD.read_text()
    ).substitute(
        {name: value for name, value in how.canonical().items() if name != "rows"},  # the card's are problems
        steps=len(log),
        families=len(FAMILIES),
        trained=len(log) * how.problems,
        gguf=model.sha256,
        digest=model.digest,
        minutes=f"{sum(line['seconds'] for line in log) / 60:.0f}",
        first=f"{mean(log[:4], 'reward'):.2f}",
        last=f"{mean(log[-4:], 'reward'):.2f}",
        rows=rows,
        figures=figures({"base": base, "RL": rl}),
        gained=gained,
        lost=lost,
        p=f"{binomtest(gained, gained + lost).pvalue:.1g}",
        question=held_out_problems()[shown].question,
        base_says=" ".join(base[shown]["text"].split()),
        rl_says=" ".join(rl[shown]["text"].split()),
        adapter=hashlib.sha256((SHIPPED / WEIGHTS).read_bytes()).hexdigest(),
    )


def put_in_package(work: Path, shipped: Path, log: Path) -> None:
    """Copy the adapter of a training into the package, and its log beside the recipe."""
    if (size := (work / ADAPTER / WEIGHTS).stat().st_size) > LARGEST:
        raise click.ClickException(f"{work / ADAPTER}: {size} bytes, more than the {LARGEST} that may ship")
    shutil.copytree(work / ADAPTER, shipped, dirs_exist_ok=True)
    (shipped / WEIGHTS).chmod(0o644)
    log.parent.mkdir(exist_ok=True)
    shutil.copy(work / LOG, log)


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--card-only", is_flag=True, help="Write the card again and leave the adapter as it is.")
def main(seed: int, card_only: bool) -> None:
    """Copy and describe."""
    if not card_only:
        put_in_package(WORK / f"seed{seed}", SHIPPED, LOGS / f"grpo-seed{seed}.jsonl")
    (SHIPPED / "README.md").write_text(card(seed))
    click.echo(f"shipped seed {seed}: {SHIPPED}")


if __name__ == "__main__":
    main()
