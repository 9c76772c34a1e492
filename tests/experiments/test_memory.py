"""What memory is measured on: a made-up run is one that the commands read."""

from experiments.benchmarks.memory import LENGTH, make
from rlprobe.commands.grade import grade
from rlprobe.commands.progress import Reporter
from rlprobe.records import MEMBERS
from rlprobe.settings import GradeSettings


def test_a_made_up_run_has_the_rows_asked_for_and_is_summarised(tmp_path):
    run = make(tmp_path / "run", 4 * LENGTH)
    shards = [shard for member in MEMBERS for shard in run.shards("tokens", member)]
    assert sum(len(run.read_shard("tokens", shard, ["token_id"])) for shard in shards) == 4 * LENGTH
    (of_tokens, of_arms) = grade(GradeSettings(run=run.path), Reporter(quiet=True))
    assert {file.name for file in of_tokens.files} >= {"sharpening.csv", "perplexity.csv"}
    assert "entropy" in str(of_arms.summary["arms"])
