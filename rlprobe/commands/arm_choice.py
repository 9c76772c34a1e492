"""The arms that an intervention is asked for: named modes with their values, or gates and a writer put together.

Decodes nothing; of a run it knows the token table that percentiles and ranks are read off.
"""

import math
from dataclasses import dataclass, replace

import pandas as pd

from rlprobe.analysis import thresholds
from rlprobe.decoding import modes
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import BY_KIND, Labelled, Options
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.settings import THRESHOLDS, ArmChoice, asks_the_run, is_percentile

READ_OFF = "read off the calibration half, told for the other"


@dataclass(frozen=True)
class FromRun:
    """What arms ask of a run's token table. Before there is one, stand-ins that make every arm possible.

    The table holds the calibration half of the problems (analysis/halves.py); such arms are told for the other half.
    """

    tokens: pd.DataFrame | None = None

    def value(self, mode: str, text: str, host: str) -> float:
        """A value as a number: percentiles are looked up."""
        if not is_percentile(text):
            return _number(text)
        if mode not in THRESHOLDS:
            raise BadInput(f"{mode}:{text}: only {', '.join(THRESHOLDS)} have percentiles")
        if not 0 < (q := _number(text[1:])) < 100:
            raise BadInput(f"percentile {q:g} is not between 0 and 100")
        if self.tokens is None:
            return 1.0
        return thresholds.percentile(thresholds.signal(self.tokens, THRESHOLDS[mode], host), q)

    def gate(self, words: str, host: str) -> str:
        """`NAME:p95` as NAME with the number of nats; other gates as they are."""
        name, _, text = words.partition(":")
        if not is_percentile(text):
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


def chosen(choice: ArmChoice, run: FromRun) -> list[Labelled]:
    """The arms that are asked for, the oracle first where another needs its edits; no arm twice."""
    found = _composed(choice, run) if choice.gates else []
    for mode, values in choice.wanted:
        found += _of_mode(mode, values, choice, run)
    if any(arm.needs_oracle for arm, _ in found):
        found = [*modes.named_arms("oracle", Options(), choice.host, 1, None), *found]
    if choice.sampling:
        sampling = Sampling.of(choice.sampling)
        found = [*(modes.sampled_end(member, sampling) for member in MEMBERS), *found]
    return list({arm.spec: (arm, label) for arm, label in found}.values())


def read_off(choice: ArmChoice, run: FromRun) -> frozenset[str]:
    """The specifications of the arms that depend on what the run's token table says."""
    found = _composed(choice, run) if choice.gates and choice.asks_the_run else []
    for mode, values in choice.wanted:
        asking = [(value,) for value in values if asks_the_run((mode, (value,)))] if values else [()]
        found += [each for some in asking if asks_the_run((mode, some)) for each in _of_mode(mode, some, choice, run)]
    return frozenset(arm.spec for arm, _ in found)


def described(choice: ArmChoice) -> list[str]:
    """The arms in words, before there is a run: what will be read off it stands as it was asked for."""
    if not choice.asks_the_run:
        return [f"{called.label}: {arm.spec}" for arm, called in chosen(choice, FromRun())]
    if choice.gates:
        return [f"{' & '.join(choice.gates)}: percentiles are {READ_OFF}"]
    lines = []
    for mode, values in choice.wanted:
        if asks_the_run((mode, values)):
            lines.append(" ".join((mode, ", ".join(values))).strip() + f": {READ_OFF}")
        else:
            lines += [f"{called.label}: {arm.spec}" for arm, called in _of_mode(mode, values, choice, FromRun())]
    return lines


def _of_mode(mode: str, values: tuple[str, ...], choice: ArmChoice, run: FromRun) -> list[Labelled]:
    """The arms of one mode."""
    kinds = values if mode in BY_KIND else ()
    numbers = () if kinds else tuple(run.value(mode, text, choice.host) for text in values)
    counts = run.rank_counts(choice.host) if mode == "matched" else ()
    options = replace(_common(choice), values=numbers, rank_counts=counts, kinds=kinds)
    return modes.named_arms(mode, options, choice.host, choice.seeds, _sampling(choice))


def _composed(choice: ArmChoice, run: FromRun) -> list[Labelled]:
    """The arm put together from gates and a writer."""
    gates = [run.gate(words, choice.host) for words in choice.gates]
    return modes.composed_arm(gates, choice.writer, _common(choice), choice.host, choice.seeds, _sampling(choice))


def _sampling(choice: ArmChoice) -> Sampling | None:
    return Sampling.of(choice.sampling) if choice.sampling else None


def _common(choice: ArmChoice) -> Options:
    return Options(budget=choice.budget, allow_donor=choice.allow_donor)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise BadInput(f"τ {text!r} is neither a number of nats nor a percentile such as p95") from None
    if not math.isfinite(number):
        raise BadInput(f"τ {text!r} is no finite number")
    return number
