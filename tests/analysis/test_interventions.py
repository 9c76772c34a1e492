"""Interventions on rollouts and verdicts written by hand, and on made ones; each number by another road."""

import json
from math import comb

import numpy as np
import pandas as pd
import pytest
from synthetic_arms import arm_tables, named_arms

from rlprobe.analysis.interventions import summarise
from rlprobe.arm_labels import ArmLabel
from rlprobe.records import GRADE_SCHEMA, ROLLOUT_SCHEMA
from rlprobe.settings import Reading

READING = Reading(resamples=200)
STATUS = {"c": "correct", "w": "wrong", "-": None}


def verdicts(**letters):
    """(rollouts, grades) of arms given as a letter a problem: c(orrect), w(rong), - (no verdict), " " (no response)."""
    rows = [
        {"arm": arm, "problem_id": f"p{i}", "draw": 0, "letter": letter}
        for arm, word in letters.items()
        for i, letter in enumerate(word)
        if letter != " "
    ]
    frame = pd.DataFrame(rows, columns=["arm", "problem_id", "draw", "letter"])
    ids = [[1, 2, 3 + list(letters).index(arm)] for arm in frame["arm"]]
    rollouts = frame.assign(response_ids=ids, host_ids=ids, gated=[[False] * 3] * len(frame), stop="eos")
    grades = frame.assign(status_last=frame["letter"].map(STATUS), status_first="wrong")
    return rollouts.drop(columns="letter"), grades.drop(columns="letter")


def arm(name, label=None, **more):
    return ArmLabel(name=name, mode=name.split("#")[0], label=label or name, **more)


def test_an_arm_stands_between_its_ends_with_recovery_and_exact_tests():
    base, rl, mine = "w" * 16 + "c" * 4, "c" * 18 + "w" * 2, "c" * 9 + "w" * 8 + "c" * 3
    found = summarise(*verdicts(base=base, rl=rl, entropy=mine), [arm("entropy")], READING)["arms"]
    assert list(found) == ["base", "entropy", "rl"]
    last = found["entropy"]["answers"]["last"]
    assert (last["correct"], last["graded"], last["ungraded"]) == (12, 20, 0)
    assert last["recovery"]["value"] == pytest.approx((12 - 4) / (18 - 4))
    against = last["against"]["base"]
    assert (against["repaired"], against["broken"], against["test"]) == (9, 1, "McNemar, exact")
    assert against["p_value"] == pytest.approx(2 * (comb(10, 0) + comb(10, 1)) / 2**10)  # a fair coin, 1 of 10 or rarer
    against = last["against"]["rl"]
    assert (against["repaired"], against["broken"]) == (2, 8)
    assert against["p_value"] == pytest.approx(2 * sum(comb(10, k) for k in range(3)) / 2**10)
    assert found["rl"]["answers"]["last"]["against"]["rl"] is None
    assert found["entropy"]["answers"]["first"]["accuracy"]["value"] == 0


def test_an_arm_on_fewer_problems_has_the_ends_on_just_these_beside_it():
    tables = verdicts(base="wwcc" + "w" * 6, rl="cccw" + "c" * 6, few="cccc" + " " * 6, whole="c" * 10)
    found = summarise(*tables, [arm("few"), arm("whole")], READING)["arms"]
    ends = found["few"]["answers"]["last"]["ends"]
    assert {end: cell["value"] for end, cell in ends.items()} == {"base": 2 / 4, "rl": 3 / 4}
    assert {cell["n_problems"] for cell in ends.values()} == {4}
    assert found["few"]["answers"]["last"]["recovery"]["n_problems"] == 4
    for same in ("whole", "base", "rl"):
        assert found[same]["answers"]["last"]["ends"] == {"base": None, "rl": None}


def test_p_values_are_corrected_for_all_arms_of_a_host_and_a_decoding_shown_or_not():
    spec, base, rl = "entropy_above({}) x donor_argmax x {}".format, "w" * 16 + "c" * 4, "c" * 20
    letters = {spec(1, "base"): "c" * 12 + "w" * 8, spec(2, "base"): "c" * 7 + base[7:], spec(3, "base"): base}
    others = {spec(1, "rl"): rl, "always x mix(0.5) x base x T=1,top_p=1 x seed=0": rl}
    tables, name = verdicts(base=base, rl=rl, **letters, **others), spec(2, "base")
    found = summarise(*tables, [arm(name, spec=name)], READING)["arms"][name]["answers"]["last"]["against"]
    raw = [
        summarise(*tables, [arm(s, spec=s)], READING)["arms"][s]["answers"]["last"]["against"]["base"] for s in letters
    ]
    by_rank = sorted(test["p_value"] for test in raw)
    place = by_rank.index(found["base"]["p_value"])
    assert found["base"]["family"] == 3
    assert found["base"]["p_adjusted"] == pytest.approx(max((3 - i) * p for i, p in enumerate(by_rank[: place + 1])))
    assert found["rl"]["family"] == 3


def test_arms_that_differ_in_their_seed_are_one_test():
    names = [f"random(0.1) x donor_argmax x base x seed={seed}" for seed in range(3)]
    tables = verdicts(base="wwww", rl="cccc", **dict.fromkeys(names, "cwcw"), **{"a x b x base": "cccw"})
    found = summarise(*tables, [arm("a x b x base", spec="a x b x base")], READING)["arms"]["a x b x base"]
    assert found["answers"]["last"]["against"]["base"]["family"] == 2


def test_one_response_a_problem_has_the_exact_interval_of_a_binomial():
    found = summarise(*verdicts(base="wwww", rl="cccc"), [], READING)["arms"]
    for end in ("base", "rl"):
        assert found[end]["answers"]["last"]["accuracy"]["method"] == "Clopper-Pearson over problems"
    assert found["rl"]["answers"]["last"]["accuracy"]["low"] == pytest.approx(0.025 ** (1 / 4))


def test_seeds_of_one_arm_are_pooled_and_compared_by_the_means_of_problems():
    tables = verdicts(base="wwwwcc", rl="cccccc", **{"random#0": "cwwwcw", "random#1": "ccwwcw"})
    seeds = [arm(f"random#{s}", "random", seed=s) for s in (0, 1)]
    found = summarise(*tables, seeds, READING)["arms"]
    assert list(found) == ["base", "random", "rl"]
    assert (found["random"]["seeds"], found["random"]["names"]) == ([0, 1], ["random#0", "random#1"])
    assert (found["random"]["problems"], found["random"]["responses"]) == (6, 12)
    last = found["random"]["answers"]["last"]
    means = np.array([1, 0.5, 0, 0, 1, 0])
    assert last["accuracy"]["value"] == pytest.approx(means.mean())
    assert last["accuracy"]["method"] == "Korn-Graubard over problems"
    against = last["against"]["base"]
    assert (against["repaired"], against["broken"], against["test"]) == (1.5, 1.0, "paired bootstrap")
    assert against["difference"]["value"] == pytest.approx((means - [0, 0, 0, 0, 1, 1]).mean())
    assert last["recovery"]["value"] == pytest.approx((means.sum() - 2) / 4)


def test_recovery_is_undefined_where_rl_may_be_no_better_than_the_base():
    found = summarise(*verdicts(base="wcwcw", rl="cwwcc", oracle="ccccc"), [arm("oracle")], READING)["arms"]
    for title in found:
        recovery = found[title]["answers"]["last"]["recovery"]
        assert recovery["value"] is None
        assert recovery["low"] is None
        assert "contains 0" in recovery["reason"]


def test_only_problems_that_all_three_have_a_verdict_on_count_for_recovery():
    tables = verdicts(base="wwwwwwww-wc", rl="ccccccccc-w", entropy="cccwwww-cc ")
    last = summarise(*tables, [arm("entropy")], READING)["arms"]["entropy"]["answers"]["last"]
    assert (last["graded"], last["ungraded"]) == (9, 1)
    assert last["accuracy"]["value"] == pytest.approx(5 / 9)
    assert last["recovery"]["value"] == pytest.approx(3 / 7)
    assert last["recovery"]["n_problems"] == 7


def test_edits_and_gates_are_counted_per_token_and_per_response():
    arms = named_arms(("entropy", "random"), seeds=2)
    rollouts, grades = arm_tables(arms, problems=12)
    found = summarise(rollouts, grades, arms, READING)["arms"]
    for title, names in (("entropy(1.2)", ["entropy(1.2)"]), ("random", ["random#0", "random#1"])):
        gated = edited = tokens = responses = 0
        for row in rollouts[rollouts["arm"].isin(names)].itertuples():
            responses += 1
            for token, host, fired in zip(row.response_ids, row.host_ids, row.gated, strict=True):
                tokens, gated, edited = tokens + 1, gated + fired, edited + (token != host)
        assert found[title]["gated"]["value"] == pytest.approx(gated / tokens)
        assert found[title]["edited"]["value"] == pytest.approx(edited / tokens)
        assert found[title]["edited"]["n_tokens"] == tokens
        assert found[title]["no_ops"]["value"] == pytest.approx(1 - edited / gated)
        assert found[title]["edited_per_response"]["value"] == pytest.approx(edited / responses)
        assert found[title]["gated_per_response"]["value"] == pytest.approx(gated / responses)
    assert found["base"]["edited"]["value"] is None  # not 0: there is no other model that could edit


def test_an_arm_that_never_edits_has_a_bound_and_not_certainty():
    edited = summarise(*verdicts(base="wwww", rl="cccc", first="wwww"), [arm("first")], READING)["arms"]["first"][
        "edited"
    ]
    assert (edited["value"], edited["low"]) == (0, 0)
    assert edited["high"] == pytest.approx(1 - 0.025 ** (1 / 12))  # of tokens
    assert edited["problems_bound"] == pytest.approx(1 - 0.025 ** (1 / 4))


def test_the_oracle_is_found_out_as_an_identity_and_has_no_interval():
    arms = named_arms(("oracle", "entropy"))
    found = summarise(*arm_tables(arms, problems=20), arms, READING)["arms"]
    assert found["oracle"]["identity"] == "rl"
    assert found["oracle"]["identical"]["rl"]["value"] == 1
    assert found["oracle"]["apart"]["differing"] == 0
    assert found["entropy(1.2)"]["apart"] is None
    recovery = found["oracle"]["answers"]["last"]["recovery"]
    assert (recovery["value"], recovery["low"], recovery["high"]) == (1, None, None)
    assert "identity" in recovery["reason"]
    assert found["entropy(1.2)"]["identity"] is None
    assert found["entropy(1.2)"]["answers"]["last"]["recovery"]["low"] is not None


def test_one_differing_token_is_no_identity():
    arms = named_arms(("oracle",))
    rollouts, grades = arm_tables(arms, problems=20)
    row = rollouts.index[rollouts["arm"] == "oracle"][3]
    rollouts.at[row, "response_ids"] = rollouts.at[row, "response_ids"] + (
        np.arange(len(rollouts.at[row, "gated"])) == 5
    )
    found = summarise(rollouts, grades, arms, READING)["arms"]["oracle"]
    assert found["identity"] is None
    assert found["identical"]["rl"]["value"] == pytest.approx(19 / 20)
    apart = found["apart"]
    assert (apart["end"], apart["differing"], apart["responses"]) == ("rl", 1, 20)
    assert apart["share"]["value"] == pytest.approx(1 / 20)
    assert 0 <= apart["share"]["low"] < 1 / 20 < apart["share"]["high"]
    assert found["answers"]["last"]["recovery"]["low"] < 1 < found["answers"]["last"]["recovery"]["high"]


def test_an_arm_that_happens_to_say_what_rl_says_is_no_identity_and_not_certain():
    tables = verdicts(base="wwwwwwww", rl="cccccccc", kl="cccccccc")
    tables[0]["response_ids"] = tables[0]["host_ids"] = [[1, 2, 3 + (arm == "base")] for arm in tables[0]["arm"]]
    found = summarise(*tables, [arm("kl", spec="kl_above(0.1) x donor_argmax x base")], READING)["arms"]["kl"]
    assert found["identical"]["rl"]["value"] == 1
    assert found["identity"] is None
    assert found["answers"]["last"]["recovery"]["low"] < 1


@pytest.mark.parametrize(
    ("gate", "writer", "host", "end"),
    [
        ("disagree", "donor_argmax", "base", "rl"),
        ("always", "donor_draw", "rl", "base"),
        ("never", "host_second", "rl", "rl"),
        ("always", "mix(1)", "base", "rl"),
        ("delta_below(-0.3)", "mix(1)", "base", None),
        ("always", "mix(0)", "rl", "rl"),
        ("reranked(5)", "donor_argmax", "base", None),
        ("disagree", "host_random(20)", "base", None),
    ],
)
def test_what_is_an_identity_follows_from_gate_and_writer(gate, writer, host, end):
    assert arm("x", host=host, spec=f"{gate} x {writer} x {host}").identity == end


def test_arms_of_one_label_that_are_not_of_one_kind_are_not_pooled():
    tables = verdicts(base="wwww", rl="cccc", a="cccw", b="cwww", c="wwww")
    specs = {"a": "disagree x host_random(5) x base", "b": "disagree x host_random(20) x base"}
    arms = [arm(name, "random", seed=0, spec=f"{spec} x seed=0") for name, spec in specs.items()]
    arms.append(arm("c", "random", seed=1, spec=f"{specs['b']} x seed=1"))
    found = summarise(*tables, arms, READING)["arms"]
    titles = [f"random (donor allowed): {spec}" for spec in specs.values()]
    assert list(found)[1:-1] == titles
    assert [found[title]["names"] for title in titles] == [["a"], ["b", "c"]]


@pytest.mark.parametrize("writer", ["host_second", "host_random(20)", "host_sample", "rank_matched(3, 1)"])
def test_a_control_that_may_write_the_donors_token_is_shown_as_one_that_may(writer):
    free = arm("control", spec=f"disagree x {writer} x base x seed=0", seed=0)
    assert (free.title, free.allows_donor) == ("control (donor allowed)", True)
    bound = writer.removesuffix(")") + ("(" if "(" not in writer else ", ") + "without_donor)"
    assert arm("control", spec=f"disagree x {bound} x rl", host="rl").title == "control backward"
    assert arm("oracle", spec="disagree x donor_argmax x base").title == "oracle"


def told_of(writer, **columns):
    """The share of edits that are the donor's token: two problems, five edits, of which three are the donor's."""
    rollouts, grades = verdicts(base="ww", rl="cc", mine="cw")
    host, ids, donor = [[1, 2, 3], [1, 2, 3]], [[9, 8, 7], [9, 8, 3]], [[9, 8, 6], [9, 2, 3]]
    mine = rollouts["arm"] == "mine"
    rollouts = rollouts.astype({"response_ids": object, "host_ids": object}).assign(donor_ids=None)
    for column, values in {"response_ids": ids, "host_ids": host, **({"donor_ids": donor} | columns)}.items():
        for row, value in zip(rollouts.index[mine], values, strict=True):
            rollouts.at[row, column] = value
    return summarise(rollouts, grades, [arm("mine", spec=f"always x {writer} x base")], READING)["arms"]


def test_the_share_of_edits_that_are_the_donors_token_is_counted_over_edits():
    found = told_of("mix(0.5)")
    share = found["mine"]["donors_token"]
    assert (share["value"], share["n_tokens"]) == (pytest.approx(3 / 5), 5)
    assert share["low"] <= 3 / 5 <= share["high"]
    assert found["base"]["donors_token"]["value"] is None


def test_where_the_donors_tokens_were_not_kept_the_share_is_missing_unless_it_is_so_by_construction():
    unknown = {"donor_ids": [None, None]}
    assert "were not kept" in told_of("host_random(20)", **unknown)["mine (donor allowed)"]["donors_token"]["reason"]
    for writer, share in (("donor_argmax", 1), ("donor_draw", 1), ("host_random(20, without_donor)", 0)):
        told = told_of(writer, **unknown)["mine"]["donors_token"]
        assert (told["value"], told["low"], told["reason"]) == (share, None, "by construction")


def test_a_sampled_arm_is_compared_with_the_same_draws_of_its_ends():
    parts = []
    for draw in (0, 1):
        rollouts, grades = verdicts(base="wwwww", rl="ccccc", always="ccccc")
        ids = [[1, 7 + draw, 2 if name == "base" else 3] for name in rollouts["arm"]]
        parts.append((rollouts.assign(response_ids=ids, host_ids=ids, draw=draw), grades.assign(draw=draw)))
    tables = [pd.concat(both, ignore_index=True) for both in zip(*parts, strict=True)]
    arms = [arm("always", seed=0, spec="always x donor_draw x base x T=1,top_p=1 x seed=0")]
    found = summarise(*tables, arms, READING)["arms"]["always"]
    assert found["identical"]["rl"]["value"] == 1
    assert found["identity"] == "rl"
    assert found["answers"]["last"]["against"]["base"]["test"] == "paired bootstrap"


def test_a_backward_arm_goes_from_rl_down_to_the_base_by_the_same_formula():
    tables = verdicts(base="wwwwwwwc", rl="cccccccc", oracle="wwwwwwwc", entropy="cccwwwwc")
    arms = [arm("oracle", host="rl"), arm("entropy", host="rl")]
    found = summarise(*tables, arms, READING)["arms"]
    assert list(found) == ["base", "oracle backward", "entropy backward", "rl"]
    assert found["oracle backward"]["answers"]["last"]["recovery"]["value"] == 0
    assert found["entropy backward"]["answers"]["last"]["recovery"]["value"] == pytest.approx(3 / 7)
    assert found["entropy backward"]["answers"]["last"]["against"]["rl"]["broken"] == 4


EMPTY = tuple(pd.DataFrame({name: [] for name in schema.names}) for schema in (ROLLOUT_SCHEMA, GRADE_SCHEMA))


@pytest.mark.parametrize(
    ("tables", "arms"),
    [
        (arm_tables(problems=6), []),
        (arm_tables(problems=6), [arm("oracle"), arm("random#0", "random", seed=0)]),  # asked for, not yet decoded
        (arm_tables(problems=6, ends=("base",)), []),
        (arm_tables(named_arms(), problems=6), named_arms()),
        (arm_tables(named_arms(), problems=1), named_arms()),
        (EMPTY, [arm("oracle")]),
    ],
    ids=["only the ends", "arms without rollouts", "base alone", "everything", "one problem", "nothing"],
)
def test_the_summary_is_json_without_nan_and_each_missing_number_has_a_reason(tables, arms):
    found = summarise(*tables, arms, READING, {"p": "the prompt is too long"})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for entry in intervals(found):
        assert entry["reason"] or None not in (entry["value"], entry["low"], entry["high"])
    assert found["left_out"]["problems"] == 1


def intervals(value):
    """Every interval in a summary."""
    if isinstance(value, dict):
        if "n_problems" in value:
            yield value
        for inner in value.values():
            yield from intervals(inner)


def test_arms_of_the_run_that_were_not_asked_for_are_named_and_not_counted():
    tables = verdicts(base="wwww", rl="cccc", entropy="cccc", random="wwww")
    found = summarise(*tables, [arm("entropy")], READING)
    assert found["other_arms"] == ["random"]
    assert "random" not in found["arms"]


def test_the_order_of_rows_does_not_matter():
    arms = named_arms(("oracle", "random"))
    rollouts, grades = arm_tables(arms, problems=12)
    shuffled = rollouts.sample(frac=1, random_state=0), grades.sample(frac=1, random_state=1)
    assert summarise(*shuffled, arms, READING) == summarise(rollouts, grades, arms, READING)
