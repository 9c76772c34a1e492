"""Placebos of flips against a plain loop over the tokens of a response."""

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.placebo import AGREED, COLUMNS, SAME, placebos


def response(n, seed, disagreeing=0.2):
    """A response whose two models disagree here and there; entropies come in few values, so that many are equal."""
    rng = np.random.default_rng(seed)
    top = np.array([rng.permutation(9)[:5] for _ in range(n)])
    base = top[:, 0]
    rl = np.where(rng.random(n) < disagreeing, top[np.arange(n), rng.integers(1, 5, n)], base)
    there = np.where(rng.random(n) < 0.05, top[:, 1], base)  # float noise: not what the base says now
    columns = ["q", np.arange(n), there, base, rl, rng.integers(0, 6, n) / 4, list(top)]
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))).sample(frac=1, random_state=seed)


def by_loop(tokens):
    """The same, one flip at a time."""
    rows = sorted(tokens.to_dict("records"), key=lambda row: row["position"])
    flips = [r for r in rows if r["argmax_rl"] not in (r["argmax_base"], r["token_id"])]
    free = [r for r in rows if r["argmax_rl"] == r["argmax_base"] == r["token_id"]]
    found = []
    for n, flip in enumerate(flips):
        others = [
            i for i in flip["top_ids_base"] if i not in (flip["token_id"], flip["argmax_base"], flip["argmax_rl"])
        ]
        found.append((SAME, n, flip["position"], others[0], flip["entropy_base"]))
    matched = []
    for n, flip in sorted(enumerate(flips), key=lambda pair: (-pair[1]["entropy_base"], pair[0])):
        if not free:
            continue
        place = min(free, key=lambda r: (abs(r["entropy_base"] - flip["entropy_base"]), r["position"]))
        free = [r for r in free if r is not place]
        matched.append((AGREED, n, place["position"], place["top_ids_base"][1], place["entropy_base"]))
    return found + sorted(matched)


@pytest.mark.parametrize("disagreeing", [0.0, 0.2, 0.8])
@pytest.mark.parametrize("seed", range(6))
def test_placebos_are_what_a_plain_loop_finds(seed, disagreeing):
    tokens = response(40, seed, disagreeing)
    found = [(p.kind, p.ordinal, p.position, p.token_id, p.entropy) for p in placebos(tokens)]
    assert found == by_loop(tokens)
    places = [p.position for p in placebos(tokens) if p.kind == AGREED]
    assert len(set(places)) == len(places)
    assert bool(found) == (disagreeing > 0)


def test_a_placebo_is_never_rls_token_nor_what_stands_there():
    for seed in range(4):
        tokens = response(60, seed).set_index("position")
        for placebo in placebos(tokens.reset_index()):
            row = tokens.loc[placebo.position]
            assert placebo.token_id not in (row["token_id"], row["argmax_base"], row["argmax_rl"])


def test_where_places_run_out_the_flips_of_largest_entropy_have_them():
    tokens = pd.DataFrame(
        {
            "problem_id": "q",
            "position": range(4),
            "token_id": 0,
            "argmax_base": 0,
            "argmax_rl": [1, 1, 0, 1],
            "entropy_base": [0.5, 2.0, 0.1, 1.0],
            "top_ids_base": [[0, 1, 2]] * 4,
        }
    )
    agreed = [(p.ordinal, p.position, p.token_id) for p in placebos(tokens) if p.kind == AGREED]
    assert agreed == [(1, 2, 1)]
    assert [p.token_id for p in placebos(tokens) if p.kind == SAME] == [2, 2, 2]
