"""Rollouts and grades of intervention arms with rates like a real pair's, made from a seed; no model is involved."""

import numpy as np
import pandas as pd

from rlprobe.arm_labels import ArmLabel

# mode: (parameter of its family or None, accuracy, gated, edited, writer)
ARMS = {
    "oracle": [(None, None, 0.024, 0.024, "donor_argmax")],
    "entropy": [
        (0.3, 0.89, 0.11, 0.022, "donor_argmax"),
        (0.6, 0.81, 0.062, 0.016, "donor_argmax"),
        (1.2, 0.55, 0.018, 0.006, "donor_argmax"),
        (1.8, 0.30, 0.005, 0.002, "donor_argmax"),
    ],
    "inverse": [(1.2, 0.42, 0.98, 0.015, "donor_argmax")],
    "random": [(None, 0.15, 0.03, 0.03, "host_random(20, without_donor)")],
    "resample": [(None, 0.64, 0.029, 0.029, "host_sample(without_donor)")],
    "matched": [(None, 0.35, 0.028, 0.028, "rank_matched(8, 3, 1, without_donor)")],
    "dose": [(q, 0.15 + 0.75 * q**1.5, 0.024 * q, 0.024 * q, "donor_argmax") for q in (0, 0.1, 0.25, 0.5, 0.75)],
    "first": [(m, 0.16 + 0.1 * m**0.7, 0.003 * m, 0.003 * m, "donor_argmax") for m in (1, 2, 4, 8)],
    "kl": [(0.1, 0.88, 0.07, 0.023, "donor_argmax"), (1, 0.7, 0.02, 0.012, "donor_argmax")],
    "js": [(0.1, 0.80, 0.03, 0.018, "donor_argmax")],
    "mix": [(0.5, 0.93, 0.0, 0.021, "mix(0.5)"), (1.2, 0.85, 0.0, 0.031, "mix(1.2)")],
}
SEEDED = ("random", "resample", "matched")


def named_arms(modes=tuple(ARMS), seeds=3):
    """The arms of those modes, in order; each random one with that many seeds."""
    made = []
    for mode in modes:
        for dose, *_, writer in ARMS[mode]:
            label = mode if dose is None else f"{mode}({dose:g})"
            for seed in range(seeds) if mode in SEEDED else [None]:
                gate, name = "disagree" if dose is None else label, label if seed is None else f"{label}#{seed}"
                spec = f"{gate} x {writer} x base"
                made.append(ArmLabel(name=name, mode=mode, label=label, dose=dose, seed=seed, spec=spec))
    return made


def arm_tables(arms=(), problems=60, seed=0, length=120, ends=("base", "rl"), base=0.15, rl=0.9):
    """(rollouts, grades) of the ends and of `arms`; the oracle's ids and verdicts are RL's own."""
    rng = np.random.default_rng(seed)
    difficulty = rng.random(problems)
    parts = {"base": _end(base, difficulty, rng, length), "rl": _end(rl, difficulty, rng, length)}
    made = {name: parts[name] for name in ends}
    for arm in arms:
        _, accuracy, gated, edited, _ = next(row for row in ARMS[arm.mode] if row[0] == arm.dose)
        ids, right = parts["rl"][:2] if accuracy is None else _end(accuracy, difficulty, rng, length)[:2]
        made[arm.name] = (ids, right, *_edits(ids, gated, edited, rng))
    frames = [_frames(name, *part, rng) for name, part in made.items()]
    return tuple(pd.concat(parts, ignore_index=True) for parts in zip(*frames, strict=True))


def _end(accuracy, difficulty, rng, length):
    ids = [rng.integers(1, 500, max(2, n)) for n in rng.poisson(length, len(difficulty))]
    right = 0.7 * difficulty + 0.3 * rng.random(len(difficulty)) < accuracy
    return ids, right, ids, [np.zeros(len(i), bool) for i in ids]


def _edits(ids, gated, edited, rng):
    noise = [rng.random(len(i)) for i in ids]
    host = [np.where(u < edited, i + 500, i) for i, u in zip(ids, noise, strict=True)]
    return host, [u < max(gated, edited) for u in noise]


def _frames(arm, ids, right, host, gated, rng):
    n = len(ids)
    key = {"arm": arm, "problem_id": [f"test-{i:05d}" for i in range(n)], "draw": np.int32(0)}
    stop = np.where(rng.random(n) < 0.05, "length", "eos")
    rollouts = {**key, "response_ids": ids, "host_ids": host, "gated": gated, "stop": stop, "made": "engine"}
    status = np.where(right, "correct", "wrong").astype(object)
    first, last = status.copy(), status.copy()
    first[::11] = "no_answer"
    last[::17] = None
    return pd.DataFrame(rollouts), pd.DataFrame({**key, "status_first": first, "status_last": last})
