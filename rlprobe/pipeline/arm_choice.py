"""The arms that an intervention is asked for: named modes with their values, or gates and a writer put together.

What cannot be meant (an option that none of the arms takes) is refused rather than left out. Decodes nothing; of a run
it knows the token table that percentiles and ranks are read off.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from rlprobe.analysis import thresholds
from rlprobe.decoding import modes
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import BY_KIND, Named, Options
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS

DEFAULT_MODES = ("oracle", "random", "entropy")
SIGNALS = {"entropy": "entropy", "inverse": "entropy", "margin": "margin", "kl": "kl", "js": "js", "delta": "delta"}
SIGNALS |= {"delta-published": "delta"}
COUNTS = ("support", "random", "oracle-reranked")  # modes with a top k
READ_OFF = "read off the calibration half, told for the other"
REPLAYING = ("random-replayed", "random-positions")  # modes that follow the greedy oracle's edits


@dataclass(frozen=True)
class ArmChoice:
    """Which arms: named modes, or one composed of gates and a writer (the donor's token, where none is named).

    A mode may carry the values of its parameter, as "entropy:0.5,p95"; those without take `taus` (signals) or `top_ks`.
    Thresholds are nats, or percentiles of the signal on the host's own text, as "p95". Raises BadInput for what no arm
    asked for can take.
    """

    modes: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    writer: str | None = None
    host: str = "base"
    taus: tuple[str, ...] = ()
    top_ks: tuple[int, ...] = ()
    budget: int | None = None
    allow_donor: bool = False
    seeds: int = 3  # of greedy arms with randomness
    sampling: Sampling | None = None
    draws: int = 4  # of sampled arms

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise BadInput(problem)

    def _problems(self) -> Iterator[str]:
        """What cannot be meant, in words."""
        names = [mode for mode, _ in self.wanted]
        if self.modes and self.gates:
            yield "give either --mode or --gate with --writer, not both"
        if self.host not in MEMBERS:
            yield f"host {self.host!r} is none of {', '.join(MEMBERS)}"
        if self.seeds < 1:
            yield f"seeds is {self.seeds}: an arm with randomness has at least 1"
        if self.draws < 1:
            yield f"draws is {self.draws}: a sampled arm has at least 1"
        if self.writer is not None and not self.gates:
            yield "--writer says what is written where a --gate fires, and there is none; modes have their own"
        if self.taus and not any(mode in SIGNALS for mode in names):
            yield f"--tau is for the modes {', '.join(SIGNALS)}; others take values (mix:0.5), gates too (js_above:0.1)"
        if self.top_ks and not any(mode in COUNTS for mode in names):
            yield f"--top-k is for the modes {', '.join(COUNTS)}; gates take it as in reranked:5"
        if self.allow_donor and not any(mode in modes.CONTROLS for mode in names):
            controls = ", ".join(modes.CONTROLS)
            yield f"--allow-donor is for the modes {controls}; a writer takes it as in host_random:20,allow_donor"
        if self.sampling and (replaying := [mode for mode in names if mode in REPLAYING]):
            yield f"{replaying[0]} follows the greedy oracle's edits and cannot be sampled"

    @property
    def asks_greedy_ends(self) -> bool:
        """Whether the greedy texts are needed: arms stand between them, or thresholds are read off the host's."""
        return self.sampling is None or self.asks_the_run

    @property
    def draws_each(self) -> int:
        """How many responses an arm has to each problem."""
        return self.draws if self.sampling else 1

    @property
    def wanted(self) -> list[tuple[str, tuple[str, ...]]]:
        """(mode, the values of its parameter as they were written), one for each time it was asked for."""
        words = () if self.gates else self.modes or DEFAULT_MODES
        return [
            (mode, tuple(v.split(",")) if v else self._others(mode)) for mode, _, v in (w.partition(":") for w in words)
        ]

    def _others(self, mode: str) -> tuple[str, ...]:
        """What a mode without values of its own takes."""
        return self.taus if mode in SIGNALS else tuple(map(str, self.top_ks)) if mode in COUNTS else ()

    @property
    def asks_the_run(self) -> bool:
        """Whether an arm depends on the pair's token table."""
        return any(map(_asks_the_run, self.wanted)) or any(_is_percentile(g.partition(":")[2]) for g in self.gates)


@dataclass(frozen=True)
class FromRun:
    """What arms ask of a run's token table. Before there is one, stand-ins that make every arm possible.

    The table holds the calibration half of the problems (analysis/halves.py); such arms are told for the other half.
    """

    tokens: pd.DataFrame | None = None

    def value(self, mode: str, text: str, host: str) -> float:
        """A value as a number: percentiles are looked up."""
        if not _is_percentile(text):
            return _number(text)
        if mode not in SIGNALS:
            raise BadInput(f"{mode}:{text}: only {', '.join(SIGNALS)} have percentiles")
        if not 0 < (q := _number(text[1:])) < 100:
            raise BadInput(f"percentile {q:g} is not between 0 and 100")
        if self.tokens is None:
            return 1.0
        return thresholds.percentile(thresholds.signal(self.tokens, SIGNALS[mode], host), q)

    def gate(self, words: str, host: str) -> str:
        """`NAME:p95` as NAME with the number of nats; other gates as they are."""
        name, _, text = words.partition(":")
        if not _is_percentile(text):
            return words
        signal = name.removeprefix("not-").partition("_")[0]
        return f"{name}:{self.value(signal, text, host)!r}"

    def rank_counts(self, host: str) -> tuple[int, ...]:
        """The ranks seen at disagreements."""
        if self.tokens is None:
            return (1,)
        counts = thresholds.rank_counts(self.tokens, host)
        if not sum(counts):
            raise BadInput("the pair never disagrees on the host's own text: there are no ranks to match")
        return counts


def chosen(choice: ArmChoice, run: FromRun) -> list[Named]:
    """The arms that are asked for, the oracle first where another needs its edits; no arm twice."""
    found = _composed(choice, run) if choice.gates else []
    for mode, values in choice.wanted:
        found += _of_mode(mode, values, choice, run)
    if any(named.needs_oracle for named in found):
        found = [*modes.named_arms("oracle", Options(), choice.host, 1, None), *found]
    if choice.sampling:
        found = [*(modes.sampled_end(member, choice.sampling) for member in MEMBERS), *found]
    return list({named.arm.spec: named for named in found}.values())


def read_off(choice: ArmChoice, run: FromRun) -> frozenset[str]:
    """The specifications of the arms that depend on what the run's token table says."""
    found = _composed(choice, run) if choice.gates and choice.asks_the_run else []
    for mode, values in choice.wanted:
        asking = [(value,) for value in values if _asks_the_run((mode, (value,)))] if values else [()]
        found += [
            named for some in asking if _asks_the_run((mode, some)) for named in _of_mode(mode, some, choice, run)
        ]
    return frozenset(named.arm.spec for named in found)


def described(choice: ArmChoice) -> list[str]:
    """The arms in words, before there is a run: what will be read off it stands as it was asked for."""
    if not choice.asks_the_run:
        return [f"{named.label}: {named.arm.spec}" for named in chosen(choice, FromRun())]
    if choice.gates:
        return [f"{' & '.join(choice.gates)}: percentiles are {READ_OFF}"]
    lines = []
    for mode, values in choice.wanted:
        if _asks_the_run((mode, values)):
            lines.append(" ".join((mode, ", ".join(values))).strip() + f": {READ_OFF}")
        else:
            lines += [f"{named.label}: {named.arm.spec}" for named in _of_mode(mode, values, choice, FromRun())]
    return lines


def _of_mode(mode: str, values: tuple[str, ...], choice: ArmChoice, run: FromRun) -> list[Named]:
    """The arms of one mode."""
    kinds = values if mode in BY_KIND else ()
    numbers = () if kinds else tuple(run.value(mode, text, choice.host) for text in values)
    counts = run.rank_counts(choice.host) if mode == "matched" else ()
    options = replace(_common(choice), values=numbers, rank_counts=counts, kinds=kinds)
    return modes.named_arms(mode, options, choice.host, choice.seeds, choice.sampling)


def _composed(choice: ArmChoice, run: FromRun) -> list[Named]:
    """The arm put together from gates and a writer."""
    gates = [run.gate(words, choice.host) for words in choice.gates]
    return modes.composed_arm(gates, choice.writer, _common(choice), choice.host, choice.seeds, choice.sampling)


def _common(choice: ArmChoice) -> Options:
    return Options(budget=choice.budget, allow_donor=choice.allow_donor)


def _asks_the_run(wanted: tuple[str, tuple[str, ...]]) -> bool:
    mode, values = wanted
    return mode == "matched" or any(map(_is_percentile, values))


def _is_percentile(text: str) -> bool:
    return text.startswith("p")


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise BadInput(f"τ {text!r} is neither a number of nats nor a percentile such as p95") from None
    if not math.isfinite(number):
        raise BadInput(f"τ {text!r} is no finite number")
    return number
