import numpy as np
import pandas as pd
import pytest
from synthetic_tables import tables

from rlprobe.analysis.answered import with_answers
from rlprobe.analysis.classes import classify
from rlprobe.analysis.points import choose, describe, first_disagreements
from rlprobe.errors import BadInput
from rlprobe.settings import PointChoice, Reading

READING = Reading(resamples=200)


@pytest.fixture(scope="module")
def tokens():
    made, _, grades = tables(problems=60)
    return with_answers(made[made["arm"] == "base"], grades, "last")


def test_places_are_disagreements_before_the_answers_end_and_as_many_unchanged_ones(tokens):
    chosen = choose(tokens, PointChoice(points=30), READING)
    assert chosen["group"].value_counts().to_dict() == {"disagreement": 30, "unchanged": 30}
    assert not chosen["after_answer"].any()
    differ = chosen["argmax_base"] != chosen["argmax_rl"]
    assert (differ == (chosen["group"] == "disagreement")).all()
    assert not chosen.duplicated(["problem_id", "position"]).any()


def test_each_unchanged_place_is_the_nearest_in_entropy_that_was_left(tokens):
    chosen = choose(tokens, PointChoice(points=10), READING)
    here = tokens[~tokens["after_answer"]]
    pool = here.loc[classify(here, 5) == "unchanged", "entropy_base"].tolist()
    wanted = sorted(chosen.loc[chosen["group"] == "disagreement", "entropy_base"], reverse=True)
    expected = []
    for value in wanted:
        nearest = min(pool, key=lambda x: (abs(x - value), x))
        pool.remove(nearest)
        expected.append(nearest)
    found = chosen.loc[chosen["group"] == "unchanged", "entropy_base"]
    assert np.allclose(sorted(found), sorted(expected))


def test_the_same_seed_chooses_the_same_places_and_another_seed_others(tokens):
    first, again = (choose(tokens, PointChoice(points=20), READING) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other = choose(tokens, PointChoice(points=20), Reading(seed=1))
    assert not first[["problem_id", "position"]].equals(other[["problem_id", "position"]])


def test_a_class_that_the_run_has_no_position_of_is_named(tokens):
    none_shifted = tokens.assign(rank_base_of_rl=tokens["rank_base_of_rl"].clip(upper=5))
    with pytest.raises(BadInput, match="no shifted position on the text of base"):
        choose(none_shifted, PointChoice(kind="shifted"), READING)


def test_shifted_places_alone_can_be_asked_for(tokens):
    chosen = choose(tokens, PointChoice(kind="shifted"), READING)
    assert (chosen.loc[chosen["group"] == "disagreement", "class"] == "shifted").all()


@pytest.mark.parametrize("wrong", [{"kind": "all"}, {"trajectory": "both"}, {"points": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInput):
        PointChoice(**wrong)


def test_groups_are_described_by_their_mean_entropy(tokens):
    chosen = choose(tokens, PointChoice(points=30), READING)
    found = describe(chosen, READING)
    rows = chosen[chosen["group"] == "unchanged"]
    assert found["unchanged"]["points"] == len(rows)
    assert found["unchanged"]["problems"] == rows["problem_id"].nunique()
    assert found["unchanged"]["entropy"].value == pytest.approx(rows["entropy_base"].mean(), rel=1e-5)


def test_first_disagreements_are_the_earliest_of_each_response_whatever_kind_is_asked_for(tokens):
    here = tokens[~tokens["after_answer"]]
    here = here.assign(**{"class": classify(here, 5).astype(str)}).sort_values("position")
    expected = {i: rows.iloc[0] for i, rows in here[here["class"] != "unchanged"].groupby("problem_id")}
    found = first_disagreements(tokens, PointChoice(), READING)
    assert dict(zip(found["problem_id"], found["position"], strict=True)) == {
        i: row["position"] for i, row in expected.items()
    }
    shifted = first_disagreements(tokens, PointChoice(kind="shifted"), READING)
    assert set(shifted["problem_id"]) == {i for i, row in expected.items() if row["class"] == "shifted"}
    assert len(first_disagreements(tokens, PointChoice(points=3), READING)) == 3
