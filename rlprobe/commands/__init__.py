"""One file a command: read from a run, compute, write to it. prepare.py and stages.py hold what several share.

`COMMANDS` is the registry of commands; both doors, and what goes over a run again, walk it. Importing it imports no
command: `Command.module` does, when there is something to do.
"""

import importlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from rlprobe import settings as asked


@dataclass(frozen=True)
class Command:
    """A command: its settings, whose docstring is what is said of it, and the file of this folder that does it.

    That file has a function of the command's name, from settings and a reporter to what was written, and where `plan`
    says what `--dry-run` prints, one from settings to these lines. `counts`: problems left out are its exit code.
    `verdicts`: what becomes of its summary under other verdicts (`grade`, `merge`), it is RETOLD by the file's function
    `retell`, or the verdicts are its OWN, made as it decodes, and stay.
    """

    name: str
    settings: type
    example: str  # a command line, without `rlprobe`; `--help` ends with it
    plan: str = ""
    counts: bool = True
    verdicts: str = ""
    leaves: str = "{}.json"

    @property
    def summary(self) -> str:
        """The file of a run that holds what it found; a pattern, where there is one for each comparison."""
        return self.leaves.format(self.name)

    @property
    def module(self) -> Any:
        """The file that does it; its import loads torch."""
        return importlib.import_module(f"{__name__}.{self.name}")

    def work(self, settings: Any, reporter: Any) -> Any:
        """Do it: one `Written`, or several."""
        with self._workers(settings) as settled, self._threads(settled):
            return getattr(self.module, self.name)(settled, reporter)

    @staticmethod
    def _workers(settings: Any) -> AbstractContextManager[Any]:
        crew = getattr(settings, "crew", None)
        if crew is None or not crew.asked:
            return nullcontext(settings)
        from rlprobe.commands.crew import connected

        return connected(settings)

    @staticmethod
    def _threads(settings: Any) -> AbstractContextManager[None]:
        count = getattr(getattr(settings, "pair", None), "threads", None)
        if count is None:
            return nullcontext()
        from rlprobe.pairs.devices import threads

        return threads(count)


PLAN = "Print the plan; compute nothing."
PROMPT_TOO = "Print one rendered prompt, its ids and the plan; compute nothing."
ARMS_TOO, CHECKPOINTS_TOO = (f"Print the {what} and the plan; compute nothing." for what in ("arms", "checkpoints"))
RETOLD, OWN = "retold", "own"

# in the order of `rlprobe --help`
_ALL = (
    Command(
        "disagree",
        asked.DisagreeSettings,
        "disagree --limit 50 --out runs/first",
        PROMPT_TOO,
        verdicts=RETOLD,
        leaves="summary.json",
    ),
    Command(
        "intervene",
        asked.InterveneSettings,
        "intervene --limit 50 --mode oracle --mode entropy:0.6 --out runs/first",
        ARMS_TOO,
        verdicts=RETOLD,
        leaves="interventions*.json",
    ),
    Command("flips", asked.FlipSettings, "flips --limit 50 --out runs/first", PLAN, verdicts=OWN),
    Command("consequences", asked.ConsequenceSettings, "consequences --limit 50 --out runs/first", PLAN, verdicts=OWN),
    Command("sample", asked.SampleSettings, "sample --limit 50 --n 8 --out runs/first", PLAN, verdicts=RETOLD),
    Command("passk", asked.PasskSettings, "passk runs/first --k 1 --k 8"),
    Command("direction", asked.DirectionSettings, "direction runs/first"),
    Command("footprint", asked.FootprintSettings, "footprint early=checkpoint-100 last=rl --limit 50", CHECKPOINTS_TOO),
    Command(
        "signals",
        asked.SignalSettings,
        "signals --limit 50 --signal entropy --signal kl",
        PLAN,
        verdicts=RETOLD,
        leaves="signals*.json",
    ),
    Command("lens", asked.LensSettings, "lens runs/first --points 100", counts=False),
    Command("patch", asked.PatchSettings, "patch runs/first --points 20", counts=False),
    Command("steer", asked.SteerSettings, "steer runs/first --coefficient 1", counts=False, verdicts=OWN),
    Command("weights", asked.WeightSettings, "weights --ranks 1,4,16 --limit 50", verdicts=OWN),
    Command("grade", asked.GradeSettings, "grade runs/first --answer first"),
    Command("merge", asked.MergeSettings, "merge runs/whole runs/part-1 runs/part-2"),
)
COMMANDS = {command.name: command for command in _ALL}
