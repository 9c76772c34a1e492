"""`rlprobe steer RUN`: does one direction, the mean difference at decision points, make the base answer as RL does?

The direction is taken on the calibration half of the problems (analysis/halves.py), and on it the coefficient is chosen
with which most are answered right. The evaluation half is answered greedily by the base with multiples of the direction
added after one layer, and of random directions of equal norm. The vector acts

    everywhere   the steered base decodes alone
    uncertain    the base decodes, and says what the steered base would where its own entropy is above τ

Responses are graded and not kept: nothing in the run's own layers is changed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from rlprobe.analysis.halves import CALIBRATION, EVALUATION, HALVES, RULE, half_of, members
from rlprobe.analysis.steering import OWN, RESPONSES, summarise
from rlprobe.commands.flips import Judge, graded, is_right
from rlprobe.commands.inside import Opened, chosen_points, open_run
from rlprobe.commands.progress import Reporter
from rlprobe.commands.rollouts import response_text, rollouts_in
from rlprobe.commands.verdicts import grader_for, named
from rlprobe.commands.written import Report, Written
from rlprobe.decoding.arms import Arm, donor_argmax, entropy_above, never
from rlprobe.decoding.engine import DecodingSettings, Players, Response, Task, decode
from rlprobe.errors import BadInput
from rlprobe.internals.points import Point
from rlprobe.internals.steering import mean_difference, mean_norm, random_like, steered
from rlprobe.problems.grading import GraderSettings
from rlprobe.records import MEMBERS, Rollout, Status
from rlprobe.reporting.steer import FIGURES, TABLES, show
from rlprobe.settings import SteerSettings

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "steer.json"


def steer(
    settings: SteerSettings,
    reporter: Reporter,
    judging: Callable[[GraderSettings], AbstractContextManager[Judge]] = graded,
) -> Written:
    """Take the direction and choose its coefficient on one half, answer the other half with it, and summarise."""
    opened, choice = open_run(settings.run, settings.pair), settings.steering
    chosen, points = chosen_points(opened.run, settings.choice, settings.reading)
    layer = opened.inside["base"].depth // 2 if choice.layer is None else choice.layer
    opened.inside["base"].check_layers((layer,))
    sides = _halves(opened, settings)
    taken = [p for p, group in zip(points, chosen["group"], strict=True) if group == "disagreement"]
    taken = [p for p in taken if half_of(p.problem_id) == CALIBRATION]
    if not taken:
        raise BadInput("no place lies in the half that the direction is taken on; ask for more --points")
    vector = mean_difference(opened.inside, taken, layer)
    benches = {half: _Bench(opened, settings, layer, ids) for half, ids in sides.items()}
    arms = list(benches[EVALUATION].arms(vector))
    tried = [arm for arm in arms if arm.direction == "difference"] if len(choice.coefficients) > 1 else []
    grader = grader_for(opened.run.identity, settings.grader)
    with judging(grader) as judge:
        chosen_on, told_for = (
            pd.DataFrame(benches[half].responses(some, judge, reporter) if some else (), columns=list(RESPONSES))
            for half, some in ((CALIBRATION, tried), (EVALUATION, arms))
        )
    summary = {
        "about": opened.run.about,
        "grader": named(grader),
        "choice": asdict(settings.choice),
        "steering": asdict(choice) | {"layer": layer, "tau": settings.reading.tau},
        "direction": _described(opened, taken, layer, vector),
        "split": {"rule": RULE, **sides},
        **summarise(told_for, chosen_on, settings.reading),
    }
    with opened.run.locked():
        return REPORT.write(opened.run, SUMMARY, summary)


def _halves(opened: Opened, settings: SteerSettings) -> dict[str, list[str]]:
    """The problems of either half that are answered."""
    left_out = opened.run.left_out()
    ids = [p.problem_id for p in opened.run.problems() if p.problem_id not in left_out]
    return {half: members(ids, half)[: settings.steering.limit] for half in HALVES}


def _described(opened: Opened, points: Sequence[Point], layer: int, vector: Tensor) -> dict[str, Any]:
    return {
        "points": len(points),
        "problems": len({point.problem_id for point in points}),
        "norm": float(vector.norm()),
        "residual_norm": mean_norm(opened.inside["base"], points, layer),
    }


@dataclass(frozen=True)
class _Arm:
    """One way of steering."""

    where: str
    coefficient: float
    direction: str
    draw: int
    vector: Tensor


@dataclass(frozen=True)
class _Bench:
    """Who answers what."""

    opened: Opened
    settings: SteerSettings
    layer: int
    tested: list[str]

    def responses(self, arms: Sequence[_Arm], judge: Judge, reporter: Reporter) -> Iterator[dict[str, Any]]:
        """One row (analysis.steering.RESPONSES) for each response: of both models themselves, then of each arm."""
        run = self.opened.run
        own = {member: rollouts_in(run, member, 0, len(run.problems())) for member in MEMBERS}
        known = own["base"]
        for member in MEMBERS:
            arm = _Arm(OWN, 0.0, member, 0, torch.empty(0))
            answers = [Response(list(own[member][i].response_ids)) for i in self.tested]
            yield from self._rows(arm, answers, known, judge)
        with reporter.task("steered answers", len(arms), "arms") as meter:
            for arm in arms:
                yield from self._rows(arm, self._decode(arm, own), known, judge)
                meter.advance()

    def arms(self, vector: Tensor) -> Iterator[_Arm]:
        """Every place, coefficient and direction."""
        choice = self.settings.steering
        generator = torch.Generator().manual_seed(self.settings.reading.seed)
        randoms = [random_like(vector, generator) for _ in range(choice.directions)]
        for where in choice.wheres:
            for c in choice.coefficients:
                yield _Arm(where, c, "difference", 0, c * vector)
                yield from (_Arm(where, c, "random", n, c * other) for n, other in enumerate(randoms))

    def _decode(self, arm: _Arm, own: dict[str, dict[str, Rollout]]) -> list[Response]:
        pair, decoding = self.opened.pair, self.opened.run.identity["decoding"]
        context = min(decoding["context"], pair.context)
        how = DecodingSettings(decoding["max_new_tokens"], decoding["batch_size"], pair.stop_ids, context)
        known = {i: [list(own[member][i].response_ids) for member in MEMBERS] for i in self.tested}
        tasks = [Task(i, own["base"][i].prompt_ids, known=known[i]) for i in self.tested]
        other = steered(pair.base, self.layer, arm.vector)
        if arm.where == "everywhere":
            return decode(Players(other, None, pair.vocabulary), Arm(never(), donor_argmax()), tasks, how)[0]
        uncertain = Arm(entropy_above(self.settings.reading.tau), donor_argmax())
        return decode(Players(pair.base, other, pair.vocabulary), uncertain, tasks, how)[0]

    def _rows(
        self, arm: _Arm, answers: Sequence[Response], known: dict[str, Rollout], judge: Judge
    ) -> Iterator[dict[str, Any]]:
        gold = {p.problem_id: p.answer for p in self.opened.run.problems()}
        tokenizer, stop_ids = self.opened.located.tokenizer, self.opened.located.stop_ids
        texts = [response_text(tokenizer, answer.ids, stop_ids) for answer in answers]
        said = judge([(text, gold[i]) for text, i in zip(texts, self.tested, strict=True)])
        for i, answer, status in zip(self.tested, answers, said, strict=True):
            differs = list(answer.ids) != list(known[i].response_ids)
            edited = answer.edits if arm.where == "uncertain" else None
            verdict = (is_right(status), status is Status.NO_ANSWER)
            row = (arm.where, arm.coefficient, arm.direction, arm.draw, i, *verdict, differs, len(answer.ids), edited)
            yield dict(zip(RESPONSES, row, strict=True))
