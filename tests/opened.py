"""A tiny pair with its inside open, and points in random texts."""

from conftest import save_pair
from making import random_prompts

from rlprobe.internals.modules import Inside, open_pair
from rlprobe.internals.points import Point
from rlprobe.pairs.loading import load, locate
from rlprobe.pairs.model import ModelPair
from rlprobe.settings import PairChoice


def opened(folder, kind: str) -> tuple[ModelPair, dict[str, Inside]]:
    """A pair of a kind (conftest.tiny_config) whose members differ enough to tell them apart."""
    base, rl = map(str, save_pair(folder, kind, noise=0.2))
    pair = load(locate(PairChoice(base=base, rl=rl, device="cpu")))
    return pair, open_pair(pair)


def random_points(pair: ModelPair, n: int = 7) -> list[Point]:
    """Places in texts of unequal length."""
    texts = random_prompts(n, len(pair.vocabulary.ids), seed=3)
    return [Point(f"p{i}", (5, 6, *text), 1, 10 + i, 20 + i) for i, text in enumerate(texts)]
