"""The best that a host's own distribution can tell of disagreement by a weighted sum: a logistic regression.

Token tables in, weights out. The weights are found on some problems and told for others: that is the caller's to see
to. Knows no torch and no disk.
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import expit

from rlprobe.errors import BadInput
from rlprobe.measures.learned import FEATURES, Learned
from rlprobe.records import TOP

PENALTY = 1.0  # half of it times the squared weights is added to the summed loss; the intercept is free


def columns_of(tokens: pd.DataFrame, host: str) -> list[Float[np.ndarray, " tokens"]]:
    """The columns of `FEATURES`, read off a token table: the host's own, and where the token stands."""
    best = np.array(tokens[f"top_logprobs_{host}"].to_list(), np.float64).reshape(-1, TOP)
    alone = [tokens[f"{name}_{host}"].to_numpy(np.float64) for name in ("entropy", "margin")]
    return [*alone, *best.T, np.log1p(tokens["position"].to_numpy(np.float64))]


def learn(tokens: pd.DataFrame, host: str) -> Learned:
    """Weights that tell on a text of the host where the two models disagree, six digits each.

    Raises BadInput where they never or always do.
    """
    disagrees = (tokens["argmax_base"] != tokens["argmax_rl"]).to_numpy()
    if disagrees.all() or not disagrees.any():
        raise BadInput("nothing to learn: on the calibration problems the two models disagree nowhere, or everywhere")
    columns = np.stack(columns_of(tokens, host))
    means, scales = columns.mean(axis=1), columns.std(axis=1)
    scales[scales == 0] = 1.0
    means, scales = _six_digits(means), _six_digits(scales)
    standard = ((columns.T - means) / scales).astype(np.float64)
    intercept, *weights = _six_digits(_fitted(standard, disagrees)).tolist()
    return Learned(tuple(means.tolist()), tuple(scales.tolist()), tuple(weights), intercept)


def _fitted(x: Float[np.ndarray, "tokens features"], y: Bool[np.ndarray, " tokens"]) -> Float[np.ndarray, " weights"]:
    """Intercept and weights at the smallest penalised loss, by Newton's method in a region that is trusted."""
    x = np.column_stack([np.ones(len(x)), x])
    penalty = np.r_[0.0, np.full(len(FEATURES), PENALTY)]

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        odds = x @ w
        value = np.logaddexp(0, odds).sum() - odds[y].sum() + (penalty * w**2).sum() / 2
        return float(value), x.T @ (expit(odds) - y) + penalty * w

    def curvature(w: np.ndarray) -> np.ndarray:
        p = expit(x @ w)
        return (x.T * (p * (1 - p))) @ x + np.diag(penalty)

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-6})
    return found.x


def _six_digits(numbers: np.ndarray) -> np.ndarray:
    """As many as the name of an arm has: the last bits of a fit are a machine's own."""
    return np.array([float(f"{x:.6g}") for x in numbers])
