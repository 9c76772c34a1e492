"""The first screen: what it says of a summary, and what it does not say where nothing was found."""

from rlprobe.reporting.page.answer import Answer, answer


def interval(value, low=None, high=None, **more):
    return {"value": value, "low": low, "high": high, "n_tokens": 9, **more}


def summary(**changes):
    arms = {"base": {"accuracy": interval(0.5, 0.4, 0.6)}, "rl": {"accuracy": interval(0.75, 0.7, 0.8)}}
    test = {"only_rl": 1200, "only_base": 1}
    of_text = {
        "rates": {"all": {"micro": {"disagreements": interval(0.02, 0.01, 0.03)}}},
        "entropy": {"ratio": interval(11.9, 10, 14.7)},
    }
    found = {
        "reading": {"answer": "last"},
        "accuracy": {"last": {"arms": arms, "gain": interval(0.25, 0.1, 0.4), "mcnemar": test}},
        "trajectories": {"base": of_text},
    }
    return found | changes


def flips(**changes):
    fix = {"problems": 20, "problems_with": interval(0.5, 0.3, 0.7)}
    return {"scope": "solved", "problem": None, "single": {"fix": fix}} | changes


def test_it_says_two_accuracies_what_changed_and_the_share_of_tokens():
    found = [(fact.who, str(fact.cell), fact.table, fact.more) for fact in answer(summary(), {}).facts]
    assert found == [
        ("base", "50.0 % [40.0, 60.0]", "accuracy", ""),
        ("rl", "75.0 % [70.0, 80.0]", "accuracy", ""),
        ("", "25.0 % [10.0, 40.0]", "accuracy", "1,200 repaired, 1 broken"),
        ("", "2.00 % [1.00, 3.00]", "rates", "of its tokens"),
    ]


def test_the_sentence_is_of_single_tokens_where_they_were_tried_else_of_entropy():
    said = answer(summary(), flips()).sentence
    assert (str(said.cell), said.table) == ("50.0 % [30.0, 70.0]", "flips")
    assert "of the 20 problems that RL alone gets right" in said.more
    assert "that the base gets wrong" in answer(summary(), flips(scope="all")).sentence.more
    for untold in ({}, flips(problem="word-0001"), flips(single={"fix": {"problems": 0}})):
        said = answer(summary(), untold).sentence
        assert (str(said.cell), said.table) == ("11.9× [10.0, 14.7]", "classes")


def test_what_was_not_found_is_not_said():
    assert answer({}, flips()) == Answer()
    ungraded = answer(summary(accuracy=None), {})
    assert [fact.table for fact in ungraded.facts] == ["rates"]
    silent = summary(trajectories={"base": {"rates": {"all": {"micro": None}}, "entropy": {"ratio": interval(None)}}})
    assert answer(silent, {}).sentence is None
