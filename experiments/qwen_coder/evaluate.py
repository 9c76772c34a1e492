"""Answer GSM8K's test problems with the base and with RL, greedily, in float32, by transformers' `generate` alone.

A line a problem, in `logs/answers-<model>.jsonl`; an evaluation that was stopped, or had a smaller --limit, goes on.

    python -m experiments.qwen_coder.evaluate --model base
    python -m experiments.qwen_coder.evaluate --model seed1
"""

from pathlib import Path

import click

from experiments.qwen_coder.train import BASE, LONGEST, STYLE, WORK
from experiments.script import script
from experiments.smollm2.evaluate import answer_all, load
from rlprobe.pairs.devices import device_of
from rlprobe.problems.datasets import load_problems

LOGS = Path(__file__).parent / "logs"


@script(help=__doc__)
@click.option("--model", default="base", show_default=True, help="base, or the folder of a training in work/.")
@click.option("--dataset", default="gsm8k", show_default=True, help="A registered data set, or a file.")
@click.option("--base", default=str(BASE.folder), help="A folder or a Hub id. [default: what rlprobe.pairs.fetch left]")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--limit", default=1319, show_default=True, help="Only the first problems.")
@click.option("--rows", default=50, show_default=True, help="Problems answered at once.")
def main(model: str, dataset: str, base: str, device: str, limit: int, rows: int) -> None:
    """Answer, and write a line a problem."""
    network, tokenizer = load(base, None if model == "base" else WORK / model / "adapter", device_of(device))
    problems = [({"problem_id": p.problem_id}, p.question, p.answer) for p in load_problems(dataset).problems[:limit]]
    log = LOGS / f"answers-{model}.jsonl"
    lines = answer_all(log, network, tokenizer, STYLE, problems, rows, LONGEST)
    click.echo(f"{model}: {sum(line['right'] for line in lines)} of {len(lines)} right")


if __name__ == "__main__":
    main()
