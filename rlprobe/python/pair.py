"""A pair before its weights are loaded: what is compared, as an object that shows itself; and what has a name."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from rlprobe.cli.disagree import disagree as _command
from rlprobe.errors import BadInput
from rlprobe.pairs.loading import LocatedPair, PairChoice, locate
from rlprobe.pairs.model import parameter_count
from rlprobe.pairs.registry import BUNDLED, DEFAULT_PAIR, PAIR_COLUMNS, PAIRS, PairEntry
from rlprobe.pairs.sources import Source
from rlprobe.pipeline.keywords import settings_of
from rlprobe.problems.datasets import DATASETS
from rlprobe.python.options import with_options
from rlprobe.records import MEMBERS


@dataclass(frozen=True)
class Pair:
    """A base model and the RL model trained from it: located and found comparable, weights not loaded.

    `located` is all that is known of the two without weights, `entry` what the registry says of a pair with a name.
    Commands take a Pair as `pair=`.
    """

    choice: PairChoice
    located: LocatedPair
    entry: PairEntry | None = None

    @cached_property
    def members(self) -> pd.DataFrame:
        """A column a model: name, revision, parameters, layers and width, context in tokens, hashes of weights."""
        sources = (self.located.base, self.located.rl)
        return pd.DataFrame({m: _member(source) for m, source in zip(MEMBERS, sources, strict=True)})

    @cached_property
    def facts(self) -> dict[str, str]:
        """What the two have in common, and where the pair comes from."""
        vocabulary, located, entry = self.located.vocabulary, self.located, self.entry
        stops = [f"{i} {located.tokenizer.convert_ids_to_tokens(i)}" for i in located.stop_ids]
        return {
            "pair": self.choice.pair or "(no name)",
            "algorithm": entry.algorithm if entry else "–",
            "prompt style": entry.prompt_style if entry else "chat",
            "common vocabulary": f"{len(vocabulary.ids):,} ids; left out: {vocabulary.only_base:,} of base alone, "
            f"{vocabulary.only_rl:,} of RL alone, {sum(vocabulary.padded_rows):,} padded head rows",
            "stop ids": ", ".join(stops) or "none",
            "configs differ in": ", ".join(located.differences) or "nothing that changes how a model reads",
            "dtype": located.dtype,
            "source": entry.source if entry else "–",
        }

    def __repr__(self) -> str:
        facts = "\n".join(f"{name}: {value}" for name, value in self.facts.items())
        return f"{facts}\n{self.members.to_string()}"

    def _repr_html_(self) -> str:
        facts = pd.Series(self.facts).to_frame().to_html(header=False)
        return f"{self.members.to_html()}\n{facts}"


@with_options(PairChoice, _command, said_otherwise=("pair",))
def pair(name: str | None = None, **options: Any) -> Pair:
    """Which two models are compared: a registered name ("bundled", where none is given), or `base` and `rl`.

    Reads configs and tokenizers, downloads no weights, and compares the two: ids that are the same token in both make
    the common vocabulary. The result shows itself, has `members` (one column a model) and `facts`, and can be given to
    every command as `pair=`.

    Raises BadInput for an unknown name, NotAvailable for a model that cannot be found, and IncompatiblePair for two
    that share no tokenizer or whose state cannot be rewound.
    """
    if "pair" in options:
        raise BadInput("give the name of a pair alone, as pair('bundled'), or base and rl")
    is_named = name is not None or (options.get("base"), options.get("rl")) == (None, None)
    choice = settings_of(PairChoice, options | ({"pair": name or DEFAULT_PAIR} if is_named else {}))
    return Pair(choice, locate(choice), PAIRS.get(choice.pair or ""))


def list_pairs() -> pd.DataFrame:
    """The registered pairs, one row each: name, base, rl, algorithm, prompt style, how far it was checked."""
    return pd.DataFrame([entry.shown(name) for name, entry in PAIRS.items()], columns=list(PAIR_COLUMNS))


def list_datasets() -> pd.DataFrame:
    """The registered data sets, one row each: name, where it is from, how many problems it has."""
    rows = [(name, entry.source, " or ".join(map(str, entry.rows))) for name, entry in DATASETS.items()]
    return pd.DataFrame(rows, columns=["data set", "source", "problems"])


def _member(source: Source) -> dict[str, str]:
    weights = [sha for name, sha in source.files.items() if name.endswith((".safetensors", ".bin"))]
    config = source.config
    return {
        "model": _name(source),
        "revision": source.revision or "–",
        "parameters": f"{parameter_count(config):,}",
        "layers × width": f"{config.num_hidden_layers} × {config.hidden_size}",
        "context": f"{getattr(config, 'max_position_embeddings', None) or '–'}",
        "weights (sha256)": ", ".join(sha[:12] for sha in weights) or "not on this machine yet",
    }


def _name(source: Source) -> str:
    """As it was given; what lies inside the package is called so."""
    inside = Path(source.name).is_relative_to(BUNDLED)
    name = f"{Path(source.name).name} (inside the package)" if inside else source.name
    return name + (f"+{source.adapter}" if source.adapter else "")
