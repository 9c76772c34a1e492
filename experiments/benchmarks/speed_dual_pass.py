"""How fast two models are read for the token table, and in how much memory.

Claims, written before the run, on random weights of Qwen2.5-0.5B's shape in bfloat16, one process, one response:

    the dual pass takes at most 1.5 times the floor: both trunks and both heads as bare bfloat16 products
    the usual script takes at least 3.5 times as long as the dual pass: logits of the whole response in float32,
        log-softmax of both, ranks by comparison, top-k, the same columns without the tie rule
    its logits have float32 accuracy: a relative error below 1e-5 against float64
    its peak memory beyond weights, KV cache and last hidden states grows by at most 10 % from 1024 to 8192 tokens

The variants take turns, so that a busy machine is busy for all of them, and the medians are compared; where processor
seconds (of all threads) and wall seconds tell different stories, something else was running. Memory is counted by
torch's own allocator (its profiler), and seen from outside as the growth of the resident set.

    python -m experiments.benchmarks.speed_dual_pass --threads 2 --repeats 5
"""

import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM

from experiments.script import script
from rlprobe.measures.head import Head
from rlprobe.measures.tokens import TokenStatistics, dual_statistics

FIGURES = Path(__file__).parents[2] / "figures"
CHUNK = 1024  # positions a trunk reads at a time, through its cache
FLOOR_SLICE = 256  # positions a bare product takes at a time, into one buffer: the fastest that was found for it
VOCAB, WIDTH, LAYERS, HEADS, KV_HEADS = 151_936, 896, 24, 14, 2
SHAPE = Qwen2Config(
    vocab_size=VOCAB,
    hidden_size=WIDTH,
    intermediate_size=4864,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    num_key_value_heads=KV_HEADS,
    max_position_embeddings=32_768,
    rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    tie_word_embeddings=True,
)
NAMES = {
    "trunks": "(a) both trunks",
    "floor": "(b) trunks and bare bf16 heads",
    "dual": "(c) ours, the whole token table",
    "usual": "(d) the usual script",
}


@dataclass(frozen=True)
class Reading:
    """What every variant is given: two models and one response, whose last token is only predicted."""

    base: Qwen2ForCausalLM
    rl: Qwen2ForCausalLM
    ids: Tensor

    def hiddens(self) -> tuple[Tensor, Tensor]:
        """(tokens, width) last hidden states of both models."""
        return last_hidden_states(self.base, self.ids[:-1]), last_hidden_states(self.rl, self.ids[:-1])

    def heads(self) -> tuple[Head, Head]:
        """Both heads: the whole vocabulary is common."""
        return Head(self.base.lm_head.weight), Head(self.rl.lm_head.weight)


def random_model(seed: int) -> Qwen2ForCausalLM:
    """A bfloat16 model of SHAPE with fresh weights."""
    torch.manual_seed(seed)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        return Qwen2ForCausalLM(SHAPE).eval()
    finally:
        torch.set_default_dtype(default)


def last_hidden_states(model: Qwen2ForCausalLM, ids: Tensor) -> Tensor:
    """(tokens, width); read in chunks through the cache, which is dropped at the end."""
    cache = DynamicCache(config=SHAPE)
    chunks = [model.model(chunk[None], past_key_values=cache).last_hidden_state[0] for chunk in ids.split(CHUNK)]
    return torch.cat(chunks)


def trunks(reading: Reading) -> None:
    """(a)"""
    reading.hiddens()


def floor(reading: Reading) -> None:
    """(b): logits of bfloat16 accuracy, thrown away."""
    buffer = torch.empty(FLOOR_SLICE, VOCAB, dtype=torch.bfloat16)
    for hidden, model in zip(reading.hiddens(), (reading.base, reading.rl), strict=True):
        for part in hidden.split(FLOOR_SLICE):
            torch.mm(part, model.lm_head.weight.T, out=buffer[: len(part)])


def dual(reading: Reading) -> TokenStatistics:
    """(c)"""
    return dual_statistics(*reading.heads(), *reading.hiddens(), reading.ids[1:])


def usual(reading: Reading) -> tuple[Tensor, ...]:
    """(d): what a notebook does, a whole response at once."""
    tokens = reading.ids[1:, None]
    base = reading.base(reading.ids[None, :-1]).logits[0].float().log_softmax(-1)
    rl = reading.rl(reading.ids[None, :-1]).logits[0].float().log_softmax(-1)
    p_base, p_rl = base.exp(), rl.exp()
    columns = [logprobs.gather(1, tokens) for logprobs in (base, rl)]
    columns += [-(p_base * base).sum(-1), -(p_rl * rl).sum(-1)]
    columns += [(p_rl * (rl - base)).sum(-1), (p_base * (base - rl)).sum(-1)]
    middle = ((p_base + p_rl) / 2).log()
    columns += [((p_base * (base - middle)).sum(-1) + (p_rl * (rl - middle)).sum(-1)) / 2]
    columns += [(logprobs > logprobs.gather(1, tokens)).sum(-1) + 1 for logprobs in (base, rl)]
    columns += [(base > base.gather(1, rl.argmax(-1, keepdim=True))).sum(-1) + 1]
    columns += [(rl > rl.gather(1, base.argmax(-1, keepdim=True))).sum(-1) + 1]
    return (*columns, *base.topk(5), *rl.topk(5))


VARIANTS: dict[str, Callable[[Reading], object]] = {"trunks": trunks, "floor": floor, "dual": dual, "usual": usual}


def seconds_in_turns(reading: Reading, repeats: int) -> pd.DataFrame:
    """Median wall and processor seconds of each variant; the first round (compilation) does not count."""
    rows = []
    for turn in range(repeats + 1):
        for name, variant in VARIANTS.items():
            start, start_processor = time.perf_counter(), time.process_time()
            variant(reading)
            rows.append((turn, name, time.perf_counter() - start, time.process_time() - start_processor))
            gc.collect()
    runs = pd.DataFrame(rows, columns=["turn", "variant", "seconds", "processor_seconds"])
    return runs[runs["turn"] > 0].groupby("variant")[["seconds", "processor_seconds"]].median().loc[list(VARIANTS)]


@dataclass(frozen=True)
class Peak:
    """The highest memory of a call above what was there before it, in MB: counted by torch, and resident."""

    counted: float
    resident: float


def peak_of(call: Callable[[], object]) -> Peak:
    """Runs it twice more: watched from outside, then by the profiler, whose own records would count as resident."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here (Linux)
    before = _resident("VmRSS")
    call()
    resident = _resident("VmHWM") - before
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        call()
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = itertools.accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return Peak(max(live) / 1e6, resident)


def _resident(field: str) -> float:
    """A line of /proc/self/status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field + ":"))


def peak_beyond_kept(reading: Reading) -> Peak:
    """Of the dual pass: what it needs at its worst moment beyond weights, KV cache and last hidden states.

    The trunk's share is its peak less the cache and the hidden states that it ends with; the heads' share is theirs.
    """
    kept = []
    tokens = len(reading.ids) - 1
    width_kv = KV_HEADS * WIDTH // HEADS
    cache = 2 * 2 * tokens * LAYERS * width_kv / 1e6  # keys and values, 2 bytes each
    trunk = peak_of(lambda: kept.append(last_hidden_states(reading.base, reading.ids[:-1])))
    hidden = kept[0].nbytes / 1e6
    head = peak_of(lambda: dual_statistics(*reading.heads(), kept[0], kept[0], reading.ids[1:]))
    counted = max(trunk.counted - cache - hidden, head.counted)
    return Peak(counted, max(trunk.resident - cache - hidden, head.resident))


def relative_error(reading: Reading, rows: int) -> dict[str, float]:
    """The largest error of a logit against float64, over the largest logit: of our head and of the bare product."""
    hidden = last_hidden_states(reading.base, reading.ids[:rows])
    weight = reading.base.lm_head.weight
    exact = torch.cat([hidden.double() @ part.double().T for part in weight.split(8192)], dim=1)
    found = {"ours": Head(weight)(hidden), "bare bf16": functional.linear(hidden, weight)}
    return {name: ((logits.double() - exact).abs().max() / exact.abs().max()).item() for name, logits in found.items()}


@script()
@click.option("--tokens", default=1024, show_default=True, help="Response tokens in the timing.")
@click.option("--long", "long_tokens", default=8192, show_default=True, help="Response tokens in the memory claim.")
@click.option("--threads", default=torch.get_num_threads(), show_default=True)
@click.option("--repeats", default=5, show_default=True, help="Timed rounds; every variant runs once in each.")
@torch.inference_mode()
def main(tokens: int, long_tokens: int, threads: int, repeats: int) -> None:
    """Time the four variants in turns, weigh the dual pass, and print what holds."""
    torch.set_num_threads(threads)
    base, rl = random_model(1), random_model(2)
    ids = torch.randint(VOCAB, (max(tokens, long_tokens) + 1,), generator=torch.Generator().manual_seed(3))
    reading = Reading(base, rl, ids[: tokens + 1])
    table = seconds_in_turns(reading, repeats)
    peaks = {name: peak_of(lambda v=variant: v(reading)) for name, variant in VARIANTS.items()}  # type: ignore[misc]
    table = table.assign(
        tokens_per_second=tokens / table["seconds"],
        peak_mb_counted=[peaks[name].counted for name in table.index],
        peak_mb_resident=[peaks[name].resident for name in table.index],
        tokens=tokens,
        threads=threads,
        what=[NAMES[name] for name in table.index],
    )
    short, long = (peak_beyond_kept(Reading(base, rl, ids[: n + 1])) for n in (tokens, long_tokens))
    errors = relative_error(reading, rows=16)
    seconds = table["seconds"]
    claims = pd.DataFrame(
        [
            ("dual pass / floor, time", seconds["dual"] / seconds["floor"], "<=", 1.5),
            ("usual script / dual pass, time", seconds["usual"] / seconds["dual"], ">=", 3.5),
            ("relative error of a logit, ours", errors["ours"], "<=", 1e-5),
            (f"working memory, {long_tokens} / {tokens} tokens, counted", long.counted / short.counted, "<=", 1.1),
        ],
        columns=["claim", "measured", "is", "bound"],
    )
    claims["verdict"] = [
        "holds" if (m <= bound if sign == "<=" else m >= bound) else "does not hold"
        for _, m, sign, bound in claims.itertuples(index=False)
    ]
    write(table, claims)
    click.echo(f"working memory in MB, {tokens} and {long_tokens} tokens: {short}, {long}")
    click.echo(f"relative error of a logit from a bare bf16 product: {errors['bare bf16']:.1e}")


def write(table: pd.DataFrame, claims: pd.DataFrame) -> None:
    """Print both tables, and write them."""
    click.echo(table.to_string(float_format="%.2f") + "\n\n" + claims.to_string(index=False))
    table.to_csv(FIGURES / "speed_dual_pass.csv")
    claims.to_csv(FIGURES / "speed_dual_pass_claims.csv", index=False)


if __name__ == "__main__":
    main()
