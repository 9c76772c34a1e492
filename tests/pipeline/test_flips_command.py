"""`rlprobe flips` from the command line."""

import json

import pytest


@pytest.mark.slow
def test_flips_need_a_run_of_disagree_and_say_so(rlprobe):
    arguments = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 30)
    where = ("--shard-size", 3, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "run")
    code, _, err = rlprobe("flips", *arguments, *where)
    assert code == 2
    assert "rlprobe disagree" in err
    rlprobe.finished()
    code, out, err = rlprobe("flips", *arguments, *where, "--all", "--json")
    assert code == 0, err
    assert json.loads(out)
    assert (rlprobe.tmp_path / "run" / "tables" / "flips.md").exists()
    code, _, err = rlprobe("flips", *arguments, *where, "--problem", "no-such")
    assert code == 2
    assert "no-such" in err
