"""Flips and sets of edits against plain loops over whole texts, and against each other."""

from functools import cache
from itertools import combinations

import pytest
import torch
from conftest import save_pair
from making import random_prompts

from rlprobe.decoding import engine
from rlprobe.decoding.arms import Arm, donor_argmax, never
from rlprobe.decoding.edits import ALONE, Ends, Flip, decode_edits, decode_flips, every_edit
from rlprobe.decoding.engine import DecodingSettings, Players, Task, decode, decode_greedily
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.decoding.prefixes import Start
from rlprobe.pairs.loading import load, locate
from rlprobe.records import Stop
from rlprobe.settings import PairChoice

NEW = 16
STOPS = frozenset({0, 9, 17})
OF = DecodingSettings(NEW, 5, STOPS, 256)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    base, rl = map(str, save_pair(tmp_path_factory.mktemp("pair"), "llama", 0.2))
    return load(locate(PairChoice(base=base, rl=rl, device="cpu")))


@pytest.fixture(scope="module")
def players(pair) -> Players:
    return Players(pair.base, pair.rl, pair.vocabulary)


@pytest.fixture(scope="module")
def ends(pair) -> list[Ends]:
    prompts = random_prompts(5, len(pair.vocabulary.ids), seed=3)
    texts = [decode_greedily(model, pair.vocabulary, prompts, OF) for model in (pair.base, pair.rl)]
    return [Ends(f"p{i}", p, b.ids, r.ids) for i, (p, b, r) in enumerate(zip(prompts, *texts, strict=True))]


@pytest.fixture(scope="module")
def chosen(pair):
    """Both models' argmax after a text, by plain transformers: no cache, no lanes, no engine."""

    @cache
    def best(ids: tuple[int, ...]) -> tuple[int, int]:
        with torch.no_grad():
            logits = [m.network(torch.tensor([ids])).logits[0, -1] for m in (pair.base, pair.rl)]
        return tuple(int(row.argmax()) for row in logits)

    return best


def by_hand(end: Ends, edits, chosen) -> tuple[list[int], int]:
    """(response, disagreements met), a token at a time."""
    ids, met = [], 0
    while len(ids) < NEW and not (ids and ids[-1] in STOPS):
        base, rl = chosen((*end.prompt_ids, *ids))
        ids.append(rl if base != rl and met in edits else base)
        met += base != rl
    return ids, met


def flips_of(end: Ends, chosen) -> list[Flip]:
    found = []
    for t in range(len(end.host_ids)):
        base, rl = chosen((*end.prompt_ids, *end.host_ids[:t]))
        assert base == end.host_ids[t]
        if base != rl:
            found.append(Flip(end, len(found), t, rl))
    return found


def test_no_edit_is_the_hosts_own_text_and_every_edit_the_donors(players, ends):
    none = decode_edits(players, [(end, frozenset()) for end in ends], OF)
    every = decode_edits(players, [(end, every_edit(OF)) for end in ends], OF)
    assert [r.ids for r in none] == [end.host_ids for end in ends]
    assert [r.ids for r in every] == [end.donor_ids for end in ends]
    assert all(r.edits == 0 < sum(r.gated) for r in none if any(r.gated))
    assert all(r.edits == sum(r.gated) for r in every)
    assert sum(r.edits for r in every) > 5


def test_a_set_of_edits_is_what_a_plain_loop_says_for_every_subset(players, ends, chosen):
    asked = [(e, frozenset(s)) for e in ends[:3] for n in range(4) for s in combinations(range(4), n)]
    responses = decode_edits(players, asked, OF)
    for (end, edits), response in zip(asked, responses, strict=True):
        assert (response.ids, sum(response.gated)) == by_hand(end, edits, chosen)
        met = [t for t, gated in enumerate(response.gated) if gated]
        edited = [t for t in range(len(response.ids)) if response.ids[t] != response.host_ids[t]]
        assert edited == [t for n, t in enumerate(met) if n in edits]
    assert len({tuple(r.ids) for r in responses}) > 12


def test_edits_move_when_an_earlier_one_is_dropped(players, ends):
    """Otherwise ordinals would be no more than positions."""
    both, later = (decode_edits(players, [(e, frozenset(edits)) for e in ends], OF) for edits in ((0, 1), (1,)))

    def place(response):
        return [t for t, gated in enumerate(response.gated) if gated][1:2]

    assert any(place(a) != place(b) for a, b in zip(both, later, strict=True))


def test_a_flip_is_the_set_of_its_ordinal_and_lockstep_of_the_host_alone(pair, players, ends, chosen):
    flips = [flip for end in ends for flip in flips_of(end, chosen)]
    assert len(flips) > 8
    responses = decode_flips(players, flips, OF)
    sets = decode_edits(players, [(flip.ends, frozenset({flip.ordinal})) for flip in flips], OF)
    assert [(r.ids, r.stop) for r in responses] == [(r.ids, r.stop) for r in sets]
    for flip, response in zip(flips, responses, strict=True):
        assert response.ids[: flip.position] == flip.ends.host_ids[: flip.position]
        assert response.ids[flip.position] == flip.written_id != flip.host_id
        left = NEW - flip.position - 1
        if flip.written_id not in STOPS and left:
            task = Task("", [*flip.ends.prompt_ids, *flip.beginning])
            alone = Players(pair.base, None, pair.vocabulary)
            arm = Arm(never(), donor_argmax())
            rest = decode_in_lockstep(alone, arm, [task], DecodingSettings(left, 1, STOPS, 256))[0]
            assert response.ids[flip.position + 1 :] == rest.ids
            assert response.stop == rest.stop


def test_flips_of_one_response_read_what_they_share_once_and_say_the_same(players, ends, chosen, monkeypatch):
    tasks = [flip.task for end in ends for flip in flips_of(end, chosen) if flip.written_id not in STOPS]
    tasks = [task for task in tasks if OF.limit(task.prompt_ids, task.said) > 0]
    alone = Players(players.host, None, players.vocabulary)
    shared, counts = decode(alone, ALONE, tasks, OF)
    monkeypatch.setattr(engine, "starts", lambda held, new: ([Start(len(held) + n, 0, 0) for n in range(len(new))], []))
    apart, before = decode(alone, ALONE, tasks, OF)
    assert [(r.ids, r.stop) for r in shared] == [(r.ids, r.stop) for r in apart]
    assert (before.prompts_read, before.prompts_copied) == (sum(len(t.prompt_ids) - 1 for t in tasks), 0)
    assert counts.prompts_read + counts.prompts_copied == before.prompts_read
    assert counts.prompts_read < before.prompts_read / 2


def test_a_flip_is_no_longer_than_any_response_and_may_end_where_it_stands(players, ends):
    end = max(ends, key=lambda e: len(e.host_ids))
    flips = [Flip(end, 0, 2, 40), Flip(end, 0, len(end.host_ids) - 1, 40), Flip(end, 0, 1, 9)]
    near, last, stopped = decode_flips(players, flips, OF)
    assert len(near.ids) <= NEW
    assert last.ids == [*end.host_ids[:-1], 40][:NEW] or len(end.host_ids) < NEW
    assert (stopped.ids, stopped.stop) == ([end.host_ids[0], 9], Stop.EOS)
    assert decode_flips(players, [], OF) == []


def test_the_context_ends_a_flip_as_it_ends_any_response(pair, players):
    prompt = [5] * 250
    own = decode_greedily(pair.base, pair.vocabulary, [prompt], DecodingSettings(99, 1, frozenset(), 256))[0].ids
    end = Ends("p", prompt, own, own)
    response = decode_flips(players, [Flip(end, 0, 2, 40), Flip(end, 0, 5, 40)], DecodingSettings(99, 1, STOPS, 256))
    assert [len(r.ids) for r in response] == [6, 6] or any(r.stop is Stop.EOS for r in response)
