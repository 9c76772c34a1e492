"""What holds on the accelerator that is here, and how fast it is: one table with the card's name.

Checks, on the bundled pair, in float32 (identities) and bfloat16 (shares that differ, beside the noise floor):

    never, oracle, mix(0), mix(1)   the host's, donor's, host's and donor's own greedy ids; `generate`'s as well
    engine against lock-step        ids, host's ids and gates of five arms, one of them sampled
    the dual pass                   its columns against a CPU's in float32, plain and compiled; the head and the sums
                                    once more at 151,936 tokens, from the same bfloat16 inputs
    memory that runs out            the allocator's limit is set below what was needed: rows are halved, ids are equal
    two devices                     one member on each, where there are two

Measurements, on random bfloat16 weights of Qwen2.5-0.5B's, 1.5B's and 7B's shapes, made on the device:

    a pass            milliseconds by the positions read, and the fixed price in reads (see decoding/prices.py)
    the dual pass     tokens/s of both models, beside two plain trunk and head forwards, and beside the products alone
                      at the rate that this card multiplies large matrices
    interventions     the bundled pair's commits replayed, so that acceptance is real while every pass is paid for at
                      that size; beside lock-step and `generate`, a step of as many rows, all in use

A part that fails says so in the table, and the others go on. What the budget of time leaves no room for is named.

    python -m experiments.on_gpu --out on_gpu.md [--device cuda|cpu] [--minutes 4] [--only PART]
"""

import json
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig, Qwen2Config

from experiments.benchmarks.speed_intervene import ARMS, Bench, Replayed, difference, players_of, with_both_ends_known
from experiments.script import script
from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm, Sampling
from rlprobe.decoding.engine import (
    Counts,
    DecodingSettings,
    Players,
    Response,
    Task,
    Watch,
    decode,
    decode_greedily,
)
from rlprobe.decoding.lanes import Lanes
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.decoding.noise import Noise
from rlprobe.decoding.prices import A_PASS
from rlprobe.errors import RlprobeError
from rlprobe.measures.head import Head
from rlprobe.measures.tokens import TokenStatistics, dual_statistics
from rlprobe.pairs.compatibility import common_vocabulary
from rlprobe.pairs.devices import driver
from rlprobe.pairs.loading import PairChoice, load, locate
from rlprobe.pairs.model import Model, ModelPair
from rlprobe.problems.datasets import load_problems
from rlprobe.problems.prompts import encode_prompt
from rlprobe.records import Made, Rollout, Stop
from rlprobe.scoring.teacher_forcing import Reader, response_hidden_states

SEEN = ("logprob_base", "entropy_base", "kl_rl_base", "js")  # nats; the largest difference of each is told
RANKS = ("rank_base", "rank_rl", "rank_base_of_rl", "rank_rl_of_base")
CHECKED = ARMS | {"sampled": Arm(arms.entropy_above(1.2), arms.donor_draw(), sampling=Sampling())}
HIGHLY = 64  # positions of the head's check


def qwen(
    width: int, inner: int, layers: int, heads: int, kv_heads: int, tied: bool, vocab: int = 151_936
) -> Qwen2Config:
    """A shape of Qwen2.5's."""
    return Qwen2Config(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        tie_word_embeddings=tied,
        vocab_size=vocab,
        max_position_embeddings=32_768,
    )


@dataclass(frozen=True)
class Size:
    """A shape, and the seconds that must be left for its parts to begin."""

    shape: Qwen2Config
    seconds: float


SIZES = {
    "0.5B": Size(qwen(896, 4864, 24, 14, 2, True), 20),
    "1.5B": Size(qwen(1536, 8960, 28, 12, 2, True), 25),
    "7B": Size(qwen(3584, 18944, 28, 28, 4, False), 40),
}
TINY = {"tiny": Size(qwen(64, 128, 2, 4, 2, True, 2000), 1)}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    part: str
    what: str
    measured: str
    beside: str = ""


@dataclass(frozen=True, eq=False)
class Setting:
    """On what, and how much of it."""

    device: torch.device
    deadline: float = float("inf")
    sizes: dict[str, Size] = field(default_factory=lambda: SIZES)
    problems: int = 32
    tokens: int = 128
    rows: int = 32
    texts: int = 8
    length: int = 1024
    vocab: int = 151_936
    widths: tuple[int, ...] = (1, 4, 16, 64, 256)
    steps: int = 16
    compiled: bool = True

    @property
    def is_gpu(self) -> bool:
        """Whether there are clocks, limits and names of a card to ask for."""
        return self.device.type == "cuda"

    @property
    def paths(self) -> tuple[str, ...]:
        """How statistics are computed."""
        return ("plain", "compiled") if self.compiled else ("plain",)

    def seconds(self, work: Callable[[], Any], times: int = 1) -> float:
        """Of a call, when all that it asked of the device is done: the median of several."""
        return median(self._timed(work) for _ in range(times))

    def _timed(self, work: Callable[[], Any]) -> float:
        self._wait()
        start = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize(self.device)


def small(device: torch.device) -> Setting:
    """So little that a CPU is done in seconds."""
    return Setting(
        device, sizes=TINY, problems=2, tokens=10, rows=2, texts=2, length=64, vocab=2000, widths=(1, 8), steps=4,
        compiled=False,
    )  # fmt: skip


# ---- what is checked ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def bundled(setting: Setting, dtype: str, device: str = "", rl_device: str | None = None) -> tuple[ModelPair, Bench]:
    """The bundled pair and the problems, both greedy texts known."""
    choice = PairChoice(pair="bundled", dtype=dtype, device=device or str(setting.device), rl_device=rl_device)
    pair = load(locate(choice))
    problems = load_problems("word-problems").problems[: setting.problems]
    prompts = {p.problem_id: encode_prompt("question_answer", p.question, pair.tokenizer)[1] for p in problems}
    settings = DecodingSettings(setting.tokens, setting.rows, pair.stop_ids, pair.context)
    return pair, with_both_ends_known(pair, [Task(i, prompt) for i, prompt in prompts.items()], settings)


def differing(ours: Sequence[Response], theirs: Sequence[Sequence[int]]) -> int:
    """How many responses have other ids."""
    return sum(list(a.ids) != list(b) for a, b in zip(ours, theirs, strict=True))


def identities(setting: Setting, dtype: str) -> Iterator[Row]:
    """Nothing is known beforehand, so nothing can be copied."""
    part = f"identities, {dtype}"
    pair, bench = bundled(setting, dtype)
    unknown = [replace(task, known=()) for task in bench.tasks]
    prompts, n = [task.prompt_ids for task in unknown], len(unknown)
    ends = {
        m: [r.ids for r in decode_greedily(model, pair.vocabulary, prompts, bench.settings)]
        for m, model in pair.members.items()
    }
    expected = {
        "never = base": (Arm(arms.never(), arms.donor_argmax()), "base"),
        "oracle = rl": (Arm(arms.disagree(), arms.donor_argmax()), "rl"),
        "mix(0) = base": (Arm(arms.always(), arms.mix(0)), "base"),
        "mix(1) = rl": (Arm(arms.always(), arms.mix(1)), "rl"),
    }
    for name, (arm, end) in expected.items():
        found = differing(decode(bench.players, arm, unknown, bench.settings)[0], ends[end])
        yield Row(part, name, f"{found} of {n} differ", _bound(dtype))
    for member, model in pair.members.items():
        theirs = generated(model, bench.tasks[:8], bench.settings)
        found = differing([Response(ids=ids) for ids in ends[member][:8]], theirs)
        yield Row(part, f"{member} = generate", f"{found} of {len(theirs)} differ", _bound(dtype))


def _bound(dtype: str) -> str:
    return "0 but for near ties" if dtype == "float32" else "a share: see the noise floor"


def generated(model: Model, tasks: Sequence[Task], settings: DecodingSettings) -> list[list[int]]:
    """transformers' own greedy responses, one at a time: no padding that could be to blame."""
    stop = sorted(settings.stop_ids)
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens, do_sample=False, eos_token_id=stop, pad_token_id=0
    )
    found = []
    for task in tasks:
        ids = torch.tensor([task.prompt_ids], device=model.device)
        with torch.no_grad():
            said = model.network.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
        found.append(said[0, len(task.prompt_ids) :].tolist())
    return found


def engine(setting: Setting, dtype: str) -> Iterator[Row]:
    """Ids, host's ids and gates of the engine against lock-step's; in bfloat16 beside lock-step at half the rows."""
    part = f"engine = lock-step, {dtype}"
    _, bench = bundled(setting, dtype)
    fewer = replace(bench.settings, rows=max(1, bench.settings.rows // 2))
    for name, arm in CHECKED.items():
        ours, counts = decode(bench.players, arm, bench.tasks, bench.settings)
        theirs = decode_in_lockstep(bench.players, arm, bench.tasks, bench.settings)
        beside = "0 but for near ties"
        if dtype != "float32":
            again = decode_in_lockstep(bench.players, arm, bench.tasks, fewer)
            beside = f"{difference(theirs, again):.1%} lock-step with itself at half the rows"
        reads = f"{counts.lane_reads / counts.emitted:.2f} lane reads a token"
        yield Row(part, name, f"{difference(ours, theirs):.1%} of {len(ours)} differ", f"{beside}; {reads}")
    at = Noise(torch.arange(1000, device=setting.device), torch.arange(1000, device=setting.device))
    there = Noise(torch.arange(1000), torch.arange(1000))
    off = (at.uniform("draw").cpu() != there.uniform("draw")).sum().item()
    yield Row(part, "noise = a CPU's", f"{off} of 1000 numbers differ", "0")


def rollout(problem_id: str, prompt_ids: Sequence[int], ids: Sequence[int]) -> Rollout:
    """A response of which only the ids matter."""
    return Rollout("rl", problem_id, 0, prompt_ids, ids, None, [False] * len(ids), None, Stop.LENGTH, Made.ENGINE)


def rollouts_of(bench: Bench, responses: Sequence[Sequence[int]]) -> list[Rollout]:
    """Responses as records."""
    return [rollout(t.problem_id, t.prompt_ids, ids) for t, ids in zip(bench.tasks, responses, strict=True)]


def table(setting: Setting, dtype: str) -> Iterator[Row]:
    """The token table of RL's greedy texts (a CPU's, in float32) against the CPU's own."""
    part = f"dual pass, {dtype}"
    reference, bench = bundled(setting, "float32", "cpu")
    rollouts = rollouts_of(bench, [task.known[1] for task in bench.tasks])
    exact = Reader(reference, "plain").table(rollouts).to_pandas()
    pair, _ = bundled(setting, dtype)
    for path in setting.paths if dtype == "float32" else ("plain",):
        ours = Reader(pair, path).table(rollouts).to_pandas()
        for name in SEEN:
            largest = (ours[name] - exact[name]).abs().max()
            yield Row(part, f"{path}: {name}", f"{largest:.1e} nats at most", "against a CPU in float32")
        for name in (*RANKS, "argmax_base", "argmax_rl"):
            yield Row(part, f"{path}: {name}", f"{(ours[name] != exact[name]).mean():.2%} differ", f"of {len(exact)}")
        own = (ours["argmax_rl"] != ours["token_id"]).mean()
        beside = "of RL's own tokens are not its argmax, teacher-forced"
        yield Row(part, f"{path}: noise floor", f"{own:.2%}", beside)


def head(setting: Setting) -> Iterator[Row]:
    """Head and sums at the whole vocabulary, from the same bfloat16 inputs, against a CPU's."""
    part = f"head and sums, {setting.vocab:,} tokens"
    torch.manual_seed(0)
    weights = [(torch.randn(setting.vocab, 896) * 0.05).bfloat16() for _ in range(2)]
    weights[1] = (0.9 * weights[0].float() + 0.1 * weights[1].float()).bfloat16()
    hidden = torch.randn(HIGHLY, 896).bfloat16()
    ids = torch.randint(setting.vocab, (HIGHLY,))
    exact = hidden[:8].double() @ weights[0].double().T
    there = [Head(weight.to(setting.device)) for weight in weights]
    moved = hidden.to(setting.device)
    error = ((there[0](moved[:8]).cpu().double() - exact).abs().max() / exact.abs().max()).item()
    yield Row(part, "a logit, relative error", f"{error:.1e}", "at most 1e-5 (float64 on a CPU)")
    reference = dual_statistics(Head(weights[0]), Head(weights[1]), hidden, hidden, ids, "plain")
    for path in setting.paths:
        start = time.perf_counter()
        ours = dual_statistics(there[0], there[1], moved, moved, ids, path)
        first = time.perf_counter() - start
        yield Row(part, f"{path}: the first slice", f"{first:.1f} s", "what is compiled then stays compiled")
        yield from _compared(part, path, ours, reference)


def _compared(part: str, path: str, ours: TokenStatistics, exact: TokenStatistics) -> Iterator[Row]:
    for name in SEEN:
        largest = (getattr(ours, name) - getattr(exact, name)).abs().max().item()
        yield Row(part, f"{path}: {name}", f"{largest:.1e} nats at most", "at most 1e-4 (a CPU, same inputs)")
    for name in (*RANKS, "argmax_base", "argmax_rl"):
        off = (getattr(ours, name) != getattr(exact, name)).sum().item()
        yield Row(part, f"{path}: {name}", f"{off} of {HIGHLY} differ", "0 but for near ties")


def memory(setting: Setting) -> Iterator[Row]:
    """Rows are halved where memory really runs out: the allocator's limit is set below what the decoding took."""
    part = "memory runs out"
    if not setting.is_gpu:
        yield Row(part, "halving", "not run", "only a GPU's allocator has a limit that can be set")
        return
    _, bench = bundled(setting, "float32")
    tasks = [replace(task, known=()) for task in bench.tasks] * 4  # so many rows that they are what takes memory
    settings = replace(bench.settings, rows=len(tasks))
    work = partial(decode, bench.players, ARMS["entropy"], tasks, settings)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(setting.device)
    before = torch.cuda.memory_reserved(setting.device)
    whole, _ = work()
    peak = torch.cuda.max_memory_reserved(setting.device)
    total = torch.cuda.get_device_properties(setting.device).total_memory
    for share in (0.7, 0.5, 0.3, 0.15):
        halvings: list[int] = []
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((before + share * (peak - before)) / total, setting.device)
        try:
            again, _ = work(Watch(halved=halvings.append))
            ended = f"{differing(again, [r.ids for r in whole])} of {len(whole)} responses differ"
        except RlprobeError as error:
            ended = str(error)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, setting.device)
        given = f"{(peak - before) / 1e6:.0f} MB were taken at {settings.rows} rows"
        yield Row(part, f"{share:.0%} of it allowed: rows {halvings or 'not halved'}", ended, given)


def two_devices(setting: Setting) -> Iterator[Row]:
    """One member on each of two devices: the ids and the table of one device."""
    part = "two devices"
    there = torch.cuda.device_count() if setting.is_gpu else 1
    if there < 2:
        yield Row(part, "one member on each", "not run", f"there is {there} device")
        return
    _, one = bundled(setting, "float32")
    apart, _ = bundled(setting, "float32", "cuda:0", "cuda:1")
    for name, arm in CHECKED.items():
        ours, _ = decode(players_of(apart), arm, one.tasks, one.settings)
        theirs, _ = decode(one.players, arm, one.tasks, one.settings)
        yield Row(part, name, f"{difference(ours, theirs):.1%} of {len(ours)} differ", "0")


# ---- what is measured -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def roof(setting: Setting) -> tuple[float, float]:
    """(bfloat16 operations, bytes) a second that this device reaches on one large product and one large copy."""
    side = 8192 if setting.is_gpu else 512
    a, b = (torch.randn(side, side, device=setting.device, dtype=torch.bfloat16) for _ in range(2))
    product, copy = partial(torch.mm, a, b), partial(a.repeat(4 if setting.is_gpu else 1, 1).clone)
    for work in (product, copy):
        work()
    copied = 2 * 2 * side * side * (4 if setting.is_gpu else 1)
    return 2 * side**3 / setting.seconds(product, 5), copied / setting.seconds(copy, 5)


def speed_of_light(setting: Setting) -> Iterator[Row]:
    """What bounds are taken from."""
    operations, copied = roof(setting)
    yield Row("roof", "a product of two large bfloat16 matrices", f"{operations / 1e12:.3g} TFLOP/s")
    yield Row("roof", "a large copy, read and written", f"{copied / 1e12:.3g} TB/s")


@lru_cache(maxsize=1)
def random_pair(setting: Setting, size: str) -> ModelPair:
    """Two models of a shape with random bfloat16 weights, made where they stay."""
    shape = setting.sizes[size].shape
    members = []
    for number in (0, 1):
        torch.manual_seed(number)
        with setting.device:
            network: Any = AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16).eval()
        network.requires_grad_(False)
        weight = network.get_output_embeddings().weight
        members.append(Model(f"random {size}", network, weight, None, 32_768, frozenset({"full_attention"})))
    ids = {str(i): i for i in range(shape.vocab_size)}
    vocabulary = common_vocabulary(ids, ids, (len(ids), len(ids)))
    return ModelPair(members[0], members[1], vocabulary, frozenset({0}), None)


@torch.no_grad()
def passes(setting: Setting, size: str) -> Iterator[Row]:
    """One pass of trunk and head by the positions read, and where a pass costs twice what its first token does."""
    part, model = f"a pass, {size}", random_pair(setting, size).rl
    of, taken = Head.of(model), {}
    for width in setting.widths:
        lanes, counts = Lanes(model, setting.rows), torch.full((setting.rows,), width)
        ids = torch.zeros(setting.rows, width, dtype=torch.long)

        def work(lanes: Lanes = lanes, ids: torch.Tensor = ids, counts: torch.Tensor = counts) -> None:
            hidden = lanes.read(ids, counts)
            for rows in hidden.flatten(0, 1).split(256):
                of(rows)
            lanes.lengths -= counts

        work()
        positions = setting.rows * width
        taken[positions] = setting.seconds(work, 5)
        yield Row(part, f"{positions} positions", f"{1000 * taken[positions]:.2f} ms", f"{setting.rows} rows")
    least, most = min(taken), max(taken)
    slope = (taken[most] - taken[least]) / (most - least)
    fixed = (taken[least] - slope * least) / slope if slope > 0 else float("inf")
    reckoned = f"{A_PASS['cuda']:.0f} is reckoned with ({A_PASS['cpu']:.0f} on a CPU)"
    yield Row(part, "fixed price", f"{fixed:.0f} reads of one more token", reckoned)


def dual(setting: Setting, size: str) -> Iterator[Row]:
    """Both models read the same responses, in tokens/s."""
    part, pair = f"dual pass, {size}", random_pair(setting, size)
    draws = torch.Generator().manual_seed(1)
    ids = torch.randint(len(pair.vocabulary.ids), (setting.texts, setting.length + 1), generator=draws).tolist()
    rollouts = [rollout(str(i), row[:1], row[1:]) for i, row in enumerate(ids)]
    n = setting.texts * setting.length
    variants: dict[str, Callable[[], Any]] = {
        "two plain trunk and head forwards (the floor)": partial(floor, pair, ids)
    }
    variants["both trunks through lanes"] = partial(trunks, pair, rollouts)
    for path in setting.paths:
        variants[f"the dual pass, {path}"] = partial(read_by, Reader(pair, path), rollouts)
    taken: dict[str, float] = {}
    for name, work in variants.items():
        work()
        taken[name] = setting.seconds(work, 3)
        yield Row(
            part, name, f"{n / taken[name]:,.0f} tokens/s", f"{taken[name] / next(iter(taken.values())):.2f} floors"
        )
    trunk = sum(p.numel() for p in pair.base.network.base_model.layers.parameters())
    products = 2 * 2 * (trunk + pair.base.head_weight.numel())  # two models; a multiplication and an addition a weight
    bound = roof(setting)[0] / products
    yield Row(part, "the products alone", f"{bound:,.0f} tokens/s", "at the roof's rate; attention not counted")


@torch.no_grad()
def floor(pair: ModelPair, ids: list[list[int]]) -> None:
    """Each trunk as transformers runs it, four texts at a time, and bare bfloat16 products with its head."""
    for model in pair.members.values():
        buffer = torch.empty(1024, len(model.head_weight), dtype=model.dtype, device=model.device)
        for start in range(0, len(ids), 4):
            read = torch.tensor(ids[start : start + 4], device=model.device)[:, :-1]
            hidden = model.network.base_model(input_ids=read, use_cache=False).last_hidden_state.flatten(0, 1)
            for rows in hidden.split(1024):
                torch.mm(rows, model.head_weight.T, out=buffer[: len(rows)])


@torch.no_grad()
def trunks(pair: ModelPair, rollouts: Sequence[Rollout]) -> None:
    """The dual pass without its heads."""
    for model in pair.members.values():
        for start in range(0, len(rollouts), 4):
            response_hidden_states(model, rollouts[start : start + 4])


def read_by(reader: Reader, rollouts: Sequence[Rollout]) -> None:
    """Every statistic of every position, on the CPU in the end; the strings of the table are left out."""
    for _ in reader._statistics(rollouts):
        pass


@lru_cache(maxsize=1)
def records(setting: Setting) -> tuple[dict[str, list[Response]], Bench]:
    """What the arms do on the bundled pair in float32."""
    _, bench = bundled(setting, "float32")
    return {name: decode(bench.players, arm, bench.tasks, bench.settings)[0] for name, arm in ARMS.items()}, bench


def interventions(setting: Setting, size: str) -> Iterator[Row]:
    """Tokens/s and lane reads of four arms; lock-step and `generate` as if no row ever waited for another."""
    part, pair = f"interventions, {size}", random_pair(setting, size)
    (done, bench), players = records(setting), players_of(pair)
    tasks = bench.tasks[: setting.rows]
    settings = replace(bench.settings, rows=len(tasks), stop_ids=frozenset(), context=32_768)

    def lockstep(tokens: int) -> None:
        decode_in_lockstep(players, ARMS["entropy"], tasks, replace(settings, max_new_tokens=tokens))

    def alone(tokens: int) -> None:
        unknown = [replace(task, known=()) for task in tasks]
        one = Players(pair.rl, None, pair.vocabulary)
        decode(one, Arm(arms.never(), arms.donor_argmax()), unknown, replace(settings, max_new_tokens=tokens))

    of_step: dict[str, Callable[[int], None]] = {
        "lock-step, entropy": lockstep,
        "one model alone": alone,
        "one model, generate": partial(generate_padded, pair.rl, tasks),
    }
    step: dict[str, float] = {}
    for name, work in of_step.items():
        work(2)
        short, long = (setting.seconds(partial(work, n), 2) for n in (2, 2 + setting.steps))
        step[name] = max(1e-9, (long - short) / setting.steps)
        yield Row(
            part,
            name,
            f"{len(tasks) / step[name]:,.0f} tokens/s",
            f"{1000 * step[name]:.1f} ms a step, {len(tasks)} rows",
        )
    slow = len(tasks) / step["lock-step, entropy"]
    for name, arm in ARMS.items():
        replayed(players, arm, bench, done[name], min(4, len(tasks)))  # kernels are loaded
        counts = Counts()
        taken = setting.seconds(partial(replayed, players, arm, bench, done[name], len(bench.tasks), counts))
        rate = counts.emitted / taken
        reads = f"{counts.lane_reads / counts.emitted:.2f} lane reads a token (lock-step 2)"
        yield Row(
            part, name, f"{rate:,.0f} tokens/s, {rate / slow:.1f} times lock-step", f"{reads}, {counts.rounds} rounds"
        )


def replayed(
    players: Players, arm: Arm, bench: Bench, record: Sequence[Response], n: int, counts: Counts | None = None
) -> None:
    """The first n responses, prompts read and every pass paid for, committed as the record says."""
    filed: list[Response | None] = [None] * n
    settings = replace(bench.settings, context=32_768)
    decoder = Replayed(players, arm, bench.tasks[:n], settings, Watch(), counts or Counts())
    decoder.record = record[:n]
    with torch.no_grad():
        decoder.run(min(settings.rows, n), deque(range(n)), filed)
    if [r.ids for r in filed if r] != [r.ids for r in record[:n]]:
        raise RuntimeError("the record was not followed")


def generate_padded(model: Model, tasks: Sequence[Task], tokens: int) -> None:
    """transformers' greedy decoding of all tasks at once, left-padded, that many tokens each."""
    config = GenerationConfig(max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    longest = max(len(task.prompt_ids) for task in tasks)
    ids = torch.tensor([[0] * (longest - len(t.prompt_ids)) + list(t.prompt_ids) for t in tasks], device=model.device)
    mask = torch.tensor([[0] * (longest - len(t.prompt_ids)) + [1] * len(t.prompt_ids) for t in tasks])
    with torch.no_grad():
        model.network.generate(ids, attention_mask=mask.to(model.device), generation_config=config)


# ---- the table ------------------------------------------------------------------------------------------------------


def card(device: torch.device) -> dict[str, str]:
    """What the numbers are of."""
    about = {
        "device": platform.processor() or platform.machine(),
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda or 'none'})",
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    if device.type != "cuda":
        return about
    there = torch.cuda.get_device_properties(device)
    return about | {
        "device": f"{there.name}, {there.total_memory / 2**30:.0f} GiB, {torch.cuda.device_count()} of them",
        "driver": driver(),
    }


@dataclass
class Report:
    """The table as it grows: written anew after every row, so that what was measured outlives what comes after."""

    path: Path
    about: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, row: Row) -> None:
        """One more line, in both files."""
        self.rows.append(row)
        after = round(time.monotonic() - self.started, 1)
        click.echo(f"{after:7.1f} s  {row.part} | {row.what} | {row.measured} | {row.beside}")
        with self.path.with_suffix(".jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({**self.about, **asdict(row), "after_seconds": after}) + "\n")
        self.path.write_text(self.markdown, encoding="utf-8")

    @property
    def markdown(self) -> str:
        """Whose numbers, and the table."""
        head = ["| part | what | measured | beside |", "|---|---|---|---|"]
        cells = ((row.part, row.what, row.measured, row.beside) for row in self.rows)
        lines = ["| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in row) + " |" for row in cells]
        return "\n".join([*(f"- {name}: {value}" for name, value in self.about.items()), "", *head, *lines, ""])


Part = Callable[[Setting], Iterator[Row]]


def parts_of(setting: Setting) -> dict[str, Part]:
    """Every part by name, in order; those of a size follow each other, so that its models are made once."""
    parts: dict[str, Part] = {}
    for dtype in ("float32", "bfloat16"):
        for check in (identities, engine, table):
            parts[f"{check.__name__}-{dtype}"] = partial(check, dtype=dtype)
    parts |= {"memory": memory, "two_devices": two_devices, "head": head, "roof": speed_of_light}
    for size in setting.sizes:
        for part in (dual, interventions, passes):
            parts[f"{part.__name__}-{size}"] = partial(_in_time, part, size)
    return parts


def _in_time(part: Callable[[Setting, str], Iterator[Row]], size: str, setting: Setting) -> Iterator[Row]:
    """A part of a size, or one line where too little time is left to begin it."""
    left, needed = setting.deadline - time.monotonic(), setting.sizes[size].seconds / 3
    if left < needed:
        yield Row(
            f"{part.__name__}, {size}", "left out", "not run", f"{left:.0f} s were left, {needed:.0f} are allowed for"
        )
    else:
        yield from part(setting, size)


def run(setting: Setting, report: Report, only: tuple[str, ...] = ("",)) -> None:
    """Every part whose name begins with one of `only`; what one of them raises is its line in the table."""
    for name, part in parts_of(setting).items():
        if not name.startswith(only):
            continue
        start = time.monotonic()
        try:
            for row in part(setting):
                report.add(row)
        except Exception as error:  # whatever a new machine raises: the other parts are wanted all the same
            said = (str(error).strip().splitlines() or [""])[0][:300]
            report.add(Row(name, "failed", f"{type(error).__name__}: {said}"))
        report.add(Row(name, "time", f"{time.monotonic() - start:.1f} s"))


@script(help=__doc__)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The table; a .jsonl is written beside it.")
@click.option("--device", default="cuda", show_default=True, help="On a CPU everything is small.")
@click.option("--minutes", default=4.0, show_default=True, help="Sizes for which no time is left are named, not run.")
@click.option("--only", multiple=True, default=("",), metavar="PART", help="Only parts whose names begin like this.")
def main(out: Path, device: str, minutes: float, only: tuple[str, ...]) -> None:
    """Check, measure, write."""
    of = torch.device(device)
    if of.type == "cuda" and not torch.cuda.is_available():
        raise click.BadParameter("torch finds no GPU here: give --device cpu", param_hint="--device")
    if of.type == "cuda":
        of = torch.device("cuda", of.index or 0)  # some of torch's functions ask for a number
    setting = Setting(of, time.monotonic() + 60 * minutes) if of.type == "cuda" else small(of)
    run(setting, Report(out, card(of)), only)


if __name__ == "__main__":
    main()
