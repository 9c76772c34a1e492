"""The factorial of `rlprobe patch`: whose residual stream under whose later layers, on networks where it is known."""

import copy
from dataclasses import replace

import pandas as pd
import pytest
import torch
from conftest import save_pair
from opened import random_points

from rlprobe.analysis.patching import CROSSED, MIXED, factorial
from rlprobe.commands.patch import _Bench
from rlprobe.commands.progress import Reporter
from rlprobe.internals.modules import open_pair
from rlprobe.pairs.loading import load, locate
from rlprobe.settings import PairChoice, PatchChoice, Reading


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    base, rl = map(str, save_pair(tmp_path_factory.mktemp("crossed"), "qwen2", noise=0.2))
    return load(locate(PairChoice(base=base, rl=rl, device="cpu")))


def is_early(name: str, layer: int) -> bool:
    """Whether a weight is read up to and with a layer."""
    return "embed_tokens" in name or any(f"layers.{i}." in name for i in range(layer + 1))


def stitched(early, late, layer: int):
    """One network with the early weights of the first and the late weights of the second."""
    network = copy.deepcopy(late)
    network.load_state_dict({n: w for n, w in early.state_dict().items() if is_early(n, layer)}, strict=False)
    return network


def crossed(pair, points, host="base"):
    """What `rlprobe patch` finds, one row a place and layer."""
    inside = open_pair(pair)
    members = (inside["base"], inside["rl"]) if host == "base" else (inside["rl"], inside["base"])
    bench = _Bench(*members, pair.vocabulary, PatchChoice(host=host))
    with Reporter(quiet=True).task("crossed", len(points), "places") as meter:
        return pd.DataFrame(bench.crossed(points, meter), columns=list(CROSSED))


@pytest.mark.parametrize("host", ["base", "rl"])
def test_a_cell_is_what_a_network_stitched_from_both_says(pair, host):
    points = random_points(pair)[:3]
    base, rl = pair.base.network, pair.rl.network
    found = crossed(pair, points, host)
    for row in found.to_dict("records"):
        point = points[row["point"]]
        networks = [(base, base), (rl, base), (base, rl), (rl, rl)]  # residuals of, later layers of: as in MIXED
        for name, (early, late) in zip(MIXED, networks, strict=True):
            with torch.no_grad():
                logits = stitched(early, late, row["layer"])(torch.tensor([point.ids])).logits[0, -1]
            assert row[name] == pytest.approx(float(logits[point.rl_id] - logits[point.base_id]), abs=1e-4)


@pytest.mark.parametrize("changed", ["early", "late"])
def test_where_rl_changed_one_side_of_the_boundary_that_side_does_everything_and_nothing_interacts(pair, changed):
    points = random_points(pair)
    base, rl = pair.base.network, pair.rl.network
    early, late = (rl, base) if changed == "early" else (base, rl)
    head = pair.base if changed == "early" else pair.rl  # the head is among the late weights
    rows = crossed(replace(pair, rl=replace(head, network=stitched(early, late, 0))), points)
    chosen = pd.DataFrame({"problem_id": [point.problem_id for point in points]})
    at = factorial(chosen, rows, Reading(resamples=100))["boundaries"][0]
    mine, other = ("residual", "layers") if changed == "early" else ("layers", "residual")
    assert abs(at["whole"]["value"]) > 0.01
    assert at[mine]["value"] == pytest.approx(at["whole"]["value"], abs=1e-4)
    assert at[other]["value"] == pytest.approx(0, abs=1e-4)
    assert at["interaction"]["value"] == pytest.approx(0, abs=1e-4)
