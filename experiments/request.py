"""What a script is asked for: a pair, problems and lengths, the same options everywhere; and what is made of them.

A script takes one Request, makes the settings of its commands with it, and puts what is worth looking at on its shelf.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import torch

from experiments.kept import KEPT, Shelf
from rlprobe.pairs.loading import PairChoice
from rlprobe.pairs.registry import DEFAULT_PAIR, PAIRS
from rlprobe.pipeline.prepare import ComputeChoice, OutputChoice, ProblemChoice, Settings
from rlprobe.runs import Run

PARTS = ("only",)  # options that say which part of the work is done now; they change none of it
Asked = TypeVar("Asked", bound=Settings)


@dataclass(frozen=True)
class Request:
    """The options that all scripts share; `as_shown` where no option is another than what figures/ shows."""

    pair: str = DEFAULT_PAIR
    dataset: str = "word-problems"
    limit: int | None = None
    max_new_tokens: int = 1024
    batch_size: int | None = None
    as_shown: bool = True

    @property
    def members(self) -> PairChoice:
        """The pair; its RL model is on the second GPU where there are two."""
        return PairChoice(pair=self.pair, rl_device="cuda:1" if torch.cuda.device_count() > 1 else None)

    def path(self, *names: str) -> Path:
        """The run that all experiments on a pair and a data set share, or one beside it."""
        return Path("runs") / "-".join((self.pair, *names, Path(self.dataset).stem))

    def settings(self, kind: type[Asked], **more: Any) -> Asked:
        """The settings of a command; `more` are those of its own, or others in place of these."""
        shared: dict[str, Any] = {
            "pair": self.members,
            "problems": ProblemChoice(dataset=self.dataset, style=PAIRS[self.pair].prompt_style, limit=self.limit),
            "compute": ComputeChoice(max_new_tokens=self.max_new_tokens, batch_size=self.batch_size),
            "output": OutputChoice(self.path()),
        }
        return kind(**(shared | more))

    def shelf(self, run: Run) -> Shelf:
        """Where what a run has left is kept: figures/, or else inside the run, which is said."""
        if self.as_shown:
            return Shelf.shown(self.pair)
        click.echo(f"tables and figures are kept in {run.path / KEPT}, not in figures/", err=True)
        return Shelf(self.pair, run.path / KEPT)


_OPTIONS = (
    click.option("--pair", default=DEFAULT_PAIR, show_default=True, type=click.Choice(list(PAIRS)), metavar="NAME"),
    click.option("--dataset", default=Request.dataset, show_default=True, help="A registered data set, or a file."),
    click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems."),
    click.option(
        "--max-new-tokens", default=Request.max_new_tokens, show_default=True, type=click.IntRange(min=1), metavar="N"
    ),
    click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Rows at once.  [default: by memory]"),
)


def asked(script: Callable[..., None]) -> Callable[..., None]:
    """Give a script the shared options, as its first argument; its own come as they are."""

    @click.pass_context
    @wraps(script)
    def with_request(context: click.Context, /, **given: Any) -> None:
        own = {option.name: option.get_default(context) for option in context.command.params}
        as_shown = all(given[name] in (own[name], None, ()) or name in PARTS for name in given)
        shared = {name: given.pop(name) for name in Request.__dataclass_fields__ if name in given}
        script(Request(**shared, as_shown=as_shown), **given)

    command: Callable[..., None] = with_request
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
