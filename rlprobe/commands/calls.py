"""Every call on a run is kept as a file of its settings, which asks for the same again.

    RUN/calls/001-intervene.toml    the options that were not as they are by default, and last command = "intervene"

`rlprobe --from FILE` replays it in the run where the file lies, or where its `out` (or `run`) says. Settings are plain
names and numbers; a model or a table that was given as an object is named by its content, and has to be given again.
The command stands last: a file that was cut short names none and is refused, and the same call again writes it anew.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlprobe import own
from rlprobe.commands import COMMANDS, Command
from rlprobe.errors import BadInput
from rlprobe.runs import Run
from rlprobe.settings import made, options_in, options_of

FOLDER = "calls"
_PLACES = ("out", "run")  # where the run lies: where its file does
_ONCE = ("overwrite",)  # what is not to happen again


@dataclass(frozen=True)
class Call:
    """A command and what it was asked for."""

    command: Command
    given: Mapping[str, Any]

    @property
    def settings(self) -> Any:
        """As the command takes them. Raises BadInput where they cannot be."""
        return made(self.command.settings, self.given)


def work(command: Command, settings: Any, reporter: Any) -> Any:
    """Do what a command is asked for, and note it in its runs: one `Written`, or several."""
    written = command.work(settings, reporter)
    for each in written if isinstance(written, list) else [written]:
        keep(each.run, command.name, settings)
    return written


def keep(run: Run, command: str, settings: Any) -> None:
    """Note in a run what a command was asked for, unless the same was asked for before."""
    given = {name: value for name, value in options_in(settings).items() if name not in _PLACES + _ONCE}
    lines = [f"{name} = {_toml(value)}" for name, value in given.items()]
    if files := own.included():
        lines.append(f"include = {_toml([str(file) for file in files])}")
    text = "\n".join([*lines, f"command = {json.dumps(command)}"]) + "\n"
    there = run.files(f"{FOLDER}/*.toml")
    alike = (file.name for file in there if file.name.endswith(f"-{command}.toml") and text.startswith(_said(file)))
    number = max((int(found[0]) for file in there if (found := re.match(r"\d+", file.name))), default=0) + 1
    if run.is_writable:
        run.keep_text(f"{FOLDER}/{next(alike, f'{number:03d}-{command}.toml')}", text)


def _said(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def read(file: Path) -> Call:
    """A file of settings. Raises BadInput where it is none."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{file} is no TOML: {error}") from None
    name = said.pop("command", None)
    if name not in COMMANDS:
        raise BadInput(f"{file} names no command: it says command = {json.dumps(name)}; one of {', '.join(COMMANDS)}")
    for each in said.pop("include", ()):
        own.include(Path(each))
    command, folder = COMMANDS[name], file.resolve().parent
    takes = {asked.name for asked in options_of(command.settings)}
    inside = folder.name == FOLDER and (folder.parent / "run.json").exists()
    run = {place: str(folder.parent) for place in _PLACES if inside and place in takes and place not in said}
    return Call(command, run | said)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
