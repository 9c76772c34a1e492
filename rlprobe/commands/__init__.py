"""One file a command: read from a run, compute, write to it. prepare.py and stages.py hold what several share.

`COMMANDS` is the registry of commands; both doors, and what goes over a run again, walk it. Importing it imports no
command: `Command.module` does, when there is something to do.
"""

import importlib
from dataclasses import dataclass
from typing import Any

from rlprobe import settings as asked


@dataclass(frozen=True)
class Command:
    """A command: its settings, whose docstring is what is said of it, and the file of this folder that does it.

    That file has a function of the command's name, from settings and a reporter to what was written, and where `plan`
    says what `--dry-run` prints, one from settings to these lines. `counts`: problems left out are its exit code.
    """

    name: str
    settings: type
    plan: str = ""
    counts: bool = True

    @property
    def module(self) -> Any:
        """The file that does it; its import loads torch."""
        return importlib.import_module(f"{__name__}.{self.name}")

    def work(self, settings: Any, reporter: Any) -> Any:
        """Do it: one `Written`, or several."""
        return getattr(self.module, self.name)(settings, reporter)


PLAN = "Print the plan; compute nothing."

# in the order of `rlprobe --help`
_ALL = (
    Command("disagree", asked.DisagreeSettings, "Print one rendered prompt, its ids and the plan; compute nothing."),
    Command("intervene", asked.InterveneSettings, "Print the arms and the plan; compute nothing."),
    Command("flips", asked.FlipSettings, PLAN),
    Command("consequences", asked.ConsequenceSettings, PLAN),
    Command("sample", asked.SampleSettings, PLAN),
    Command("direction", asked.DirectionSettings),
    Command("footprint", asked.FootprintSettings, "Print the checkpoints and the plan; compute nothing."),
    Command("signals", asked.SignalSettings, PLAN),
    Command("lens", asked.LensSettings, counts=False),
    Command("patch", asked.PatchSettings, counts=False),
    Command("steer", asked.SteerSettings, counts=False),
    Command("weights", asked.WeightSettings),
    Command("grade", asked.GradeSettings),
    Command("merge", asked.MergeSettings),
)
COMMANDS = {command.name: command for command in _ALL}
