"""The engine against lock-step, and the identities of arms, with nothing known to copy from."""

from dataclasses import replace
from functools import cache, reduce
from itertools import pairwise
from operator import or_

import pytest
import torch
from conftest import save_pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import random_prompts

from rlprobe.decoding import arms, prices
from rlprobe.decoding.arms import Arm, Facts, Sampling
from rlprobe.decoding.engine import DecodingSettings, Players, Task, decode, decode_greedily
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.decoding.noise import Noise
from rlprobe.errors import RlprobeError
from rlprobe.measures.learned import Learned
from rlprobe.pairs.kinds import KINDS, kinds_of
from rlprobe.pairs.loading import load, locate
from rlprobe.pairs.model import Way
from rlprobe.records import Made
from rlprobe.settings import PairChoice

NEW = 24
LEARNED = Learned((4.0, 0.3, *[-3.0] * 5, 2.0), (0.4, 0.3, *[0.5] * 5, 0.8), (1.0, -0.5, 0.2, 0, 0, 0, -0.1, 0.3), -0.1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Tiny pairs by (kind, noise), made when first asked for."""

    @cache
    def make(kind: str, noise: float):
        base, rl = map(str, save_pair(tmp_path_factory.mktemp("pair"), kind, noise))
        return load(locate(PairChoice(base=base, rl=rl, device="cpu")))

    return make


def kinds_in(pair) -> torch.Tensor:
    return torch.tensor(kinds_of(pair.tokenizer, pair.vocabulary.ids.tolist(), {0, 9}))


def players(pair, host: str) -> Players:
    donor = pair.member("rl" if host == "base" else "base")
    return Players(pair.member(host), donor, pair.vocabulary, kinds_in(pair))


def tasks_for(pair, n: int, seed: int, known: bool) -> list[Task]:
    prompts = random_prompts(n, len(pair.vocabulary.ids), seed)
    texts = [[] for _ in prompts]
    if known:
        of = DecodingSettings(NEW, 4, frozenset({0, 9}), 256)
        ends = [decode_greedily(pair.member(m), pair.vocabulary, prompts, of) for m in ("base", "rl")]
        texts = [[base.ids, rl.ids] for base, rl in zip(*ends, strict=True)]
    facts = Facts(frozenset({0, 3, 4, 11}), 0.3, frozenset({0, 2, 3, 5}))
    return [Task(f"p{i}", p, i % 2, known, facts) for i, (p, known) in enumerate(zip(prompts, texts, strict=True))]


ARMS = {
    "never": lambda: (arms.never(), arms.donor_argmax()),
    "always": lambda: (arms.always(), arms.donor_argmax()),
    "oracle": lambda: (arms.disagree(), arms.donor_argmax()),
    "reranked": lambda: (arms.reranked(3), arms.donor_argmax()),
    "shifted": lambda: (arms.shifted(3), arms.host_second()),
    "entropy": lambda: (arms.entropy_above(4.3), arms.donor_argmax()),
    "low entropy": lambda: (arms.entropy_below(4.3), arms.donor_argmax()),
    "margin": lambda: (arms.margin_below(0.4), arms.donor_argmax()),
    "kl": lambda: (arms.kl_above(0.05), arms.donor_argmax()),
    "js": lambda: (arms.js_above(0.01), arms.donor_argmax()),
    "delta": lambda: (arms.delta_below(-0.1), arms.donor_draw()),
    "residual": lambda: (arms.sampled_delta_below(-0.1), arms.donor_residual()),
    "all residual": lambda: (arms.always(), arms.donor_residual()),
    "bernoulli": lambda: (arms.bernoulli(0.3), arms.host_random(20)),
    "random": lambda: (arms.disagree(), arms.host_random(5)),
    "random, donor allowed": lambda: (arms.disagree(), arms.host_random(5, allow_donor=True)),
    "resample": lambda: (arms.disagree(), arms.host_sample()),
    "resample, donor allowed": lambda: (arms.disagree(), arms.host_sample(allow_donor=True)),
    "matched": lambda: (arms.disagree(), arms.rank_matched(5, 0, 2, 1)),
    "matched, donor allowed": lambda: (arms.disagree(), arms.rank_matched(5, 0, 2, 1, allow_donor=True)),
    "second, donor allowed": lambda: (arms.always(), arms.host_second(allow_donor=True)),
    "support": lambda: (arms.disagree(), arms.donor_in_host_top(3)),
    "mix": lambda: (arms.always(), arms.mix(0.5)),
    "extrapolated": lambda: (arms.always(), arms.mix(1.5)),
    "first": lambda: (arms.disagree() & arms.first(3), arms.donor_argmax()),
    "hand-off": lambda: (arms.before(5), arms.donor_draw()),
    "hand-off at the first edit": lambda: (arms.always() & arms.first(1), arms.donor_argmax()),
    "only": lambda: (arms.disagree() & arms.of_kind("other"), arms.donor_draw()),
    "without": lambda: (arms.disagree() & ~arms.of_kind("digits"), arms.donor_argmax()),
    "budget": lambda: (arms.entropy_above(4.2) & arms.budget(4), arms.donor_argmax()),
    "or, not": lambda: (~arms.disagree() | arms.bernoulli(0.2), arms.host_second()),
    "replayed": lambda: (arms.replayed(), arms.host_second()),
    "oracle rate": lambda: (arms.oracle_rate(), arms.donor_argmax()),
    "learned": lambda: (arms.learned_above(-0.2, LEARNED), arms.donor_argmax()),
    "ordinals": lambda: (arms.disagree(), arms.donor_at_ordinals()),
}


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_equals_lockstep(pairs, name):
    check_against_lockstep(pairs("llama", 0.05), name, host="base", sampling=None, n=5, seed=1, known=True, rows=3)


def test_every_gate_and_writer_stands_in_an_arm_above():
    used = " ".join(part.spec for make in ARMS.values() for part in make())
    assert [name for name in (*arms.GATES, *arms.WRITERS) if name not in used] == []


def check_against_lockstep(pair, name, host, sampling, n, seed, known, rows):
    arm = Arm(*ARMS[name](), host=host, seed=seed, sampling=sampling)
    tasks = tasks_for(pair, n, seed, known)
    of = DecodingSettings(NEW, rows, frozenset({0, 9}), 256)
    ours, counts = decode(players(pair, host), arm, tasks, of)
    theirs = decode_in_lockstep(players(pair, host), arm, tasks, of)
    for task, mine, reference in zip(tasks, ours, theirs, strict=True):
        for name in ("ids", "gated", "host_ids", "donor_ids", "stop"):
            assert getattr(mine, name) == getattr(reference, name), (name, arm.spec, task.problem_id)
    assert counts.emitted == sum(len(r.ids) for r in ours)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lfm2", "mamba"])
@pytest.mark.parametrize("name", ARMS)
def test_arms_of_models_that_cannot_be_rewound_equal_reading_everything_again(pairs, kind, name):
    """Token by token in the models' own caches and in batches, against whole passes, one text at a time."""
    pair = pairs(kind, 0.05)
    arm = Arm(*ARMS[name](), host="rl", seed=3, sampling=Sampling(0.9, 0.9) if name in ("delta", "mix") else None)
    tasks = [*tasks_for(pair, 3, 2, known=True), *tasks_for(pair, 1, 2, known=False)]  # of which some are of one length
    again = pair.read_by(Way.WHOLE)
    ours, counts = decode(players(pair, "rl"), arm, tasks, DecodingSettings(NEW, 3, frozenset({0, 9}), 256))
    theirs, _ = decode(players(again, "rl"), arm, tasks, DecodingSettings(NEW, 1, frozenset({0, 9}), 256))
    for task, mine, reference in zip(tasks, ours, theirs, strict=True):
        for part in ("ids", "gated", "host_ids", "donor_ids", "stop"):
            assert getattr(mine, part) == getattr(reference, part), (part, arm.spec, task.problem_id)
    assert {response.made for response in ours} == {Made.LOCKSTEP}
    assert counts.lane_reads == 2 * counts.emitted == 2 * sum(len(r.ids) for r in ours)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["llama", "mixed"]),
    noise=st.sampled_from([0.0, 0.02, 0.2]),
    name=st.sampled_from(sorted(ARMS)),
    host=st.sampled_from(["base", "rl"]),
    sampling=st.sampled_from([None, Sampling(1.0, 1.0), Sampling(0.7, 0.8)]),
    seed=st.integers(0, 5),
    known=st.booleans(),
    rows=st.integers(1, 5),
    longest=st.integers(1, 12),
    a_pass=st.sampled_from([1.0, 8.0, 32.0, 300.0]),
)
def test_the_engine_equals_lockstep_whatever_is_drawn(
    pairs, kind, noise, name, host, sampling, seed, known, rows, longest, a_pass
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prices, "LONGEST", longest)
        patch.setitem(prices.A_PASS, "cpu", a_pass)
        check_against_lockstep(pairs(kind, noise), name, host, sampling, n=4, seed=seed, known=known, rows=rows)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["base", "rl"])
def test_identities_of_arms_with_nothing_known(pairs, host):
    pair = pairs("llama", 0.05)
    vocab = len(pair.vocabulary.ids)
    of = DecodingSettings(NEW, 4, frozenset({0, 9}), 256)
    tasks = tasks_for(pair, 6, 2, known=False)
    prompts = [task.prompt_ids for task in tasks]
    own, others = (
        decode_greedily(pair.member(m), pair.vocabulary, prompts, of)
        for m in (host, "rl" if host == "base" else "base")
    )

    def emitted(gate, writer):
        return decode(players(pair, host), Arm(gate, writer, host), tasks, of)[0]

    oracle = emitted(arms.disagree(), arms.donor_argmax())
    like_host = {
        "never": emitted(arms.never(), arms.donor_argmax()),
        "support(1)": emitted(arms.disagree(), arms.donor_in_host_top(1)),
        "mix(0)": emitted(arms.always(), arms.mix(0)),
        "dose(0)": emitted(arms.disagree() & arms.bernoulli(0), arms.donor_argmax()),
        "first(0)": emitted(arms.disagree() & arms.first(0), arms.donor_argmax()),
        "before(0)": emitted(arms.before(0), arms.donor_argmax()),
    }
    like_donor = {
        "always": emitted(arms.always(), arms.donor_argmax()),
        "residual": emitted(arms.always(), arms.donor_residual()),
        "oracle": oracle,
        "reranked(V)": emitted(arms.reranked(vocab), arms.donor_argmax()),
        "support(V)": emitted(arms.disagree(), arms.donor_in_host_top(vocab)),
        "mix(1)": emitted(arms.always(), arms.mix(1)),
        "dose(1)": emitted(arms.disagree() & arms.bernoulli(1), arms.donor_argmax()),
        "before(NEW)": emitted(arms.before(NEW), arms.donor_argmax()),
        "every kind": emitted(arms.disagree() & reduce(or_, map(arms.of_kind, KINDS)), arms.donor_argmax()),
    }
    for expected, group in ((own, like_host), (others, like_donor)):
        for name, responses in group.items():
            assert [(r.ids, r.stop) for r in responses] == [(r.ids, r.stop) for r in expected], name
    assert [r.gated for r in like_donor["reranked(V)"]] == [r.gated for r in oracle]
    edits = sum(a != b for r in oracle for a, b in zip(r.ids, r.host_ids, strict=True))
    assert 0 < edits == sum(sum(r.gated) for r in oracle)


def alone(pair, member: str, begun: list[list[int]], new: int) -> list[list[int]]:
    """What a member says by itself after each text, at most `new` tokens."""
    responses = decode_greedily(
        pair.member(member), pair.vocabulary, begun, DecodingSettings(new, 4, frozenset({0, 9}), 256)
    )
    return [response.ids for response in responses]


def handed_over(pair, host: str, prompt: list[int], begun: list[int]) -> list[int]:
    """A beginning, and what the host by itself makes of it."""
    if (begun and begun[-1] in {0, 9}) or len(begun) >= NEW:
        return begun
    return begun + alone(pair, host, [prompt + begun], NEW - len(begun))[0]


@pytest.mark.slow
@pytest.mark.parametrize("host", ["base", "rl"])
def test_after_the_hand_off_the_host_goes_on_as_it_would_alone(pairs, host):
    pair, donor = pairs("llama", 0.1), "rl" if host == "base" else "base"
    tasks, of = tasks_for(pair, 6, 3, known=False), DecodingSettings(NEW, 4, frozenset({0, 9}), 256)
    theirs = alone(pair, donor, [task.prompt_ids for task in tasks], NEW)
    for m in (1, 4, 11):
        ours, _ = decode(players(pair, host), Arm(arms.before(m), arms.donor_argmax(), host), tasks, of)
        expected = [handed_over(pair, host, t.prompt_ids, ids[:m]) for t, ids in zip(tasks, theirs, strict=True)]
        assert [r.ids for r in ours] == expected
        assert [sum(r.gated) for r in ours] == [min(m, len(ids)) for ids in theirs]
    assert any(mine != whole for mine, whole in zip(expected, theirs, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("host", ["base", "rl"])
def test_a_hand_off_at_the_first_difference_is_one_flip(pairs, host):
    pair, donor = pairs("llama", 0.1), "rl" if host == "base" else "base"
    tasks, of = tasks_for(pair, 6, 4, known=False), DecodingSettings(NEW, 4, frozenset({0, 9}), 256)
    handoff = Arm(arms.always() & arms.first(1), arms.donor_argmax(), host)
    ours, _ = decode(players(pair, host), handoff, tasks, of)
    own, theirs = (alone(pair, member, [task.prompt_ids for task in tasks], NEW) for member in (host, donor))
    for task, response, mine, other in zip(tasks, ours, own, theirs, strict=True):
        same = next((t for t, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), len(other))
        assert response.ids == handed_over(pair, host, task.prompt_ids, other[: same + 1])
        assert response.gated == [t <= same for t in range(len(response.ids))]
    first, _ = decode(players(pair, host), Arm(arms.disagree() & arms.first(1), arms.donor_argmax(), host), tasks, of)
    assert [r.ids for r in ours] == [r.ids for r in first]
    assert any(r.edits for r in ours)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inside", [True, False])
def test_edits_by_kind_equal_a_plain_loop_over_single_tokens(pairs, kind, inside):
    pair = pairs("llama", 0.2)
    (task,) = tasks_for(pair, 1, 5, known=False)
    number, kinds, text = list(KINDS).index(kind), kinds_in(pair).tolist(), list[int]()
    while len(text) < NEW and not {0, 9} & {*text[-1:]}:
        host, donor = (alone(pair, member, [[*task.prompt_ids, *text]], 1)[0][0] for member in ("base", "rl"))
        text.append(donor if (kinds[donor] == number) == inside else host)
    gate = arms.of_kind(kind) if inside else ~arms.of_kind(kind)
    arm = Arm(arms.disagree() & gate, arms.donor_argmax())
    (ours,), _ = decode(players(pair, "base"), arm, [task], DecodingSettings(NEW, 1, frozenset({0, 9}), 256))
    assert ours.ids == text


def test_only_and_without_share_out_the_edits_of_one_text():
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(400, 50, generator=generator) for _ in range(2)]
    logits[1] = torch.where(torch.rand(400, 1, generator=generator) < 0.3, logits[0], logits[1])
    kinds = torch.randint(len(KINDS), (50,), generator=generator)
    noise = Noise(torch.zeros(400, dtype=torch.long), torch.arange(400))
    view = arms.View(*logits, noise, [Facts()] * 400, kinds=kinds)

    def fired(gate):
        return gate.combine([leaf.test(view) for leaf in gate.leaves])

    edits = fired(arms.disagree())
    shares = torch.stack([fired(arms.disagree() & arms.of_kind(kind)) for kind in KINDS])
    assert torch.equal(shares.sum(0), edits.long())  # each edit in one of them
    assert (shares.sum(1) > 10).all()
    for share, kind in zip(shares, KINDS, strict=True):
        without = fired(arms.disagree() & ~arms.of_kind(kind))
        assert torch.equal(share ^ without, edits)
        assert not (share & without).any()


def test_a_gate_by_kind_says_when_nobody_knows_the_kinds(pairs):
    pair = pairs("llama", 0.05)
    arm, task = Arm(arms.disagree() & arms.of_kind("digits"), arms.donor_argmax()), tasks_for(pair, 1, 0, known=False)
    with pytest.raises(RlprobeError, match="kinds of tokens"):
        decode(Players(pair.base, pair.rl, pair.vocabulary), arm, task, DecodingSettings(4, 1, frozenset(), 256))


@pytest.mark.slow
def test_batch_size_order_and_refilling_change_nothing(pairs):
    pair = pairs("qwen2", 0.1)
    arm = Arm(arms.disagree(), arms.host_random(20), seed=3)
    tasks = tasks_for(pair, 9, 4, known=True)
    responses = {}
    for rows in (1, 4, 9):
        for order in (tasks, tasks[::-1]):
            done, _ = decode(players(pair, "base"), arm, order, DecodingSettings(NEW, rows, frozenset({0, 9}), 256))
            for task, response in zip(order, done, strict=True):
                assert responses.setdefault(task.problem_id, response.ids) == response.ids


def test_known_text_saves_reads_and_lockstep_has_two_a_token(pairs):
    pair = pairs("llama", 0.0)
    of = DecodingSettings(NEW, 4, frozenset(), 256)
    arm = Arm(arms.disagree(), arms.donor_argmax())
    _, known = decode(players(pair, "base"), arm, tasks_for(pair, 6, 1, known=True), of)
    _, drafted = decode(players(pair, "base"), arm, tasks_for(pair, 6, 1, known=False), of)
    assert known.lane_reads / known.emitted < 0.5
    assert drafted.lane_reads / drafted.emitted < 1.5


def test_doses_are_nested_by_common_noise(pairs):
    pair = pairs("llama", 0.05)
    tasks = tasks_for(pair, 5, 7, known=False)
    of = DecodingSettings(NEW, 5, frozenset(), 256)
    gates = [
        decode(players(pair, "base"), Arm(arms.bernoulli(q), arms.donor_argmax(), seed=1), tasks, of)[0]
        for q in (0.2, 0.5, 0.9)
    ]
    for less, more in pairwise(gates):
        for a, b in zip(less, more, strict=True):
            assert all(y for x, y in zip(a.gated, b.gated, strict=True) if x)


@pytest.mark.parametrize("name", ["never", "bernoulli", "replayed", "random"])
@pytest.mark.parametrize("sampling", [None, Sampling(0.9, 0.9)])
def test_a_response_goes_on_from_a_given_beginning_as_if_it_had_never_stopped(pairs, name, sampling):
    pair = pairs("llama", 0.05)
    arm = Arm(*ARMS[name](), seed=2, sampling=sampling)
    tasks, of = tasks_for(pair, 5, 8, known=False), DecodingSettings(NEW, 3, frozenset({0}), 256)
    whole, _ = decode(players(pair, "base"), arm, tasks, of)
    long = [(task, response) for task, response in zip(tasks, whole, strict=True) if len(response.ids) > 7]
    assert len(long) > 2
    begun = [replace(task, prompt_ids=[*task.prompt_ids, *response.ids[:7]], said=7) for task, response in long]
    for again in (
        decode(players(pair, "base"), arm, begun, of)[0],
        decode_in_lockstep(players(pair, "base"), arm, begun, of),
    ):
        assert [(r.ids, r.gated, r.stop) for r in again] == [(r.ids[7:], r.gated[7:], r.stop) for _, r in long]
