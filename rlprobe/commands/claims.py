"""A user's own claims in a run: when each was registered, and what the run's summaries say of it.

    RUN/claims.json    every claims.toml that was given, with its sha256, the time, and how many responses the run then
                       had. It is no part of the run's identity: claims change no response.

A claim stands "before the data" where its file was registered before the first response. One that was added or changed
later stands "after the data": it could have been written to fit, and is never said to hold. What was registered stays;
a claim that the newest file leaves out is shown as withdrawn. A claim that is a function of the user's is judged where
the function is at hand.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlprobe import own, runs
from rlprobe.analysis.claims import Finding
from rlprobe.analysis.own_claims import QUANTITIES, OwnClaim, interval_of, of_function, parse, refuse_twice
from rlprobe.analysis.statistics import Interval, missing
from rlprobe.commands.evidence import Evidence
from rlprobe.errors import BadInput
from rlprobe.reporting.claims import Judged
from rlprobe.runs import Run

NAME = "claims.json"


@dataclass(frozen=True)
class Registration:
    """The claims of one call as a run took them in."""

    sha256: str
    registered: str  # when, UTC
    responses: int  # that the run had then
    claims: tuple[OwnClaim, ...]


@dataclass(frozen=True)
class ClaimFile:
    """The claims of a claims.toml, of a function, or of several of these."""

    sha256: str
    claims: tuple[OwnClaim, ...]


def read(given: Sequence[str]) -> ClaimFile:
    """The claims of files (a claims.toml) and of functions of the user's. Raises BadInput where one is none."""
    found = [_of_function(kept) if (kept := _function(each)) else _of_file(Path(each)) for each in given]
    if len(found) == 1:
        return found[0]
    claims = tuple(claim for each in found for claim in each.claims)
    refuse_twice(claims)
    return ClaimFile(hashlib.sha256("".join(each.sha256 for each in found).encode()).hexdigest(), claims)


def _function(name: str) -> own.Kept | None:
    return own.fresh(own.find("claim", name))


def _of_function(kept: own.Kept) -> ClaimFile:
    claim = of_function(kept.name, kept.key, kept.options)
    return ClaimFile(hashlib.sha256(kept.key.encode()).hexdigest(), (claim,))


def _of_file(file: Path) -> ClaimFile:
    """A claims.toml. Raises BadInput where it is none, naming what is wrong with it."""
    try:
        content = file.read_bytes()
        return ClaimFile(hashlib.sha256(content).hexdigest(), parse(content.decode("utf-8")))
    except UnicodeDecodeError:
        raise BadInput(f"{file} is no TOML: it is not UTF-8") from None
    except OSError as error:
        is_name = str(file).isidentifier()
        or_function = f"; a claim {file} of your own comes with --include FILE" if is_name else ""
        raise BadInput(f"cannot read the claims in {file}: {error.strerror or error}{or_function}") from None
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
    files = [file for name in QUANTITIES for file in run.files(f"{name}*.json")]
    held = {file.stem: run.read_json(file.name, dict) for file in files}
    first = {claim: registration for registration in reversed(there) for claim in registration.claims}
    order = dict.fromkeys(claim for registration in there for claim in registration.claims)
    newest, evidence = there[-1].claims, Evidence(run, held)
    return [_judged(claim, first[claim], claim not in newest, evidence) for claim in order]


def _judged(claim: OwnClaim, first: Registration, withdrawn: bool, evidence: Evidence) -> Judged:
    is_function = own.is_key(claim.quantity)
    found = Finding(claim.claim, _said(claim, evidence)) if is_function else claim.found_in(evidence.summaries)
    return Judged(claim, found, first.responses, first.registered, withdrawn)


def _said(claim: OwnClaim, evidence: Evidence) -> Interval:
    """The number that a function of the user's says; missing, with the reason, where there is none."""
    try:
        kept = _function(claim.quantity)
        assert kept  # a key that is not there is refused
        problems = {problem.problem_id for problem in evidence.run.problems()}
        return interval_of(own.called(kept, evidence), problems, evidence.reading.resampling)
    except BadInput as reason:
        return missing(str(reason))


def _write(run: Run, registrations: Sequence[Registration]) -> None:
    run.write_json(NAME, [asdict(each) for each in registrations])
