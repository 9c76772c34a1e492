"""What an arm is called: one label for the tables, the figures and the page, and what its specification says."""

from dataclasses import dataclass

from rlprobe.records import MEMBERS

CONTROLS = ("host_second", "host_random", "host_sample", "rank_matched")  # writers that stand in for the donor's
_DONORS = ("donor_draw", "donor_residual", "donor_at_ordinals")  # write what the donor says


@dataclass(frozen=True, slots=True)
class ArmKey:
    """What a specification says, read here and nowhere else: gate × writer × host, how both are sampled, the seed.

    The inverse of `Arm.spec` (decoding/arms.py), by which arms lie in a run. Of an arm that is made otherwise (a power
    of the base, a low-rank part) it says nothing.
    """

    gate: str = ""
    writer: str = ""
    host: str = ""
    decoding: str = ""
    seed: int | None = None

    @classmethod
    def read(cls, spec: str) -> "ArmKey":
        """The parts of a specification."""
        gate, writer, host, *more = *spec.split(" x "), "", ""
        if host not in MEMBERS:
            return cls()
        seeds = [int(part.removeprefix("seed=")) for part in more if part.startswith("seed=")]
        return cls(gate, writer, host, next((part for part in more if part.startswith("T=")), ""), *seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLabel:
    """One arm as the tables and the page speak of it.

    `name` is its key in rollouts and grades; `mode` its family ("oracle", "entropy", ...); `label` what it is called;
    `dose` the parameter that its family sweeps (q of dose, m of first, k of support, τ of entropy, kl, js, delta, ...),
    None where there is none; `seed` that of its noise, None where there is none; `spec` its canonical
    gate × writer × host, with the seed at its end; `half` the half of the problems that it is told for, None for all,
    since what was chosen on the other half (a percentile) says nothing new there.
    """

    name: str
    mode: str
    label: str
    dose: float | None = None
    seed: int | None = None
    host: str = "base"
    spec: str = ""
    half: str | None = None

    @property
    def title(self) -> str:
        """What the tables call it: its label, with its direction where RL is the host, and a control that may fail."""
        label = f"{self.label} (donor allowed)" if self.allows_donor else self.label
        return label if self.host == "base" or self.name in MEMBERS else f"{label} backward"

    @property
    def line(self) -> str:
        """What lists of single arms call it: its title, how both are sampled, and its seed."""
        drawn = f", {self.decoding}" if self.decoding else ""
        return f"{self.title}{drawn}" + ("" if self.seed is None else f", seed {self.seed}")

    @property
    def allows_donor(self) -> bool:
        """Whether it is a control that may write the donor's token: one that does not says so."""
        return self.key.writer.startswith(CONTROLS) and "without_donor" not in self.key.writer

    @property
    def key(self) -> ArmKey:
        """The parts of its specification."""
        return ArmKey.read(self.spec)

    @property
    def kind(self) -> str:
        """Its specification without the seed: arms of one kind are pooled."""
        return self.spec.removesuffix(f" x seed={self.seed}")

    @property
    def writes_donor(self) -> bool | None:
        """Whether its edits are the donor's token by construction: always, never, or (None) as it happens."""
        writer = self.key.writer
        if writer in _DONORS or (writer == "donor_argmax" and not self.key.decoding):
            return True
        return False if "without_donor" in writer else None

    @property
    def decoding(self) -> str:
        """How both models are sampled, as its specification says it; nothing where they are greedy."""
        return self.key.decoding

    @property
    def identity(self) -> str | None:
        """The end whose own text it writes in exact arithmetic, if it does: an arm that never or always gives way."""
        gate, writer = self.key.gate, self.key.writer
        always = gate in ("disagree", "always") and writer in ("donor_argmax", "donor_draw")
        if always or (gate, writer) == ("always", "mix(1)"):
            return MEMBERS[1 - MEMBERS.index(self.host)]
        return self.host if gate == "never" or writer == "mix(0)" else None


ENDS = tuple(ArmLabel(name=m, mode=m, label=m, host=m, spec=f"never x donor_argmax x {m}") for m in MEMBERS)


def unnamed(spec: str) -> ArmLabel:
    """An arm of the run that this summary was not asked for, from its specification."""
    key = ArmKey.read(spec)
    return ArmLabel(name=spec, mode=spec, label=spec, seed=key.seed, host=key.host, spec=spec)
