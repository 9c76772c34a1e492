"""The command line: options made of settings.py, commands of the registry; parse, call, print what was written.

Knows no tensors. Torch is imported only to work, so that --help and bad arguments are answered without it.
"""

import inspect
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from rlprobe import __version__, own
from rlprobe.commands import COMMANDS, Command
from rlprobe.errors import INTERRUPTED, RlprobeError
from rlprobe.printable import printable
from rlprobe.settings import (
    Asked,
    ReportSettings,
    TrainSettings,
    ViewSettings,
    WorkersSettings,
    made,
    options_of,
    said_of,
    unknown,
)

if TYPE_CHECKING:
    from rlprobe.commands.written import Written


# ---- options ---------------------------------------------------------------------------------------------------------


def _parameter(asked: Asked) -> click.Parameter:
    """An option as click has it. Its range and its choices are shown by click; values are read by settings.py."""
    option, several = asked.option, asked.is_several and not asked.option.split
    kind: Any = _kind(asked)
    kind.convert = lambda value, *_: _read(asked, value)
    if option.place:
        shown = asked.flag if asked.default is MISSING else f"[{asked.flag}]"
        shown += "..." if several and not option.metavar else ""
        return click.Argument([asked.name], type=kind, required=False, nargs=-1 if several else 1, metavar=shown)
    if asked.plain is bool:
        flags = f"{asked.flag}/--no-{asked.flag[2:]}" if asked.default else asked.flag
        return click.Option(
            [flags, asked.name], is_flag=True, default=asked.default, show_default=asked.default, help=option.words
        )
    default = option.unset or asked.default
    if option.metavar or default in ((), None):
        default = None
    elif option.split:
        default = ",".join(map(str, default))
    return click.Option(
        [asked.flag, asked.name],
        type=kind,
        multiple=several,
        default=default,
        show_default=default is not None,
        metavar=option.metavar or None,
        help=option.words,
        shell_complete=_completion(option.names.every) if option.names else None,
    )


def _kind(asked: Asked) -> click.ParamType:
    """What click says of the values."""
    option = asked.option
    if option.among:
        return click.Choice(option.among)
    if asked.plain in (int, float) and not (option.split or option.unset):
        is_open, least = option.above is not None, option.above if option.least is None else option.least
        if least is None and option.most is None:
            return type(click.INT)() if asked.plain is int else type(click.FLOAT)()
        ranged = click.IntRange if asked.plain is int else click.FloatRange
        return ranged(min=least, max=option.most, min_open=is_open)  # type: ignore[arg-type]
    return click.Path() if asked.plain is Path else type(click.STRING)()


def _read(asked: Asked, value: Any) -> Any:
    read = asked.read(value) if asked.option.split or not asked.is_several else asked.one(value)
    return read / 100 if asked.option.percent else read


def _completion(known: Callable[[], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in known() if name.startswith(begun)]

    return complete


def _given(kind: type) -> dict[str, Any]:
    """Those options of the settings that the user has set."""
    context = click.get_current_context()
    by_default = (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    names = [asked.name for asked in options_of(kind) if context.get_parameter_source(asked.name) not in by_default]
    return {name: context.params[name] for name in names}


# ---- commands --------------------------------------------------------------------------------------------------------


def _command(command: Command) -> click.Command:
    """A command of the registry."""

    def call(as_json: bool, max_failed: int | None = None, dry_run: bool = False, **_: Any) -> None:
        settings: Any = made(command.settings, _given(command.settings))
        if dry_run:
            say("\n".join(command.module.plan(settings)))
            return
        from rlprobe.commands import calls

        written = calls.work(command, settings, _reporter(as_json))
        _finish(written if isinstance(written, list) else [written], as_json, max_failed)

    more = [_INCLUDE, _AS_JSON, *([_MAX_FAILED] if command.counts else [])]
    more += [click.Option(["--dry-run"], is_flag=True, help=command.plan)] if command.plan else []
    words = said_of(command.settings).partition("\f")[0]
    parameters = [*_parameters(command.settings), *more]
    return _Explained(command.settings, command.example, command.name, help=words, callback=call, params=parameters)


class _Explained(click.Command):
    """A command whose help lists its options under the headings of their nouns, and ends with an example."""

    def __init__(self, kind: type, example: str, name: str, **more: Any):
        super().__init__(name, epilog=f"\b\nExample:\n  rlprobe {example}", **more)
        self._headings = {asked.name: asked.heading for asked in options_of(kind)}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options: those of the command itself first."""
        parted: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            if record := each.get_help_record(ctx):
                parted.setdefault(self._headings.get(str(each.name)) or "Options", []).append(record)
        for heading in sorted(parted, key=lambda heading: heading != "Options"):
            with formatter.section(heading):
                formatter.write_dl(parted[heading])


def _include(_context: click.Context, _parameter: click.Parameter, files: tuple[str, ...]) -> None:
    for file in files:
        own.include(Path(file))


_INCLUDE = click.Option(  # eager: what a file defines is known before the names of other options are looked up
    ["--include"],
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_include,
    type=click.Path(),
    help="A Python file with functions of your own (@rp.gate, @rp.style, ...), known by their names; repeatable.",
)
_AS_JSON = click.Option(
    ["--json", "as_json"], is_flag=True, help="The summary as JSON on standard output, nothing else there."
)
_MAX_FAILED = click.Option(
    ["--max-failed"], default=0, show_default=True, type=click.IntRange(min=0), help="Problems left out."
)


def _parameters(kind: type) -> list[click.Parameter]:
    return [_parameter(asked) for asked in options_of(kind)]


def _reporter(as_json: bool = False) -> Any:
    """Progress on standard error; with JSON on standard output only where somebody looks on."""
    from rlprobe.commands.progress import Reporter

    return Reporter(quiet=as_json and not sys.stderr.isatty())


def _finish(written: "Sequence[Written]", as_json: bool, max_failed: int | None) -> None:
    """Show what was found, then end with problems left out; None asks for no check."""
    from rlprobe.reporting.terminal import SafeConsole

    for each in written:
        if as_json:
            say(json.dumps(each.summary, allow_nan=False))
            continue
        SafeConsole().print(each.text)
        names = sorted({str(file.relative_to(each.run.path).with_suffix("")) for file in each.files})
        path = each.run.path
        say(f"\nwritten to {path}: {', '.join(names)}" if names else f"\nnot written: {path} is read-only")
    for each in written if max_failed is not None else ():
        each.check(max_failed or 0)


def _report(**_: Any) -> None:
    from rlprobe.commands.report import report

    settings = made(ReportSettings, _given(ReportSettings))
    say(_of_page(settings.run, report(settings, _reporter())))


def _of_page(run: Path, files: Sequence[Path]) -> str:
    """What lies where, and how large it is."""

    def megabytes(files: Sequence[Path]) -> str:
        return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"

    page, *beside = files
    line = f"written to {run}: {page.name} ({megabytes([page])})"
    return line + (f", and {len(beside)} files in {beside[0].parent.name}/ ({megabytes(beside)})" if beside else "")


def _view(**_: Any) -> None:
    from rlprobe.commands import serving
    from rlprobe.commands.report import page_of, report

    settings = made(ViewSettings, _given(ViewSettings))
    if settings.problem is not None:
        return _show(settings)
    page = page_of(settings.run, settings.trajectory)
    if page is None:
        asked = ReportSettings(run=settings.run, trajectory=settings.trajectory or "both")
        page, *beside = report(asked, _reporter())
        say(_of_page(settings.run, [page, *beside]), err=True)
    if settings.serve:
        with serving.server(page, settings.port or 0) as server:
            say(f"serving {page} at {serving.address(server)}, for this machine only; Ctrl-C ends it")
            serving.until_interrupted(server)
    elif not _has_browser() or click.launch(page.resolve().as_uri()) != 0:
        say(f"no browser to open it with: open {page} in one, or run `rlprobe view {settings.run} --serve`")
    return None


def _has_browser() -> bool:
    """Whether there may be one; what opens things on Linux says nothing where there is no display."""
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))


def _show(settings: ViewSettings) -> None:
    """One problem: its question and gold, and each response with its marks."""
    from rlprobe.reporting.page import in_terminal
    from rlprobe.reporting.terminal import SafeConsole
    from rlprobe.results import read

    found, console = read(settings.run), SafeConsole()
    problem = str(settings.problem)
    lines: list[Any] = [found.question(problem)]
    views = [found.view(problem, arm) for arm in settings.arm or found.ends]
    for view in views:
        lines += ["", *in_terminal.response(view, settings.at)]
    for line in (*lines, "", in_terminal.legend(views[0])):
        console.print(line, soft_wrap=not console.is_terminal, markup=False, highlight=False)


def _workers(**_: Any) -> None:
    from rlprobe.commands.workers import COLUMNS, machines

    rows, lines = machines(made(WorkersSettings, _given(WorkersSettings)))
    _list(COLUMNS, rows)
    say("\n".join(lines))


def _train(dry_run: bool, **_: Any) -> None:
    from rlprobe.commands import train

    settings = made(TrainSettings, _given(TrainSettings))
    if dry_run:
        say("\n".join(train.plan(settings)))
        return
    folder = train.train(settings, _reporter())
    say(f"written to {folder.parent}: log, training; the adapter is {folder}: give it as --rl base+{folder}")


# ---- what has a name -------------------------------------------------------------------------------------------------


@click.command()
def pairs() -> None:
    """List the registered pairs."""
    from rlprobe.pairs.registry import PAIR_COLUMNS, PAIRS

    _list(PAIR_COLUMNS, [entry.shown(name) for name, entry in PAIRS.items()])


@click.command()
def datasets() -> None:
    """List the registered data sets."""
    from rlprobe.problems.datasets import DATASETS

    rows = [(name, entry.source, " or ".join(map(str, entry.rows))) for name, entry in DATASETS.items()]
    _list(("data set", "source", "problems"), rows)


@click.command()
def methods() -> None:
    """List the methods of `rlprobe train`, and the options that each has of its own."""
    from rlprobe.training.methods import METHODS

    rows = []
    for name, method in METHODS.items():
        own = " ".join(f"--{option.replace('_', '-')} {value}" for option, value in method.own.items())
        rows.append((name, f"arXiv {method.source}", own, method.words))
    _list(("method", "source", "its own options", "what it does"), rows)


@click.command()
def arms() -> None:
    """List the modes of `rlprobe intervene`, the gates and writers to put arms together from, and kinds of tokens."""
    from rlprobe.decoding.arms import GATES, WRITERS
    from rlprobe.decoding.modes import MODES
    from rlprobe.pairs.kinds import KINDS

    kinds: dict[str, Mapping[str, Callable]] = {"mode": MODES, "gate": GATES, "writer": WRITERS}
    for what, entries in kinds.items():
        rows = [(_call(name, each), (inspect.getdoc(each) or "").partition("\n")[0]) for name, each in entries.items()]
        _list((what, "what it does"), rows)
        say()
    _list(("kind", "which tokens"), [*KINDS.items()])


@click.command()
@click.argument("folder", default="runs", type=click.Path(exists=True, file_okay=False))
def runs(folder: str) -> None:
    """List the runs below FOLDER: pair, data set, problems, arms, and how far each is."""
    from rlprobe.commands.listed import COLUMNS, listed

    _list(COLUMNS, listed(Path(folder)))


def _call(name: str, entry: Callable) -> str:
    """`NAME:ARG,ARG` as it is written on the command line; modes say themselves what their values are."""
    parameters = inspect.signature(entry).parameters
    own = [p for p in parameters if p not in ("options", "_")]
    return ":".join((name, ",".join(own).upper())) if own else name


def _list(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Plain aligned columns, the same on a terminal and in a pipe."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


# ---- rlprobe ---------------------------------------------------------------------------------------------------------


def _replay(context: click.Context, file: str) -> None:
    """Do what a file of settings says, and end."""
    from rlprobe.commands import calls

    call = calls.read(Path(file))
    written = calls.work(call.command, call.settings, _reporter())
    _finish(written if isinstance(written, list) else [written], False, 0 if call.command.counts else None)
    context.exit()


class _InOrder(click.Group):
    """A group that lists its commands in the order in which they were added, not by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


def _apart(example: str, kind: type, callback: Callable[..., None], *more: click.Parameter) -> click.Command:
    """A command that leaves no summary in a run."""
    name, words = example.partition(" ")[0], said_of(kind).partition("\f")[0]
    return _Explained(kind, example, name, help=words, callback=callback, params=[*_parameters(kind), *more])


_DRY_RUN = click.Option(["--dry-run"], is_flag=True, help="Print one rendered prompt and the plan; train nothing.")


@click.group(
    cls=_InOrder,
    commands=[
        *map(_command, COMMANDS.values()),
        _apart("train grpo --dataset word-problems --steps 24 --out runs/trained", TrainSettings, _train, _DRY_RUN),
        _apart("report runs/first", ReportSettings, _report),
        _apart("view runs/first --serve", ViewSettings, _view),
        _apart("workers --pair bundled", WorkersSettings, _workers),
        *(runs, pairs, datasets, arms, methods),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RLPROBE"},
)
@click.option(
    "--from",
    "replayed",
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, file: _replay(context, file) if file else None,
    type=click.Path(),
    help="Do again what a file of settings says: RUN/calls/*.toml, one of every call.",
)
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
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=log_level.upper(), handlers=[handler])


def main() -> NoReturn:
    """Run the command line; every error of ours is one line and its own exit code (errors.py)."""
    debug = "--debug" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding cannot say is escaped, not an error
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        say(
            f"rlprobe: {_no_option(error) if isinstance(error, click.NoSuchOption) else error.format_message()}",
            err=True,
        )
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say("\ninterrupted; the same command goes on where it stopped", err=True)
        sys.exit(INTERRUPTED)
    except (RlprobeError, OSError) as error:  # OSError: a name that is too long, a folder that may not be read
        if debug:
            raise
        say(f"rlprobe: {' '.join(str(error).split())}", err=True)
        sys.exit(getattr(error, "exit_code", RlprobeError.exit_code))


def _no_option(error: click.NoSuchOption) -> str:
    """The words of settings.py for an option that is not there."""
    parameters = error.ctx.command.params if error.ctx else []
    return unknown(error.option_name, [flag for each in parameters for flag in each.opts if flag.startswith("-")])


# ---- words on the terminal: whatever data is in them, the terminal obeys none of it (printable.py) -------------------


def say(text: str = "", err: bool = False) -> None:
    """One or more lines on standard output, or on standard error, in the encoding that it has.

    Not click.echo, which writes UTF-8 to a stream that takes ASCII alone.
    """
    print(printable(text), file=sys.stderr if err else sys.stdout, flush=True)


class PrintableFormatter(logging.Formatter):
    """Of the Python log."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as text."""
        return printable(super().format(record))
