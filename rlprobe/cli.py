"""The one door: parse, call one function of pipeline/, print what was written. Knows no tensors.

torch is imported only to work: --help and bad arguments are answered without it. What several commands ask for is one
decorator here and one noun in pipeline/prepare.py.
"""

import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rlprobe import __version__
from rlprobe.errors import INTERRUPTED, BadInput, RlprobeError

if TYPE_CHECKING:
    from rlprobe.pipeline.disagree import DisagreeSettings
    from rlprobe.pipeline.flips import FlipSettings
    from rlprobe.pipeline.intervene import InterveneSettings
    from rlprobe.pipeline.written import Written

_Command = Callable[..., Any]


def _options(*options: _Command) -> Callable[[_Command], _Command]:
    """Several click options as one decorator, shown in the order given."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _share(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int]:
    """`i/n` as 0-based (i, n)."""
    if value is None:
        return 0, 1
    index, _, count = value.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise click.BadParameter(f"{value!r} is not of the form i/n with 1 <= i <= n, for example 2/8")
    return int(index) - 1, int(count)


def _auto_or_count(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither 'auto' nor a whole number above 0")
    return int(value)


_FILE = click.Path(path_type=Path)

pair_options = _options(
    click.option("--pair", help="A registered pair (see `rlprobe pairs`).  [default: bundled]"),
    click.option("--base", help="The base model: a Hub id or a folder."),
    click.option("--rl", help="The RL model: a Hub id, a folder, or base+ADAPTER."),
    click.option("--base-revision", help="Hub revision of the base."),
    click.option("--rl-revision", help="Hub revision of the RL model."),
    click.option(
        "--dtype",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        help="Of the trunks; auto is float32 on a CPU, the checkpoint's own elsewhere.",
    ),
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ..."),
    click.option("--base-device", help="Another device for the base."),
    click.option("--rl-device", help="Another device for the RL model."),
)

problem_options = _options(
    click.option(
        "--dataset",
        default="word-problems",
        show_default=True,
        help="A registered data set (see `rlprobe datasets`) or a JSONL, Parquet or CSV file.",
    ),
    click.option("--question-field", help="Column of a file that holds the question."),
    click.option("--answer-field", help="Column of a file that holds the gold answer."),
    click.option("--style", help="Prompt style, the same for both models.  [default: the pair's own, else chat]"),
    click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems."),
)

compute_options = _options(
    click.option("--max-new-tokens", default=1024, show_default=True, type=click.IntRange(min=1)),
    click.option(
        "--batch-size", default="auto", show_default=True, callback=_auto_or_count, help="Rows decoded at once."
    ),
    click.option("--shard-size", default="auto", show_default=True, callback=_auto_or_count, help="Problems a file."),
    click.option(
        "--statistics",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "plain", "compiled"]),
        help="How full-vocabulary statistics are computed.",
    ),
)

output_options = _options(
    click.option("--out", type=_FILE, help="The run directory.  [default: runs/PAIR-DATASET]"),
    click.option("--overwrite", is_flag=True, help="Delete the run that is there and start anew."),
    click.option("--shard", "share", callback=_share, metavar="I/N", help="Only this machine's share of the work."),
)

reading_options = _options(
    click.option("--class-k", default=5, show_default=True, type=click.IntRange(min=1), help="Largest reranked rank."),
    click.option(
        "--answer", default="last", show_default=True, type=click.Choice(["first", "last"]), help="Which box counts."
    ),
    click.option("--seed", default=0, show_default=True, type=int, help="Of the bootstrap intervals."),
    click.option("--grader-timeout", default=5, show_default=True, type=click.IntRange(min=1), help="Seconds."),
    click.option("--max-failed", default=0, show_default=True, type=click.IntRange(min=0), help="Problems left out."),
    click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output, nothing else there."),
)


tau_option = click.option(
    "--tau", default=1.2, show_default=True, type=click.FloatRange(min=0), help="Entropy gate, nats."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RLPROBE"})
@click.version_option(__version__, prog_name="rlprobe")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--log-level",
    default="warning",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Of the Python log, on standard error.",
)
def cli(debug: bool, log_level: str) -> None:  # noqa: ARG001 - main() looks for --debug
    """Compare a base language model with the RL model trained from it, token by token."""
    logging.basicConfig(level=log_level.upper(), format="%(levelname)s %(name)s: %(message)s")


@cli.command()
@pair_options
@problem_options
@click.option(
    "--trajectory",
    default="both",
    show_default=True,
    type=click.Choice(["both", "base", "rl"]),
    help="Whose greedy responses both models read.",
)
@click.option("--responses", type=_FILE, help="Read responses made elsewhere (JSONL or Parquet) instead.")
@compute_options
@output_options
@reading_options
@tau_option
@click.option("--dry-run", is_flag=True, help="Print one rendered prompt, its ids and the plan; compute nothing.")
def disagree(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Where do a base model and its RL model disagree?"""
    from rlprobe.pipeline.disagree import disagree, plan

    settings = _disagree_settings(asked)
    if dry_run:
        click.echo("\n".join(plan(settings)))
        return
    _finish(lambda: [disagree(settings, _reporter(as_json))], as_json, asked["max_failed"])


@cli.command()
@pair_options
@problem_options
@click.option(
    "--mode",
    "modes",
    multiple=True,
    help="NAME or NAME:VALUE,...; repeatable.  [default: oracle, random, entropy]",
)
@click.option(
    "--gate", "gates", multiple=True, help="Instead of --mode: NAME:ARG or not-NAME; repeated, all must fire."
)
@click.option(
    "--writer", default="donor_argmax", show_default=True, help="With --gate: NAME:ARG, what is written there."
)
@click.option("--host", default="base", show_default=True, type=click.Choice(["base", "rl"]), help="Who decodes.")
@click.option("--tau", "taus", multiple=True, help="Threshold of the mode, nats, or a percentile: p95; repeatable.")
@click.option("--top-k", "top_ks", multiple=True, type=int, help="k of the mode; repeatable.")
@click.option("--budget", type=click.IntRange(min=0), help="At most so many gated tokens a response.")
@click.option("--exclude-donor", is_flag=True, help="Random tokens are never RL's own choice.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Of arms with randomness.")
@click.option("--sample", is_flag=True, help="Sample both models, with common noise, instead of greedy decoding.")
@click.option("--temperature", default=1.0, show_default=True, type=float, help="With --sample.")
@click.option("--top-p", default=1.0, show_default=True, type=float, help="With --sample.")
@compute_options
@output_options
@reading_options
@click.option("--dry-run", is_flag=True, help="Print the arms and the plan; compute nothing.")
def intervene(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Do those tokens cause the gain? Replace tokens while one model decodes, and grade."""
    from rlprobe.pipeline.intervene import intervene, plan

    settings = _intervene_settings(asked)
    if dry_run:
        click.echo("\n".join(plan(settings)))
        return
    _finish(lambda: [intervene(settings, _reporter(as_json))], as_json, asked["max_failed"])


@cli.command()
@pair_options
@problem_options
@click.option("--problem", help="Only this problem (its problem_id), whoever is right.")
@click.option("--all", "all_problems", is_flag=True, help="Every problem, not only those that RL alone gets right.")
@click.option(
    "--most-trials",
    default=256,
    show_default=True,
    type=click.IntRange(min=0),
    help="Sets of edits tried for one problem.",
)
@compute_options
@click.option("--out", type=_FILE, help="The run directory of `rlprobe disagree`.  [default: runs/PAIR-DATASET]")
@click.option("--shard", "share", callback=_share, metavar="I/N", help="Only this machine's share of the work.")
@reading_options
def flips(as_json: bool, **asked: Any) -> None:
    """Which single tokens matter? Put RL's token once at each disagreement; find the few edits an answer needs."""
    from rlprobe.pipeline.flips import flips

    settings = _flip_settings(asked)
    _finish(lambda: [flips(settings, _reporter(as_json))], as_json, asked["max_failed"])


@cli.command()
@click.argument("run", type=_FILE)
@reading_options
@tau_option
def grade(run: Path, as_json: bool, **asked: Any) -> None:
    """Grade a finished RUN again and summarise it anew; needs no models."""
    from rlprobe.pipeline.grade import grade

    _finish(lambda: grade(run, *_reading(asked), _reporter(as_json)), as_json, asked["max_failed"])


@cli.command()
@click.argument("out", type=_FILE)
@click.argument("runs", nargs=-1, required=True, type=_FILE)
@reading_options
@tau_option
def merge(out: Path, runs: tuple[Path, ...], as_json: bool, **asked: Any) -> None:
    """Bring the shares of several machines (RUNS, made with --shard) together in OUT."""
    from rlprobe.pipeline.merge import merge

    _finish(lambda: merge(out, runs, *_reading(asked), _reporter(as_json)), as_json, asked["max_failed"])


@cli.command()
def pairs() -> None:
    """List the registered pairs."""
    from rlprobe.pairs.registry import PAIR_COLUMNS, PAIRS

    _list(PAIR_COLUMNS, [entry.shown(name) for name, entry in PAIRS.items()])


@cli.command()
def datasets() -> None:
    """List the registered data sets."""
    from rlprobe.problems.datasets import DATASETS

    rows = [(name, entry.source, " or ".join(map(str, entry.rows))) for name, entry in DATASETS.items()]
    _list(("data set", "source", "problems"), rows)


def main() -> NoReturn:
    """Run the command line; every error of ours is one line and its own exit code (errors.py)."""
    debug = "--debug" in sys.argv
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted; the same command goes on where it stopped", err=True)
        sys.exit(INTERRUPTED)
    except RlprobeError as error:
        if debug:
            raise
        click.echo(f"rlprobe: {error}", err=True)
        sys.exit(error.exit_code)


def _disagree_settings(asked: dict[str, Any]) -> "DisagreeSettings":
    from rlprobe.pipeline.disagree import DisagreeSettings

    return DisagreeSettings(**_common(asked), trajectory=asked["trajectory"], responses=asked["responses"])


def _intervene_settings(asked: dict[str, Any]) -> "InterveneSettings":
    from rlprobe.decoding.arms import Sampling
    from rlprobe.pipeline.intervene import ArmChoice, InterveneSettings

    sampling = Sampling(asked["temperature"], asked["top_p"]) if asked["sample"] else None
    return InterveneSettings(**_common(asked), arms=_noun(ArmChoice, asked, sampling=sampling))


def _flip_settings(asked: dict[str, Any]) -> "FlipSettings":
    from rlprobe.pipeline.flips import FlipChoice, FlipSettings

    return FlipSettings(**_common(asked | {"overwrite": False}), flips=_noun(FlipChoice, asked))


def _common(asked: dict[str, Any]) -> dict[str, Any]:
    """What every command that needs a pair and problems is told."""
    from rlprobe.pairs.loading import PairChoice
    from rlprobe.pipeline.prepare import ComputeChoice, OutputChoice, ProblemChoice
    from rlprobe.runs import Share

    if asked["pair"] and (asked["base"] or asked["rl"]):
        raise BadInput("give either --pair or --base and --rl, not both")
    if not (asked["pair"] or asked["base"] or asked["rl"]):
        asked["pair"] = "bundled"
    grader, reading = _reading(asked)
    return {
        "pair": _noun(PairChoice, asked),
        "problems": _noun(ProblemChoice, asked),
        "compute": _noun(ComputeChoice, asked, block=asked["shard_size"], path=asked["statistics"]),
        "output": OutputChoice(asked["out"], asked["overwrite"], Share(*asked["share"])),
        "reading": reading,
        "grader": grader,
    }


def _noun(kind: Any, asked: dict[str, Any], **more: Any) -> Any:
    """A settings object from the options that are called like its fields."""
    return kind(**{name: asked[name] for name in kind.__dataclass_fields__ if name in asked}, **more)


def _reading(asked: dict[str, Any]) -> tuple[Any, Any]:
    """(GraderSettings, Reading): how verdicts are made, and how tables are read."""
    from rlprobe.analysis.classes import Reading
    from rlprobe.problems.grading import GraderSettings

    fields = {name: asked[name] for name in ("class_k", "answer", "tau", "seed") if name in asked}
    reading = Reading(**fields)
    return GraderSettings(answer=asked["answer"], timeout_s=asked["grader_timeout"]), reading


def _reporter(as_json: bool) -> Any:
    from rlprobe.pipeline.progress import Reporter

    return Reporter(quiet=False) if not as_json else Reporter(quiet=not sys.stderr.isatty())


def _finish(work: Callable[[], "list[Written]"], as_json: bool, max_failed: int) -> None:
    """Do the work and show what it found, also when it then ends with problems left out."""
    written = work()
    for each in written:
        if as_json:
            click.echo(json.dumps(each.summary, ensure_ascii=False, allow_nan=False))
        else:
            _show(each)
    for each in written:
        each.check(max_failed)


def _show(written: "Written") -> None:
    from rich.console import Console

    Console().print(written.text)
    names = sorted({str(file.relative_to(written.run.path).with_suffix("")) for file in written.files})
    click.echo(f"\nwritten to {written.run.path}: {', '.join(names)}")


def _list(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Plain aligned columns, the same on a terminal and in a pipe."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
