"""A user's own claims in a run: when each was registered, and what the run's summaries say of it.

    RUN/claims.json    every claims.toml that was given, with its sha256, the time, and how many responses the run then
                       had. It is no part of the run's identity: claims change no response.

A claim stands "before the data" where its file was registered before the first response. One that was added or changed
later stands "after the data": it could have been written to fit, and is never said to hold. What was registered stays;
a claim that the newest file leaves out is shown as withdrawn.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlprobe import runs
from rlprobe.analysis.own_claims import QUANTITIES, OwnClaim, parse
from rlprobe.errors import BadInput
from rlprobe.reporting.claims import Judged
from rlprobe.runs import Run

NAME = "claims.json"


@dataclass(frozen=True)
class Registration:
    """One file of claims as a run took it in."""

    sha256: str
    registered: str  # when, UTC
    responses: int  # that the run had then
    claims: tuple[OwnClaim, ...]


@dataclass(frozen=True)
class ClaimFile:
    """A claims.toml as it was read."""

    sha256: str
    claims: tuple[OwnClaim, ...]


def read(file: Path) -> ClaimFile:
    """Read a claims.toml. Raises BadInput where it is none, naming what is wrong with it."""
    try:
        content = file.read_bytes()
        return ClaimFile(hashlib.sha256(content).hexdigest(), parse(content.decode("utf-8")))
    except UnicodeDecodeError:
        raise BadInput(f"{file} is no TOML: it is not UTF-8") from None
    except OSError as error:
        raise BadInput(f"cannot read the claims in {file}: {error.strerror or error}") from None
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from None


def register(run: Run, file: ClaimFile) -> None:
    """Note in the run, held for writing, that it was given these claims now; the last file again changes nothing."""
    there = registered(run)
    if not there or there[-1].sha256 != file.sha256:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _write(run, [*there, Registration(file.sha256, now, responses_in(run), file.claims)])


def registered(run: Run) -> list[Registration]:
    """What the run was given, in order."""

    def of(saved: Any) -> list[Registration]:
        return [Registration(**{**each, "claims": tuple(OwnClaim(**c) for c in each["claims"])}) for each in saved]

    return run.read_json(NAME, of) if run.file(NAME).exists() else []


def responses_in(run: Run) -> int:
    """How many responses the run has, of all arms and draws, with the runs inside it."""
    found, order, left_out = 0, [p.problem_id for p in run.problems()], run.left_out()
    for shard in (shard for arm in run.arms("rollouts") for shard in run.shards("rollouts", arm)):
        found += sum(problem_id not in left_out for problem_id in order[shard.start : shard.stop])
    inner = run.files(f"{runs.INSIDE}/*/run.json")
    return found + sum(responses_in(runs.read(file.parent)) for file in inner)


def take_registered(run: Run, parts: Sequence[Run]) -> None:
    """Bring the claims of several parts together: one is before the data where it was so in every part."""
    given = {part.path: {each.sha256: each for each in reversed(registered(part))} for part in (run, *parts)}
    count = {part.path: responses_in(part) for part in parts}
    merged: dict[str, Registration] = {}
    for each in sorted((r for held in given.values() for r in held.values()), key=lambda r: r.registered):
        had = [given[p][each.sha256].responses if each.sha256 in given[p] else n for p, n in count.items()]
        merged.setdefault(each.sha256, replace(each, responses=max(had)))
    if merged:
        _write(run, list(merged.values()))


def judged(run: Run) -> list[Judged]:
    """Every claim that was ever registered, once, beside what the summaries say now."""
    there = registered(run)
    if not there:
        return []
    held = {name: run.read_json(file, dict) for name in QUANTITIES for file in _meant(run, name)}
    first = {claim: registration for registration in reversed(there) for claim in registration.claims}
    order = dict.fromkeys(claim for registration in there for claim in registration.claims)
    newest = there[-1].claims
    return [_judged(claim, first[claim], claim not in newest, held) for claim in order]


def _meant(run: Run, name: str) -> list[str]:
    """The file that claims about `name` read: the one called so, else the only one whose name begins so."""
    there = [file.name for file in run.files(f"{name}*.json")]
    return [f"{name}.json"] if f"{name}.json" in there else there if len(there) == 1 else []


def _judged(claim: OwnClaim, first: Registration, withdrawn: bool, held: Mapping[str, Any]) -> Judged:
    return Judged(claim, claim.found_in(held), first.responses, first.registered, withdrawn)


def _write(run: Run, registrations: Sequence[Registration]) -> None:
    run.write_json(NAME, [asdict(each) for each in registrations])
