"""Token, rollout and grade tables with rates like a real pair's, made from a seed; no model is involved."""

import numpy as np
import pandas as pd

VOCABULARY = 500
STOP_ID = 0


def tables(problems=60, seed=0, arms=("base", "rl"), reranked=0.02, shifted=0.001, length=120, truncated=0.05):
    """(tokens, rollouts, grades): `problems` responses of about `length` tokens for each arm."""
    made = [
        _arm(arm, problems, np.random.default_rng([seed, i]), reranked, shifted, length, truncated)
        for i, arm in enumerate(arms)
    ]
    return tuple(pd.concat(parts, ignore_index=True) for parts in zip(*made, strict=True))


def token(i):
    """A token string that is hard on every renderer now and then."""
    return {1: " |", 2: "\\frac", 3: "$", 4: "\n", 5: " &", 6: "_*`", 7: " 50%", 8: "[/b]"}.get(i, f" t{i}")


def _arm(arm, problems, rng, reranked, shifted, length, truncated):
    ids = [f"test-{i:05d}" for i in range(problems)]
    lengths = np.maximum(2, rng.poisson(length, problems))
    n = int(lengths.sum())
    problem = np.repeat(np.arange(problems), lengths)
    position = np.arange(n) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    cut = rng.random(problems) < truncated
    # problems differ in how often their tokens disagree, which is why problems are resampled
    odds = rng.gamma(2, 0.5, problems)[problem] * np.exp(-2 * position / lengths[problem]) * 2
    u = rng.random(n)
    is_shifted, is_reranked = u < shifted * odds, (u >= shifted * odds) & (u < (shifted + reranked) * odds)
    differs = is_shifted | is_reranked
    entropy = np.where(differs, rng.gamma(3, 0.45, n), rng.gamma(0.25, 0.8, n) + 1e-7).astype(np.float32)
    rank = np.where(is_reranked, 2 + rng.binomial(3, 0.12, n), np.where(is_shifted, 6 + rng.geometric(0.2, n), 1))
    last = position == lengths[problem] - 1
    token_id = np.where(last & ~cut[problem], STOP_ID, 1 + rng.zipf(1.4, n) % (VOCABULARY - 1)).astype(np.int32)
    other = np.where(differs, 1 + (token_id + rank) % (VOCABULARY - 1), token_id).astype(np.int32)
    base, rl = (token_id, other) if arm == "base" else (other, token_id)
    logprob = -rng.exponential(entropy / 4 + 1e-6).astype(np.float32)
    tokens = pd.DataFrame(
        {
            "arm": arm,
            "problem_id": np.array(ids, dtype=object)[problem],
            "draw": np.int32(0),
            "position": position.astype(np.int32),
            "token_id": token_id,
            "logprob_base": logprob,
            "logprob_rl": logprob,
            "argmax_base": base,
            "argmax_rl": rl,
            "margin_base": rng.exponential(3, n).astype(np.float32),
            "margin_rl": rng.exponential(4, n).astype(np.float32),
            "entropy_base": entropy,
            "acceptance": np.exp(-entropy * np.where(differs, 0.8, 0.1)),
            "varentropy_base": entropy,
            "delta_variance": entropy * np.where(is_shifted, 4.0, np.where(is_reranked, 1.0, 0.02)),
            "sharpening": np.where(entropy < 1e-3, np.nan, np.where(differs, 0.4, 0.1)),
            "sharpening_r2": np.where(entropy < 1e-3, np.nan, np.exp(-entropy * np.where(differs, 2, 0.2))),
            "rank_base_of_rl": rank.astype(np.int32),
            "terminator": token_id == STOP_ID,
        }
    )
    decoded = (logprob + rng.normal(0, 1e-5, n)).astype(np.float32)
    cuts = np.cumsum(lengths)[:-1]
    rollouts = pd.DataFrame(
        {
            "arm": arm,
            "problem_id": ids,
            "draw": np.int32(0),
            "response_ids": np.split(token_id, cuts),
            "logprobs": np.split(decoded, cuts),
            "stop": np.where(cut, "length", "eos"),
            "made": "engine",
        }
    )
    right = rng.random(problems) < (0.4 if arm == "base" else 0.7)
    status = np.where(right, "correct", "wrong").astype(object)
    first = status.copy()
    first[::11] = "no_answer"
    status[::17] = None
    grades = pd.DataFrame(
        {
            "arm": arm,
            "problem_id": ids,
            "draw": np.int32(0),
            "status_first": first,
            "answer_first": "4",
            "end_first": (0.9 * lengths).astype(int) + 1,
            "status_last": status,
            "answer_last": "4",
            "end_last": (0.95 * lengths).astype(int) + 1,
            "fell_back": False,
        }
    )
    return tokens, rollouts, grades
