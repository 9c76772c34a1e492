"""The arms that a run was ever asked for, and what they are called: calls of `rlprobe intervene` add up.

    RUN/arms.json    the families of the run, in the order in which they were first asked for

A family is all arms that stand between the same two ends, in the same noise. The first family of a run is told in
interventions.json and the tables of that name, another in files that end in its decoding (interventions-T0.8-top_p1).
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rlprobe.analysis.interventions import NamedArm, unnamed
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.runs import Run

NAME, TOLD = "arms.json", "interventions.json"


@dataclass(frozen=True)
class Family:
    """Arms that stand between the same ends; `draws` is the most that any call asked for."""

    ends: dict[str, str]
    draws: int
    arms: tuple[NamedArm, ...]

    def with_more(self, other: "Family") -> "Family":
        """The arms of both, each once, called as it was called last."""
        named = {arm.name: arm for arm in (*self.arms, *other.arms)}
        return replace(self, draws=max(self.draws, other.draws), arms=tuple(named.values()))

    @property
    def suffix(self) -> str:
        """What its files end in, where it is not the first of its run."""
        base = unnamed(self.ends["base"])
        sampled = base.decoding.replace("=", "").replace(",", "-")
        return f"-{sampled}" + (f"-seed{base.seed}" if base.seed else "") if sampled else "-greedy"

    def chosen(self, names: Sequence[str]) -> tuple[NamedArm, ...]:
        """Those of these names (labels, modes, titles or keys), or all. Raises BadInput for a name that none has."""
        found: dict[str, NamedArm] = {}
        for name in names:
            called = {arm.name: arm for arm in self.arms if name in (arm.name, arm.label, arm.title, arm.mode)}
            if not called:
                there = ", ".join(dict.fromkeys(arm.title for arm in self.arms))
                raise BadInput(f"--arms: no arm of the run is called {name!r}; there are {there}")
            found |= called
        return tuple(arm for arm in self.arms if arm.name in found) if names else self.arms


def families(run: Run) -> list[Family]:
    """Those of a run; of one that an older rlprobe made, what its summary says."""
    if run.file(NAME).exists():
        return run.read_json(NAME, lambda saved: [_family(each) for each in saved])
    return run.read_json(TOLD, lambda saved: [_family(saved)]) if run.file(TOLD).exists() else []


def refuse_unknown(run: Run, asked: Family, names: Sequence[str]) -> None:
    """Raise BadInput for a name that no arm of the run, and none that is asked for, has."""
    next(each for each in joined([*families(run), asked]) if each.ends == asked.ends).chosen(names)


def collect(run: Run, asked: Family) -> Family:
    """Note in the run, held for writing, what a call asked for; returns its family with all that was asked before."""
    whole = joined([*families(run), asked])
    if run.is_writable:
        keep(run, whole)
    return next(each for each in whole if each.ends == asked.ends)


def joined(several: Sequence[Family]) -> list[Family]:
    """Families of the same ends as one, in order."""
    found: list[Family] = []
    for family in several:
        at = next((i for i, each in enumerate(found) if each.ends == family.ends), None)
        if at is None:
            found.append(family)
        else:
            found[at] = found[at].with_more(family)
    return found


def keep(run: Run, several: Sequence[Family]) -> None:
    """Write the families of a run."""
    run.keep_json(NAME, [{"ends": f.ends, "draws": f.draws, "specs": [asdict(a) for a in f.arms]} for f in several])


def suffix_of(run: Run, family: Family) -> str:
    """What the files of a family of the run end in: nothing for the first."""
    there = families(run)
    return "" if not there or there[0].ends == family.ends else re.sub(r"[^\w.-]", "_", family.suffix)


def _family(saved: Any) -> Family:
    ends = {member: str(saved["ends"][member]) for member in MEMBERS}
    return Family(ends, int(saved["draws"]), tuple(NamedArm(**spec) for spec in saved["specs"]))
