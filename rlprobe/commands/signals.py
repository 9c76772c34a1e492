"""`rlprobe signals`: which signal finds the tokens that matter, compared at equal doses of edits or of replaced tokens.

On one half of the problems each signal gets, for each wanted dose, the threshold at which it edits (or replaces, no-ops
counted) as much, closed loop; on the other half the arms with these thresholds are decoded and graded. A preset is a
published protocol with thresholds of its own: nothing is calibrated, and all problems are measured on.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from rlprobe import runs
from rlprobe.analysis import thresholds
from rlprobe.analysis.calibration import TOLERANCE, Calibrated, Tried, calibrate
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.halves import HALVES, RULE
from rlprobe.analysis.learned import columns_of, learn
from rlprobe.analysis.signals import (
    CHANGED,
    Edited,
    Evaluated,
    Point,
    Search,
    calibration,
    compare,
    curve,
    detection,
)
from rlprobe.arm_labels import ArmLabel
from rlprobe.commands import COMMANDS, equal_entropy, halves, stages
from rlprobe.commands.prepare import Prepared, prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import read_shown, responses_in
from rlprobe.commands.shown import First, Shown, first_asked
from rlprobe.commands.signal_arms import FittedArms, SignalArms, label_of
from rlprobe.commands.stages import Job
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written, problems_of
from rlprobe.decoding.arms import Arm
from rlprobe.errors import BadInput
from rlprobe.measures.learned import FEATURES, Learned
from rlprobe.records import MEMBERS
from rlprobe.reporting.signals import REPORTS, show
from rlprobe.runs import Run
from rlprobe.settings import Reading, SignalSettings

REMEMBERED = 3  # earlier arms of a signal that its next one is proposed from


def signals(settings: SignalSettings, reporter: Reporter) -> Written:
    """Calibrate, decode, grade and compare what the run still lacks."""
    prepared, choice = prepare_signals(settings), SignalArms.of(settings.choice)
    with ExitStack() as held:
        run = held.enter_context(prepared.begun(settings.output, reporter))
        if choice.preset:
            part, points = Job(prepared, run, reporter), choice.points()
            first = first_asked(run, len(prepared.problems)).count
            about: dict[str, Any] = {"calibration": None, "split": None, "learned": None, "first": first}
        else:
            parts = held.enter_context(halves.split(prepared, settings.output, reporter))
            searches, oracle, choice = _calibrated(Bench(parts["calibration"], choice, reporter))
            part, points = parts["evaluation"], _points(choice, searches)
            about = {"calibration": calibration(searches, oracle, choice.equal), "split": _split(parts)}
            about |= {"learned": _kept(run, choice)}
        bench = Bench(part, choice, reporter)
        _decode(bench, points)
        if not choice.preset:
            part.score(choice.end(choice.host))
        layer = part.grade(settings.grader)
        if equal_entropy.possible(prepared, choice):
            parts = held.enter_context(halves.split(prepared, settings.output, reporter))
            about["equal_entropy"] = _equal_entropy(bench, parts, points)
            parts["evaluation"].grade(settings.grader)
        return summarise_signals(run, part.run, layer, about | _asked(bench, points), settings.reading)


def prepare_signals(settings: SignalSettings) -> Prepared:
    """Everything that can be refused before anything is written."""
    if settings.output.share.count > 1:
        raise BadInput("thresholds are chosen on a whole half of the problems: run rlprobe signals without --shard")
    prepared = prepare(settings, {})
    if not settings.choice.preset:
        for half in HALVES:
            halves.only(prepared, half)
    return prepared


def plan(settings: SignalSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared, choice = prepare_signals(settings), SignalArms.of(settings.choice)
    if choice.preset:
        split = f"{len(prepared.prompts)} problems, thresholds as published:"
        work = [arm.spec for point in choice.points() for arm in point.arms]
        if equal_entropy.possible(prepared, choice):
            work += ["RL alone at each arm's mean entropy: temperatures from one half of the problems, for the other"]
    else:
        sizes = (f"{len(halves.only(prepared, half).prompts)} problems for {half}" for half in HALVES)
        split, shares = ", ".join(sizes) + ":", ", ".join(f"{100 * target:g}" for target in choice.doses)
        dose = "of what the oracle edits" if choice.equal == "edits" else "of all tokens replaced, no-ops counted"
        work = [f"{signal}, at {shares} % {dose}" for signal in choice.signals]
    return [*prepared.notices, split, *(f"  {line}" for line in work), f"would write to {prepared.out}"]


def summarise_signals(run: Run, of: Run, layer: str, asked: dict[str, Any], reading: Reading) -> Written:
    """Read the arms that were `asked` for in the run `of`, and write summary, tables and figures to `run`."""
    points, oracles = _points_of(asked), _arms(asked["oracles"])
    arms, ids = (*oracles, *(arm for point in points for arm in point.arms)), _asked_for(of, asked)
    told = read_shown(First(of), Shown([arm.name for arm in arms], asked["ends"], asked["draws"]), layer)
    responses, grades = (rows[rows["problem_id"].isin(ids)].reset_index(drop=True) for rows in told)
    summary = {
        **asked,
        "about": run.about,
        "grader": named_grader(of, layer),
        "problems": problems_of(of, grades, reading.answer),
        **compare(Evaluated(responses, grades, oracles, points, asked["equal"]), reading, of.left_out()),
        "equal_entropy": equal_entropy.compared(run, layer, asked.get("equal_entropy", ()), reading),
        "detection": _detected(of, asked, reading),
    }
    return _report(asked).write(run, _name_of(asked), summary)


def retell(again: Retelling) -> list[Written]:
    """The same for every comparison that a run holds, with other verdicts or another reading."""
    return [_retold(again, saved.name) for saved in again.run.files(COMMANDS["signals"].summary)]


def _retold(again: Retelling, name: str) -> Written:
    run = again.run
    asked = run.read_json(name, _parsed)
    of = runs.read(run.file(f"{runs.INSIDE}/evaluation")) if asked["split"] else run
    if asked.get("equal_entropy"):
        equal_entropy.graded_again(again)
    with of.locked() if asked["split"] else nullcontext():
        return summarise_signals(
            run, of, stages.grade(of, again.grader, again.reporter, again.crew), asked, again.reading
        )


def _parsed(saved: Any) -> dict[str, Any]:
    """An earlier summary, which has what `summarise_signals` is told; a KeyError or TypeError says that it has not."""
    _points_of(saved), _arms(saved["oracles"]), dict(saved["ends"]), REPORTS[saved["kind"]], CHANGED[saved["equal"]]
    str(saved["suffix"]), int(saved["draws"]), saved["preset"], saved["split"] and saved["split"]["evaluation"]
    return saved


# ---- decoding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """Problems to decode arms on."""

    part: Job
    choice: SignalArms
    reporter: Reporter

    @property
    def ends(self) -> list[str]:
        """The arms of both models alone, from which all others are proposed."""
        return [self.choice.end(member) for member in MEMBERS]

    def decode(self, arm: Arm, label: str, known: Iterable[str], draws: int = 1) -> None:
        """The responses of an arm that are not there yet."""
        took = self.part.decode_arm(arm, label, [*known], draws)
        if took.emitted:
            self.part.run.log("decoded", arm=arm.spec, emitted=took.emitted, rounds=took.rounds)

    def decode_ends(self, draws: int = 1) -> None:
        """Both models alone."""
        for member in MEMBERS:
            if self.choice.how:
                self.decode(self.choice.alone(member), f"{member} alone", (), draws)
            else:
                self.part.decode_greedy_arm(member)

    def edited(self, arm: Arm) -> Edited:
        """What draw 0 of an arm edited."""
        told = responses_in(First(self.part.run), [arm.spec], draws=1)
        return Edited.of(told[told["problem_id"].isin(self.part.prepared.prompts.keys())])


def _calibrated(bench: Bench) -> tuple[list[Search], Edited, SignalArms]:
    """Every signal's thresholds, what the oracle edits, and the choice with what was learned.

    Of sampled arms, draw 0 decides.
    """
    choice, part = bench.choice, bench.part
    oracle = choice.oracle(choice.host)
    bench.decode_ends()
    bench.decode(oracle, "oracle", bench.ends)
    edited = bench.edited(oracle)
    if not edited.edited:
        raise BadInput("the two models never disagree on these problems: there are no edits to be equal")
    own = choice.end(choice.host)
    part.score(own)
    tokens = pd.concat(_tokens(part.run, own, set(part.prepared.prompts), 1, choice.signals), ignore_index=True)
    if "learned" in choice.signals:
        learned = learn(tokens, choice.host)
        tokens = tokens.assign(learned=learned.log_odds(columns_of(tokens, choice.host)))
        bench = replace(bench, choice=FittedArms(**vars(choice), learned=learned))
    return [_searched(bench, signal, tokens, edited) for signal in choice.signals], edited, bench.choice


def _searched(bench: Bench, signal: str, tokens: pd.DataFrame, oracle: Edited) -> Search:
    """One signal's thresholds, from the smallest dose up: what one search tries serves the next."""
    choice, tried, edited = bench.choice, list[Tried](), dict[float, Edited]()
    along = curve(tokens, signal, choice.host, choice.how is not None, choice.equal)
    whole = oracle.share() if choice.equal == "edits" else 1.0

    def measure(threshold: float) -> float:
        arm, earlier = choice.arm(signal, threshold), [choice.arm(signal, t).spec for t in edited]
        bench.decode(arm, f"{signal} {threshold:g}", [*bench.ends, *earlier[-REMEMBERED:]])
        edited[threshold] = bench.edited(arm)
        return edited[threshold].share(choice.equal)

    found = {}
    for dose in choice.doses:
        found[dose] = calibrate(along, dose * whole, tried, measure, choice.most_decodes)
        bench.reporter.note(f"{signal} at {100 * dose:g} %: {_outcome(found[dose])}")
    return Search(signal, found, tried, edited)


def _outcome(found: Calibrated) -> str:
    return f"absent, {found.reason}" if found.threshold is None else f"threshold {found.threshold:g}"


def _points(choice: SignalArms, searches: Sequence[Search]) -> list[Point]:
    """The thresholds that were found."""
    found = [(search.signal, dose, each) for search in searches for dose, each in search.found.items()]
    return [choice.point(signal, f.threshold, dose) for signal, dose, f in found if f.threshold is not None]


def _decode(bench: Bench, points: Sequence[Point]) -> None:
    """The ends, the oracles and the points; a signal's arms are proposed from its earlier ones."""
    choice = bench.choice
    draws = choice.draws if choice.how else 1
    bench.decode_ends(draws)
    for host in choice.hosts:
        bench.decode(choice.oracle(host), "oracle", bench.ends, draws)
    earlier: dict[str, list[str]] = {}
    for point in points:
        known = earlier.setdefault(point.signal, [])
        for each in point.arms:
            arm = choice.arm(point.signal, point.threshold, each.host, each.seed or 0)
            bench.decode(arm, point.title, [*bench.ends, *known[-REMEMBERED:]], draws)
            known.append(arm.spec)


def _equal_entropy(bench: Bench, parts: dict[str, Job], points: Sequence[Point]) -> list[dict[str, Any]]:
    """RL alone beside each published arm; a preset is sampled."""
    choice = bench.choice
    assert choice.how is not None
    return equal_entropy.Beside(bench.part, parts, choice, choice.how, bench.reporter).found(points)


# ---- what the summary is made of -------------------------------------------------------------------------------------


def _asked(bench: Bench, points: Sequence[Point]) -> dict[str, Any]:
    """What was decoded, so that it can be read again without models."""
    choice = bench.choice
    oracles = [label_of(choice.oracle(host), "oracle", "oracle") for host in choice.hosts]
    return {
        "kind": choice.kind,
        "suffix": choice.suffix,
        "equal": choice.equal,
        "preset": choice.preset,
        "hosts": choice.hosts,
        "signals": list(dict.fromkeys(p.signal for p in points)) if choice.preset else list(choice.signals),
        "sampling": choice.how and asdict(choice.how),
        "draws": choice.draws if choice.how else 1,
        "random_seeds": None if choice.how else choice.draws,
        "tolerance": TOLERANCE,
        "ends": {member: choice.end(member) for member in MEMBERS},
        "oracles": [asdict(oracle) for oracle in oracles],
        "points": [asdict(point) for point in points],
    }


def _kept(run: Run, choice: SignalArms) -> dict[str, Any] | None:
    """The weights that were learned, also in a file that is called as they are in the names of arms."""
    if not isinstance(choice, FittedArms):
        return None
    kept = {"digest": choice.learned.digest, "host": choice.host, "features": FEATURES, **asdict(choice.learned)}
    run.keep_json(f"learned/{choice.learned.digest}.json", kept)
    return kept


def _detected(of: Run, asked: dict[str, Any], reading: Reading) -> dict[str, Any]:
    """How well each signal tells disagreements on the host's own text to the evaluation problems.

    Empty where that text was not read by both models: of a preset, and of runs that an earlier rlprobe made.
    """
    if not asked["split"] or not of.shards("tokens", own := asked["ends"][asked["hosts"][0]]):
        return {}
    (host,), ids, saved = asked["hosts"], _asked_for(of, asked), asked["learned"]

    def tables() -> Iterator[pd.DataFrame]:
        for rows in _tokens(of, own, ids, asked["draws"], asked["signals"]):
            odds = Learned.of(saved).log_odds(columns_of(rows, host)) if saved else None
            yield rows if odds is None else rows.assign(learned=odds)

    return plain(detection(tables, asked["signals"], host, reading.resampling))


def _split(parts: dict[str, Job]) -> dict[str, Any]:
    """Which problems served for what."""
    return {"rule": RULE, **{name: sorted(part.prepared.prompts) for name, part in parts.items()}}


def _report(asked: dict[str, Any]) -> Report:
    """Tables and figures are called after their kind of comparison, so that a run keeps one of each."""
    (tables, figures), suffix = REPORTS[asked["kind"]], asked["suffix"]
    return Report({f"{k}{suffix}": v for k, v in tables.items()}, {f"{k}{suffix}": v for k, v in figures.items()}, show)


def _name_of(asked: dict[str, Any]) -> str:
    """The summary's file."""
    return f"signals{'-replaced' if asked['equal'] == 'replaced' else ''}{asked['suffix']}.json"


def _points_of(saved: dict[str, Any]) -> list[Point]:
    return [Point(p["signal"], p["threshold"], p["target"], _arms(p["arms"])) for p in saved["points"]]


def _arms(saved: Sequence[dict[str, Any]]) -> tuple[ArmLabel, ...]:
    return tuple(ArmLabel(**each) for each in saved)


def _asked_for(run: Run, asked: dict[str, Any]) -> set[str]:
    """The problems that were asked for."""
    return set(asked["split"]["evaluation"]) if asked["split"] else set(First(run, asked.get("first")).ids)


def _tokens(run: Run, arm: str, ids: set[str], draws: int, signals: Sequence[str]) -> Iterator[pd.DataFrame]:
    """What signals ask of the token table of an arm, a shard at a time."""
    columns = {"problem_id", "draw", "position", *thresholds.COLUMNS, *(f"logprob_{m}" for m in MEMBERS)}
    columns |= {f"top_logprobs_{m}" for m in MEMBERS} if "learned" in signals else set()
    for shard in (shard for shard in run.shards("tokens", arm) if shard.draw < draws):
        rows = run.read_shard("tokens", shard, sorted(columns)).to_pandas()
        yield rows[rows["problem_id"].isin(ids) & (rows["draw"] < draws)]
