"""Answer the held-out problems with the base and with RL, greedily, in float32.

Plain on purpose: transformers' `generate` through the same loop that trained the adapter, so that the pair's card does
not rest on the instrument that the pair is there to test. A line a problem, in `logs/answers-<model>.jsonl`; an
evaluation that was stopped, or that had a smaller --limit, goes on.

    python -m experiments.smollm2.evaluate --model base
    python -m experiments.smollm2.evaluate --model seed1
"""

import json
from pathlib import Path
from typing import Any

import click
import torch

from experiments.smollm2.problems import ShortProblem, held_out_problems
from experiments.smollm2.train import PAIR, WORK
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import encode_prompt
from rlprobe.records import Status
from rlprobe.training.sequences import respond

LOGS = Path(__file__).parent / "logs"
ROWS = 50  # problems in one batch
LONGEST = 128  # tokens of a response


def load(base: str, adapter: Path | None) -> tuple[Any, Any]:
    """The network, the adapter merged into it, and the tokenizer."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter:
        network = PeftModel.from_pretrained(network, str(adapter)).merge_and_unload()
    return network.eval(), AutoTokenizer.from_pretrained(base)


def answer(network: Any, tokenizer: Any, problems: list[ShortProblem], grader: Grader) -> list[dict]:
    """What a model makes of some problems: right (and ended), the length in tokens, ended."""
    prompts = [encode_prompt(PAIR.prompt_style, problem.question, tokenizer)[1] for problem in problems]
    responses = respond(network, prompts, tokenizer.eos_token_id, max_new_tokens=LONGEST, do_sample=False)
    texts = tokenizer.batch_decode(responses, skip_special_tokens=True)
    verdicts = grader.grade_many([(text, str(p.answer)) for text, p in zip(texts, problems, strict=True)])
    lines = []
    for problem, ids, text, graded in zip(problems, responses, texts, verdicts, strict=True):
        ended = ids[-1] == tokenizer.eos_token_id
        right = ended and graded.last.status is Status.CORRECT
        lines.append({"family": problem.family, "right": right, "length": len(ids), "ended": ended, "text": text})
    return lines


@click.command(help=__doc__)
@click.option("--model", default="base", show_default=True, help="base, or the folder of a training in work/.")
@click.option("--base", default=PAIR.base, help="A folder or a Hub id. [default: what rlprobe.pairs.fetch left]")
@click.option("--limit", default=500, show_default=True, help="Only the first problems.")
def main(model: str, base: str, limit: int) -> None:
    """Answer, and write a line a problem."""
    torch.set_num_threads(1)
    LOGS.mkdir(exist_ok=True)
    log = LOGS / f"answers-{model}.jsonl"
    done = len(log.read_text().splitlines()) if log.exists() else 0
    network, tokenizer = load(base, None if model == "base" else WORK / model / "adapter")
    problems = held_out_problems()[:limit]
    with Grader() as grader:
        for start in range(done, len(problems), ROWS):
            lines = answer(network, tokenizer, problems[start : start + ROWS], grader)
            with log.open("a") as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines))
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    click.echo(f"{model}: {sum(row['right'] for row in rows)} of {len(rows)} right")


if __name__ == "__main__":
    main()
