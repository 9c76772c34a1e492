"""A finished run on disk, made from a seed; no model is involved. Rates and tails are like a real pair's."""

import numpy as np
import pandas as pd
import pyarrow as pa
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from rlprobe import runs
from rlprobe.records import GRADE_SCHEMA, ROLLOUT_SCHEMA, TOKEN_SCHEMA, TOP, Problem
from rlprobe.reporting.formats import Cell, as_json, table_of
from rlprobe.runs import Run, Shard

SHARD = 32
OPENING = 10  # how many tokens all arms have in common


def word_tokenizer(folder, size, words=()):
    """A stop id 0, then `words`, then " w7", " w8", ...: as many ids as a real vocabulary has."""
    names = ["<|end|>", *words, *(f" w{i}" for i in range(1 + len(words), size))]
    vocabulary = {name: i for i, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|end|>"))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    fast.save_pretrained(folder)


def make_run(path, problems=40, length=60, seed=0, vocabulary=300, arms=("disagree x donor_argmax x base",), words=()):
    """A run of base, rl and `arms` (with a few gates and edits), with token tables and verdicts."""
    run = runs.create_or_resume(path, _identity(), _about())
    asked = [
        Problem(f"p{i:04d}", f"Ann has {i} eggs & buys <b>2</b> more. How many?", str(i + 2), "made")
        for i in range(problems)
    ]
    run.extend(asked, {})
    run.keep_tokenizer(lambda folder: word_tokenizer(folder, vocabulary, words))
    for start in range(0, problems, SHARD):
        ids = [p.problem_id for p in asked[start : start + SHARD]]
        for number, arm in enumerate(("base", "rl", *arms)):
            rng = np.random.default_rng([seed, start, number])
            _write(run, Shard(arm, start, start + len(ids)), ids, rng, (length, vocabulary))
    grader = {"extract": "box", "answer": "last", "timeout_s": 5, "libraries": "made"}
    run.write_json("grades/made/settings.json", grader)
    run.write_json(
        "summary.json",
        {
            "about": _about(),
            "grader": {"key": "made", **grader},
            "reading": {"class_k": 5, "answer": "last", "tau": 1.2, "seed": 0},
            "trajectories": {"base": {}, "rl": {}},
        },
    )
    run.write_text(
        "tables/classes.json",
        as_json(
            table_of(
                [{"trajectory": "base", "reranked": Cell(0.024, 0.0223, 0.0259, "%")}, {"trajectory": "<b>x"}],
                ["trajectory", "reranked"],
            )
        ),
    )
    return run


def _identity():
    files = {"files": {}, "revision": None}
    pair = {"base": files, "rl": files, "stop_ids": [0], "dtype": "float32"}
    decoding = {"max_new_tokens": 1024, "batch_size": 8, "shard": SHARD, "statistics": "plain"}
    asked = {"problems": {"sha256": "made", "golds": "made"}, "prompt": {"style": "question_answer"}}
    return {"pair": pair, **asked, "decoding": decoding, "packages": {"torch": "0"}}


def _about():
    vocabulary = {"common": 300, "only_base": 0, "only_rl": 0, "padded_rows": [0, 0]}
    return {
        "pair": "made",
        "base": "some/base",
        "rl": "some/rl",
        "dataset": "made",
        "source": "made up",
        "prompt_style": "chat",
        "prompt_example": "Question: <i>?</i>",
        "vocabulary": vocabulary,
    }


def _write(run: Run, shard: Shard, problems, rng, size):
    length, vocabulary = size
    lengths = np.maximum(2, rng.normal(length, length / 20, len(problems)).astype(int))
    cuts, n = np.cumsum(lengths)[:-1], int(lengths.sum())
    key = {"arm": shard.arm, "problem_id": problems, "draw": np.int32(0)}
    if shard.arm in ("base", "rl"):
        tokens = _tokens(shard.arm, problems, lengths, rng, vocabulary)
        run.write_shard("tokens", shard, pa.Table.from_pandas(tokens, TOKEN_SCHEMA, preserve_index=False))
        host = ids = tokens["token_id"].to_numpy()
        gated = np.zeros(n, bool)
    else:
        ids = np.where(_opening(lengths), _shared(lengths, vocabulary), _words(rng, n, vocabulary))
        gated = rng.random(n) < 0.05
        host = np.where(gated & (rng.random(n) < 0.4), _words(rng, n, vocabulary), ids)
    rollouts = {
        "prompt_ids": [[1, 2]] * len(problems),
        "response_ids": np.split(ids, cuts),
        "stop": "eos",
        "made": "engine",
    }
    rollouts |= {"host_ids": np.split(host, cuts), "gated": np.split(gated, cuts), "logprobs": None}
    run.write_shard("rollouts", shard, _table(key | rollouts, ROLLOUT_SCHEMA))
    status = np.where(rng.random(len(problems)) < (0.8 if shard.arm == "rl" else 0.5), "correct", "wrong")
    verdicts = {
        f"{name}_{which}": value for which in ("first", "last") for name, value in (("status", status), ("answer", "7"))
    }
    verdicts |= {"end_first": None, "end_last": (0.9 * lengths).astype(int) + 1, "fell_back": False}
    run.write_shard("grades/made", shard, _table(key | verdicts, GRADE_SCHEMA))


def _table(columns, schema):
    return pa.Table.from_pandas(pd.DataFrame(columns), schema, preserve_index=False)


def _words(rng, n, vocabulary):
    """Ids whose logarithm is uniform: Zipf's law."""
    return np.exp(rng.random(n) * np.log(vocabulary - 2)).astype(np.int32) + 1


def _opening(lengths):
    return _positions(lengths) < OPENING


def _shared(lengths, vocabulary):
    """What every arm says at a position of a problem, as far as they agree."""
    return 1 + (7 * np.repeat(np.arange(len(lengths)), lengths) + _positions(lengths)) % (vocabulary - 2)


def _positions(lengths):
    return np.concatenate([np.arange(k) for k in lengths]).astype(np.int32)


def _tokens(arm, problems, lengths, rng, vocabulary):
    n = int(lengths.sum())
    base = np.stack([_words(rng, n, vocabulary) for _ in range(TOP)], axis=1)
    base += np.arange(TOP, dtype=np.int32)[::-1] * (base == np.roll(base, 1, axis=1))
    rl = np.where(rng.random((n, TOP)) < 0.3, np.stack([_words(rng, n, vocabulary) for _ in range(TOP)], axis=1), base)
    opening = _opening(lengths)
    base[:, 0] = np.where(opening, _shared(lengths, vocabulary), base[:, 0])
    rl[:, 0] = base[:, 0]
    swap = (rng.random(n) < 0.04) & ~opening
    rl[:, 0], rl[:, 1] = np.where(swap, base[:, 1], base[:, 0]), np.where(swap, base[:, 0], rl[:, 1])
    shifted = (rng.random(n) < 0.001) & ~opening
    rl[shifted, 0] = vocabulary - 1
    ids = (base if arm == "base" else rl)[:, 0].copy()
    ids[np.cumsum(lengths) - 1] = 0
    best = -rng.exponential(0.15, n) * (0.02 + swap * 5)
    tops = [
        -np.sort(-np.concatenate([best[:, None], best[:, None] - 1 - rng.exponential(4, (n, TOP - 1))], 1))
        for _ in "br"
    ]
    entropy = rng.gamma(0.25, 0.8, n) + swap
    of_base = {"argmax": base[:, 0], "top_ids": base, "top_logprobs": tops[0], "entropy": entropy}
    of_rl = {"argmax": rl[:, 0], "top_ids": rl, "top_logprobs": tops[1], "entropy": entropy * rng.random(n)}
    columns = {
        "arm": arm,
        "problem_id": np.repeat(problems, lengths),
        "draw": np.int32(0),
        "position": _positions(lengths),
        "token_id": ids,
        "token": "",
        "rank_base_of_rl": np.where(shifted, 40, np.where(swap, 2, 1)),
        "rank_rl_of_base": np.where(swap | shifted, 2, 1),
        **{name: rng.exponential(0.01, n) for name in ("kl_rl_base", "kl_base_rl", "js")},
        **dict.fromkeys(("logprob_base_of_rl", "logprob_rl_of_base"), best),
        "terminator": False,
    }
    for m, found in (("base", of_base), ("rl", of_rl)):
        more = {"logprob": best - rng.exponential(0.01, n), "rank": np.where(ids == found["argmax"], 1, 2)}
        more |= {"logprob_argmax": best, "margin": rng.exponential(3, n), **found}
        columns |= {f"{name}_{m}": list(v) if v.ndim == 2 else v for name, v in more.items()}
    return pd.DataFrame({name: columns[name] for name in TOKEN_SCHEMA.names})
