"""The pairs of this project, and what figures/ shows of each: the seeds and nulls beside the two that have a name.

A new one is one entry. Adapters that are not in the package lie beside their recipe.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from rlprobe.pairs.registry import PAIRS, PairEntry

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class OwnPair:
    """A pair, and how its experiments are run unless asked otherwise: how many problems, how long a response may be.

    `checkpoints` is a folder with a folder for each model on the way from base to RL, in the order of their names, and
    `last` what RL itself is called at the end of it. A null pair's reward was a coin: its numbers are the floor under
    the others', and are averaged with none.
    """

    entry: PairEntry
    limit: int | None = None
    max_new_tokens: int = 1024
    checkpoints: Path | None = None
    last: str = "RL"
    null: bool = False


def _smollm2(adapter: str) -> OwnPair:
    """An adapter of SmolLM2 that lies in experiments/smollm2/adapters, on as many problems as the pair itself."""
    rl = f"base+{HERE / 'smollm2' / 'adapters' / adapter}"
    return replace(SMOLLM2, entry=replace(PAIRS["smollm2"], rl=rl, verified=False))


def _bundled(adapter: str) -> OwnPair:
    """An adapter of the bundled base that lies in experiments/organism/adapters."""
    rl = f"base+{HERE / 'organism' / 'adapters' / adapter}"
    return OwnPair(replace(PAIRS["bundled"], rl=rl, verified=False))


SMOLLM2 = OwnPair(PAIRS["smollm2"], limit=200, max_new_tokens=128)
OWN: dict[str, OwnPair] = {
    "bundled": OwnPair(PAIRS["bundled"], checkpoints=HERE / "organism" / "checkpoints", last="step-048"),
    "bundled-lora": _bundled("lora1"),  # GRPO and its null, as experiments/methods.py trains them
    "bundled-null": replace(_bundled("null1"), null=True),
    "discovery": OwnPair(PAIRS["discovery"], max_new_tokens=160),  # a prompt and four steps fit into its 256 positions
    "smollm2": SMOLLM2,
    "smollm2-seed2": _smollm2("seed2"),
    "smollm2-seed3": _smollm2("seed3"),  # it and the null were trained on a GPU
    "smollm2-null": replace(_smollm2("null1"), null=True),
}
