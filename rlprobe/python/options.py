"""Signatures and the words of options: a function takes **options; help() and completion show which.

Names and defaults are those of the settings (pipeline/keywords.py), the words those of the command's own help, so that
neither is written twice. What the command line says in its own idiom, or has no option for, is said here.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING
from inspect import Parameter
from typing import Any, TypeVar

import click

from rlprobe.pipeline.keywords import OPTION_NAMES, Keyword, keywords_of

Function = TypeVar("Function", bound=Callable[..., Any])

# option -> its words, where those of the command line do not serve
WORDS = {
    "max_new_tokens": "At most so many tokens a response.",
    "batch_size": "Rows decoded at once; chosen from the memory, where None.",
    "shard_size": "Problems a file; 32 on a CPU and 256 elsewhere, where None.",
    "shard": 'Only this machine\'s share of the work, as "2/8".',
    "extract": "Where a response states its answer; where its prompt style asks for it, where None.",
    "grader_timeout": "Seconds of work for one answer.",
    "grader_workers": "Processes that grade; one a core, at most 8, where None.",
    "resamples": "How many, of the bootstrap intervals.",
    "confidence": "Of the intervals, from 0 to 1.",
    "modes": 'Named arms, as ("oracle", "entropy:0.6,p95"); oracle, random and entropy, where nothing is named.',
    "gates": 'Instead of modes: ("NAME:ARG", "NAME:p95", "not-NAME"); all must fire.',
    "writer": 'With gates: "NAME:ARG", what is written there; the donor\'s token, where None.',
    "taus": 'Thresholds of modes that name none: nats, or percentiles as "p95".',
    "top_ks": "k of modes that name none.",
    "temperature": "Of sampling; above 0.",
    "top_p": "Of sampling; above 0, at most 1.",
    "noise_seed": "Of sampling; one noise for both models.",
    "draws": "Responses to a problem where there is chance.",
    "signals": "Of delta, kl, js, entropy, margin, learned and random (RL's edits, thinned); compared with the first.",
    "equal": 'At equal numbers of "edits" (tokens really edited) or "replaced" tokens (no-ops counted).',
    "targets": "Doses from 0 to 1: shares of the oracle's edits or, replaced, of all tokens; all, where empty.",
    "preset": 'A published protocol, its thresholds fixed: "dir" or "sbc".',
    "layers": "Only these layers, counted from 0; all, where None.",
    "coefficients": "How many times the direction is added.",
    "ranks": 'Also decode with ΔW cut to these ranks: (1, 8, "full"), or "auto" for powers of two.',
    "kinds": 'With ranks: whose change is cut, as ("q", "o"); every matrix\'s, where empty.',
    "rest": "With ranks: whose are the norms, the biases and the other matrices.",
    "wheres": 'Where it is added: "everywhere", or where the base is "uncertain".',
}
OF_SAMPLING = ("temperature", "top_p", "noise_seed")


def with_options(
    kind: type, command: click.Command, said_otherwise: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Give a function whose **options become settings of a kind their signature, and their words to its docstring.

    Left out is what its other parameters say: those of the same name, and `said_otherwise`.
    """

    def decorate(function: Function) -> Function:
        leading = [p for p in inspect.signature(function).parameters.values() if p.kind != Parameter.VAR_KEYWORD]
        options = list(_options(kind, command, {*said_otherwise, *(p.name for p in leading)}))
        signature = inspect.signature(function).replace(parameters=[*leading, *(_parameter(o) for o, _ in options)])
        function.__signature__ = signature  # type: ignore[attr-defined]
        width = max((len(option.name) for option, _ in options), default=0)
        lines = [f"    {option.name:<{width}}  {words}" for option, words in options]
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options:", *lines])
        return function

    return decorate


def _options(kind: type, command: click.Command, taken: set[str]) -> Iterator[tuple[Keyword, str]]:
    """The keywords of a kind that the command has as well, or that are explained here, with their words."""
    said = {p.name: _said(p) for p in command.params if isinstance(p, click.Option)}
    said = {OPTION_NAMES.get(name, name): words for name, words in said.items() if name}
    for keyword in keywords_of(kind):
        if keyword.name in taken or (keyword.name not in said and keyword.name not in _ALONE):
            continue
        words = WORDS.get(keyword.name) or said[keyword.name]
        is_switch = keyword.name in OF_SAMPLING and keyword.default is None
        yield keyword, words + (" Greedy, where none of them is given." if is_switch else "")


_ALONE = ("resamples", "confidence", "wheres")  # options that the command line does not have


def _said(option: click.Option) -> str:
    """The command's help on an option and its choices, without the command line's brackets and dashes."""
    words = re.sub(r"\s*\[default: (.*)\]", r" Default: \1.", option.help or "")
    words = re.sub(r"--([a-z][a-z-]*)", lambda found: found[1].replace("-", "_"), words)
    return words + (f" One of {', '.join(option.type.choices)}." if isinstance(option.type, click.Choice) else "")


def _parameter(option: Keyword) -> Parameter:
    default = Parameter.empty if option.default is MISSING else option.default
    return Parameter(option.name, Parameter.KEYWORD_ONLY, default=default, annotation=option.kind)
