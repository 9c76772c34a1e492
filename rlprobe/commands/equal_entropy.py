"""RL alone at the mean entropy of a published arm, beside that arm: temperatures from one half of the problems.

What is matched is the mean over tokens of the entropy of what is drawn from, top-p's cut included, each along its own
text: the arm's (what the base keeps, and RL's whole distribution for what it does not) and RL's at one temperature.
The arm's responses are those of the whole run, RL's lie in the runs of the two halves.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from rlprobe import runs
from rlprobe.analysis import equal_entropy
from rlprobe.analysis.accuracy import GRADES
from rlprobe.analysis.halves import CALIBRATION, EVALUATION, HALVES, half_of
from rlprobe.analysis.signals import Point
from rlprobe.arm_labels import ArmKey
from rlprobe.commands import stages
from rlprobe.commands.matched_entropy import MeanEntropy
from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Reporter
from rlprobe.commands.signal_arms import SignalArms
from rlprobe.commands.stages import Job
from rlprobe.commands.written import Retelling
from rlprobe.decoding.arms import Arm, Sampling, donor_argmax, never
from rlprobe.runs import INSIDE, Run
from rlprobe.scoring.entropies import alone, redrawn
from rlprobe.settings import Reading

KEPT = f"{INSIDE}/entropies.json"  # mean entropies, by what they are of: they need both models


def possible(prepared: Prepared, choice: SignalArms) -> bool:
    """Whether the choice asks for it, and both halves have a problem."""
    return choice.equals_entropy and {half_of(i) for i in prepared.prompts} == {*HALVES}


@dataclass(frozen=True)
class Beside:
    """Where the published arms' responses are, and where RL's own are to be."""

    whole: Job
    parts: dict[str, Job]
    choice: SignalArms
    sampling: Sampling
    reporter: Reporter

    def found(self, points: Sequence[Point]) -> list[dict[str, Any]]:
        """For each arm what the search ended with and, on the evaluation half, both entropies."""
        return [self._found(point.threshold, arm.name) for point in points for arm in point.arms]

    def _found(self, threshold: float, arm: str) -> dict[str, Any]:
        wanted = self._entropy(self.whole, CALIBRATION, arm, threshold)
        found = equal_entropy.search(wanted, self._entropy_at, self.choice.most_decodes)
        told: dict[str, Any] = {"threshold": threshold, "arm": arm, "rl": None, **asdict(found)}
        told |= {"entropy": None, "entropy_rl": None}
        if found.temperature is None:
            self.reporter.note(f"RL at the entropy of {arm}: absent, {found.reason}")
            return told
        rl, draws = self._at(found.temperature), self.choice.draws
        self._decode(EVALUATION, rl, draws)
        told["rl"] = rl.spec
        told["entropy"] = self._entropy(self.whole, EVALUATION, arm, threshold, draws)
        told["entropy_rl"] = self._entropy(self.parts[EVALUATION], EVALUATION, rl.spec, None, draws)
        return told

    def _at(self, temperature: float) -> Arm:
        """RL alone."""
        sampling = replace(self.sampling, temperature=temperature)
        return Arm(never(), donor_argmax(), "rl", sampling.noise_seed, sampling)

    def _entropy_at(self, temperature: float) -> float:
        rl = self._at(temperature)
        self._decode(CALIBRATION, rl, 1)
        return self._entropy(self.parts[CALIBRATION], CALIBRATION, rl.spec, None)

    def _decode(self, half: str, arm: Arm, draws: int) -> None:
        part, label = self.parts[half], f"RL at temperature {arm.sampling and arm.sampling.temperature:g}"
        part.decode_arm(arm, label, draws=draws)

    def _entropy(self, part: Job, half: str, arm: str, threshold: float | None, draws: int = 1) -> float:
        """The mean entropy of an arm's draws to one half of the problems: the redraw's, or without threshold RL's."""
        ids, kept = self.parts[half].prepared.prompts, self._kept()
        key = f"{arm}, {draws} draws, {len(ids)} problems for {half}"
        if key not in kept:
            host, says = ("rl", alone) if threshold is None else ("base", redrawn(threshold))
            piece = MeanEntropy(arm, host, self._sampling_of(arm), says, frozenset(ids), draws)
            kept[key] = piece.asked_of(part)
            self.whole.run.write_json(KEPT, kept)
        return kept[key]

    def _sampling_of(self, arm: str) -> Sampling:
        """As the arm's name says it."""
        temperature = ArmKey.read(arm).decoding.removeprefix("T=").partition(",")[0]
        return replace(self.sampling, temperature=float(temperature))

    def _kept(self) -> dict[str, float]:
        run = self.whole.run
        return run.read_json(KEPT, dict) if run.file(KEPT).is_file() else {}


def graded_again(again: Retelling) -> None:
    """Verdicts on RL's responses at other temperatures."""
    of = runs.read(again.run.file(f"{INSIDE}/{EVALUATION}"))
    with of.locked():
        stages.grade(of, again.grader, again.reporter, again.crew)


def compared(run: Run, layer: str, found: Sequence[dict[str, Any]], reading: Reading) -> list[dict[str, Any]]:
    """What was found, with both accuracies and their difference on the evaluation half."""
    if not found:
        return []
    of = runs.read(run.file(f"{INSIDE}/{EVALUATION}"))
    ids = {p.problem_id for p in run.problems() if half_of(p.problem_id) == EVALUATION}
    return [each | _compared((run, of), layer, ids, each, reading) for each in found if each["rl"]] + [
        each for each in found if not each["rl"]
    ]


def _compared(
    both: tuple[Run, Run], layer: str, ids: set[str], each: dict[str, Any], reading: Reading
) -> dict[str, Any]:
    parts = [
        run.table(layer, GRADES, [arm]).to_pandas() for run, arm in zip(both, (each["arm"], each["rl"]), strict=True)
    ]
    grades = pd.concat(parts, ignore_index=True)
    told = equal_entropy.compared(grades[grades["problem_id"].isin(ids)], each["arm"], each["rl"], reading)
    return {name: asdict(value) if hasattr(value, "method") else value for name, value in told.items()}
