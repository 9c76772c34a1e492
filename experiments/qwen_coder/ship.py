"""Put the finished adapter where the package finds it, and write its card from the logs, never by hand.

python -m experiments.qwen_coder.ship --card-name "NVIDIA H100 80GB"
"""

import hashlib
from pathlib import Path
from string import Template

import click
from scipy.stats import binomtest

from experiments.qwen_coder.evaluate import LOGS
from experiments.qwen_coder.train import BASE, LONGEST, WORK, settings
from experiments.script import script
from experiments.smollm2.ship import WEIGHTS, lines_of, mean, put_in_package, share
from rlprobe.pairs.registry import BUNDLED

SHIPPED = BUNDLED / "qwen-coder-0.5b"
CARD = Path(__file__).with_name("card.md.template")


def figures(answers: dict[str, list[dict]]) -> str:
    """Accuracy, length and how many were cut, of each model."""
    head = ["", *answers]
    body = [
        ["right, %", *map(share, answers.values())],
        ["tokens, mean", *(f"{mean(rows, 'length'):.0f}" for rows in answers.values())],
        ["cut, %", *(f"{100 - 100 * mean(rows, 'ended'):.1f}" for rows in answers.values())],
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *body])


def card(seed: int, card_name: str) -> str:
    """The card of the adapter that lies in the package."""
    base, rl = (lines_of(LOGS / f"answers-{name}.jsonl") for name in ("base", f"seed{seed}"))
    base, rl = base[: len(rl)], rl[: len(base)]
    if [row["problem_id"] for row in base] != [row["problem_id"] for row in rl]:
        raise click.ClickException("base and RL did not answer the same problems")
    gained = [b for b, r in zip(base, rl, strict=True) if r["right"] and not b["right"]]
    lost = sum(b["right"] and not r["right"] for b, r in zip(base, rl, strict=True))
    log = lines_of(LOGS / f"grpo-seed{seed}.jsonl")
    how = settings(seed, len(log))
    p = binomtest(len(gained), len(gained) + lost).pvalue
    return Template(
        CARD.read_text()
    ).substitute(
        {name: value for name, value in how.canonical().items() if name != "rows"},  # the card's are problems
        card=card_name,
        steps=len(log),
        trained=f"{len(log) * how.problems:,}",
        gguf=BASE.sha256,
        digest=BASE.digest,
        minutes=f"{sum(line['seconds'] for line in log) / 60:.1f}",
        first=f"{mean(log[:4], 'reward'):.2f}",
        last=f"{mean(log[-4:], 'reward'):.2f}",
        long_first=f"{mean(log[:4], 'length'):.0f}",
        long_last=f"{mean(log[-4:], 'length'):.0f}",
        rows=f"{len(base):,}",
        planned=how.falls_over,
        measured=LONGEST,
        figures=figures({"base": base, "RL": rl}),
        gained=len(gained),
        cut=sum(not row["ended"] for row in gained),
        lost=lost,
        p=f"{p:.2g}",
        resolved="" if p < 0.05 else "On so many problems a gain is not resolved. ",
        adapter=hashlib.sha256((SHIPPED / WEIGHTS).read_bytes()).hexdigest(),
    )


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--card-name", required=True, help="The GPU it was trained on.")
@click.option("--card-only", is_flag=True, help="Write the card again and leave the adapter as it is.")
def main(seed: int, card_name: str, card_only: bool) -> None:
    """Copy and describe."""
    if not card_only:
        put_in_package(WORK / f"seed{seed}", SHIPPED, LOGS / f"grpo-seed{seed}.jsonl")
    (SHIPPED / "README.md").write_text(card(seed, card_name))
    click.echo(f"shipped seed {seed}: {SHIPPED}")


if __name__ == "__main__":
    main()
