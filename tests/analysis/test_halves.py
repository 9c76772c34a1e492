"""One split of the problems, everywhere: where something is chosen on data, and nowhere another way."""

import re
from pathlib import Path

import pytest

import rlprobe
from rlprobe.analysis.halves import HALVES, half_of, members
from rlprobe.errors import BadInput

SOURCES = {str(f.relative_to(Path(rlprobe.__file__).parent)): f for f in Path(rlprobe.__file__).parent.rglob("*.py")}
# what chooses a number on data: thresholds by signal, a coefficient, percentiles and ranks
CHOOSE = ("commands/signals.py", "commands/steer.py", "commands/intervene.py")


def test_the_halves_share_nothing_and_are_everything():
    ids = [f"test-{i:05d}" for i in range(500)]
    calibration, evaluation = (members(ids, half) for half in HALVES)
    assert not set(calibration) & set(evaluation)
    assert sorted(calibration + evaluation) == ids
    assert calibration == [i for i in ids if half_of(i) == "calibration"]  # in their order
    assert 200 < len(calibration) < 300


def test_too_few_problems_are_refused_in_one_line_that_says_what_to_do():
    with pytest.raises(BadInput) as refused:
        members(["test-00000"], next(half for half in HALVES if half != half_of("test-00000")))
    assert "half of 1 problems is empty; give a larger --limit" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("place", CHOOSE)
def test_what_chooses_on_data_takes_the_one_split(place):
    assert "from rlprobe.analysis.halves import" in SOURCES[place].read_text()


def test_nothing_splits_problems_another_way():
    another = re.compile(r"permutation\(len\(|// 2\]|train_test|% 2\] *#|shuffle\(")
    found = [name for name, file in SOURCES.items() if another.search(file.read_text()) and "halves" not in name]
    assert [name for name in found if name.startswith(("commands", "analysis"))] == []
