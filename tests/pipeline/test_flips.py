"""`rlprobe flips` on the tiny pair: tables against lock-step by hand, resuming, scopes, and what it refuses.

Tiny random models box nothing, so a judge takes the grader's place: any rule on texts under which RL is right and the
base is wrong will do.
"""

import json
import shutil
import zlib
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from conftest import save_pair
from making import contents
from rich.console import Console

from rlprobe import runs
from rlprobe.commands.disagree import disagree
from rlprobe.commands.flips import flips, plan
from rlprobe.commands.progress import Reporter
from rlprobe.commands.verdicts import grader_for
from rlprobe.decoding import arms
from rlprobe.decoding.arms import Arm, Facts
from rlprobe.decoding.engine import DecodingSettings, Players, Task
from rlprobe.decoding.lockstep import decode_in_lockstep
from rlprobe.errors import BadInput, OtherRun
from rlprobe.pairs.loading import load, locate
from rlprobe.problems.grading import GraderSettings
from rlprobe.records import SearchEnd, Status
from rlprobe.settings import (
    ComputeChoice,
    DisagreeSettings,
    FlipChoice,
    FlipSettings,
    OutputChoice,
    PairChoice,
    ProblemChoice,
    Reading,
    made,
)

NEW = 20


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> DisagreeSettings:
    """What a run of six problems was made with."""
    folder = tmp_path_factory.mktemp("flips")
    base, rl = map(str, save_pair(folder, "llama", 0.1))
    rows = [{"id": f"q{i}", "question": f"Ann has {i} eggs. She buys {i + 2}.", "answer": "4"} for i in range(6)]
    problems = folder / "problems.jsonl"
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = DisagreeSettings(
        pair=PairChoice(base=base, rl=rl),
        problems=ProblemChoice(dataset=str(problems), style="question_answer"),
        compute=ComputeChoice(max_new_tokens=NEW, block=3),
        output=OutputChoice(folder / "run"),
        reading=Reading(),
        grader=GraderSettings(),
    )
    disagree(settings, Reporter(quiet=True))
    return settings


@pytest.fixture
def done(finished, tmp_path) -> FlipSettings:
    """A copy of the finished run, and the settings that fit it."""
    shutil.copytree(finished.output.out, tmp_path / "run")
    f = finished
    return FlipSettings(
        pair=f.pair,
        problems=f.problems,
        compute=f.compute,
        output=OutputChoice(tmp_path / "run"),
        reading=f.reading,
        grader=f.grader,
        flips=FlipChoice(),
    )


def ends_of(settings) -> dict[str, dict[str, dict]]:
    rows = runs.read(settings.output.out).table("rollouts").to_pylist()
    return {m: {r["problem_id"]: r for r in rows if r["arm"] == m} for m in ("base", "rl")}


class Rule:
    """Texts are right by lot, but RL's own always and the base's own never; `share` of them are."""

    def __init__(self, settings, share=0.3):
        located = locate(settings.pair)
        self.decode, self.stops, self.share = located.tokenizer.decode, located.stop_ids, share
        ends, self.asked = ends_of(settings), 0
        self.fixed = {self.text(r["response_ids"]): m == "rl" for m in ("base", "rl") for r in ends[m].values()}

    def text(self, ids) -> str:
        return self.decode(ids[:-1] if ids and ids[-1] in self.stops else ids)

    def right(self, text: str) -> bool:
        return self.fixed.get(text, zlib.crc32(text.encode()) % 100 < 100 * self.share)

    @contextmanager
    def judging(self, settings: GraderSettings):
        def judge(pairs):
            self.asked += len(pairs)
            return [Status.CORRECT if self.right(text) else Status.WRONG for text, _ in pairs]

        yield judge


def flipped(settings, rule):
    return flips(settings, Reporter(quiet=True), rule.judging)


def tables(settings, scope="solved", layers=()):
    run = runs.read(settings.output.out)
    found = []
    for layer in layers or ("single", f"needed-{settings.flips.most_trials}"):
        layer = f"flips/{grader_for(run.identity, settings.grader).key}/{layer}"
        found.append([row for s in run.shards(layer, scope) for row in run.read_shard(layer, s).to_pylist()])
    return found


def by_lockstep(settings, asked):
    """The ids that edit sets give: asked is [(problem_id, ordinals)]."""
    pair = load(locate(settings.pair))
    base = ends_of(settings)["base"]
    tasks = [Task(i, base[i]["prompt_ids"], facts=Facts(ordinals=frozenset(s))) for i, s in asked]
    of = DecodingSettings(NEW, 16, pair.stop_ids, pair.context)
    players, arm = Players(pair.base, pair.rl, pair.vocabulary), Arm(arms.disagree(), arms.donor_at_ordinals())
    return decode_in_lockstep(players, arm, tasks, of)


@pytest.mark.slow
def test_flips_and_needed_edits_are_what_lockstep_and_every_subset_say(done):
    rule = Rule(done, share=0.06)
    written = flipped(done, rule)
    single, needed = tables(done)
    assert len(needed) == 6
    assert {row["end"] for row in needed} >= {SearchEnd.ONE_FLIP, SearchEnd.MINIMAL}

    ends = ends_of(done)
    hosts = by_lockstep(done, [(row["problem_id"], ()) for row in needed])
    for row, host in zip(needed, hosts, strict=True):
        mine = [flip for flip in single if flip["problem_id"] == row["problem_id"]]
        assert [flip["position"] for flip in mine] == [t for t, gated in enumerate(host.gated) if gated]
        assert row["flips"] == len(mine)
    ones = by_lockstep(done, [(flip["problem_id"], {flip["ordinal"]}) for flip in single])
    for flip, response in zip(single, ones, strict=True):
        assert (flip["response_ids"], flip["stop"]) == (response.ids, response.stop)
        assert flip["right"] == rule.right(rule.text(response.ids))

    for row in needed:
        kept = set(row["ordinals"])
        subsets = [kept, set(), *(kept - {n} for n in kept)]
        whole, empty, *spared = by_lockstep(done, [(row["problem_id"], s) for s in subsets])
        assert empty.ids == ends["base"][row["problem_id"]]["response_ids"]
        assert rule.right(rule.text(whole.ids))
        assert not any(rule.right(rule.text(r.ids)) for r in spared)
        edited = [t for t in range(len(whole.ids)) if whole.ids[t] != whole.host_ids[t]]
        assert row["positions"] == edited
        assert row["base_ids"] == [whole.host_ids[t] for t in edited]
        assert row["rl_ids"] == [whole.ids[t] for t in edited]
    oracles = by_lockstep(done, [(row["problem_id"], range(NEW)) for row in needed])
    assert [r.ids for r in oracles] == [ends["rl"][row["problem_id"]]["response_ids"] for row in needed]
    assert [r.edits for r in oracles] == [row["oracle_edits"] for row in needed]

    summary = json.loads((done.output.out / "flips.json").read_text())
    assert summary == json.loads(json.dumps(written.summary))
    assert summary["single"]["fix"]["flips"] == len(single)
    assert summary["single"]["fix"]["changed"] == sum(flip["right"] for flip in single)
    for name in ("flips", "needed_edits", "needed_sizes", "flip_tokens"):
        assert all((done.output.out / f"tables/{name}.{s}").stat().st_size > 0 for s in ("csv", "md", "tex"))


@pytest.mark.slow
def test_placebos_are_what_a_plain_loop_over_the_base_alone_says(done):
    rule = Rule(done, share=0.2)
    written = flipped(done, rule)
    single, rows = tables(done, layers=("single", "placebo"))
    pair, ends = load(locate(done.pair)), ends_of(done)["base"]
    stops = pair.stop_ids

    def logits(ids):
        with torch.no_grad():
            return [m.network(torch.tensor([ids])).logits[0, -1] for m in (pair.base, pair.rl)]

    for row in rows:
        end = ends[row["problem_id"]]
        ids = list(end["response_ids"][: row["position"]])
        base, rl = logits([*end["prompt_ids"], *ids])
        best = base.argsort(descending=True, stable=True).tolist()
        flip = next(f for f in single if (f["problem_id"], f["ordinal"]) == (row["problem_id"], row["ordinal"]))
        if row["kind"] == "same":
            assert row["position"] == flip["position"]
        assert (int(rl.argmax()) == best[0]) == (row["kind"] == "agreed")
        assert row["written_id"] == next(i for i in best[1:] if i != int(rl.argmax()))
        assert row["entropy"] == pytest.approx(float(torch.distributions.Categorical(logits=base).entropy()), abs=1e-3)
        ids.append(row["written_id"])
        while len(ids) < NEW and ids[-1] not in stops:
            ids.append(int(logits([*end["prompt_ids"], *ids])[0].argmax()))
        assert row["response_ids"] == ids
        assert row["right"] == rule.right(rule.text(ids))
    kinds = [row["kind"] for row in rows]
    assert kinds.count("same") == len(single) > 0 < kinds.count("agreed")
    told = written.summary["placebo"]["same"]["fix"]
    mine = [row["right"] for row in rows if row["kind"] == "same"]
    assert (told["flips"], told["changed"]) == (len(mine), sum(mine))
    assert told["difference"]["value"] == pytest.approx((sum(f["right"] for f in single) - sum(mine)) / len(mine))


def test_the_same_command_again_computes_nothing_and_other_rules_are_read_anew(done, monkeypatch):
    rule = Rule(done)
    flipped(done, rule)
    before = contents(done.output.out, "flips.json")
    monkeypatch.setattr("rlprobe.pairs.loading.load", lambda _: pytest.fail("weights were loaded"))
    asked = rule.asked
    flipped(done, rule)
    assert rule.asked == asked
    assert contents(done.output.out, "flips.json") == before


def test_an_interrupted_command_goes_on_where_it_stopped_and_ends_in_the_same_bytes(done):
    rule = Rule(done)
    flipped(done, rule)
    whole = contents(done.output.out, "flips.json")
    made = sorted((done.output.out / "flips").rglob("*.parquet"))
    assert len(made) == 6
    kept = {file: file.stat().st_mtime_ns for file in made[::3]}
    for file in made[1:3]:
        file.unlink()
    (made[0]).write_bytes(made[0].read_bytes()[:50])  # cut short
    kept.pop(made[0])
    flipped(done, rule)
    assert contents(done.output.out, "flips.json") == whole
    assert {file: file.stat().st_mtime_ns for file in kept} == kept


@pytest.mark.slow
def test_all_problems_show_what_breaks_and_one_problem_has_files_of_its_own(done):
    rule = Rule(done)
    some, other = sorted(ends_of(done)["base"])[:2]
    rule.fixed[rule.text(ends_of(done)["base"][some]["response_ids"])] = True
    flipped(done, rule)
    assert some not in {flip["problem_id"] for flip in tables(done)[0]}
    every = replace(done, flips=FlipChoice(all_problems=True))
    summary = flipped(every, rule).summary
    assert summary["looked_at"] == 6
    broken = [flip for flip in tables(every, "all")[0] if flip["problem_id"] == some and not flip["right"]]
    assert summary["single"]["break"]["changed"] == len(broken) > 0

    files = contents(done.output.out, "flips.json")
    one = replace(done, flips=FlipChoice(problem=other))
    written = flipped(one, rule)
    assert {k: v for k, v in contents(done.output.out, "flips.json").items() if k in files} == files
    single = [flip for flip in tables(every, "all")[0] if flip["problem_id"] == other]
    assert tables(one, f"problem {other}")[0] == single
    assert len(written.summary["one"]["flips"]) == len(single)
    assert (done.output.out / f"flips-{other}.json").exists()
    assert (done.output.out / f"tables/flips-{other}.md").exists()


def test_a_search_that_hits_the_limit_of_trials_is_counted_and_not_called_minimal(done):
    few = replace(done, flips=FlipChoice(most_trials=1))
    needed = flipped(few, Rule(few, share=0)).summary["needed"]
    assert needed["ends"]["stopped"] > 0
    assert sum(needed["histogram"].values()) == needed["problems"] - needed["ends"]["stopped"]
    assert all(row["trials"] <= 1 for row in tables(few)[1])


@pytest.mark.slow
def test_a_limit_and_shares_fill_the_same_tables(done):
    rule = Rule(done)
    flipped(done, rule)
    whole = tables(done)
    for file in (done.output.out / "flips").rglob("*.parquet"):
        file.unlink()
    flipped(replace(done, problems=replace(done.problems, limit=2)), rule)
    assert {row["problem_id"] for row in tables(done)[1]} == {"q0", "q1"}
    for index in (0, 1):
        share = runs.Share(index, 2)
        flipped(replace(done, output=replace(done.output, share=share)), rule)
    assert tables(done) == whole


def test_no_problem_that_qualifies_is_said_in_one_line(done):
    rule = Rule(done)
    rule.fixed = dict.fromkeys(rule.fixed, False)
    written = flipped(done, rule)
    assert written.summary["looked_at"] == 0
    written.check(0)
    console = Console(width=200)
    with console.capture() as seen:
        console.print(written.text)
    text = seen.get()
    assert "Nothing to flip: of 6 problems" in text
    assert "--all takes every problem" in text


def test_the_real_grader_finds_no_box_and_nothing_to_flip(done):
    assert flips(done, Reporter(quiet=True)).summary["verdicts"]["neither"] == 6


def test_a_plan_says_what_is_asked_and_done_and_writes_nothing(done):
    one = replace(done, flips=FlipChoice(problem="q1"))
    flipped(one, Rule(done))
    before = contents(done.output.out)
    done_one, todo = "\n".join(plan(one)), "\n".join(plan(done))
    assert "the problem q1:" in done_one
    assert done_one.count("1 of 1 done already") == 2
    assert "of 6 problems those that RL alone solves:" in todo
    assert todo.count("0 of 6 done already") == 3
    assert "beside each flip two placebos" in todo
    assert "at most 256 sets of edits" in todo
    assert contents(done.output.out) == before
    with pytest.raises(BadInput, match="holds no problem 'q9'"):
        plan(replace(done, flips=FlipChoice(problem="q9")))


@pytest.mark.slow
def test_what_is_refused_says_what_to_do_and_writes_nothing(done, finished, tmp_path):
    rule = Rule(done)
    before = contents(done.output.out)
    with pytest.raises(BadInput, match="holds no problem 'q9'"):
        flipped(replace(done, flips=FlipChoice(problem="q9")), rule)
    with pytest.raises(BadInput, match="give either --problem or --all, not both"):
        made(FlipSettings, {"problem": "q1", "all_problems": True})
    with pytest.raises(BadInput, match="no run yet; run `rlprobe disagree`"):
        flipped(replace(done, output=OutputChoice(tmp_path / "none")), rule)
    assert not (tmp_path / "none").exists()
    with pytest.raises(OtherRun, match="max_new_tokens"):
        flipped(replace(done, compute=ComputeChoice(max_new_tokens=9, block=3)), rule)
    assert contents(done.output.out) == before
    for layer in ("tokens/base", "rollouts/rl"):
        next((done.output.out / layer).glob("*.parquet")).unlink()
        with pytest.raises(BadInput, match="run `rlprobe disagree` with the same options first"):
            flipped(done, rule)
        disagree(replace(finished, output=done.output), Reporter(quiet=True))
    assert contents(done.output.out) == before
