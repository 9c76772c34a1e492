"""Sampled responses: the same whatever decodes them, distributed as the models say, and beyond RL as asked."""

import pytest
import torch
from making import random_prompts
from scipy import stats

from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm, Facts, Sampling, View, opinions
from rlprobe.decoding.engine import NO_HISTORY, DecodingSettings, Players, Task, decode
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.decoding.noise import Noise, response_key

NEW = 10
STOP = frozenset({0})


def settings(rows: int, new: int = NEW) -> DecodingSettings:
    return DecodingSettings(new, rows, STOP, 256)


def never(host: str, sampling: Sampling) -> Arm:
    return Arm(arms.never(), arms.donor_argmax(), host, sampling=sampling)


def tasks_for(pair, n: int, draws: int) -> list[Task]:
    prompts = random_prompts(n, len(pair.vocabulary.ids), 3)
    return [Task(f"p{i}", prompt, draw) for i, prompt in enumerate(prompts) for draw in range(draws)]


def ids_of(tasks, responses) -> dict[tuple[str, int], list[int]]:
    return {(t.problem_id, t.draw): r.ids for t, r in zip(tasks, responses, strict=True)}


@pytest.mark.parametrize("sampling", [Sampling(1.0), Sampling(0.8, 0.9)])
def test_ids_depend_on_no_batch_no_order_no_engine_and_no_donor(tiny_pair, sampling):
    arm, tasks = never("rl", sampling), tasks_for(tiny_pair, 4, 3)
    alone = Players(tiny_pair.rl, None, tiny_pair.vocabulary)
    beside = Players(tiny_pair.rl, tiny_pair.base, tiny_pair.vocabulary)
    expected = ids_of(tasks, decode_in_lockstep(alone, arm, tasks, settings(5)))
    assert len({tuple(ids) for ids in expected.values()}) == len(tasks)  # another draw, another text
    for players, rows, order in ((alone, 1, tasks), (alone, 12, tasks[::-1]), (beside, 5, tasks[::2] + tasks[1::2])):
        responses, _ = decode(players, arm, order, settings(rows))
        assert ids_of(order, responses) == expected


def test_known_text_of_the_same_draw_changes_reads_and_no_token(tiny_pair):
    arm = Arm(arms.always(), arms.mix(0.5), sampling=Sampling(1.0))
    tasks = tasks_for(tiny_pair, 4, 2)
    players = Players(tiny_pair.base, tiny_pair.rl, tiny_pair.vocabulary)
    plain, _ = decode(players, arm, tasks, settings(4))
    rl, _ = decode(Players(tiny_pair.rl, None, tiny_pair.vocabulary), never("rl", Sampling(1.0)), tasks, settings(4))
    told = [Task(t.problem_id, t.prompt_ids, t.draw, known=[r.ids]) for t, r in zip(tasks, rl, strict=True)]
    assert [r.ids for r in decode(players, arm, told, settings(4))[0]] == [r.ids for r in plain]


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_the_first_two_tokens_come_as_often_as_the_model_says(tiny_pair, top_p):
    temperature, n = {1.0: 0.6, 0.7: 1.0}[top_p], 3000  # so that more than three tokens come often
    sampling = Sampling(temperature, top_p)
    (prompt,) = random_prompts(1, len(tiny_pair.vocabulary.ids), 5)
    players = Players(tiny_pair.base, None, tiny_pair.vocabulary)
    tasks = [Task("p", prompt, draw) for draw in range(n)]
    responses, _ = decode(players, never("base", sampling), tasks, settings(500, new=2))

    def exact(ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            logits = tiny_pair.base.network(torch.tensor([ids])).logits[0, -1].double()
        return nucleus(torch.softmax(logits[tiny_pair.vocabulary.ids] / temperature, -1), top_p)

    first = [r.ids[0] for r in responses]
    assert_drawn_from(first, exact(prompt))
    commonest = max(set(first) - STOP, key=first.count)
    assert_drawn_from([r.ids[1] for r in responses if r.ids[0] == commonest], exact([*prompt, commonest]))


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """The smallest set of tokens that holds top_p of the probability, the likeliest first, with a sum of 1 again."""
    kept, held = torch.zeros_like(probabilities), 0.0
    for token in sorted(range(len(probabilities)), key=lambda i: -probabilities[i]):
        if held < top_p:
            kept[token] = probabilities[token]
            held += float(probabilities[token])
    return kept / kept.sum()


def assert_drawn_from(ids: list[int], probabilities: torch.Tensor) -> None:
    """A chi-square test; tokens that are expected fewer than five times are one cell."""
    expected = probabilities.numpy() * len(ids)
    counts = torch.bincount(torch.tensor(ids), minlength=len(expected)).numpy()
    assert counts[expected == 0].sum() == 0
    often, rare = expected >= 5, (expected > 0) & (expected < 5)
    assert often.sum() > 3
    cells = [[*counts[often]], [*expected[often]]]
    if rare.any():
        cells = [[*counts[often], counts[rare].sum()], [*expected[often], expected[rare].sum()]]
    assert stats.chisquare(*cells).pvalue > 1e-3


BASE, RL = torch.tensor([2.0, 1.0, 0.0, -1.0, 0.5]), torch.tensor([0.5, 1.0, 1.5, -2.0, 0.8])  # logits, five tokens


@pytest.mark.parametrize("gamma", [None, 0.0, 0.5])
def test_a_gate_that_sees_the_draw_leaves_the_distribution_that_it_should(gamma):
    """DIR's replacement: y ~ base; where RL finds it less likely by 0.2 nats, again from RL, or from beyond RL."""
    n = 20_000
    writer = arms.donor_draw() if gamma is None else arms.mix(1 + gamma)
    arm = Arm(arms.delta_below(-0.2), writer, sampling=Sampling(1.0))
    noise = Noise(torch.full((n,), response_key(0, "p", 0)), torch.arange(n))
    both = BASE.expand(n, -1), RL.expand(n, -1)
    view = View(*both, noise, [Facts()] * n, arm.sampling, arm.donor_stream)
    gated, emitted = opinions(arm, view).settle(arm, NO_HISTORY)

    base, rl = (torch.softmax(logits.double(), -1) for logits in (BASE, RL))
    written = torch.softmax((1 + (gamma or 0)) * RL.double() - (gamma or 0) * BASE.double(), -1)
    fires = rl.log() - base.log() < -0.2
    exact = base * ~fires + base[fires].sum() * written
    counts = torch.bincount(emitted, minlength=5).numpy()
    assert stats.chisquare(counts, exact.numpy() * n).pvalue > 1e-3
    assert abs(float(gated.double().mean()) - float(base[fires].sum())) < 0.02


SIX = torch.tensor([2.0, 1.5, 0.0, -1.0, 0.5, 1.0]), torch.tensor([0.5, 1.2, 1.5, -2.0, 0.8, 1.6])  # base, RL


def by_enumeration(base, rl, fires) -> list[float]:
    """What a redraw from the positive part of RL - base leaves, token by token: keep, or reject and draw again."""
    tokens = range(len(base))
    gains = [max(0.0, rl[z] - base[z]) for z in tokens]
    said = [0.0 for _ in tokens]
    for y in tokens:
        kept = min(1.0, rl[y] / base[y]) if fires(y) and base[y] else 1.0
        said[y] += base[y] * kept
        for z in tokens:
            said[z] += base[y] * (1 - kept) * gains[z] / sum(gains)
    return said


GATES = {
    "sampled_delta_below(0)": (arms.sampled_delta_below(0), lambda b, r, y: r[y] < b[y]),
    "sampled_delta_below(-0.5)": (
        arms.sampled_delta_below(-0.5),
        lambda b, r, y: b[y] > 0 and r[y] < b[y] * 2.718281828**-0.5,
    ),
    "always": (arms.always(), lambda b, r, y: True),
    "never": (arms.never(), lambda b, r, y: False),
}


@pytest.mark.parametrize("sampling", [Sampling(1.0), Sampling(0.7), Sampling(1.0, 0.8)])
@pytest.mark.parametrize("name", GATES)
def test_a_residual_redraw_lies_between_the_base_and_rl_and_is_rl_where_every_loss_is_replaced(name, sampling):
    n, (gate, fires) = 40_000, GATES[name]
    arm = Arm(gate, arms.donor_residual(), sampling=sampling)
    noise = Noise(torch.full((n,), response_key(0, "p", 0)), torch.arange(n))
    both = (logits.expand(n, -1) for logits in SIX)
    view = View(*both, noise, [Facts()] * n, sampling, arm.donor_stream)
    _, emitted = opinions(arm, view).settle(arm, NO_HISTORY)

    base, rl = (
        nucleus(torch.softmax(logits.double() / sampling.temperature, -1), sampling.top_p).tolist() for logits in SIX
    )
    exact = by_enumeration(base, rl, lambda y: fires(base, rl, y))
    assert sum(exact) == pytest.approx(1)
    assert all(min(b, r) - 1e-12 <= e <= max(b, r) + 1e-12 for b, r, e in zip(base, rl, exact, strict=True))
    ends = {"sampled_delta_below(0)": rl, "always": rl, "never": base}
    if name in ends:
        assert exact == pytest.approx(ends[name])
    else:
        lost = sum(max(0.0, b - r) for y, (b, r) in enumerate(zip(base, rl, strict=True)) if fires(base, rl, y))
        share = lost / sum(max(0.0, r - b) for b, r in zip(base, rl, strict=True))
        assert 0 < share < 1  # of the way from the base to RL, at every token that RL finds likelier
        formula = [
            b + share * (r - b) if r >= b else min(b, r) if fires(base, rl, y) else b
            for y, (b, r) in enumerate(zip(base, rl, strict=True))
        ]
        assert exact == pytest.approx(formula)
    counts = torch.bincount(emitted, minlength=6)
    said = [y for y in range(6) if exact[y] > 0]
    assert counts.sum() == counts[said].sum()
    assert stats.chisquare(counts[said].numpy(), [exact[y] * n for y in said]).pvalue > 1e-3


def test_every_edit_of_a_residual_redraw_is_one_and_is_what_rl_finds_likelier():
    n, sampling = 5000, Sampling(1.0)
    arm = Arm(arms.sampled_delta_below(-0.2), arms.donor_residual(), sampling=sampling)
    noise = Noise(torch.full((n,), response_key(1, "p", 0)), torch.arange(n))
    view = View(BASE.expand(n, -1), RL.expand(n, -1), noise, [Facts()] * n, sampling, arm.donor_stream)
    gated, emitted = opinions(arm, view).settle(arm, NO_HISTORY)
    edited = emitted != view.host_ids
    likelier = RL.log_softmax(-1) > BASE.log_softmax(-1)
    assert 0 < edited.sum() < gated.sum()  # a token that is kept is gated and no edit
    assert bool(likelier[emitted[edited]].all())
    assert bool((~likelier[view.host_ids[edited]]).all())


def test_without_any_extrapolation_rl_speaks_draw_by_draw(tiny_pair):
    tasks, sampling = tasks_for(tiny_pair, 4, 2), Sampling(0.9)
    own, _ = decode(Players(tiny_pair.rl, None, tiny_pair.vocabulary), never("rl", sampling), tasks, settings(3))
    players = Players(tiny_pair.base, tiny_pair.rl, tiny_pair.vocabulary)
    arm = Arm(arms.always(), arms.mix(1), "base", sampling=sampling)
    assert [r.ids for r in decode(players, arm, tasks, settings(8))[0]] == [r.ids for r in own]


@pytest.mark.parametrize("host", ["base", "rl"])
def test_beyond_rl_each_token_is_the_best_of_the_extrapolated_distribution(tiny_pair, host):
    gamma, tasks = 1.5, tasks_for(tiny_pair, 3, 1)
    other = tiny_pair.member("rl" if host == "base" else "base")
    players = Players(tiny_pair.member(host), other, tiny_pair.vocabulary)
    arm = Arm(arms.always(), arms.mix(1 + gamma if host == "base" else -gamma), host)
    moved = 0
    for task, response in zip(tasks, decode(players, arm, tasks, settings(3))[0], strict=True):
        ids = torch.tensor([[*task.prompt_ids, *response.ids]])
        with torch.no_grad():
            base, rl = (m.network(ids).logits[0].double().log_softmax(-1) for m in (tiny_pair.base, tiny_pair.rl))
        start = len(task.prompt_ids) - 1
        beyond = ((1 + gamma) * rl - gamma * base)[start:-1, tiny_pair.vocabulary.ids]
        said = beyond.gather(1, torch.tensor(response.ids)[:, None])[:, 0]
        assert bool((beyond.max(-1).values - said < 1e-3).all())
        moved += int((rl[start:-1].argmax(-1) != torch.tensor(response.ids)).sum())
    assert moved > 0
