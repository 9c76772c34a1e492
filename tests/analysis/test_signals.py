"""Signals at equal doses: expected edits by enumeration, differences by plain loops, Holm's correction by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_arms import arm_tables, named_arms

from rlprobe.analysis.calibration import Calibrated, Tried
from rlprobe.analysis.signals import (
    SIGNALS,
    Edited,
    Evaluated,
    Point,
    Search,
    calibration,
    compare,
    curve,
    detection,
    expected_edits,
    holm,
)
from rlprobe.settings import Reading

READING = Reading(resamples=200)


def made_points():
    """Three doses each of two families, taken for signals at three targets; one of them is random, with seeds."""
    targets = {0.1: 0.25, 0.5: 0.5, 1.0: 0.75}
    dose = {arm.dose: arm for arm in named_arms(("dose",))}
    entropy = {arm.dose: arm for arm in named_arms(("entropy",))}
    points = [Point("delta", dose[targets[t]].dose, t, (dose[targets[t]],)) for t in targets]
    points += [Point("entropy", tau, t, (entropy[tau],)) for t, tau in ((0.1, 1.8), (1.0, 0.3))]
    seeds = tuple(named_arms(("random",)))
    return [*points, Point("random", 0.2, 0.1, seeds)]


@pytest.fixture(scope="module")
def found():
    points = made_points()
    oracles = named_arms(("oracle",))
    tables = arm_tables([*oracles, *(arm for point in points for arm in point.arms)])
    return Evaluated(*tables, oracles, points)


def right(grades, names, answer="last"):
    """Each problem's share of right answers."""
    known = grades[grades["arm"].isin(names) & grades[f"status_{answer}"].notna()]
    return (known[f"status_{answer}"] == "correct").groupby(known["problem_id"]).mean()


def test_edits_are_counted_without_no_ops():
    rollouts = pd.DataFrame(
        {
            "response_ids": [np.array([1, 2, 3]), np.array([4, 5])],
            "host_ids": [np.array([1, 9, 3]), np.array([4, 5])],
            "gated": [np.array([True, True, False]), np.array([False, True])],
        }
    )
    assert Edited.of(rollouts) == Edited(tokens=5, gated=3, edited=1)
    assert Edited.of(rollouts).share() == 0.2
    assert Edited.of(rollouts).share("replaced") == 0.6


def dose_of(rollouts, names, problems, replaced):
    """Changed tokens of all tokens of some arms, in a plain loop."""
    changed = tokens = 0
    for row in rollouts[rollouts["arm"].isin(names) & rollouts["problem_id"].isin(problems)].itertuples():
        changed += row.gated.sum() if replaced else (np.array(row.response_ids) != np.array(row.host_ids)).sum()
        tokens += len(row.response_ids)
    return changed / tokens


def curve_by_hand(found, signal, problems, replaced):
    """(doses, accuracies) of a signal on some problems, the base alone first, in the order of the doses."""
    whole = 1 if replaced else dose_of(found.rollouts, ["oracle"], problems, False)
    knots = [(0.0, right(found.grades, ["base"])[problems].mean())]
    for point in found.points:
        if point.signal == signal:
            names = [arm.name for arm in point.arms]
            dose = dose_of(found.rollouts, names, problems, replaced) / whole
            knots.append((dose, right(found.grades, names)[problems].mean()))
    return zip(*sorted(knots), strict=True)


def problems_of(found, *signals):
    """Those on which the base and every point of some signals have a verdict."""
    names = [["base"], *([a.name for a in p.arms] for p in found.points if p.signal in signals)]
    return pd.concat([right(found.grades, each) for each in names], axis=1).dropna().index


def by_hand(found, first, other, target, replaced):
    """(difference, dose) at a target."""
    problems = problems_of(found, first, other)
    curves = [tuple(map(list, curve_by_hand(found, s, problems, replaced))) for s in (first, other)]
    at = min(target, *(doses[-1] for doses, _ in curves))
    mine, theirs = (np.interp(at, *curve) for curve in curves)
    return mine - theirs, at


@pytest.mark.parametrize("equal", ["edits", "replaced"])
def test_differences_are_at_matched_dose_on_the_same_problems(found, equal):
    summary, replaced = compare(replace(found, equal=equal), READING), equal == "replaced"
    told = {(row["other"], row["target"]) for row in summary["differences"]}
    assert told == {("entropy", 0.1), ("entropy", 1.0), ("random", 0.1)}
    for row in summary["differences"]:
        difference, at = by_hand(found, "delta", row["other"], row["target"], replaced)
        assert row["difference"]["value"] == pytest.approx(difference)
        assert row["at"] == [pytest.approx(at)]
        assert row["problems"] == len(problems_of(found, "delta", row["other"]))
        assert row["difference"]["low"] <= row["difference"]["value"] <= row["difference"]["high"]
        assert row["test"] == "paired bootstrap at matched dose"


@pytest.mark.parametrize("equal", ["edits", "replaced"])
def test_the_overall_difference_is_the_mean_over_the_targets_that_both_reached(found, equal):
    summary, replaced = compare(replace(found, equal=equal), READING), equal == "replaced"
    overall = {row["other"]: row for row in summary["overall"] if row["first"] == "delta"}
    assert overall["entropy"]["targets"] == [0.1, 1.0]
    each = [by_hand(found, "delta", "entropy", target, replaced)[0] for target in (0.1, 1.0)]
    assert overall["entropy"]["difference"]["value"] == pytest.approx(np.mean(each))
    assert overall["entropy"]["tests"] == 3  # every two of the three signals


@pytest.mark.parametrize("equal", ["edits", "replaced"])
def test_a_point_tells_the_dose_that_was_realised_beside_the_one_that_was_wanted(found, equal):
    everyone, replaced = found.rollouts["problem_id"].unique(), equal == "replaced"
    whole = 1 if replaced else dose_of(found.rollouts, ["oracle"], everyone, False)
    for point, told in zip(found.points, compare(replace(found, equal=equal), READING)["points"], strict=True):
        dose = dose_of(found.rollouts, [arm.name for arm in point.arms], everyone, replaced) / whole
        assert told["target"] == point.target
        assert told["dose"]["value"] == pytest.approx(dose)
        assert told["dose"]["low"] < dose < told["dose"]["high"]


def test_a_rival_without_a_shared_target_has_a_reason_and_no_p_value(found):
    alone = Evaluated(found.rollouts, found.grades, found.oracles, [found.points[1], found.points[-1]])
    (row,) = compare(alone, READING)["overall"]
    assert (row["difference"]["value"], row["p_value"], row["p_adjusted"], row["tests"]) == (None, None, None, 0)
    assert row["difference"]["reason"]
    none = compare(Evaluated(found.rollouts, found.grades, found.oracles, []), READING)
    assert none["differences"] == none["overall"] == []


def test_the_points_keep_what_is_needed_to_read_them_again(found):
    summary = compare(found, READING)
    for point, saved in zip(found.points, summary["points"], strict=True):
        assert saved["title"] in summary["arms"]
        assert [arm["name"] for arm in saved["arms"]] == [arm.name for arm in point.arms]


def test_holms_correction_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holms_correction_never_helps_and_keeps_the_order():
    p = np.random.default_rng(0).random(20) ** 3
    adjusted = np.array(holm(p.tolist()))
    assert (adjusted >= p).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert adjusted.min() == pytest.approx(20 * p.min())


def table_of(host, donor):
    """A token table whose rows are the tokens of one distribution, the base's `host` and RL's `donor`."""
    return pd.DataFrame({"logprob_base": np.log(host), "logprob_rl": np.log(donor)})


def test_expected_edits_of_sampled_arms_by_enumeration():
    rng = np.random.default_rng(1)
    base, rl = rng.dirichlet(np.ones(7), 2)
    coupled = expected_edits(table_of(base, rl), "base", sampled=True)
    assert (base * coupled).sum() == pytest.approx(np.abs(base - rl).sum() / 2)  # the total variation distance
    backward = expected_edits(table_of(base, rl), "rl", sampled=True)
    assert (rl * backward).sum() == pytest.approx(np.abs(base - rl).sum() / 2)


@pytest.mark.parametrize("host", ["base", "rl"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_curve_counts_the_disagreements_that_a_gate_would_catch(signal, host):
    rng, n, donor = np.random.default_rng(2), 300, {"base": "rl", "rl": "base"}[host]
    names = ["entropy_base", "entropy_rl", "margin_base", "margin_rl", "js", "kl_rl_base", "kl_base_rl"]
    tokens = pd.DataFrame({name: rng.exponential(1, n) for name in names})
    tokens = tokens.assign(arm="some other name", argmax_base=rng.integers(0, 3, n), argmax_rl=rng.integers(0, 3, n))
    tokens = tokens.assign(logprob_base=-rng.exponential(1, n), logprob_rl=-rng.exponential(1, n))
    tokens = tokens.assign(learned=rng.normal(0, 3, n))
    along, differs = curve(tokens, signal, host, sampled=False), tokens["argmax_base"] != tokens["argmax_rl"]
    middle = len(along.thresholds) // 2
    threshold, estimate = along.thresholds[middle], along.estimates[middle]
    fired = {
        "delta": tokens[f"logprob_{donor}"] - tokens[f"logprob_{host}"] < threshold,
        "kl": tokens[f"kl_{donor}_{host}"] >= threshold,
        "js": tokens["js"] >= threshold,
        "entropy": tokens[f"entropy_{host}"] > threshold,
        "margin": tokens[f"margin_{host}"] < threshold,
        "learned": tokens["learned"] >= threshold,
        "random": pd.Series(np.full(n, threshold)),
    }[signal]
    assert estimate == pytest.approx((differs * fired).mean())


def test_detection_counts_the_pairs_that_stand_in_the_right_order():
    rng, n = np.random.default_rng(3), 200
    tokens = pd.DataFrame({"problem_id": [f"q{i % 9}" for i in range(n)], "learned": rng.normal(0, 1, n).round(1)})
    tokens = tokens.assign(argmax_base=0, argmax_rl=(rng.random(n) < 0.3).astype(int), margin_base=rng.random(n))
    found = detection(lambda: [tokens], ("learned", "margin", "random"), "base", READING.resampling)
    assert list(found) == ["learned", "margin"]  # chance tells nothing
    for signal, scores in (("learned", tokens["learned"]), ("margin", -tokens["margin_base"])):
        inside, outside = (scores[tokens["argmax_rl"] == k].to_numpy()[:, None] for k in (1, 0))
        pairs = (inside > outside.T) + (inside == outside.T) / 2
        assert found[signal].value == pytest.approx(pairs.mean())
        assert found[signal].n_tokens == n


def test_a_curve_of_replaced_tokens_counts_the_gates_firings():
    tokens = pd.DataFrame({"entropy_base": np.arange(10.0), "argmax_base": 0, "argmax_rl": 0, "arm": "base"})
    along = curve(tokens, "entropy", "base", sampled=False, equal="replaced")
    np.testing.assert_allclose(along.estimates, np.arange(1, 10) / 10)  # though no edit is expected anywhere
    np.testing.assert_allclose(along.thresholds, np.arange(8.5, 0, -1))


def test_the_calibration_tells_what_was_reached_and_why_not():
    tried = [Tried(9, 0.5, 0.02), Tried(3, 0.9, 0.011)]
    found = {0.1: Calibrated(0.01, 0.9, tried[1], 2), 0.5: Calibrated(0.05, None, tried[0], 0, "out of reach")}
    edited = {0.5: Edited(1000, 60, 20), 0.9: Edited(1000, 30, 11)}
    told = calibration([Search("kl", found, tried, edited)], Edited(2000, 200, 200))
    reached, absent = told["targets"]
    assert told["oracle"]["rate"] == 0.1
    assert (reached["reached"], reached["gated"], reached["threshold"], reached["reason"]) == (0.011, 0.03, 0.9, None)
    assert (absent["reached"], absent["gated"], absent["threshold"]) == (None, None, None)
    assert (absent["nearest"], absent["reason"]) == (0.02, "out of reach")
    assert (reached["edited"], absent["edited"]) == (0.011, None)
    assert [t["threshold"] for t in told["tried"]] == [0.9, 0.5]  # from the strictest
