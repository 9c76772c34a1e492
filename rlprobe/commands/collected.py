"""The arms that a run was ever asked for, and what they are called: calls of `rlprobe intervene` add up.

    RUN/arms.json    the families of the run, in the order in which they were first asked for

A family is all arms that stand between the same two ends, in the same noise. The greedy one is told in
interventions.json and the tables of that name, a sampled one in files that end in its decoding
(interventions-T0.8-top_p1), whichever of them was asked for first.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rlprobe.arm_labels import ArmLabel, unnamed
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.runs import Run

NAME, TOLD = "arms.json", "interventions{}.json"  # what a family is told in, by its suffix
ASKED = "asked"  # among names of arms: those of this very call


@dataclass(frozen=True)
class Family:
    """Arms that stand between the same ends; `draws` is the most that any call asked for."""

    ends: dict[str, str]
    draws: int
    arms: tuple[ArmLabel, ...]

    def with_more(self, other: "Family") -> "Family":
        """The arms of both, each once, called as it was called last."""
        named = {arm.name: arm for arm in (*self.arms, *other.arms)}
        return replace(self, draws=max(self.draws, other.draws), arms=tuple(named.values()))

    @property
    def suffix(self) -> str:
        """What its files end in: its decoding; nothing for greedy arms."""
        base = unnamed(self.ends["base"])
        sampled = base.decoding.replace("=", "").replace(",", "-")
        named = f"-{sampled}" + (f"-seed{base.seed}" if base.seed else "") if sampled else ""
        return re.sub(r"[^\w.-]", "_", named)

    @property
    def told_in(self) -> str:
        """The file of a run that says what was found of it."""
        return TOLD.format(self.suffix)

    def chosen(self, names: Sequence[str], asked: Sequence[ArmLabel] = ()) -> tuple[ArmLabel, ...]:
        """Those of these names (labels, modes, titles or keys) in their order, or all; "asked" names all of `asked`.

        Raises BadInput for a name that none has.
        """
        found = {arm.name: arm for arm in asked if ASKED in names}
        for name in (name for name in names if name != ASKED):
            called = {arm.name: arm for arm in self.arms if name in (arm.name, arm.label, arm.title, arm.mode)}
            if not called:
                there = ", ".join(dict.fromkeys(arm.title for arm in self.arms))
                raise BadInput(f"--arms: no arm of the run is called {name!r}; there are {there}")
            found |= called
        return tuple(found.values()) if names else self.arms


def families(run: Run) -> list[Family]:
    """Those of a run; of one that an older rlprobe made, what its summary says."""
    if run.file(NAME).exists():
        return run.read_json(NAME, lambda saved: [_family(each) for each in saved])
    return [run.read_json(file.name, _family) for file in run.files(TOLD.format("*"))]


def call_by_decoding(run: Run, titles: Sequence[str]) -> None:
    """Give what an older rlprobe told in a run, held for writing, its name: there the last call was `interventions`.

    `titles` are those of the tables and figures. Sampled arms that kept that name would never be told again.
    """
    plain = TOLD.format("")
    if run.file(NAME).exists() or not run.file(plain).exists():
        return
    suffix = run.read_json(plain, _family).suffix
    named = [
        file for title in {*titles} for folder in ("tables", "figures") for file in run.files(f"{folder}/{title}.*")
    ]
    for file in [*named, run.file(plain)] if suffix else ():
        place = file.relative_to(run.path)
        run.write_bytes(str(place.with_name(f"{file.stem}{suffix}{file.suffix}")), file.read_bytes())
        run.remove(str(place))


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


def _family(saved: Any) -> Family:
    ends = {member: str(saved["ends"][member]) for member in MEMBERS}
    return Family(ends, int(saved["draws"]), tuple(ArmLabel(**spec) for spec in saved["specs"]))
