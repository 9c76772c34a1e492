"""Token tables of two texts whose columns are computed with numpy from random distributions over a small vocabulary."""

import numpy as np
import pandas as pd

VOCABULARY = 12


def token_table(problems=20, seed=0, arms=("base", "rl"), length=30, draws=1, noise=0.7) -> pd.DataFrame:
    """Both models' texts: alike for a random number of tokens, each its own from there on."""
    rng = np.random.default_rng(seed)
    parts = []
    for problem in range(problems):
        for draw in range(draws):
            common, prefix = int(rng.integers(0, length)), rng.integers(0, VOCABULARY, length)
            for arm in ("base", "rl"):  # made in any case: an arm does not depend on which others are asked for
                part = _response(rng, prefix[:common], int(rng.integers(1, length)), noise)
                part = part.assign(arm=arm, problem_id=f"p{problem:03d}", draw=np.int32(draw))
                parts += [part] if arm in arms else []
    return pd.concat(parts, ignore_index=True)


def _response(rng, prefix, more, noise) -> pd.DataFrame:
    ids = np.r_[prefix, rng.integers(0, VOCABULARY, more)].astype(np.int32)
    n, rows = len(ids), np.arange(len(ids))
    base = rng.normal(0, 3, (n, VOCABULARY))
    rl = base + noise * rng.normal(0, 1, (n, VOCABULARY)) * rng.gamma(0.3, 3, (n, 1))
    base, rl = (x - np.log(np.exp(x).sum(1, keepdims=True)) for x in (base, rl))
    best_base, best_rl = base.argmax(1), rl.argmax(1)
    mixed = np.log((np.exp(base) + np.exp(rl)) / 2)
    js = sum((np.exp(x) * (x - mixed)).sum(1) for x in (base, rl)) / 2
    columns = {
        "logprob_base": base[rows, ids],
        "logprob_rl": rl[rows, ids],
        "logprob_argmax_base": base[rows, best_base],
        "logprob_argmax_rl": rl[rows, best_rl],
        "logprob_base_of_rl": base[rows, best_rl],
        "logprob_rl_of_base": rl[rows, best_base],
        "margin_base": np.diff(np.sort(base, 1)[:, -2:], axis=1)[:, 0],
        "entropy_base": -(np.exp(base) * base).sum(1),
        "entropy_rl": -(np.exp(rl) * rl).sum(1),
        "kl_rl_base": (np.exp(rl) * (rl - base)).sum(1),
        "js": js,
    }
    after = rows >= n - 2
    return pd.DataFrame(
        {
            "position": rows.astype(np.int32),
            "token_id": ids,
            "token": [f" t{i}" for i in ids],
            "argmax_base": best_base.astype(np.int32),
            "argmax_rl": best_rl.astype(np.int32),
            "rank_base_of_rl": (1 + (base > base[rows, best_rl][:, None]).sum(1)).astype(np.int32),
            **{name: values.astype(np.float32) for name, values in columns.items()},
            "after_answer": after,
        }
    )
