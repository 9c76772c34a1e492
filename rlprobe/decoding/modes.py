"""The arms that have a name, with their published meaning, and arms put together from words on the command line.

A new mode is one function and one line in `MODES`, at the foot of this file. A mode may stand for several arms (a
sweep); what it needs from a run (ranks seen at disagreements, percentiles) comes in as plain numbers. Nothing is ever
evaluated as code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rlprobe.arm_labels import ArmLabel
from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm, Gate, Sampling, Writer
from rlprobe.decoding.words import gate_of, writer_of
from rlprobe.errors import BadInput
from rlprobe.pairs.kinds import KINDS

Labelled = tuple[Arm, ArmLabel]  # what is decoded, and what it is called


@dataclass(frozen=True)
class Options:
    """What a mode can be told. Without `values` it takes its published value, or its own sweep."""

    values: tuple[float, ...] = ()  # of the parameter that the mode sweeps
    host: str = "base"
    sampled: bool = False
    budget: int | None = None
    allow_donor: bool = False  # of controls, to write the donor's token
    rank_counts: tuple[int, ...] = ()  # how often ranks 2, 3, ... were seen at the pair's disagreements
    kinds: tuple[str, ...] = ()  # of tokens, for modes that sweep over these (`BY_KIND`)

    def or_else(self, *published: float) -> tuple[float, ...]:
        """The values that were asked for, or the mode's own."""
        return self.values or published

    def whole(self, *published: int) -> tuple[int, ...]:
        """The same for a parameter that counts."""
        if any(value != int(value) for value in self.values):
            raise BadInput(f"{', '.join(f'{v:g}' for v in self.values)}: this mode takes whole numbers")
        return tuple(int(value) for value in self.values) or published


@dataclass(frozen=True)
class _Draft:
    """An arm before its host, seed and sampling."""

    gate: Gate
    writer: Writer
    dose: float | None = None
    word: str = ""  # the parameter, where it is no number


def named_arms(mode: str, options: Options, host: str, seeds: int, sampling: Sampling | None) -> list[Labelled]:
    """The arms of a mode: one a swept value; greedy ones with randomness one a seed, sampled ones vary by draw."""
    if mode not in MODES:
        raise BadInput(f"no mode is called {mode!r}; known: {', '.join(MODES)}")
    if options.values and mode in WITHOUT_VALUES:
        raise BadInput(f"mode {mode} takes no values")
    drafts = MODES[mode](replace(options, host=host, sampled=sampling is not None))
    drafts = [replace(d, writer=donors(sampling)) if d.writer.spec == "donor_argmax" else d for d in drafts]
    return [labelled for draft in drafts for labelled in _seeded(mode, draft, options, host, seeds, sampling)]


def donors(sampling: Sampling | None) -> Writer:
    """The donor's token: what it says when it is sampled itself, or its best one."""
    return arms.donor_draw() if sampling else arms.donor_argmax()


def composed_arm(
    gates: Sequence[str], writer: str | None, options: Options, host: str, seeds: int, sampling: Sampling | None
) -> list[Labelled]:
    """The arm of `--gate NAME:ARG` (all of them at once, words.py) and `--writer NAME:ARG`.

    Without a writer it is the donor's token.
    """
    gate = gate_of(gates[0])
    for words in gates[1:]:
        gate = gate & gate_of(words)
    writes = writer_of(writer) if writer else donors(sampling)
    return _seeded("composed", _Draft(gate, writes), options, host, seeds, sampling)


def oracle_spec(host: str) -> str:
    """The key of the greedy oracle, whose edits others replay."""
    return Arm(arms.disagree(), arms.donor_argmax(), host).spec


def sampled_end(host: str, sampling: Sampling) -> Labelled:
    """The host alone, sampled: what sampled arms are compared with."""
    (end,) = _seeded(host, _Draft(arms.never(), arms.donor_argmax()), Options(), host, 1, sampling)
    return end


def _seeded(
    mode: str, draft: _Draft, options: Options, host: str, seeds: int, sampling: Sampling | None
) -> list[Labelled]:
    gate = draft.gate if options.budget is None else draft.gate & arms.budget(options.budget)
    one = Arm(gate, draft.writer, host, sampling.noise_seed if sampling else 0, sampling)
    label = f"{mode} {draft.word}".strip() if draft.dose is None else f"{mode} {draft.dose:g}"
    label = f"{gate.spec} x {draft.writer.spec}" if mode == "composed" else label
    each = [replace(one, seed=seed) for seed in range(seeds)] if one.random and not sampling else [one]
    return [(arm, label_of(arm, mode, label, draft.dose)) for arm in each]


def label_of(arm: Arm, mode: str, label: str, dose: float | None = None) -> ArmLabel:
    """As the tables speak of an arm; `dose` is the parameter that its mode sweeps."""
    seed = arm.seed if arm.random else None
    return ArmLabel(name=arm.spec, mode=mode, label=label, dose=dose, seed=seed, host=arm.host, spec=arm.spec)


# ---- modes -----------------------------------------------------------------------------------------------------------


def oracle(_: Options) -> list[_Draft]:
    """Every disagreement, RL's token: the donor's own greedy text, by identity (arXiv 2605.06241, §3.2)."""
    return [_Draft(arms.disagree(), arms.donor_argmax())]


def oracle_reranked(options: Options) -> list[_Draft]:
    """Only disagreements within the host's top k (5)."""
    return [_Draft(arms.reranked(k), arms.donor_argmax()) for k in options.whole(5)]


def random(options: Options) -> list[_Draft]:
    """The oracle's kind of place on the arm's own prefix, uniform from the host's top 20 without RL's token."""
    return [_Draft(arms.disagree(), arms.host_random(k, options.allow_donor)) for k in options.whole(20)]


def random_published(_: Options) -> list[_Draft]:
    """The same as published (arXiv 2605.06241, §3.2): RL's token may be drawn, and so undo the control."""
    return [_Draft(arms.disagree(), arms.host_random(20, allow_donor=True))]


def random_top5(options: Options) -> list[_Draft]:
    """The same from the host's top 5 (a third-party note on the paper)."""
    return [_Draft(arms.disagree(), arms.host_random(5, options.allow_donor))]


def random_replayed(options: Options) -> list[_Draft]:
    """A random token at the indices where the oracle edited."""
    return [_Draft(arms.replayed(), arms.host_random(20, options.allow_donor))]


def random_positions(options: Options) -> list[_Draft]:
    """A random token at random places, as many as the oracle edited on the problem (the note's reading)."""
    return [_Draft(arms.oracle_rate(), arms.host_random(20, options.allow_donor))]


def resample(options: Options) -> list[_Draft]:
    """The oracle's kind of place, drawn from the host's own probabilities without its choice and RL's token."""
    return [_Draft(arms.disagree(), arms.host_sample(options.allow_donor))]


def matched(options: Options) -> list[_Draft]:
    """The same places, the host's token of a rank drawn from the ranks seen at disagreements, never RL's token."""
    writer = arms.rank_matched(*options.rank_counts, allow_donor=options.allow_donor)
    return [_Draft(arms.disagree(), writer)]


def entropy(options: Options) -> list[_Draft]:
    """RL's token wherever the host's entropy is above τ = 1.2 nats (arXiv 2605.06241, §3.3)."""
    return [_Draft(arms.entropy_above(t), arms.donor_argmax(), t) for t in options.or_else(1.2)]


def inverse(options: Options) -> list[_Draft]:
    """RL's token wherever it is not: the control that should fail, or not."""
    return [_Draft(arms.entropy_below(t), arms.donor_argmax(), t) for t in options.or_else(1.2)]


def kl(options: Options) -> list[_Draft]:
    """RL's token where KL(donor ‖ host) is at least τ."""
    return [_Draft(arms.kl_above(t), arms.donor_argmax(), t) for t in options.or_else(0.1, 0.3, 1.0)]


def js(options: Options) -> list[_Draft]:
    """RL's token where the Jensen-Shannon divergence is at least τ (arXiv 2603.22446)."""
    return [_Draft(arms.js_above(t), arms.donor_argmax(), t) for t in options.or_else(0.05, 0.1, 0.2)]


DELTAS = (-0.3, -0.4, -1.0)


def delta(options: Options) -> list[_Draft]:
    """RL's token where it finds the host's own less likely by more than −τ nats; sampled, never beyond RL."""
    gate = arms.sampled_delta_below if options.sampled else arms.delta_below
    writer = arms.donor_residual() if options.sampled else arms.donor_argmax()
    return [_Draft(gate(t), writer, t) for t in options.or_else(*DELTAS)]


def delta_published(options: Options) -> list[_Draft]:
    """The same as published (arXiv 2603.22117): sampled, a fresh draw of RL's, which is sharper than RL."""
    return [_Draft(arms.delta_below(t), arms.donor_argmax(), t) for t in options.or_else(*DELTAS)]


def margin(options: Options) -> list[_Draft]:
    """RL's token where the host hesitates: its best leads its second best by less than τ nats."""
    return [_Draft(arms.margin_below(t), arms.donor_argmax(), t) for t in options.or_else(0.5, 1.0)]


def support(options: Options) -> list[_Draft]:
    """At disagreements, RL's best token among the host's top k: what is the host's support worth?"""
    return [_Draft(arms.disagree(), arms.donor_in_host_top(k), k) for k in options.whole(2, 3, 5, 20)]


def first(options: Options) -> list[_Draft]:
    """Only the first m edits of a response."""
    return [_Draft(arms.disagree() & arms.first(m), arms.donor_argmax(), m) for m in options.whole(1, 2, 3, 5, 8)]


def handoff(options: Options) -> list[_Draft]:
    """The donor writes the first m tokens (1, 2, 4, 8, 16), and the host goes on alone."""
    return [_Draft(arms.before(m), arms.donor_argmax(), m) for m in options.whole(1, 2, 4, 8, 16)]


def handoff_first(_: Options) -> list[_Draft]:
    """The donor writes up to and with the first token that the host would not say, and the host goes on alone.

    Greedy, that is the text of `first:1`, of which only the disagreement is gated.
    """
    return [_Draft(arms.always() & arms.first(1), arms.donor_argmax())]


def only(options: Options) -> list[_Draft]:
    """At disagreements where RL's token is of a kind: each of stop, format, digits, discourse, other, or one."""
    return [_of_kind(kind, arms.of_kind(kind)) for kind in options.kinds or KINDS]


def without(options: Options) -> list[_Draft]:
    """At all disagreements but those where RL's token is of a kind: each of them in turn, or one."""
    return [_of_kind(kind, ~arms.of_kind(kind)) for kind in options.kinds or KINDS]


def _of_kind(kind: str, gate: Gate) -> _Draft:
    return _Draft(arms.disagree() & gate, arms.donor_argmax(), word=kind)


def dose(options: Options) -> list[_Draft]:
    """A share q of the disagreements, nested in q."""
    return [
        _Draft(arms.disagree() & arms.bernoulli(q), arms.donor_argmax(), q)
        for q in options.or_else(0.1, 0.25, 0.5, 0.75, 0.9)
    ]


def mix(options: Options) -> list[_Draft]:
    """Everywhere, the best token of (1 − λ) log π_host + λ log π_donor."""
    return [_Draft(arms.always(), arms.mix(w), w) for w in options.or_else(0.25, 0.5, 0.75)]


GAMMAS = (0, 0.05, 0.1, 0.25, 0.5, 1)


def extrapolate(options: Options) -> list[_Draft]:
    """Everywhere, beyond RL: log π_γ = (1 + γ) log π_RL − γ log π_base (arXiv 2603.22117); γ = 0 is RL itself."""
    return [_Draft(arms.always(), _extrapolating(g, options.host), g) for g in options.or_else(*GAMMAS)]


def extrapolate_delta(options: Options) -> list[_Draft]:
    """The same where the donor finds the host's token less likely by more than 0.3 nats; γ = 0 is `delta-published`."""
    gate = arms.delta_below(-0.3)
    return [_Draft(gate, _extrapolating(g, options.host), g) for g in options.or_else(*GAMMAS)]


def _extrapolating(gamma: float, host: str) -> Writer:
    """π_γ, whichever of the two models decodes."""
    return arms.mix(1 + gamma if host == "base" else 0 - gamma)


# name: function from options to arms
MODES: dict[str, Callable[[Options], list[_Draft]]] = {
    "oracle": oracle,
    "random": random,
    "random-published": random_published,
    "entropy": entropy,
    "oracle-reranked": oracle_reranked,
    "random-top5": random_top5,
    "random-replayed": random_replayed,
    "random-positions": random_positions,
    "resample": resample,
    "matched": matched,
    "inverse": inverse,
    "kl": kl,
    "js": js,
    "delta": delta,
    "delta-published": delta_published,
    "margin": margin,
    "support": support,
    "first": first,
    "handoff": handoff,
    "handoff-first": handoff_first,
    "only": only,
    "without": without,
    "dose": dose,
    "mix": mix,
    "extrapolate": extrapolate,
    "extrapolate-delta": extrapolate_delta,
}
CONTROLS = ("random", "random-top5", "random-replayed", "random-positions", "resample", "matched")  # of allow_donor
WITHOUT_VALUES = ("oracle", "random-published", "handoff-first", *CONTROLS[1:])
BY_KIND = ("only", "without")  # their values are kinds of tokens
