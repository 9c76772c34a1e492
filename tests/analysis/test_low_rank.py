"""What is left of RL's choices, counted by hand."""

import pandas as pd
import pytest

from rlprobe.analysis.weights import compare_choices
from rlprobe.settings import Resampling


def test_choices_are_counted_by_hand():
    # positions:  same for all | edit kept | edit dropped | edit to a third token | new edit | same
    base, rl, its = [1, 2, 3, 4, 5, 6], [1, 7, 8, 9, 5, 6], [1, 7, 3, 5, 4, 6]
    key = {"problem_id": list("aaabbb"), "draw": 0, "position": [0, 1, 2, 0, 1, 2]}
    tokens = pd.DataFrame(key | {"argmax_base": base, "argmax_rl": rl})
    read = pd.DataFrame(key | {"argmax": its, "kl_from_rl": [0, 1, 2, 3, 0, 0]}).sample(frac=1, random_state=0)
    found = {name: interval.value for name, interval in compare_choices(read, tokens, Resampling()).items()}
    assert found == {
        "disagrees": pytest.approx(3 / 6),
        "agrees": pytest.approx(3 / 6),
        "kept": pytest.approx(1 / 3),
        "other": pytest.approx(1 / 3),
        "new": pytest.approx(1 / 3),
        "kl": pytest.approx(1),
    }


def test_without_edits_none_can_be_kept():
    key = {"problem_id": ["a", "b"], "draw": 0, "position": 0}
    tokens = pd.DataFrame(key | {"argmax_base": [1, 2], "argmax_rl": [1, 2]})
    read = pd.DataFrame(key | {"argmax": [1, 3], "kl_from_rl": [0.0, 0.0]})
    found = compare_choices(read, tokens, Resampling())
    assert found["kept"].value is None
    assert found["new"].value == 0.5
