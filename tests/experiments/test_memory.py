"""What memory is measured on: a made-up run is one that the commands read."""

import pytest

from experiments.benchmarks.memory import COMPARED, LENGTH, make, with_signals
from rlprobe.commands.grade import grade
from rlprobe.commands.progress import Reporter
from rlprobe.records import MEMBERS
from rlprobe.runs import Run
from rlprobe.settings import GradeSettings


@pytest.fixture
def made(tmp_path) -> Run:
    return make(tmp_path / "run", 4 * LENGTH)


def test_a_made_up_run_has_the_rows_asked_for_and_is_summarised(made):
    shards = [shard for member in MEMBERS for shard in made.shards("tokens", member)]
    assert sum(len(made.read_shard("tokens", shard, ["token_id"])) for shard in shards) == 4 * LENGTH
    (of_tokens, of_arms) = grade(GradeSettings(run=made.path), Reporter(quiet=True))
    assert {file.name for file in of_tokens.files} >= {"sharpening.csv", "perplexity.csv"}
    assert "entropy" in str(of_arms.summary["arms"])


def test_signals_are_told_anew_of_all_its_tokens(made, tmp_path):
    (told,) = grade(GradeSettings(run=with_signals(tmp_path / "signals", made).path), Reporter(quiet=True))
    assert [point["signal"] for point in told.summary["points"]] == [*COMPARED]
    assert [*told.summary["detection"]] == [*COMPARED]
    assert {found["n_problems"] for found in told.summary["detection"].values()} == {2}
