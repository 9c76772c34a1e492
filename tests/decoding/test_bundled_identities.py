"""The identities of arms on the bundled pair, float32, with nothing known, and lock-step beside the engine."""

from dataclasses import replace

import pytest

from rlprobe.commands.rollouts import response_text
from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm
from rlprobe.decoding.engine import DecodingSettings, Players, Response, Task, decode, decode_greedily
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.pairs.loading import load, locate
from rlprobe.problems.datasets import load_problems
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import encode_prompt
from rlprobe.records import Problem, Status
from rlprobe.settings import PairChoice

N = 6


@pytest.fixture(scope="module")
def pair():
    return load(locate(PairChoice(pair="bundled", device="cpu")))


@pytest.fixture(scope="module")
def tasks(pair):
    return [Task(p.problem_id, encode_prompt("question_answer", p.question, pair.tokenizer)[1]) for p in problems()]


def problems() -> list[Problem]:
    return load_problems("word-problems").problems[:N]


def settings(pair) -> DecodingSettings:
    return DecodingSettings(300, 5, pair.stop_ids, pair.context)


def like_host() -> dict[str, Arm]:
    """Arms that say what the host says alone, whatever the donor thinks."""
    disagree, donor = arms.disagree(), arms.donor_argmax()
    return {
        "never": Arm(arms.never(), donor),
        "first(0)": Arm(disagree & arms.first(0), donor),
        "dose(0)": Arm(disagree & arms.bernoulli(0), donor),
        "support(1)": Arm(disagree, arms.donor_in_host_top(1)),
        "mix(0)": Arm(arms.always(), arms.mix(0)),
    }


def like_donor(vocab: int) -> dict[str, Arm]:
    """Arms that say what the donor says alone, although the host decodes."""
    disagree, donor = arms.disagree(), arms.donor_argmax()
    return {
        "oracle": Arm(disagree, donor),
        "always": Arm(arms.always(), donor),
        "reranked(V)": Arm(arms.reranked(vocab), donor),
        "dose(1)": Arm(disagree & arms.bernoulli(1), donor),
        "support(V)": Arm(disagree, arms.donor_in_host_top(vocab)),
        "mix(1)": Arm(arms.always(), arms.mix(1)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("host", ["base", "rl"])
def test_arms_that_must_equal_host_or_donor_do(pair, tasks, host):
    donor = {"base": "rl", "rl": "base"}[host]
    prompts = [task.prompt_ids for task in tasks]
    own, others = (decode_greedily(pair.member(m), pair.vocabulary, prompts, settings(pair)) for m in (host, donor))
    players = Players(pair.member(host), pair.member(donor), pair.vocabulary)

    def said(of: dict[str, Arm]) -> dict[str, list[Response]]:
        return {name: decode(players, replace(arm, host=host), tasks, settings(pair))[0] for name, arm in of.items()}

    hosts, donors = said(like_host()), said(like_donor(len(pair.vocabulary.ids)))
    for expected, group in ((own, hosts), (others, donors)):
        for name, responses in group.items():
            assert [(r.ids, r.stop) for r in responses] == [(r.ids, r.stop) for r in expected], name
    for name in ("reranked(V)", "dose(1)", "support(V)"):
        for oracle, same in zip(donors["oracle"], donors[name], strict=True):
            assert (same.gated, same.host_ids) == (oracle.gated, oracle.host_ids), name  # and so what is edited
    assert sum(r.edits for r in donors["oracle"]) == sum(sum(r.gated) for r in donors["oracle"]) > 0
    ends = grades(pair, [own, others])
    assert ends == grades(pair, [hosts["never"], donors["oracle"]])
    assert ends[:N] != ends[N:]  # RL changes them, so that equal ones say something


def grades(pair, both: list[list[Response]]) -> list[Status | None]:
    """The verdicts on the last box of each text, by a grader that has seen nothing before."""
    texts = [response_text(pair.tokenizer, r.ids, pair.stop_ids) for responses in both for r in responses]
    golds = [problem.answer for problem in problems()] * 2
    with Grader() as grader:
        return [g.last.status for g in grader.grade_many(list(zip(texts, golds, strict=True)))]


@pytest.mark.slow
@pytest.mark.parametrize("gate", [arms.entropy_above(0.6), arms.disagree(), arms.kl_above(0.3)])
def test_the_engine_equals_lockstep(pair, tasks, gate):
    players = Players(pair.base, pair.rl, pair.vocabulary)
    for writer in (arms.donor_argmax(), arms.host_random(20)):
        arm = Arm(gate, writer)
        ours, _ = decode(players, arm, tasks, settings(pair))
        theirs = decode_in_lockstep(players, arm, tasks, settings(pair))
        for mine, reference in zip(ours, theirs, strict=True):
            assert (mine.ids, mine.gated, mine.host_ids) == (reference.ids, reference.gated, reference.host_ids)
