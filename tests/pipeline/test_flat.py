"""What is read of a run a stretch at a time gives the files that it gives at once."""

import pytest
from held import held
from synthetic_run import make_run

from rlprobe import runs
from rlprobe.commands.direction import direction
from rlprobe.commands.disagree import summarise_run
from rlprobe.commands.progress import Reporter
from rlprobe.commands.report import report
from rlprobe.commands.shown import First
from rlprobe.settings import DirectionSettings, Reading, ReportSettings

READING = Reading(resamples=100)
READERS = {
    "disagree": lambda path: summarise_run(First(runs.read(path)), "grades/made", READING),
    "direction": lambda path: direction(DirectionSettings(run=path, reading=READING), Reporter()),
    "report": lambda path: report(ReportSettings(run=path, limit=1000), Reporter()),
}


@pytest.mark.parametrize("name", READERS)
def test_a_command_that_holds_little_writes_the_bytes_of_one_that_holds_all(tmp_path, name):
    told = {}
    for rows in (10**6, 600):
        run = make_run(tmp_path / str(rows) / "run", problems=34)
        before = {file.relative_to(run.path) for file in run.files("**/*")}
        with held(rows):
            READERS[name](run.path)
        there = {file.relative_to(run.path): file.read_bytes() for file in run.files("**/*")}
        told[rows] = {path: content for path, content in there.items() if path not in before}
    assert told[600] == told[10**6]
    assert len(told[600]) >= 2
