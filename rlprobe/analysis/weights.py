"""What the weight table of a pair says: how much is unchanged, how large the change is, and how many directions it has.

The table (records.WEIGHT_SCHEMA) holds counts, squares and singular values; here they become shares, norms and ranks,
for every tensor, by kind, by layer and in all. These are facts about two files, not samples: nothing has an interval.
What is left of RL's choices with only a part of the change is counted on tokens and has one, over problems. Knows no
torch and no disk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import integrate, optimize

from rlprobe.analysis.statistics import Clusters, Interval, mean, rate
from rlprobe.settings import Resampling

ENERGIES = (0.5, 0.9, 0.99)
SAME = "RL changed nothing here"

Spectrum = Float[np.ndarray, " side"]  # singular values, descending


def summarise_weights(table: pd.DataFrame) -> dict[str, Any]:
    """Every tensor in the order of the network, then groups of them, as a dictionary that JSON can hold."""
    tensors = [_tensor(dict(row)) for _, row in table.iterrows()]
    described = pd.DataFrame(tensors)
    layers = [layer for layer in dict.fromkeys(t["layer"] for t in tensors) if layer is not None]
    return {
        "total": _group(table, described, np.ones(len(table), dtype=bool)),
        "kinds": {kind: _group(table, described, table["kind"] == kind) for kind in table["kind"].unique()},
        "layers": {str(layer): _group(table, described, table["layer"] == layer) for layer in layers},
        "tensors": tensors,
        "left_out_rows": {t["name"]: t["left_out"] for t in tensors if t["left_out"]},
    }


def stable_rank(values: Spectrum) -> float | None:
    """Σσ² / max σ²: how many directions as strong as the strongest would hold the energy. None without any."""
    return float((values / values[0]) @ (values / values[0])) if values.any() else None


def energy_rank(values: Spectrum, share: float) -> int | None:
    """The least number of singular values whose squares hold `share` of the energy; None without any."""
    if not values.any():
        return None
    held = np.cumsum((values / values[0]) ** 2)
    return int(np.searchsorted(held, share * held[-1] * (1 - 1e-12)) + 1)


def numerical_rank(values: Spectrum, shape: Sequence[int]) -> int | None:
    """How many singular values are more than what rounding to float32 makes of 0, by LAPACK's rule; None without any.

    The rule is that of numpy.linalg.matrix_rank: above σmax · the longer side · float32's machine epsilon.
    """
    if not values.any():
        return None
    return int((values > values[0] * max(shape) * np.finfo(np.float32).eps).sum())


def energy_held(spectra: Sequence[Float[np.ndarray, " _"]], rank: int | None) -> float | None:
    """The share of the summed energy of some matrices that the `rank` strongest directions of each hold."""
    total = sum(float(values @ values) for values in spectra)
    held = sum(float(values[:rank] @ values[:rank]) for values in spectra)
    return held / total if total else None


def noise_rank_share(shape: Sequence[int], share: float) -> float:
    """Of white noise, the rank that holds `share` of the energy, over the full rank (Marchenko and Pastur 1967).

    The squared singular values of noise have density √((b-λ)(λ-a)) / (2πyλ) on [a, b] = (1 ∓ √y)², y = short / long
    side; the energy, which is λ times that, is a semicircle, and so is told by its angle θ alone.
    """
    y = min(shape) / max(shape)
    theta = optimize.brentq(lambda t: (t - np.sin(2 * t) / 2) / np.pi - share, 0, np.pi)  # energy above λ(θ)
    density = lambda t: 2 * np.sin(t) ** 2 / (np.pi * (1 + y + 2 * np.sqrt(y) * np.cos(t)))  # noqa: E731
    return float(integrate.quad(density, 0, theta)[0])


def _tensor(row: dict[str, Any]) -> dict[str, Any]:
    exact = row["unchanged_exact"]
    return {
        "name": row["name"],
        "kind": row["kind"],
        "layer": None if pd.isna(row["layer"]) else int(row["layer"]),
        "shape": [int(side) for side in row["shape"]],
        "left_out": int(row["left_out"]),
        "numbers": int(row["numbers"]),
        "unchanged": row["unchanged"] / row["numbers"],
        "unchanged_exact": None if pd.isna(exact) else exact / row["numbers"],
        "relative_norm": _relative(row["change_squares"], row["base_squares"]),
        **_ranks(row),
    }


def _ranks(row: dict[str, Any]) -> dict[str, Any]:
    """What the singular values say; for a vector, and where nothing changed, None throughout."""
    values = np.asarray([] if row["singular_values"] is None else row["singular_values"], dtype=np.float64)
    ranks = {f"rank_{round(100 * share)}": energy_rank(values, share) for share in ENERGIES}
    shape = [int(side) for side in row["shape"]]
    full = min(shape) if len(shape) == 2 else None
    found, numerical = ranks["rank_90"], numerical_rank(values, shape)
    return {
        "full_rank": full,
        "stable_rank": stable_rank(values),
        **ranks,
        "rank_90_share": found / full if found and full else None,
        "noise_rank_90_share": noise_rank_share(shape, 0.9) if full else None,
        "numerical_rank": numerical,
        "numerical_rank_share": numerical / full if numerical is not None and full else None,
        "reason": SAME if full and found is None else None,
    }


def _group(table: pd.DataFrame, described: pd.DataFrame, here: Any) -> dict[str, Any]:
    """Several tensors together: counts and squares summed, ranks as their median, least and most over matrices."""
    rows, told = table[here], described[np.asarray(here)]
    numbers, exact = int(rows["numbers"].sum()), rows["unchanged_exact"]
    return {
        "tensors": len(rows),
        "numbers": numbers,
        "unchanged": float(rows["unchanged"].sum() / numbers),
        "unchanged_exact": None if exact.isna().any() else float(exact.sum() / numbers),
        "relative_norm": _relative(rows["change_squares"].sum(), rows["base_squares"].sum()),
        "full_rank": _spread(told["full_rank"]),
        **{name: _spread(told[name]) for name in _SPREAD},
    }


_SPREAD = ("stable_rank", "rank_90", "rank_90_share", "noise_rank_90_share", "numerical_rank_share")


def _spread(values: pd.Series) -> dict[str, float] | None:
    """Median, least and most; None where no matrix has the number."""
    found = values.dropna().astype(float)
    if found.empty:
        return None
    return {"value": float(found.median()), "low": float(found.min()), "high": float(found.max())}


def _relative(change: float, base: float) -> float | None:
    return float(np.sqrt(change / base)) if base else None


# ---- with only a part of the change: what is left of the choices of RL, along a text that all three models read ------

CHOSEN_AT = ["problem_id", "draw", "position"]
CHOICES = ("arm", *CHOSEN_AT, "argmax_base", "argmax_rl")  # of a token table


def compare_choices(read: pd.DataFrame, tokens: pd.DataFrame, resampling: Resampling) -> dict[str, Interval]:
    """How the choices along one text compare.

    `read` has the columns of records.LOW_RANK_SCHEMA, `tokens` those of `CHOICES`, over the same positions. Of all
    positions: `disagrees` with the base, `agrees` with RL. Of RL's edits (positions where it disagrees with the
    base): `kept` says what RL says, `other` neither what RL nor what the base says. Of the positions that RL left
    unchanged: `new` ones, where it leaves the base. `kl` is the mean of KL(RL ‖ it), nats.
    """
    rows = read.merge(tokens, on=CHOSEN_AT, how="inner", validate="one_to_one")
    codes, problems = pd.factorize(rows["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    its, base, rl = (rows[name].to_numpy() for name in ("argmax", "argmax_base", "argmax_rl"))
    edits, everywhere = base != rl, np.ones(len(rows), dtype=bool)

    def share(events: np.ndarray, among: np.ndarray) -> Interval:
        return rate(clusters.sums(events & among), clusters.sums(among), resampling)

    return {
        "disagrees": share(its != base, everywhere),
        "agrees": share(its == rl, everywhere),
        "kept": share(its == rl, edits),
        "other": share((its != rl) & (its != base), edits),
        "new": share(its != base, ~edits),
        "kl": mean(clusters.sums(rows["kl_from_rl"].to_numpy(np.float64)), clusters.sums(everywhere), resampling),
    }
