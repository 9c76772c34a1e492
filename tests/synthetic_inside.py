"""What the lens, patching and steering would have read, made by hand or from a seed; no model is involved."""

import numpy as np
import pandas as pd

from rlprobe.analysis.lens import BY_DEPTH, CROSSED
from rlprobe.analysis.patching import CROSSED as FACTORIAL
from rlprobe.analysis.patching import EFFECTS
from rlprobe.analysis.steering import RESPONSES


def chosen_places(n: int = 6) -> pd.DataFrame:
    """n disagreements (the base's choice 1, RL's 2) and n unchanged places (3), two to a problem."""
    rows = [
        {
            "problem_id": f"{group[0]}{i // 2}",
            "position": i,
            "argmax_base": 1 if group == "disagreement" else 3,
            "argmax_rl": 2 if group == "disagreement" else 3,
            "entropy_base": 0.5 + 0.1 * i,
            "group": group,
        }
        for group in ("disagreement", "unchanged")
        for i in range(n)
    ]
    return pd.DataFrame(rows)


def lens_readings(chosen: pd.DataFrame, layers: int = 3, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(by depth, crossed): random tokens on the way, each model's own at the end."""
    rng = np.random.default_rng(seed)
    by_depth = [
        (i, model, depth, int(row[f"argmax_{model}"]) if depth == layers else int(rng.integers(1, 4)), *-rng.random(2))
        for i, row in chosen.iterrows()
        for model in ("base", "rl")
        for depth in range(layers + 1)
    ]
    crossed = [
        (i, trunk, readout, int(row[f"argmax_{trunk if rng.random() < 0.7 else readout}"]), *-rng.random(2))
        for i, row in chosen.iterrows()
        for trunk in ("base", "rl")
        for readout in ("base", "rl")
    ]
    return pd.DataFrame(by_depth, columns=list(BY_DEPTH)), pd.DataFrame(crossed, columns=list(CROSSED))


def crossed_gaps(chosen: pd.DataFrame, layers: int = 3, seed: int = 0) -> pd.DataFrame:
    """The four gaps of each disagreement at each layer boundary."""
    rng = np.random.default_rng(seed)
    places = np.flatnonzero(chosen["group"] == "disagreement")
    rows = [(int(i), layer, *rng.normal([-2, 0, 0, 2])) for i in places for layer in range(layers)]
    return pd.DataFrame(rows, columns=list(FACTORIAL))


def patch_effects(chosen: pd.DataFrame, layers: int = 3, heads: int = 2, seed: int = 0, sign: int = 1) -> pd.DataFrame:
    """Effects of every kind of patch; `sign` -1 is backward."""
    rng = np.random.default_rng(seed)
    cells = [
        (s, site, layer, -1, "0") for s in ("same", "other", "other_host") for site in _SITES for layer in range(layers)
    ]
    cells += [
        (s, "head", layer, head, "0") for s in ("same", "other") for layer in range(layers) for head in range(heads)
    ]
    cells += [
        ("same", "residual", layer, -1, where) for where in ("-1", "earlier", "prompt") for layer in range(layers)
    ]
    rows = []
    for i, row in chosen.iterrows():
        differs = row["group"] == "disagreement"
        host, donor = (-sign * (0.5 + rng.random()), sign * (0.5 + rng.random())) if differs else (0.0, 0.0)
        tokens = (int(row["argmax_base"]), int(row["argmax_rl"]))[::sign]
        for cell in cells:
            if differs or (cell[0] == "same" and cell[3] < 0 and cell[4] == "0"):
                patched = host + (donor - host) * rng.uniform(-0.1, 1.1)
                rows.append((i, *cell, host, patched, donor, tokens[0], tokens[rng.integers(2)], tokens[1]))
    return pd.DataFrame(rows, columns=list(EFFECTS))


_SITES = ("residual", "attention", "mlp")


def steered_responses(problems: int = 40, seed: int = 0) -> pd.DataFrame:
    """Verdicts on the ends, on one direction and on two random ones."""
    rng = np.random.default_rng(seed)
    arms = [("own", 0.0, "base", 0, 0.4), ("own", 0.0, "rl", 0, 0.9), ("everywhere", 2.0, "difference", 0, 0.8)]
    arms += [("everywhere", 2.0, "random", draw, 0.4) for draw in range(2)]
    arms += [("uncertain", 2.0, "difference", 0, 0.8)]
    rows = [
        (
            where,
            c,
            direction,
            draw,
            f"p{i}",
            verdict := bool(rng.random() < right),
            not verdict and i % 4 == 0,
            direction != "base",
            50,
            1 if where == "uncertain" else None,
        )
        for where, c, direction, draw, right in arms
        for i in range(problems)
    ]
    return pd.DataFrame(rows, columns=list(RESPONSES))
