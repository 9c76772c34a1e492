"""The options that several commands have, one decorator a noun of pipeline/prepare.py, and the nouns made of them.

Values are checked here, names too, before torch is imported.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from rlprobe.errors import BadInput
from rlprobe.problems.answers import EXTRACTIONS

_Command = Callable[..., Any]


def options(*several: _Command) -> Callable[[_Command], _Command]:
    """Several click options as one decorator, shown in the order given."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(several):
            command = option(command)
        return command

    return decorate


def share_of(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int]:
    """`i/n` as 0-based (i, n)."""
    if value is None:
        return 0, 1
    from rlprobe.runs import Share

    try:
        share = Share.parse(value)
    except BadInput as error:
        raise click.BadParameter(str(error)) from None
    return share.index, share.count


def _auto_or_count(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not re.fullmatch("[0-9]{1,9}", value) or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither 'auto' nor a whole number above 0")
    return int(value)


def known_pair(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """The name of a registered pair. Raises BadInput for any other."""
    from rlprobe.pairs.registry import registered_pair

    if value is not None:
        registered_pair(value)
    return value


def known_dataset(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """The name of a registered data set, or a file. Raises BadInput for anything else."""
    from rlprobe.problems.datasets import check_dataset

    if value is not None:
        check_dataset(value)
    return value


def known_style(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """The name of a prompt style. Raises BadInput for any other."""
    from rlprobe.problems.prompts import prompt_style

    if value is not None:
        prompt_style(value)
    return value


FILE = click.Path(path_type=Path)

device_options = options(
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

pair_options = options(
    click.option("--pair", callback=known_pair, help="A registered pair (see `rlprobe pairs`).  [default: bundled]"),
    click.option("--base", help="The base model: a Hub id, a folder or a .gguf file."),
    click.option("--rl", help="The RL model: a Hub id, a folder, a .gguf file, or base+ADAPTER."),
    click.option("--base-revision", help="Hub revision of the base."),
    click.option("--rl-revision", help="Hub revision of the RL model; of base+ADAPTER, the adapter's."),
    click.option(
        "--template-of",
        default="base",
        show_default=True,
        type=click.Choice(["base", "rl"]),
        help="Whose tokenizer makes the prompts (chat template, BOS, merges), where the two differ.",
    ),
    click.option("--trust-remote-code", is_flag=True, help="Run code that a model brings with it."),
    device_options,
)

field_options = options(
    click.option("--question-field", help="Column of a file that holds the question; a.b is the field b of a."),
    click.option(
        "--answer-field", help="Column of a file that holds the gold answer, or the solution that ends in it."
    ),
)

problem_options = options(
    click.option(
        "--dataset",
        callback=known_dataset,
        help="A registered data set (see `rlprobe datasets`) or a JSONL, JSON, Parquet or CSV file.  "
        "[default: the pair's own, else word-problems]",
    ),
    field_options,
    click.option(
        "--style",
        callback=known_style,
        help="Prompt style, the same for both models.  [default: the pair's own, else chat]",
    ),
    click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems."),
)

compute_options = options(
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
    click.option(
        "--max-outside",
        default=0.01,
        show_default=True,
        type=click.FloatRange(min=0, max=1),
        help="Stop if a model puts more of its probability, in the mean, on ids that the other does not have.",
    ),
)

output_options = options(
    click.option("--out", type=FILE, help="The run directory.  [default: runs/PAIR-DATASET]"),
    click.option("--overwrite", is_flag=True, help="Delete the run that is there and start anew."),
    click.option("--shard", "share", callback=share_of, metavar="I/N", help="Only this machine's share of the work."),
    click.option(
        "--claims", type=FILE, help="Your own claims, a TOML file: registered in the run, then judged by its numbers."
    ),
)

# of a token table, whose verdicts do not matter
table_options = options(
    click.option("--class-k", default=5, show_default=True, type=click.IntRange(min=1), help="Largest reranked rank."),
    click.option(
        "--answer", default="last", show_default=True, type=click.Choice(["first", "last"]), help="Which one counts."
    ),
    click.option("--seed", default=0, show_default=True, type=int, help="Of the bootstrap intervals."),
    click.option("--max-failed", default=0, show_default=True, type=click.IntRange(min=0), help="Problems left out."),
    click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output, nothing else there."),
)

grader_options = options(
    click.option(
        "--extract",
        type=click.Choice([*EXTRACTIONS]),
        help="Where a response states its answer.  [default: where its prompt style asks for it]",
    ),
    click.option(
        "--grader-timeout", default=5, show_default=True, type=click.IntRange(min=1), help="Seconds of work an answer."
    ),
    click.option("--grader-workers", type=click.IntRange(min=1), help="Processes that grade.  [default: one a core]"),
)

reading_options = options(table_options, grader_options)

temperature_options = options(
    click.option("--temperature", default=1.0, show_default=True, type=float, help="Of sampling; above 0."),
    click.option("--top-p", default=1.0, show_default=True, type=float, help="Of sampling; above 0, at most 1."),
    click.option(
        "--noise-seed", default=0, show_default=True, type=int, help="Of sampling; one noise for both models."
    ),
)

# of commands that decode greedily unless they are told to sample
sample_options = options(
    click.option("--sample", is_flag=True, help="Sample both models, with common noise, instead of greedy decoding."),
    temperature_options,
)

tau_option = click.option(
    "--tau", default=1.2, show_default=True, type=click.FloatRange(min=0), help="Entropy gate, nats."
)


def common(asked: dict[str, Any]) -> dict[str, Any]:
    """What every command that needs a pair and problems is told."""
    from rlprobe.pairs.loading import PairChoice
    from rlprobe.pipeline.prepare import ComputeChoice, OutputChoice, ProblemChoice
    from rlprobe.runs import Share

    if asked["pair"] and (asked["base"] or asked["rl"]):
        raise BadInput("give either --pair or --base and --rl, not both")
    if not (asked["pair"] or asked["base"] or asked["rl"]):
        asked["pair"] = "bundled"
    grader, reading = reading_of(asked)
    return {
        "pair": noun(PairChoice, asked),
        "problems": noun(ProblemChoice, asked),
        "compute": noun(ComputeChoice, asked, block=asked["shard_size"], path=asked["statistics"]),
        "output": OutputChoice(asked["out"], asked["overwrite"], Share(*asked["share"]), asked.get("claims")),
        "reading": reading,
        "grader": grader,
    }


def renamed(option: str) -> Callable[[_Command], _Command]:
    """An option that is no more, refused with what took its place."""

    def refuse(_: click.Context, parameter: click.Parameter, value: bool) -> None:
        from rlprobe.pipeline.keywords import RENAMED

        if value:
            new, why = RENAMED[str(parameter.name)]
            raise BadInput(f"there is no {option} any more: {why}; --{new.replace('_', '-')} is the opposite")

    return click.option(option, is_flag=True, hidden=True, expose_value=False, callback=refuse)


def given(*names: str) -> list[str]:
    """Those of the options that the user has set, as they are written."""
    context = click.get_current_context()
    written = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    return [written[name] for name in names if context.get_parameter_source(name) not in _BY_DEFAULT]


_BY_DEFAULT = (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def sampling_of(asked: dict[str, Any]) -> Any:
    """How both models are sampled; None, greedy, without --sample (where a command has that option)."""
    from rlprobe.decoding.arms import Sampling

    if asked.get("sample", True):
        return Sampling(asked["temperature"], asked["top_p"], asked["noise_seed"])
    if idle := given("temperature", "top_p", "noise_seed"):
        raise BadInput(f"{idle[0]} is of sampling: give --sample with it")
    return None


def noun(kind: Any, asked: dict[str, Any], **more: Any) -> Any:
    """A settings object from the options that are called like its fields."""
    return kind(**{name: asked[name] for name in kind.__dataclass_fields__ if name in asked}, **more)


def reading_of(asked: dict[str, Any]) -> tuple[Any, Any]:
    """(GraderSettings, Reading): how verdicts are made, and how tables are read."""
    from rlprobe.analysis.classes import Reading

    fields = {name: asked[name] for name in ("class_k", "answer", "tau", "seed") if name in asked}
    reading = Reading(**fields)
    return grader_of(asked), reading


def grader_of(asked: dict[str, Any]) -> Any:
    """How verdicts are made."""
    from rlprobe.problems.grading import GraderSettings

    how = {"timeout_s": asked["grader_timeout"], "workers": asked["grader_workers"]}
    return GraderSettings(extract=asked["extract"], answer=asked["answer"], **how)
