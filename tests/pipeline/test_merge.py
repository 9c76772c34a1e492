"""`rlprobe merge`: what is brought together, what is refused, and which problems no part holds."""

import json
import shutil

import pytest
from synthetic_run import make_run

from rlprobe import runs, storage
from rlprobe.commands.merge import brought_together, problems_unheld
from rlprobe.errors import BadInput, Damaged, OtherRun
from rlprobe.records import GRADE_SCHEMA, ROLLOUT_SCHEMA, Problem
from rlprobe.runs import Shard
from rlprobe.settings import Share

LAYER = "rollouts"


def rollouts(shard, stop="eos"):
    rows = [
        {
            "arm": shard.arm,
            "problem_id": f"p{i}",
            "draw": shard.draw,
            "response_ids": [i],
            "stop": stop,
            "made": "engine",
        }
        for i in range(shard.start, shard.stop)
    ]
    return runs.pa.Table.from_pylist(rows, schema=ROLLOUT_SCHEMA)


def part(path, share=runs.ALL, n=30, block=4, arms=("base",), draws=1, identity=None):
    run = runs.create_or_resume(path, identity or {"pair": "a"}, {})
    run.extend([Problem(f"p{i}", f"question {i}", str(i), "test") for i in range(n)], {"p1": "too long"})
    for arm in arms:
        for shard in run.missing(LAYER, arm, block, share, draws=draws):
            run.write_shard(LAYER, shard, rollouts(shard))
    return run


def test_shares_merge_to_the_bytes_of_the_whole(tmp_path):
    whole = part(tmp_path / "whole", draws=2)
    parts = [part(tmp_path / f"part{i}", Share(i, 3), draws=2) for i in range(3)]
    parts[1].write_json("grades/x/settings.json", {"answer": "last"})
    parts[2].keep_tokenizer(lambda folder: (folder / "tokenizer.json").write_text("{}"))
    with brought_together(tmp_path / "merged", parts) as merged:
        assert problems_unheld(merged) == []
    for file in whole.files("**/*.parquet") + whole.files("**/*.sha256"):
        assert (merged.path / file.relative_to(whole.path)).read_bytes() == file.read_bytes()
    assert merged.problems() == whole.problems()
    assert (merged.tokenizer_folder / "tokenizer.json").read_text() == "{}"
    assert (merged.path / "grades/x/settings.json").exists(), "how the verdicts that were brought along were made"


def test_what_is_merged_can_be_one_of_the_parts(tmp_path):
    one, two = (part(tmp_path / str(i), Share(i, 2)) for i in range(2))
    for _ in range(2):
        with brought_together(one.path, [one, two]) as merged:
            assert problems_unheld(merged) == []


@pytest.mark.parametrize("harm", ["flip", "cut", "digest"])
def test_a_damaged_part_is_refused_before_anything_is_written(tmp_path, harm):
    one, two = (part(tmp_path / str(i), Share(i, 2)) for i in range(2))
    file = two.path / LAYER / "base" / two.shards(LAYER, "base")[0].file_name
    content = file.read_bytes()
    if harm == "digest":
        storage.digest_file(file).unlink()
    else:
        file.write_bytes(content[:-9] if harm == "cut" else content[:50] + b"\xff" + content[51:])
    with pytest.raises(Damaged, match=file.name), brought_together(tmp_path / "merged", [one, two]):
        pytest.fail("this is never reached")
    assert not (tmp_path / "merged").exists()


def test_parts_that_conflict_are_refused(tmp_path):
    one, two = (part(tmp_path / str(i), n=8) for i in range(2))
    shard = Shard("base", 4, 8)
    two.write_shard(LAYER, shard, rollouts(shard, "length"))
    refused = pytest.raises(BadInput, match=r"000004-000008\.parquet is not the same as in .*merge again")
    with refused, brought_together(tmp_path / "merged", [one, two]):
        pytest.fail("this is never reached")
    other = part(tmp_path / "other", identity={"pair": "b"})
    with pytest.raises(OtherRun, match="pair is"), brought_together(tmp_path / "merged", [one, other]):
        pytest.fail("this is never reached")
    wide = part(tmp_path / "wide", n=30, block=100)
    refused = pytest.raises(BadInput, match="overlap; merge runs of one --limit")
    with refused, brought_together(tmp_path / "merged", [one, wide]):
        pytest.fail("this is never reached")
    assert not (tmp_path / "merged").exists()


def test_parts_of_other_problems_are_refused(tmp_path):
    one, two = part(tmp_path / "one", n=4), runs.create_or_resume(tmp_path / "two", {"pair": "a"}, {})
    two.extend([Problem(f"other{i}", "?", "1", "test") for i in range(8)], {})
    with pytest.raises(BadInput, match="hold different problems"), brought_together(tmp_path / "merged", [one, two]):
        pytest.fail("this is never reached")


def test_problems_that_no_part_holds_are_named(tmp_path):
    parts = [part(tmp_path / str(i), Share(i, 3), n=30, arms=("base", "rl"), draws=2) for i in range(3)]
    with brought_together(tmp_path / "two", parts[:2]) as merged:
        lacking = problems_unheld(merged)
    assert lacking == [f"p{i}" for start in (8, 20) for i in range(start, start + 4)]  # every third block of four


def test_an_arm_of_fewer_problems_is_no_hole_but_a_forgotten_draw_is(tmp_path):
    run = part(tmp_path / "run", n=12)
    run.write_shard(LAYER, Shard("always x base", 0, 4), rollouts(Shard("always x base", 0, 4)))
    assert problems_unheld(run) == []
    run.write_shard(LAYER, Shard("base", 0, 4, 2), rollouts(Shard("base", 0, 4, 2)))
    assert problems_unheld(run) == [f"p{i}" for i in range(12) if i != 1]  # draw 1 of all; p1 was left out


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Ninety-six problems in three shards an arm, and what two of three machines have of them."""
    folder = tmp_path_factory.mktemp("merge")
    whole = make_run(folder / "whole", problems=96, length=12, arms=())
    for number in range(3):
        shutil.copytree(whole.path, folder / f"part{number}")
        for file in (folder / f"part{number}").rglob("*-*.parquet"):
            if not file.name.startswith(f"{32 * number:06d}"):
                file.unlink()
    return folder


def test_a_forgotten_share_ends_with_3_and_is_accepted_by_number(finished, rlprobe):
    out = rlprobe.tmp_path / "merged"
    code, _, err = rlprobe("merge", out, finished / "part0", finished / "part2")
    assert (code, err.splitlines()[-1].startswith("rlprobe: finished, but")) == (3, True)
    assert "no part holds 32 of 96 problems: p0032, p0033," in err
    assert "32 are in no part; --max-failed 32 accepts that" in err
    assert json.loads((out / "summary.json").read_text())["problems"]["asked"] == 96, "it is written all the same"
    assert rlprobe("merge", out, finished / "part0", finished / "part2", "--max-failed", 32)[0] == 0
    code, _, err = rlprobe("merge", out, finished / "part1")
    assert (code, "no part holds" in err) == (0, False), "the third machine's share comes later"


def test_a_damaged_part_ends_with_1_and_a_conflict_with_2(finished, rlprobe, tmp_path):
    shutil.copytree(finished / "part0", tmp_path / "part")
    file = next((tmp_path / "part/tokens/rl").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    code, _, err = rlprobe("merge", tmp_path / "merged", finished / "part1", tmp_path / "part")
    assert (code, err.count("\n")) == (1, 1)
    assert f"{file} is damaged" in err
    run = runs.read(tmp_path / "part")
    shard = Shard("rl", 0, 32)
    run.write_shard("tokens", shard, runs.read(finished / "part0").read_shard("tokens", shard).slice(1))
    code, _, err = rlprobe("merge", tmp_path / "merged", finished / "part0", tmp_path / "part")
    assert (code, err.count("\n")) == (2, 1)
    assert "is not the same as in" in err


def test_shards_of_different_cards_are_told_and_hold_their_card(tmp_path):
    parts = [part(tmp_path / str(i), Share(i, 2), n=8) for i in range(2)]
    assert [one.cards() for one in parts] == [[], []]  # a CPU has no name there
    for number, one in enumerate(parts):
        one.made_on = [{"card": f"H{number}00", "driver": "580", "torch": "2.11"}]
        for shard in one.shards(LAYER, "base"):
            one.write_shard(LAYER, shard, rollouts(shard))
    with brought_together(tmp_path / "merged", parts) as merged:
        assert merged.cards() == ["H000, 580, 2.11", "H100, 580, 2.11"]
    parts[0].write_shard("grades/x", Shard("base", 0, 4), GRADE_SCHEMA.empty_table())
    file = next((parts[0].path / "grades/x/base").glob("*.parquet"))
    assert storage.made_on(file) == []  # verdicts are made on no card
