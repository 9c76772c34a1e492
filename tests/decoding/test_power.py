"""The power sampler: what its moves leave as it is, exactly, on models whose every text can be written down."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from conftest import save_pair

from rlprobe.decoding.engine import DecodingSettings, Players, Task
from rlprobe.decoding.power import Power, Text, decode_power, log_acceptance
from rlprobe.errors import BadInput
from rlprobe.measures.head import Head
from rlprobe.pairs.loading import PairChoice, load, locate
from rlprobe.records import Stop

END, LONGEST, ALPHA = 0, 5, 4.0


def a_model(seed, vocab=3):
    """prefix -> next-token log-probabilities: a random table, one row for every prefix."""
    rng, rows = np.random.default_rng(seed), {}

    def says(prefix):
        if prefix not in rows:
            rows[prefix] = np.log(rng.dirichlet(np.full(vocab, 0.7)))
        return rows[prefix]

    return says


def texts(vocab=3):
    """Every text that ends, or is as long as it may be."""
    return [
        ids
        for n in range(1, LONGEST + 1)
        for ids in product(range(vocab), repeat=n)
        if END not in ids[:-1] and (ids[-1] == END or n == LONGEST)
    ]


def read(says, ids, alpha=ALPHA):
    """A text with what the model gives it and what the proposal, sharpened token by token, gives it."""
    text = Text()
    for t, token in enumerate(ids):
        logp = says(ids[:t])
        sharp = alpha * logp - np.log(np.exp(alpha * logp).sum())
        text.add(token, float(logp[token]), float(sharp[token]))
    return text


def corrected(old, new, cut):
    return log_acceptance(ALPHA, old, new, cut)


def published(old, new, cut):
    """As arXiv 2510.14901's code has it: tails compared as far as the new one goes, every cut as likely."""
    end = len(new.ids)
    gained = sum(new.logp[cut:end]) - sum(old.logp[cut:end])
    return ALPHA * gained + sum(old.logq[cut:end]) - sum(new.logq[cut:end])


def whole_tails_alone(old, new, cut):
    return log_acceptance(ALPHA, old, new, cut) - math.log(len(old.ids)) + math.log(len(new.ids))


def transitions(says, log_a):
    """(texts, texts): the chance of each move, summed over every cut and every tail that can be written there."""
    every = [read(says, ids) for ids in texts()]
    index = {tuple(text.ids): i for i, text in enumerate(every)}
    moves = np.zeros((len(every), len(every)))
    for i, old in enumerate(every):
        for cut in range(len(old.ids)):
            for new in (text for text in every if text.ids[:cut] == old.ids[:cut] and len(text.ids) > cut):
                proposed = math.exp(sum(new.logq[cut:])) / len(old.ids)
                moves[i, index[tuple(new.ids)]] += proposed * min(1.0, math.exp(log_a(old, new, cut)))
        moves[i, i] += 1 - moves[i].sum()
    return moves


def target(says):
    weights = np.array([math.exp(ALPHA * sum(read(says, ids).logp)) for ids in texts()])
    return weights / weights.sum()


def settled(moves):
    """Where a chain of these moves ends up: the left eigenvector of 1."""
    values, vectors = np.linalg.eig(moves.T)
    found = np.real(vectors[:, np.argmax(np.real(values))])
    return found / found.sum()


@pytest.mark.parametrize("seed", range(5))
def test_a_move_leaves_the_power_of_the_model_as_it_is(seed):
    says = a_model(seed)
    moves = transitions(says, corrected)
    assert len(moves) == 63
    assert np.allclose(moves.sum(1), 1)
    assert np.abs(target(says) @ moves - target(says)).max() < 1e-14
    flow = target(says)[:, None] * moves
    assert np.abs(flow - flow.T).max() < 1e-14  # detailed balance, text by text


@pytest.mark.parametrize("rule", [published, whole_tails_alone])
def test_the_published_rule_fails_the_same_test(rule):
    away = [0.5 * np.abs(settled(transitions(a_model(s), rule)) - target(a_model(s))).sum() for s in range(5)]
    assert max(away) > 0.05
    assert min(away) > 1e-6


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    base, rl = map(str, save_pair(tmp_path_factory.mktemp("power"), num_hidden_layers=1, initializer_range=1.0))
    return load(locate(PairChoice(base=base, rl=rl, device="cpu")))


@torch.no_grad()
def says_of(pair, prompt, allowed):
    """The pair's base as a table over a few tokens, by plain transformers; also the probability outside of them."""
    head, rows = Head.of(pair.base), {}

    def says(prefix):
        if prefix not in rows:
            ids = torch.tensor([[*prompt, *(allowed[i] for i in prefix)]])
            rows[prefix] = torch.log_softmax(head(pair.base.trunk(ids)[0, -1:]), -1)[0].numpy().astype(float)
        return rows[prefix]

    return says


def settings(rows, new_tokens, stop_ids=frozenset({END})):
    return DecodingSettings(new_tokens, rows, stop_ids, 256)


def test_texts_are_drawn_as_often_as_their_power_says(small):
    prompt, draws = [5, 9, 7], 1000
    vocab = len(small.vocabulary.ids)
    says = says_of(small, prompt, range(vocab))
    stops = frozenset(int(i) for i in np.argsort(says(()))[-40::2])  # half of what is likely ends a text
    power = Power(2.0, block=1, moves=6)
    tasks = [Task("q", prompt, draw=d) for d in range(draws)]
    found = decode_power(Players(small.base, None, small.vocabulary), power, 0, tasks, settings(250, 2, stops))
    weights = {}
    for first in range(vocab):
        logp = says(())[first]
        if first in stops:
            weights[(first,)] = math.exp(2 * logp)
        elif 2 * logp > -9:  # the rest is left to the last cell
            weights |= {(first, second): math.exp(2 * (logp + says((first,))[second])) for second in range(vocab)}
    total = sum(weights.values())
    likely = sorted(weights, key=lambda ids: -weights[ids])[:12]
    counts = [sum(tuple(response.ids) == ids for response, _ in found) for ids in likely]
    for ids, count in zip(likely, counts, strict=True):
        share = weights[ids] / total
        assert abs(count - draws * share) < 4.5 * math.sqrt(draws * share * (1 - share)) + 0.01 * draws * share


def test_a_draw_does_not_depend_on_its_batch_and_its_logprobs_are_the_models(small):
    players = Players(small.base, None, small.vocabulary)
    power, tasks = Power(4.0, block=4, moves=3), [Task(f"q{i}", [3, 4, 5 + i], draw=1) for i in range(7)]
    together, apart = (decode_power(players, power, 1, tasks, settings(rows, 10)) for rows in (5, 1))
    assert [r.ids for r, _ in together] == [r.ids for r, _ in apart]
    assert [e for _, e in together] == [e for _, e in apart]
    for task, (response, effort) in zip(tasks, together, strict=True):
        assert len(response.ids) <= 10
        assert (response.stop is Stop.EOS) == (response.ids[-1] == END)
        says = says_of(small, task.prompt_ids, range(len(small.vocabulary.ids)))
        expected = [says(tuple(response.ids[:t]))[token] for t, token in enumerate(response.ids)]
        assert response.logprobs == pytest.approx(expected, abs=1e-4)
        assert effort.moves >= power.moves
        assert 0 <= effort.accepted <= effort.moves
        assert effort.generated >= effort.kept >= len(response.ids)
    assert [r.ids for r, _ in decode_power(players, power, 2, tasks, settings(5, 10))] != [r.ids for r, _ in together]


def test_a_power_makes_likely_texts(small):
    players, tasks = Players(small.base, None, small.vocabulary), [Task("q", [8, 3], draw=d) for d in range(60)]
    means = []
    for alpha in (1.0, 3.0):
        found = decode_power(players, Power(alpha, block=6, moves=6), 0, tasks, settings(60, 6))
        means.append(np.mean([sum(response.logprobs) for response, _ in found]))
    assert means[1] > means[0] + 1


def test_at_power_1_every_move_is_taken_but_for_the_lengths(small):
    players, tasks = Players(small.base, None, small.vocabulary), [Task("q", [8, 3], draw=d) for d in range(20)]
    found = decode_power(players, Power(1.0, block=5, moves=4), 0, tasks, settings(20, 5, frozenset()))
    assert all(effort.accepted == effort.moves == 4 for _, effort in found)  # p itself, one length: nothing to refuse


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0}, {"alpha": math.inf}, {"alpha": 2, "block": 0}, {"alpha": 2, "moves": 0}]
)
def test_what_is_no_sampler_is_refused(wrong):
    with pytest.raises(BadInput, match="power"):
        Power(**{"block": 4, "moves": 4, **wrong})
