"""How Δ log p is spread, against a plain reading of the table."""

import json

import numpy as np
import pytest
from synthetic_texts import token_table

from rlprobe.analysis.direction import TAILS, summarise
from rlprobe.analysis.texts import texts_of
from rlprobe.errors import BadInput
from rlprobe.settings import Reading

READING = Reading(resamples=200)


@pytest.fixture(scope="module")
def tokens():
    return token_table()


@pytest.fixture(scope="module")
def summary(tokens):
    return summarise(tokens, READING)


def row_of(summary, **key):
    return next(row for row in summary["distributions"] if key.items() <= row.items())


def deltas(rows):
    """Δ log p of the token present, of base's choice, of RL's choice, row by row."""
    return {
        "token": rows["logprob_rl"].astype(float) - rows["logprob_base"],
        "argmax_base": rows["logprob_rl_of_base"].astype(float) - rows["logprob_argmax_base"],
        "argmax_rl": rows["logprob_argmax_rl"].astype(float) - rows["logprob_base_of_rl"],
    }


@pytest.mark.parametrize("arm", ["base", "rl"])
@pytest.mark.parametrize("of", ["token", "argmax_base", "argmax_rl"])
def test_a_tail_is_the_share_of_positions_at_least_so_far_from_0(tokens, summary, arm, of):
    delta = deltas(tokens[tokens["arm"] == arm])[of]
    found = row_of(summary, text=arm, delta_of=of, split="all")
    assert found["tokens"] == len(delta)
    assert found["mean"]["value"] == pytest.approx(delta.mean())
    assert found["median"] == pytest.approx(delta.median())
    for tail in TAILS:
        t = float(tail)
        assert found["tails"][tail]["value"] == pytest.approx((delta <= t).mean() if t < 0 else (delta >= t).mean())


def test_each_split_deals_every_position_to_one_group(summary):
    for arm in ("base", "rl"):
        for split in ("class", "entropy", "position", "divergence", "answer"):
            rows = [
                r for r in summary["distributions"] if (r["text"], r["split"], r["delta_of"]) == (arm, split, "token")
            ]
            assert sum(row["tokens"] for row in rows) == summary["texts"][arm]["tokens"], split


def test_groups_hold_the_positions_that_their_names_say(tokens, summary):
    rows = tokens[tokens["arm"] == "base"]
    by_name = {
        ("class", "unchanged"): rows["argmax_base"] == rows["argmax_rl"],
        ("class", "shifted"): (rows["argmax_base"] != rows["argmax_rl"]) & (rows["rank_base_of_rl"] > 5),
        ("entropy", "0.5 to 1.2"): (rows["entropy_base"] >= 0.5) & (rows["entropy_base"] < 1.2),
        ("answer", "after the answer"): rows["after_answer"],
    }
    for (split, group), inside in by_name.items():
        found = row_of(summary, text="base", delta_of="token", split=split, group=group)
        assert found["tokens"] == inside.sum()
        assert found["mean"]["value"] == pytest.approx(deltas(rows[inside])["token"].mean())


def test_a_quarter_is_a_quarter_of_its_own_response(tokens):
    text = texts_of(tokens, READING)["rl"]
    codes = text.splits()["position"].codes
    for start, length in zip(text.starts, text.lengths, strict=True):
        assert codes[start : start + length].tolist() == [4 * i // length for i in range(length)]


def test_the_order_of_the_rows_does_not_matter(tokens, summary):
    assert summarise(tokens.sample(frac=1, random_state=1), READING) == summary


def test_a_group_without_a_position_is_missing_with_a_reason(tokens):
    agreeing = tokens[tokens["argmax_base"] == tokens["argmax_rl"]]
    found = row_of(summarise(agreeing, READING), text="base", split="class", group="shifted")
    assert (found["tokens"], found["median"], found["mean"]["value"]) == (0, None, None)
    assert all(mass["value"] is None and mass["reason"] for mass in found["tails"].values())


def test_a_run_without_rls_text_still_has_its_tails_but_no_writers_to_tell_apart():
    found = summarise(token_table(arms=("base",)), READING)
    assert list(found["texts"]) == ["base"]
    assert found["divergence"]["reason"] == "the run has no text of rl"
    signals = [interval for among in found["separation"].values() for interval in among.values()]
    assert all(s["value"] is None and s["reason"] == "the run has no text of rl" for s in signals)
    json.dumps(found, allow_nan=False)


def test_no_text_at_all_is_refused(tokens):
    with pytest.raises(BadInput, match="rlprobe disagree"):
        summarise(tokens.assign(arm="always x donor_argmax x base"), READING)


@pytest.mark.parametrize("tail", [0.0, -1.0, np.nan])
def test_a_tail_that_begins_at_0_is_refused(tokens, tail):
    with pytest.raises(BadInput, match="tail"):
        summarise(tokens, READING, tail=tail)


def test_two_models_that_are_one_move_nothing(tokens):
    base = {f"logprob_{b}": tokens[f"logprob_{a}"] for a, b in (("base", "rl"), ("argmax_base", "argmax_rl"))}
    base |= {"logprob_base_of_rl": tokens["logprob_argmax_base"], "logprob_rl_of_base": tokens["logprob_argmax_base"]}
    same = tokens.assign(
        **base,
        argmax_rl=tokens["argmax_base"],
        rank_base_of_rl=1,
        kl_rl_base=0.0,
        js=0.0,
        entropy_rl=tokens["entropy_base"],
    )
    found = summarise(same, READING)
    assert row_of(found, text="base", split="all")["mean"]["value"] == 0
    assert found["texts"]["base"]["divergence_share"]["top"]["0.01"]["value"] is None
    assert found["texts"]["base"]["words"] == {"suppressed": [], "promoted": []}
    assert found["texts"]["rl"]["entropy_overlap"]["value"] == 1
    json.dumps(found, allow_nan=False)


def test_histograms_count_every_position(tokens, summary):
    for arm, text in summary["texts"].items():
        for found in text["histograms"].values():
            assert sum(found["counts"]) == (tokens["arm"] == arm).sum()
            assert len(found["edges"]) == len(found["counts"]) + 1


def test_json_can_hold_the_summary(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) is not None
