"""What a script is asked for: a pair, problems and lengths, the same options everywhere; and what is made of them.

A script takes one Request, calls rlprobe's commands with its options, and puts what is worth looking at on its shelf:
figures/ for the bundled pair, figures/PAIR for the others of experiments/own_pairs.py, and a folder of the run for what
is asked otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
import torch

from experiments.kept import KEPT, Shelf
from experiments.own_pairs import OWN, OwnPair
from rlprobe.pairs.registry import DEFAULT_PAIR, PAIRS
from rlprobe.runs import Run

PARTS = ("only", "just_table", "among", "drawn")  # which part is done; the last stands in each number's own words


@dataclass(frozen=True)
class Request:
    """The options that all scripts share; `as_shown` where every one is as in what figures/ shows of the pair."""

    pair: str = DEFAULT_PAIR
    dataset: str = OWN[DEFAULT_PAIR].entry.dataset
    limit: int | None = None
    max_new_tokens: int = OWN[DEFAULT_PAIR].max_new_tokens
    batch_size: int | None = None
    as_shown: bool = True

    @classmethod
    def of(cls, pair: str, given: dict[str, Any]) -> "Request":
        """What is not given (None) is as it is shown of the pair; `batch_size` stays as it was given."""
        known = known_pair(pair)
        usual = cls(pair, known.entry.dataset, known.limit, known.max_new_tokens)
        asked_for = replace(usual, **{name: value for name, value in given.items() if value is not None})
        return replace(asked_for, as_shown=pair in OWN and replace(asked_for, batch_size=None) == usual)

    @property
    def members(self) -> dict[str, str | None]:
        """The pair; its RL model is on the second GPU where there are two."""
        entry = known_pair(self.pair).entry
        named = {"pair": self.pair} if self.pair in PAIRS else {"base": entry.base, "rl": entry.rl}
        return named | {"rl_device": "cuda:1" if torch.cuda.device_count() > 1 else None}

    def path(self, *names: str) -> Path:
        """The run that all experiments on a pair and a data set share, or one beside it."""
        return Path("runs") / "-".join((self.pair, *names, Path(self.dataset).stem))

    @property
    def options(self) -> dict[str, Any]:
        """The keywords that all commands of rlprobe share; None is as if it were not given."""
        return self.members | {
            "dataset": self.dataset,
            "style": known_pair(self.pair).entry.prompt_style,
            "limit": self.limit,
            "max_new_tokens": self.max_new_tokens,
            "batch_size": self.batch_size,
            "out": self.path(),
        }

    def shelf(self, run: Run) -> Shelf:
        """Where what a run has left is kept."""
        if self.as_shown:
            return Shelf.shown(self.pair)
        click.echo(f"tables and figures are kept in {run.path / KEPT}, not in figures/", err=True)
        return Shelf(self.pair, run.path / KEPT)


def known_pair(name: str) -> OwnPair:
    """A pair of this project, or a published one with the usual options."""
    return OWN.get(name) or OwnPair(PAIRS[name])


NAMES = list(dict.fromkeys((*OWN, *PAIRS)))
_OPTIONS = (
    click.option("--pair", default=DEFAULT_PAIR, show_default=True, type=click.Choice(NAMES), metavar="NAME"),
    click.option("--dataset", help="A registered data set, or a file.  [default: the pair's own]"),
    click.option("--limit", type=click.IntRange(min=1), help="Only the first N.  [default: as shown of the pair]"),
    click.option("--max-new-tokens", type=click.IntRange(min=1), metavar="N", help="[default: as shown of the pair]"),
    click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Rows at once.  [default: by memory]"),
)


def asked(script: Callable[..., None]) -> Callable[..., None]:
    """Give a script the shared options, as its first argument; its own come as they are."""

    @click.pass_context
    @wraps(script)
    def with_request(context: click.Context, /, **given: Any) -> None:
        shared = {name: given.pop(name) for name in Request.__dataclass_fields__ if name in given}
        request = Request.of(shared.pop("pair"), shared)
        own = {option.name: option.get_default(context) for option in context.command.params}
        usual = all(given[name] in (own[name], None, ()) or name in PARTS for name in given)
        script(replace(request, as_shown=request.as_shown and usual), **given)

    command: Callable[..., None] = with_request
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
