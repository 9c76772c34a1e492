"""Claim (ours): proposing, reading and committing gives lock-step's ids for a fraction of its reads.

(a) On the bundled pair, float32, ids checked against lock-step: tokens a round, lane reads and tokens read per
    emitted token (which no machine's noise can change), and seconds beside lock-step's and beside `generate` of
    either model.
(b) On a random pair of Qwen2.5-0.5B's shape in bfloat16, 8 rows: the commits of (a) are replayed, so that
    acceptance is real while every pass, head and decision is paid for at that size. Lock-step and RL's own run are
    extrapolated from 24 steps of 8 rows, as if no row ever waited for another. That the engine is right at this size
    is checked in float32: the responses, out of a few short ones, in which its ids are not lock-step's.
(c) Responses of unequal length (geometric, mean 200, at most 1000), a random model of 38 M parameters: refilled
    lanes against static batches.
(d) The bundled pair in bfloat16: the share of responses in which engine and lock-step differ, beside the floor: the
    share in which lock-step differs from lock-step at half as many rows.

python -m experiments.benchmarks.speed_intervene
"""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import pandas as pd
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, Qwen2Config

from experiments.script import script
from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm, Opinions
from rlprobe.decoding.engine import Counts, DecodingSettings, Players, Response, Task, Watch, _Decoder, decode
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.pairs.compatibility import common_vocabulary
from rlprobe.pairs.loading import load, locate
from rlprobe.pairs.model import Model, ModelPair
from rlprobe.problems.datasets import load_problems
from rlprobe.problems.prompts import encode_prompt
from rlprobe.settings import PairChoice

FIGURES = Path(__file__).parents[2] / "figures"
ARMS = {
    "oracle": Arm(arms.disagree(), arms.donor_argmax()),
    "random": Arm(arms.disagree(), arms.host_random(20)),
    "entropy": Arm(arms.entropy_above(1.2), arms.donor_argmax()),
    "mix": Arm(arms.always(), arms.mix(0.5)),
}
VOCAB = 151_936
LARGE = Qwen2Config(
    hidden_size=896,
    intermediate_size=4864,
    num_hidden_layers=24,
    num_attention_heads=14,
    num_key_value_heads=2,
    vocab_size=VOCAB,
    tie_word_embeddings=True,
)


MIDDLE = Qwen2Config(
    hidden_size=512,
    intermediate_size=2048,
    num_hidden_layers=8,
    num_attention_heads=8,
    num_key_value_heads=2,
    vocab_size=16_384,
    tie_word_embeddings=True,
)


@dataclass(frozen=True)
class Bench:
    """A pair, and what it is to decode."""

    players: Players
    tasks: Sequence[Task]
    settings: DecodingSettings


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, result)."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def players_of(pair: ModelPair) -> Players:
    """Forward: the base decodes."""
    return Players(pair.base, pair.rl, pair.vocabulary)


def bundled(n: int, rows: int, dtype: str) -> tuple[ModelPair, Bench]:
    """The bundled pair and n held-out problems, with both greedy texts known."""
    pair = load(locate(PairChoice(pair="bundled", dtype=dtype)))
    problems = load_problems("word-problems").problems[:n]
    prompts = {p.problem_id: encode_prompt("question_answer", p.question, pair.tokenizer)[1] for p in problems}
    settings = DecodingSettings(300, rows, pair.stop_ids, pair.context)
    return pair, with_both_ends_known(pair, [Task(i, prompt) for i, prompt in prompts.items()], settings)


def with_both_ends_known(pair: ModelPair, tasks: Sequence[Task], settings: DecodingSettings) -> Bench:
    """The tasks, told both models' own greedy texts."""
    never = Arm(arms.never(), arms.donor_argmax())
    ends = [decode(Players(m, None, pair.vocabulary), never, tasks, settings)[0] for m in pair.members.values()]
    known = [replace(t, known=[b.ids, r.ids]) for t, b, r in zip(tasks, *ends, strict=True)]
    return Bench(players_of(pair), known, settings)


def generate(model: Model, bench: Bench) -> None:
    """transformers' own greedy decoding, the same number of rows at a time, left-padded."""
    settings = bench.settings
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens, do_sample=False, eos_token_id=sorted(settings.stop_ids), pad_token_id=0
    )
    for start in range(0, len(bench.tasks), settings.rows):
        prompts = [torch.tensor(t.prompt_ids) for t in bench.tasks[start : start + settings.rows]]
        longest = max(map(len, prompts))
        ids = torch.stack([torch.nn.functional.pad(p, (longest - len(p), 0)) for p in prompts])
        mask = torch.stack([(torch.arange(longest) >= longest - len(p)).long() for p in prompts])
        model.network.generate(ids, attention_mask=mask, generation_config=config)


def difference(ours: Sequence[Response], theirs: Sequence[Response]) -> float:
    """The share of responses whose ids, gated or host_ids differ."""
    pairs = zip(ours, theirs, strict=True)
    return sum((a.ids, a.gated, a.host_ids) != (b.ids, b.gated, b.host_ids) for a, b in pairs) / len(ours)


def row_of(name: str, counts: Counts) -> dict[str, Any]:
    """What no machine's noise can change."""
    return {
        "arm": name,
        "emitted tokens": counts.emitted,
        "tokens a round": counts.emitted / counts.rounds,
        "lane reads a token": counts.lane_reads / counts.emitted,
        "tokens read a token": counts.tokens_read / counts.emitted,
    }


def on_the_bundled_pair(n: int, rows: int) -> tuple[pd.DataFrame, dict[str, list[Response]], Bench]:
    """(a): counts, seconds, and the responses for (b) to replay."""
    pair, bench = bundled(n, rows, "float32")
    alone = {f"generate {name} s": timed(partial(generate, m, bench))[0] for name, m in pair.members.items()}
    table, responses = [], {}
    for name, arm in ARMS.items():
        seconds, (ours, counts) = timed(partial(decode, bench.players, arm, bench.tasks, bench.settings))
        slow, theirs = timed(partial(decode_in_lockstep, bench.players, arm, bench.tasks, bench.settings))
        responses[name] = ours
        differs = difference(ours, theirs)
        table.append(row_of(name, counts) | {"ours s": seconds, "lockstep s": slow, "differing": differs} | alone)
    return pd.DataFrame(table), responses, bench


class Replayed(_Decoder):
    """A decoder that pays for every pass, head and decision, and then does what a record says."""

    record: Sequence[Response] = ()

    def _opinions(self, of_host: torch.Tensor, of_donor: torch.Tensor) -> Opinions:
        paid = super()._opinions(of_host, of_donor)
        at = [(self.record[r.number], len(r.response.ids) + j) for r in self.rows for j in range(len(r.to_read))]
        own, written, fired = zip(*(self._of(response, t) for response, t in at), strict=True)
        answers = torch.tensor(fired)[:, None].expand(paid.answers.shape)
        return Opinions(torch.tensor(own), paid.donor_ids, torch.tensor(written), paid.logprobs, answers)

    def _host_ids(self, hidden: torch.Tensor, rows: list[int]) -> list[int]:
        super()._host_ids(hidden, rows)
        at = [(self.rows[r].number, len(self.rows[r].response.ids) + len(self.rows[r].proposal)) for r in rows]
        return [self._of(self.record[number], t)[0] for number, t in at]

    def _of(self, response: Response, position: int) -> tuple[int, int, bool]:
        """(host's id, written id, fired) of a recorded position; beyond the end everything is rejected anyway."""
        if position >= len(response.ids):
            return 1, 1, False
        return response.host_ids[position], response.ids[position], response.gated[position]


def random_pair(shape: Qwen2Config, dtype: torch.dtype) -> ModelPair:
    """Two random models of a shape."""
    members = []
    for number in (0, 1):
        torch.manual_seed(number)
        network: Any = AutoModelForCausalLM.from_config(shape, dtype=dtype).eval()
        network.requires_grad_(False)
        weight = network.get_output_embeddings().weight
        members.append(Model(f"random {number}", network, weight, None, 32768, frozenset({"full_attention"})))
    ids = {str(i): i for i in range(shape.vocab_size)}
    vocabulary = common_vocabulary(ids, ids, (len(ids), len(ids)))
    return ModelPair(members[0], members[1], vocabulary, frozenset({0}), None)


@dataclass(frozen=True)
class StepByStep:
    """What decoding a token at a time costs: seconds of one step of 8 rows, all in use, and of reading 8 prompts."""

    step: float
    prompts: float

    def seconds(self, tokens: int, responses: int) -> float:
        """For so many tokens in so many responses, if no row ever waited for another."""
        return tokens / 8 * self.step + responses / 8 * self.prompts


def step_by_step(decoded: Callable[[DecodingSettings], Any], settings: DecodingSettings, steps: int = 24) -> StepByStep:
    """Measured as the difference between a long run and a short one, medians of three each, taken in turns."""
    runs = [replace(settings, rows=8, max_new_tokens=n, stop_ids=frozenset()) for n in (2, 2 + steps)]
    times = [[timed(partial(decoded, run))[0] for run in runs] for _ in range(3)]
    before, after = (median(each) for each in zip(*times, strict=True))
    step = (after - before) / steps
    return StepByStep(step, max(0.0, before - 2 * step))


@torch.no_grad()
def at_the_large_shape(responses: dict[str, list[Response]], bench: Bench, n: int) -> pd.DataFrame:
    """(b): the same rounds, lock-step, and RL's own greedy run, in seconds of the large shape, prompts included."""
    pair = random_pair(LARGE, torch.bfloat16)
    players, settings = players_of(pair), replace(bench.settings, rows=8)
    tasks, never = bench.tasks[:8], Arm(arms.never(), arms.donor_argmax())
    of_rl = Players(pair.rl, None, pair.vocabulary)
    unknown = [replace(task, known=()) for task in tasks]
    alone = step_by_step(lambda s: decode(of_rl, never, unknown, s), settings)
    rl_seconds = alone.seconds(sum(len(task.known[1]) for task in bench.tasks[:n]), n)
    checked, table = short_run_in_float32(bench), []
    for name, arm in ARMS.items():
        record = responses[name][:n]
        done: list[Response | None] = [None] * n
        decoder = Replayed(players, arm, bench.tasks[:n], settings, Watch(), Counts())
        decoder.record = record
        seconds, _ = timed(partial(decoder.run, 8, deque(range(n)), done))
        assert [r.ids for r in done if r] == [r.ids for r in record], "the record was not followed"
        tokens = sum(len(r.ids) for r in record)
        lockstep = step_by_step(partial(decode_in_lockstep, players, arm, tasks), settings).seconds(tokens, n)
        table.append(
            {
                "arm": name,
                "ours tokens/s": tokens / seconds,
                "lockstep tokens/s": tokens / lockstep,
                "times lockstep": lockstep / seconds,
                "of RL's own run": seconds / rl_seconds,
            }
            | checked[name]
        )
    return pd.DataFrame(table)


def short_run_in_float32(bench: Bench, n: int = 4, tokens: int = 8) -> dict[str, dict[str, int]]:
    """By arm: how many responses at the large shape were checked, and how many have other ids than lock-step's.

    The two random models' own texts are known, so that whole passes over proposed tokens are made and rewound.
    """
    pair = random_pair(LARGE, torch.float32)
    of = DecodingSettings(tokens, n, frozenset(), 32768)
    short = with_both_ends_known(pair, [replace(task, known=()) for task in bench.tasks[:n]], of)
    found = {}
    for name, arm in ARMS.items():
        ours, _ = decode(short.players, arm, short.tasks, of)
        theirs = decode_in_lockstep(short.players, arm, short.tasks, of)
        differing = sum(a.ids != b.ids for a, b in zip(ours, theirs, strict=True))
        found[name] = {"fp32 checked": len(ours), "fp32 differing": differing}
    return found


@dataclass(frozen=True, slots=True)
class Lengths(DecodingSettings):
    """Responses end where a table says, whatever is in them."""

    of_prompt: Any = None

    def limit(self, prompt_ids: Sequence[int], said: int = 0) -> int:  # noqa: ARG002
        """The length for this prompt."""
        return self.of_prompt[tuple(prompt_ids)]


def static_batches(model: Model, bench: Bench) -> None:
    """Every batch goes on until its longest response ends; finished rows are read all the same."""
    settings = bench.settings
    for start in range(0, len(bench.tasks), settings.rows):
        batch = bench.tasks[start : start + settings.rows]
        longest = max(settings.limit(task.prompt_ids) for task in batch)
        player = Players(model, None, bench.players.vocabulary)
        never = Arm(arms.never(), arms.donor_argmax())
        decode(player, never, batch, DecodingSettings(longest, settings.rows, frozenset(), 2**30))


def unequal_lengths(bench: Bench, rows: int, n: int) -> pd.DataFrame:
    """(c): tokens a second of refilled lanes and of static batches, the same prompts and lengths."""
    rng = random.Random(0)
    prompts = [bench.tasks[i % len(bench.tasks)].prompt_ids for i in range(n)]
    tasks = [Task(str(i), [*prompt, 1 + i // len(bench.tasks)]) for i, prompt in enumerate(prompts)]
    lengths = {tuple(t.prompt_ids): min(1000, 1 + int(rng.expovariate(1 / 200))) for t in tasks}
    pair = random_pair(MIDDLE, torch.float32)
    unequal = Bench(players_of(pair), tasks, Lengths(1000, rows, frozenset(), 2**30, lengths))
    player, never = Players(pair.rl, None, pair.vocabulary), Arm(arms.never(), arms.donor_argmax())
    seconds, (_, counts) = timed(lambda: decode(player, never, tasks, unequal.settings))
    slow, _ = timed(lambda: static_batches(pair.rl, unequal))
    tokens = sum(lengths.values())
    static = sum(rows * max(lengths[tuple(t.prompt_ids)] for t in tasks[s : s + rows]) for s in range(0, n, rows))
    return pd.DataFrame(
        [
            {
                "responses": n,
                "rows": rows,
                "tokens": tokens,
                "refilled tokens/s": tokens / seconds,
                "static tokens/s": tokens / slow,
                "times static": slow / seconds,
                "refilled passes": counts.passes,
                "static passes": static // rows,
            }
        ]
    )


def in_bfloat16(n: int, rows: int) -> pd.DataFrame:
    """(d): how often engine and lock-step say different things when every sum is rounded to 8 bits."""
    _, bench = bundled(n, rows, "bfloat16")
    fewer, table = replace(bench.settings, rows=max(1, rows // 2)), []
    for name, arm in ARMS.items():
        ours, _ = decode(bench.players, arm, bench.tasks, bench.settings)
        theirs, again = (decode_in_lockstep(bench.players, arm, bench.tasks, of) for of in (bench.settings, fewer))
        shares = {"differing": difference(ours, theirs), "floor": difference(theirs, again)}
        table.append({"arm": name, "responses": len(ours)} | shares)
    return pd.DataFrame(table)


@script(help=__doc__)
@click.option("--limit", default=64, show_default=True, help="Problems of (a) and (d).")
@click.option("--large", default=32, show_default=True, help="Responses replayed in (b); 0 leaves it out.")
@click.option("--rows", default=8, show_default=True, help="Responses decoded at a time.", type=click.IntRange(min=2))
@click.option("--unequal", default=96, show_default=True, help="Responses of (c); 0 leaves it out.")
@click.option("--out", default=FIGURES, show_default=False, type=click.Path(path_type=Path), help="Where tables go.")
def main(limit: int, large: int, rows: int, unequal: int, out: Path) -> None:
    """Run all four and write figures/speed_intervene_*.csv."""
    counted, responses, bench = on_the_bundled_pair(limit, rows)
    tables = {"a": counted}
    if large:
        tables["b"] = at_the_large_shape(responses, bench, large)
    if unequal:
        tables["c"] = unequal_lengths(bench, rows, unequal)
    tables["d"] = in_bfloat16(limit, rows)
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(out / f"speed_intervene_{name}.csv", index=False, float_format="%.4g")
        click.echo(f"({name})\n{table.round(3).to_string(index=False)}\n")


if __name__ == "__main__":
    main()
