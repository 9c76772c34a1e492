"""The two halves of a run's problems: disjoint, complete, stable, and refused where one is empty."""

import pytest

from rlprobe.analysis.halves import HALVES, half_of
from rlprobe.commands.halves import only, split
from rlprobe.commands.merge import brought_together
from rlprobe.commands.prepare import prepare
from rlprobe.commands.progress import Reporter
from rlprobe.errors import BadInput
from rlprobe.records import ROLLOUT_SCHEMA
from rlprobe.runs import Shard
from rlprobe.settings import ComputeChoice, OutputChoice, PairChoice, ProblemChoice, Settings


@pytest.fixture
def prepared(rlprobe):
    """Twelve small problems and the tiny pair."""

    def make(limit=None, n=12):
        return prepare(
            Settings(
                pair=PairChoice(base=str(rlprobe.base), rl=str(rlprobe.rl), device="cpu"),
                problems=ProblemChoice(str(rlprobe.problems(n)), style="question_answer", limit=limit),
                compute=ComputeChoice(max_new_tokens=20, block=3),
                output=OutputChoice(rlprobe.tmp_path / "run"),
            ),
            {},
        )

    return make


def test_every_problem_is_in_one_half_in_the_order_of_the_run(prepared):
    whole = prepared()
    ids = [[p.problem_id for p in only(whole, half).problems] for half in HALVES]
    assert not set(ids[0]) & set(ids[1])
    everyone = [p.problem_id for p in whole.problems]
    assert sorted(ids[0] + ids[1]) == sorted(everyone)
    assert all(half == [i for i in everyone if i in half] for half in ids)


def test_a_problem_never_changes_its_half():
    # written down, since another hash would show problems to the evaluation that thresholds were set on
    assert [half_of(f"test-{i:05d}")[0] for i in range(12)] == list("cceccceceeee")
    numbers = [half_of(f"test-{i:05d}") for i in range(2000)]
    assert 900 < numbers.count("calibration") < 1100


def test_a_larger_limit_extends_both_halves(prepared):
    small, large = prepared(limit=8), prepared()
    for half in HALVES:
        few, many = only(small, half).problems, only(large, half).problems
        assert many[: len(few)] == few


def test_a_half_is_a_run_of_its_own_with_an_identity_of_its_own(prepared):
    whole = prepared()
    with split(whole, OutputChoice(whole.out), Reporter(quiet=True)) as parts:
        for name, part in parts.items():
            assert part.run.path == whole.out / "signals" / name
            assert part.run.identity["half"] == name
            assert [p.problem_id for p in part.run.problems()] == [p.problem_id for p in part.prepared.problems]
    assert parts["calibration"].prepared.pair is parts["evaluation"].prepared.pair  # weights are loaded once


def test_a_half_without_problems_is_refused(prepared):
    one = prepared(limit=1)
    empty = next(half for half in HALVES if half != half_of(one.problems[0].problem_id))
    with pytest.raises(BadInput, match=f"the {empty} half of 1 problems is empty"):
        only(one, empty)


def test_merging_machines_leaves_their_halves_where_they_are(prepared, tmp_path):
    whole = prepared()
    quiet = Reporter(quiet=True)
    with whole.open_run(OutputChoice(whole.out), quiet) as run, split(whole, OutputChoice(whole.out), quiet) as parts:
        for part in parts.values():
            part.run.write_shard("rollouts", Shard("base", 0, 3), ROLLOUT_SCHEMA.empty_table())
        run.write_shard("rollouts", Shard("base", 0, 12), ROLLOUT_SCHEMA.empty_table())
    with brought_together(tmp_path / "merged", [run]) as merged:
        pass
    assert [str(f.relative_to(merged.path)) for f in merged.path.rglob("*-*.parquet")] == [
        "rollouts/base/000000-000012.parquet"
    ]
