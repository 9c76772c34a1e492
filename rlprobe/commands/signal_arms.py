"""The arms that a comparison of signals is made of: gates by signal, writers, oracles, ends, and published presets.

Decodes nothing and reads no run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from rlprobe.analysis.signals import Point
from rlprobe.arm_labels import ArmLabel
from rlprobe.decoding import arms, modes
from rlprobe.decoding.arms import Arm, Gate, Sampling, Writer
from rlprobe.measures.learned import Learned
from rlprobe.records import MEMBERS
from rlprobe.settings import SignalChoice
from rlprobe.signal import SIGNALS

TARGETS = {  # doses by default, of each kind: shares of what the oracle edits; of all tokens, as far as were published
    "edits": (0.10, 0.25, 0.50, 0.75, 0.90),
    "replaced": (0.003, 0.01, 0.03, 0.10, 0.20),
}
WHOLE = {"edits": "the oracle's edits", "replaced": "all tokens"}  # what a dose is a share of
# of each signal; the learned one takes weights, which `FittedArms` have
GATES: dict[str, Callable[..., Gate]] = {name: getattr(arms, signal.gate) for name, signal in SIGNALS.items()}


@dataclass(frozen=True)
class Preset:
    """A published protocol: (signal, threshold, host) of each arm, and how both models are sampled."""

    arms: tuple[tuple[str, float, str], ...]
    sampling: Sampling
    equals_entropy: bool = False  # RL alone is to stand beside each arm, at a temperature of equal mean entropy


PRESETS = {
    # arXiv 2603.22117: the gate sees the drawn token, and RL draws it afresh: RL's best oftener than in RL's text
    "dir": Preset(tuple(("delta", tau, "base") for tau in (-0.3, -0.35, -0.4)), Sampling(1.0, 0.7), True),
    # arXiv 2603.22446: cross-sampling where JS > ε, both ways; the paper names 0.1, here with a neighbour either side
    "sbc": Preset(tuple(("js", tau, host) for host in MEMBERS for tau in (0.05, 0.1, 0.2)), Sampling(1.0, 1.0)),
}


@dataclass(frozen=True)
class SignalArms(SignalChoice):
    """The arms of a choice; of what a dose is counted is in `WHOLE`, the doses by default in `TARGETS`."""

    @classmethod
    def of(cls, choice: SignalChoice) -> "SignalArms":
        """Those that were asked for; all signals, where none is named."""
        return cls(**vars(choice) | {"signals": choice.signals or tuple(SIGNALS)})

    @property
    def how(self) -> Sampling | None:
        """How both models are sampled; None is greedy."""
        if self.preset:
            return PRESETS[self.preset].sampling
        return Sampling.of(self.sampling) if self.sampling else None

    @property
    def equals_entropy(self) -> bool:
        """Whether RL alone is to stand beside the arms at their mean entropies."""
        return self.preset is not None and PRESETS[self.preset].equals_entropy

    @property
    def hosts(self) -> tuple[str, ...]:
        """Who decodes."""
        return tuple(dict.fromkeys(host for *_, host in PRESETS[self.preset].arms)) if self.preset else (self.host,)

    @property
    def doses(self) -> tuple[float, ...]:
        """The doses that thresholds are set for, in ascending order."""
        return tuple(sorted(self.targets or TARGETS[self.equal]))

    @property
    def kind(self) -> str:
        """What is compared: arms at equal doses of a kind, or those of a preset."""
        return "preset" if self.preset else f"equal-{self.equal}"

    @property
    def suffix(self) -> str:
        """What the files of this choice are called after, beside its kind: a run keeps one comparison of each."""
        words = [self.preset] if self.preset else []
        words += ["sampled"] if self.sampling else []
        words += ["backward"] if self.host == "rl" and not self.preset else []
        return "".join(f"-{word}" for word in words)

    @property
    def gates(self) -> dict[str, Callable[..., Gate]]:
        """The gate of each signal, as a function of its threshold."""
        return GATES

    # ---- arms --------------------------------------------------------------------------------------------------------

    def arm(self, signal: str, threshold: float, host: str | None = None, seed: int = 0) -> Arm:
        """The donor's token where the signal's gate fires; sampled, delta stays within RL, but not in a preset."""
        if SIGNALS[signal].sees_draw and self.how and not self.preset:
            return self._written(arms.sampled_delta_below(threshold), arms.donor_residual(), host or self.host, seed)
        return self._arm(self.gates[signal](threshold), host or self.host, seed)

    def oracle(self, host: str) -> Arm:
        """The donor's token wherever it is another one: the donor's own responses, by identity."""
        return self._arm(arms.always() if self.how else arms.disagree(), host)

    def alone(self, member: str) -> Arm:
        """A model alone."""
        return self._written(arms.never(), arms.donor_argmax(), member)

    def end(self, member: str) -> str:
        """The name of the arm that is a model alone: greedy, it is called like the model."""
        return self.alone(member).spec if self.how else member

    def point(self, signal: str, threshold: float, target: float | None = None, host: str | None = None) -> Point:
        """A signal at a threshold; greedy, the random gate has a seed a draw."""
        seeds = range(self.draws) if SIGNALS[signal].side is None and not self.how else range(1)
        label = f"{signal} {threshold:g}" if target is None else f"{signal} at {100 * target:g} %"
        each = [self.arm(signal, threshold, host, seed) for seed in seeds]
        return Point(signal, threshold, target, tuple(label_of(arm, signal, label, threshold) for arm in each))

    def points(self) -> list[Point]:
        """Those of the preset."""
        return [self.point(s, t, host=host) for s, t, host in PRESETS[self.preset].arms] if self.preset else []

    def _arm(self, gate: Gate, host: str, seed: int = 0) -> Arm:
        """Writes the donor's best token or, sampled, what the donor says when it is sampled itself."""
        return self._written(gate, modes.donors(self.how), host, seed)

    def _written(self, gate: Gate, writer: Writer, host: str, seed: int = 0) -> Arm:
        """Sampled, all arms share the seed of the noise."""
        return Arm(gate, writer, host, self.how.noise_seed if self.how else seed, self.how)


@dataclass(frozen=True, kw_only=True)
class FittedArms(SignalArms):
    """The same once the weights of the signal `learned` are known."""

    learned: Learned

    @property
    def gates(self) -> dict[str, Callable[..., Gate]]:
        """All of them: the learned one has its weights."""
        return GATES | {"learned": partial(arms.learned_above, learned=self.learned)}


def label_of(arm: Arm, mode: str, label: str, dose: float | None = None) -> ArmLabel:
    """As tables speak of it. Sampled arms have draws, and one seed."""
    told = modes.label_of(arm, mode, label, dose)
    return replace(told, seed=None) if arm.sampling else told
