"""Answer the held-out problems with the base and with RL, greedily, in float32.

Plain on purpose: transformers' `generate` through the same loop that trained the adapter, so that the pair's card does
not rest on the instrument that the pair is there to test. A line a problem, in `logs/answers-<model>.jsonl`; an
evaluation that was stopped, or that had a smaller --limit, goes on.

    python -m experiments.smollm2.evaluate --model base
    python -m experiments.smollm2.evaluate --model seed1
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch

from experiments.script import script
from experiments.smollm2.problems import held_out_problems
from experiments.smollm2.train import PAIR, WORK
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import encode_prompt
from rlprobe.records import Status
from rlprobe.training.sequences import respond

LOGS = Path(__file__).parent / "logs"
ROWS = 50  # problems in one batch
LONGEST = 128  # tokens of a response
Asked = tuple[dict, str, str]  # what is kept of a problem, its question, its gold


def load(base: str, adapter: Path | None, device: str = "cpu") -> tuple[Any, Any]:
    """The network, the adapter merged into it, and the tokenizer."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    network.to(device)
    if adapter:
        network = PeftModel.from_pretrained(network, str(adapter)).merge_and_unload()
    return network.eval(), AutoTokenizer.from_pretrained(base)


def answer(
    network: Any, tokenizer: Any, prompts: list[list[int]], golds: list[str], grader: Grader, longest: int
) -> list[dict]:
    """What a model makes of some prompts: right (and ended), the length in tokens, ended, the text."""
    stop = tokenizer.eos_token_id
    responses = respond(network, prompts, stop, max_new_tokens=longest, do_sample=False)
    texts = tokenizer.batch_decode(responses, skip_special_tokens=True)
    verdicts = grader.grade_many(list(zip(texts, golds, strict=True)))
    return [
        {
            "right": ids[-1] == stop and graded.last.status is Status.CORRECT,
            "length": len(ids),
            "ended": ids[-1] == stop,
            "text": text,
        }
        for ids, text, graded in zip(responses, texts, verdicts, strict=True)
    ]


def answer_all(
    log: Path,
    network: Any,
    tokenizer: Any,
    style: str,
    problems: Sequence[Asked],
    rows: int = ROWS,
    longest: int = LONGEST,
) -> list[dict]:
    """Answer what the log does not hold yet, `rows` problems at once; a problem is (kept of it, asked, gold)."""
    log.parent.mkdir(exist_ok=True)
    done = len(log.read_text().splitlines()) if log.exists() else 0
    with Grader() as grader:
        for start in range(done, len(problems), rows):
            kept, asked, golds = zip(*problems[start : start + rows], strict=True)
            prompts = [encode_prompt(style, question, tokenizer)[1] for question in asked]
            lines = answer(network, tokenizer, prompts, list(golds), grader, longest)
            with log.open("a") as file:
                file.write("".join(json.dumps(about | line) + "\n" for about, line in zip(kept, lines, strict=True)))
    return [json.loads(line) for line in log.read_text().splitlines()]


@script(help=__doc__)
@click.option("--model", default="base", show_default=True, help="base, or the folder of a training in work/.")
@click.option("--base", default=PAIR.base, help="A folder or a Hub id. [default: what rlprobe.pairs.fetch left]")
@click.option("--limit", default=500, show_default=True, help="Only the first problems.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, ...")
@click.option("--rows", default=ROWS, show_default=True, help="Problems answered at once.")
def main(model: str, base: str, limit: int, device: str, rows: int) -> None:
    """Answer, and write a line a problem."""
    torch.set_num_threads(1)
    network, tokenizer = load(base, None if model == "base" else WORK / model / "adapter", device)
    problems = [({"family": p.family}, p.question, str(p.answer)) for p in held_out_problems()[:limit]]
    lines = answer_all(LOGS / f"answers-{model}.jsonl", network, tokenizer, PAIR.prompt_style, problems, rows)
    click.echo(f"{model}: {sum(line['right'] for line in lines)} of {len(lines)} right")


if __name__ == "__main__":
    main()
