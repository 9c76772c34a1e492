"""The identities of arms on the bundled pair, float32, with nothing known, and lock-step beside the engine."""

import pytest

from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm
from rlprobe.decoding.engine import DecodingSettings, Players, Task, decode, decode_greedily
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.pairs.loading import PairChoice, load, locate
from rlprobe.problems.datasets import load_problems
from rlprobe.problems.prompts import encode_prompt

N = 12


@pytest.fixture(scope="module")
def pair():
    return load(locate(PairChoice(pair="bundled", device="cpu")))


@pytest.fixture(scope="module")
def tasks(pair):
    problems = load_problems("word-problems").problems[:N]
    return [Task(p.problem_id, encode_prompt("question_answer", p.question, pair.tokenizer)[1]) for p in problems]


def settings(pair) -> DecodingSettings:
    return DecodingSettings(300, 5, pair.stop_ids, pair.context)


@pytest.mark.parametrize("host", ["base", "rl"])
def test_arms_that_must_equal_host_or_donor_do(pair, tasks, host):
    donor = {"base": "rl", "rl": "base"}[host]
    prompts = [task.prompt_ids for task in tasks]
    own, others = (decode_greedily(pair.member(m), pair.vocabulary, prompts, settings(pair)) for m in (host, donor))
    players = Players(pair.member(host), pair.member(donor), pair.vocabulary)
    vocab = len(pair.vocabulary.ids)
    expected = {
        (arms.never(), arms.donor_argmax()): own,
        (arms.disagree() & arms.first(0), arms.donor_argmax()): own,
        (arms.always(), arms.mix(0)): own,
        (arms.disagree(), arms.donor_argmax()): others,
        (arms.always(), arms.donor_argmax()): others,
        (arms.reranked(vocab), arms.donor_argmax()): others,
        (arms.always(), arms.mix(1)): others,
    }
    for (gate, writer), theirs in expected.items():
        ours, _ = decode(players, Arm(gate, writer, host), tasks, settings(pair))
        assert [(r.ids, r.stop) for r in ours] == [(r.ids, r.stop) for r in theirs], (gate.spec, writer.spec)


@pytest.mark.parametrize("gate", [arms.entropy_above(0.6), arms.disagree(), arms.kl_above(0.3)])
def test_the_engine_equals_lockstep(pair, tasks, gate):
    players = Players(pair.base, pair.rl, pair.vocabulary)
    for writer in (arms.donor_argmax(), arms.host_random(20)):
        arm = Arm(gate, writer)
        ours, _ = decode(players, arm, tasks, settings(pair))
        theirs = decode_in_lockstep(players, arm, tasks, settings(pair))
        for mine, reference in zip(ours, theirs, strict=True):
            assert (mine.ids, mine.gated, mine.host_ids) == (reference.ids, reference.gated, reference.host_ids)
