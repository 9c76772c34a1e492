"""One function a command. Options are keyword arguments; what comes back is the run that the command worked on.

`Results.tokens` has one row per response position; `Results.summary` is what the command wrote as JSON, with a list of
the problems that were left out. Nothing of this machine's terminal is used but standard error, for progress.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rlprobe import cli
from rlprobe.analysis.classes import Reading
from rlprobe.pipeline import consequences as consequential
from rlprobe.pipeline import direction as directions
from rlprobe.pipeline import disagree as disagreements
from rlprobe.pipeline import flips as single_flips
from rlprobe.pipeline import footprint as footprints
from rlprobe.pipeline import grade as grading
from rlprobe.pipeline import intervene as interventions
from rlprobe.pipeline import lens as lenses
from rlprobe.pipeline import merge as merging
from rlprobe.pipeline import passk as reaching
from rlprobe.pipeline import patch as patching
from rlprobe.pipeline import report as reports
from rlprobe.pipeline import sample as sampling
from rlprobe.pipeline import signals as signalling
from rlprobe.pipeline import steer as steering
from rlprobe.pipeline import weights as weighing
from rlprobe.pipeline.inside import InsideSettings
from rlprobe.pipeline.keywords import settings_of
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.written import Written
from rlprobe.problems.grading import GraderSettings
from rlprobe.python.options import with_options
from rlprobe.python.pair import Pair
from rlprobe.python.results import Results, read

Kind = TypeVar("Kind")
RunLike = Results | str | Path


@dataclass(frozen=True)
class Regrading:
    """How verdicts are made anew, and how the tables are then read."""

    reading: Reading = field(default_factory=Reading)
    grader: GraderSettings = field(default_factory=GraderSettings)


# ---- with both models ------------------------------------------------------------------------------------------------


@with_options(disagreements.DisagreeSettings, cli.disagree)
def disagree(**options: Any) -> Results:
    """Where do a base model and its RL model disagree? (arXiv 2605.06241, §3.1)

    Both models answer every problem greedily, both read both answers, and each position is unchanged, reranked or
    shifted. The result's `tokens` has a row for each position of each response (2 arms × problems × response length):
    log-probabilities, entropies, margins and divergences in nats at temperature 1 over the common vocabulary, ranks
    from 1, the five best tokens of each model, and the class. Tables: classes, rates, accuracy, entropy, swaps, ...

    Raises BadInput for an option that cannot be (an unknown one names the nearest), OtherRun where `out` holds a run of
    other settings, NotAvailable for a model or a data set that cannot be loaded, and IncompatiblePair for two models
    that cannot be compared.
    """
    return _results(disagreements.disagree(_settings(disagreements.DisagreeSettings, options), Reporter()))


@with_options(interventions.InterveneSettings, cli.intervene)
def intervene(**options: Any) -> Results:
    """Do those tokens cause the gain? One model decodes, tokens are put in, answers are graded (2605.06241, §3.2–3.3).

    Arms are named `modes` (see `rlprobe arms`), or put together of `gates` and a `writer`. The result's `rollouts` has
    a row per arm, problem and draw, with the host's own choice and whether the gate fired at each position; the tables
    interventions, doses and answers hold accuracy, shares of gated and edited tokens, and recovery = (arm − base) /
    (RL − base) with paired 95 % intervals.

    Raises BadInput for an option or an arm that cannot be, and OtherRun, NotAvailable, IncompatiblePair as `disagree`.
    """
    return _results(interventions.intervene(_settings(interventions.InterveneSettings, options), Reporter()))


@with_options(single_flips.FlipSettings, cli.flips)
def flips(**options: Any) -> Results:
    """Which single tokens fix an answer, and how few are needed? Goes on from a run of `disagree` in the same `out`.

    RL's token is written once at each disagreement along the base's text; then ddmin (Zeller and Hildebrandt, 2002)
    looks for few edits that keep RL's answer right. Tables: flips, needed_edits, needed_sizes, flip_tokens.

    Raises BadInput where `disagree` has not finished in `out` or for an option that cannot be, and OtherRun,
    NotAvailable, IncompatiblePair as `disagree`.
    """
    return _results(single_flips.flips(_settings(single_flips.FlipSettings, options), Reporter()))


@with_options(consequential.ConsequenceSettings, cli.consequences)
def consequences(**options: Any) -> Results:
    """Which disagreements are neutral, which consequential? Goes on from a run of `disagree` in the same `out`.

    The base's token is written once at each disagreement along RL's text, up to its answer, and RL goes on alone: it
    comes back to its text or its answer, or it does not. Tables: consequences (with 95 % intervals over problems),
    consequence_finders (AUROC of what the base knows), consequence_places (CSV, a row a place).

    Raises BadInput where `disagree` has not finished in `out` or for an option that cannot be, and OtherRun,
    NotAvailable, IncompatiblePair as `disagree`.
    """
    return _results(consequential.consequences(_settings(consequential.ConsequenceSettings, options), Reporter()))


@with_options(sampling.SampleSettings, cli.sample)
def sample(**options: Any) -> Results:
    """What is in reach of either model? Several sampled answers to each problem, and pass@k (arXiv 2504.13837).

    The result's `rollouts` has a row per model, problem and draw; the table pass_at_k holds the unbiased estimate of
    arXiv 2107.03374, §2.1, for k up to the number of draws, intervals resampling problems.

    Raises BadInput for an option that cannot be, and OtherRun, NotAvailable, IncompatiblePair as `disagree`.
    """
    return _results(sampling.sample(_settings(sampling.SampleSettings, options), Reporter()))


@with_options(signalling.SignalSettings, cli.signals)
def signals(**options: Any) -> Results:
    """Which signal finds the tokens that matter, at equal doses? (arXiv 2603.22117, 2603.22446)

    Each signal gates RL's token into the base's text; its threshold (nats) is chosen on one half of the problems so
    that a `targets` share of the oracle's edits is made or, with equal="replaced", the gate fires on that share of all
    tokens; the other half is graded. `learned` is a logistic regression on what the host alone says, fitted on the
    first half. Tables: equal-edits or equal-replaced, signal-differences (paired intervals at matched dose),
    signal-calibration, signal-detection (AUROC), signal-learned (its weights); of a preset, preset-NAME and
    equal-entropy-NAME.

    Raises BadInput for an option that cannot be or a half without problems, and OtherRun, NotAvailable,
    IncompatiblePair as `disagree`.
    """
    return _results(signalling.signals(_settings(signalling.SignalSettings, options), Reporter()))


@with_options(footprints.FootprintSettings, cli.footprint)
def footprint(checkpoints: Sequence[str], **options: Any) -> Results:
    """How does RL's footprint grow? Disagreements for several checkpoints of one base, in the order of training.

    A checkpoint is "NAME=MODEL", where MODEL is a folder, a Hub id, MODEL@REVISION or base+ADAPTER; `rl` is the RL
    model of a registered pair. `out` holds a run a checkpoint, read(out / NAME) opens one. Tables: footprint,
    footprint_tails, footprint_followed.

    Raises BadInput for an option, a name or a base that is not the same beside all checkpoints, and OtherRun,
    NotAvailable, IncompatiblePair as `disagree`.
    """
    asked = {"checkpoints": tuple(checkpoints), **options}
    return _results(footprints.footprint(_settings(footprints.FootprintSettings, asked), Reporter()))


@with_options(weighing.WeightSettings, cli.weights)
def weights(run: RunLike | None = None, **options: Any) -> Results:
    """What did RL change in the weights, and how much of it is needed? Of a pair, or of the pair of a finished `run`.

    Of every matrix: the share of weights that did not change, ‖ΔW‖/‖W‖ (Frobenius), the stable rank and how many
    directions hold 90 % of ‖ΔW‖² (arXiv 2605.06241, §4 trains such a low-rank part). With `ranks`, base + ΔW_r decodes
    and is graded as well. Reads safetensors files in slices; needs no model in memory without `ranks`, but that of an
    adapter, which is merged there.

    Raises BadInput for ranks or kinds that are none, NotAvailable without safetensors files, IncompatiblePair for
    quantised weights, and OtherRun as `disagree`.
    """
    asked = options if run is None else {"run": _path(run), **options}
    return _results(weighing.weights(_settings(weighing.WeightSettings, asked), Reporter()))


# ---- inside the models, at the disagreements of a run ----------------------------------------------------------------


@with_options(InsideSettings, cli.lens)
def lens(run: RunLike, **options: Any) -> Results:
    """In which layer is the choice made? The logit lens of both models at the disagreements of a run.

    Each layer's residual stream goes through the model's own final norm and head. Tables: lens (after each layer the
    log-probabilities of both choices in nats, and how often the model's own one leads), lens_choices, trunk_and_head.

    Raises BadInput where the run has no such places, OtherRun for another pair than the run's, UnsupportedArchitecture
    for a model whose layers are not found, or an adapter that cannot be merged exactly.
    """
    return _results(lenses.lens(_settings(InsideSettings, {"run": _path(run), **options}), Reporter()))


@with_options(patching.PatchSettings, cli.patch)
def patch(run: RunLike, **options: Any) -> Results:
    """Which layer, site and head carry the choice? One model's activations in the other, at a run's disagreements.

    The gap is the log-probability (nats) of RL's choice minus that of the base's; a patch restores the share of the way
    that it moves the gap from the host's towards the donor's, a ratio of means, with 95 % intervals over problems and
    beside it a control from another problem's place. Tables: patching, heads.

    Raises BadInput where the run has no such places or for layers that the model lacks, OtherRun for another pair than
    the run's, UnsupportedArchitecture as `lens`.
    """
    return _results(patching.patch(_settings(patching.PatchSettings, {"run": _path(run), **options}), Reporter()))


@with_options(steering.SteerSettings, cli.steer)
def steer(run: RunLike, **options: Any) -> Results:
    """Is the correction one direction? The mean difference at a run's disagreements, added to the base.

    The direction is taken on one half of the problems, the other half is answered with multiples of it and of random
    directions of equal norm, everywhere or where the base's entropy is above `tau` (nats). Table: steering.

    Raises BadInput where the run has no such places, OtherRun for another pair than the run's, UnsupportedArchitecture
    as `lens`.
    """
    return _results(steering.steer(_settings(steering.SteerSettings, {"run": _path(run), **options}), Reporter()))


# ---- of what a run holds, without its models -------------------------------------------------------------------------


@with_options(directions.DirectionSettings, cli.direction)
def direction(run: RunLike, **options: Any) -> Results:
    """Which tokens does RL make likelier, which rarer? Signed Δ log p = log p_RL − log p_base, nats (arXiv 2603.22117).

    Reads the token table of a run. Tables: tails, tails_by, authorship, detection, words, divergence, sparks.

    Raises BadInput where the run has no token table of base's or RL's text.
    """
    return _results(directions.direction(_path(run), _settings(directions.DirectionSettings, options)))


@dataclass(frozen=True)
class GradeSettings(Regrading):
    """The same, with other golds."""

    golds: grading.Golds = field(default_factory=grading.Golds)


@with_options(reaching.PasskSettings, cli.passk)
def passk(source: RunLike, **options: Any) -> Results:
    """Does RL find what its base lacks? pass@k of a run of `sample`, or of a table of counts (arXiv 2504.13837).

    `source` is a run, or a CSV, JSON, JSONL or Parquet file with the columns problem_id, model, n (draws), c (right
    ones) and perhaps family. Shares of problems at every k up to the fewest draws, with 95 % intervals over
    problems; the k where the curves cross; regimes of arXiv 2505.24864. Tables: passk, passk_crossing, passk_solvable,
    passk_regimes.

    Raises BadInput for a table that cannot be (c above n, a problem twice, ...), a k above the fewest draws, or a run
    without samples, and OtherRun where `out` holds the results of another table.
    """
    return _results(reaching.passk(_path(source), _settings(reaching.PasskSettings, options)))


@with_options(GradeSettings, cli.grade)
def grade(run: RunLike, **options: Any) -> Results:
    """Grade a finished run again, and write its summaries anew: another extraction, answer policy, k, or other golds.

    Responses and token tables stay as they are; the result's `grades` are the new verdicts (math-verify decides).

    Raises BadInput for what is no run, has nothing to summarise, or was asked other questions than `dataset` holds.
    """
    settings = _settings(GradeSettings, options)
    grading.grade(_path(run), settings.grader, settings.reading, Reporter(), settings.golds)
    return read(_path(run))


@with_options(Regrading, cli.merge)
def merge(out: str | Path, runs: Sequence[RunLike], **options: Any) -> Results:
    """Bring the shares of several machines (`runs`, made with `shard`) together in `out`, and summarise the whole.

    What one machine would have written, byte for byte; verdicts that the parts brought along are kept.

    Problems that no part holds are named on standard error. Raises OtherRun where the runs are not of the same
    settings, BadInput where their shards differ or overlap, and Damaged for a shard that is not what was written.
    """
    settings = _settings(Regrading, options)
    merging.merge(Path(out), [_path(run) for run in runs], settings.grader, settings.reading, Reporter())
    return read(Path(out))


@with_options(reports.ReportSettings, cli.report)
def report(run: RunLike, **options: Any) -> Path:
    """Write the token page of a run: its tables, figures and every token, in one page that opens from disk.

    Returns the path of the page. Raises BadInput where the run has no token tables or no tokenizer.
    """
    return reports.report(_path(run), _settings(reports.ReportSettings, options), Reporter())[0]


# ---- what they have in common ----------------------------------------------------------------------------------------


def _settings(kind: type[Kind], options: Mapping[str, Any]) -> Kind:
    """Settings from the options; a Pair stands for what it was made of."""
    pair = options.get("pair")
    return settings_of(kind, {**options, "pair": pair.choice} if isinstance(pair, Pair) else options)


def _results(written: Written) -> Results:
    return Results(written.run, written.summary)


def _path(run: RunLike) -> Path:
    return run.path if isinstance(run, Results) else Path(run)
