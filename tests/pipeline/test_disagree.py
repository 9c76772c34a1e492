"""`rlprobe disagree`, `grade` and `merge` from the command line: what they write, resume and refuse."""

import json
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from making import contents

from rlprobe import runs, storage
from rlprobe.commands.verdicts import layer_of
from rlprobe.errors import RlprobeError


def test_a_run_holds_rollouts_tokens_grades_tables_and_figures(rlprobe):
    code, out, err = rlprobe.disagree()
    assert code == 0, err
    assert "Where base and RL disagree" in out
    run = rlprobe.tmp_path / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary["trajectories"]) == {"base", "rl"}
    assert summary["problems"] == {"asked": 6, "held": 6, "left_out": {}, "ungraded": []}
    for name in ("tables/classes.csv", "tables/classes.md", "tables/classes.tex"):
        assert (run / name).stat().st_size > 0
    for suffix in ("png", "pdf", "csv"):
        assert (run / f"figures/disagreement.{suffix}").stat().st_size > 0
    tokens = pq.read_table(run / "tokens/base", partitioning=None)
    rollouts = pq.read_table(run / "rollouts/base", partitioning=None)
    assert len(tokens) == sum(map(len, rollouts["response_ids"].to_pylist()))


@pytest.mark.slow
def test_the_same_command_again_computes_nothing_and_another_k_only_reads(rlprobe, monkeypatch):
    before = contents(rlprobe.finished())
    monkeypatch.setattr("rlprobe.pairs.loading.load", lambda _: pytest.fail("weights were loaded"))
    assert rlprobe.disagree()[0] == 0
    assert contents(rlprobe.tmp_path / "run") == before
    code, out, _ = rlprobe.disagree("--class-k", 2, "--json")
    classes = json.loads(out)["trajectories"]["base"]["rates"]["all"]
    assert code == 0
    assert classes != json.loads(before["summary.json"])["trajectories"]["base"]["rates"]["all"]


@pytest.mark.slow
def test_json_is_all_of_standard_output(rlprobe):
    code, out, _ = rlprobe.disagree("--json")
    assert code == 0
    assert json.loads(out) == json.loads((rlprobe.tmp_path / "run" / "summary.json").read_text())


@pytest.mark.slow
def test_a_larger_limit_extends_the_run(rlprobe):
    file = rlprobe.problems(9)
    assert rlprobe.disagree("--limit", 4, dataset=file)[0] == 0
    assert rlprobe.disagree(dataset=file)[0] == 0
    assert len(runs.read(rlprobe.tmp_path / "run").table("rollouts")) == 18
    code, out, _ = rlprobe.disagree("--limit", 2, "--trajectory", "rl", dataset=file)
    assert code == 0
    assert "The first 2 of the run's 9 problems alone" in out
    run = runs.read(rlprobe.tmp_path / "run")
    assert len(run.problems()) == 9
    for _ in range(2):  # read again by `grade`, too
        found = json.loads((run.path / "summary.json").read_text())
        assert {arm: told["problems"] for arm, told in found["trajectories"].items()} == {"rl": 2}
        assert rlprobe("grade", run.path)[0] == 0


@pytest.mark.slow
def test_a_pair_of_a_model_with_itself_has_no_disagreement(rlprobe):
    code, out, _ = rlprobe.disagree("--json", rl=rlprobe.base)
    assert code == 0
    for trajectory in json.loads(out)["trajectories"].values():
        rates = trajectory["rates"]["all"]
        assert rates["micro"]["disagreements"]["value"] == 0
        assert rates["micro"]["disagreements"]["high"] > 0  # Clopper-Pearson, never [0, 0]


@pytest.mark.slow
def test_shares_of_two_machines_merge_to_the_bytes_of_one(rlprobe):
    file = rlprobe.problems(8)
    assert rlprobe.disagree(dataset=file, out="whole")[0] == 0
    for i in (1, 2):
        assert rlprobe.disagree("--shard", f"{i}/2", dataset=file, out=f"part{i}")[0] == 0
    code, _, err = rlprobe("merge", *(rlprobe.tmp_path / name for name in ("merged", "part1", "part2")))
    assert code == 0, err
    assert contents(rlprobe.tmp_path / "merged") == contents(rlprobe.tmp_path / "whole")


def test_on_a_cpu_a_shard_has_more_problems_than_a_pass_has_rows_so_that_these_are_filled_again(rlprobe):
    pair = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer")
    pair += ("--dataset", rlprobe.problems(200))
    code, out, _ = rlprobe("disagree", *pair, "--max-new-tokens", 30, "--device", "cpu", "--dry-run")
    assert code == 0
    assert "200 problems in 2 shards" in out
    assert "64 rows at a time" in out


@pytest.mark.parametrize(
    ("share", "cure", "size"),
    [("2/3", "give all of them --shard-size 2", 2), ("4/4", "--shard-size 1", 1), ("1/7", "give fewer", None)],
)
def test_more_machines_than_shards_are_refused_by_each_of_them(rlprobe, share, cure, size):
    code, _, err = rlprobe.disagree("--shard", share)
    assert code == 2
    assert f"--shard {share}: 6 problems make 2 shards of 3, and some of {share[-1]} machines" in err
    assert cure in err
    assert not (rlprobe.tmp_path / "run").exists()
    assert size is None or rlprobe.disagree("--shard", share, "--shard-size", size)[0] == 0


def test_a_run_is_graded_again_without_its_models(rlprobe):
    base, rl = (shutil.copytree(f, rlprobe.tmp_path / f.name) for f in (rlprobe.base, rlprobe.rl))
    rlprobe.base, rlprobe.rl = base, rl
    assert rlprobe.disagree()[0] == 0
    shutil.rmtree(base)
    shutil.rmtree(rl)
    run = rlprobe.tmp_path / "run"
    before = {name: content for name, content in contents(run).items() if not name.startswith(("grades", "summary"))}
    assert rlprobe("grade", run, "--answer", "first")[0] == 0
    after = contents(run)
    assert {name: after[name] for name in before} == before
    assert len(list((run / "grades").iterdir())) == 2


def test_a_dry_run_prints_a_prompt_and_its_ids_and_writes_nothing(rlprobe):
    code, out, _ = rlprobe.disagree("--dry-run")
    assert code == 0
    assert "Question:·Ann·has·0·eggs." in out
    assert "Answer:" in out
    assert "6 problems in 2 shards" in out
    assert "with 6 graded problems exact McNemar" in out
    assert "not at any if 10 % of the verdicts differ" in out
    assert not (rlprobe.tmp_path / "run").exists()


def test_help_and_version_do_not_import_torch():
    script = "import sys; sys.argv = ['rlprobe', *sys.argv[1:]]\nimport rlprobe.cli, atexit\n"
    script += (
        "atexit.register(lambda: print('HEAVY', [m for m in ('torch', 'pandas', 'nnsight') if m in sys.modules]))\n"
    )
    script += "rlprobe.cli.main()"
    for argument in ("--help", "--version", "pairs", "datasets"):
        done = subprocess.run([sys.executable, "-c", script, argument], capture_output=True, text=True, check=True)
        assert "HEAVY []" in done.stdout


# ---- bad input: one line, its own exit code, nothing lost ------------------------------------------------------------


def one_line(err: str) -> bool:
    return len(err.strip().splitlines()) <= 4  # the notices about the pair, then the line


def test_tokenizers_that_differ_end_with_5(rlprobe, tmp_path):
    other = shutil.copytree(rlprobe.rl, tmp_path / "other")
    content = json.loads((other / "tokenizer.json").read_text())
    vocab = content["model"]["vocab"]
    first, second = [token for token, i in vocab.items() if i in (40, 41)]
    vocab[first], vocab[second] = vocab[second], vocab[first]
    (other / "tokenizer.json").write_text(json.dumps(content))
    code, out, err = rlprobe.disagree(rl=other)
    assert (code, out) == (5, "")
    assert "disagree at id 40" in err
    assert not (tmp_path / "run").exists()


def test_a_hub_id_while_offline_ends_with_4(rlprobe):
    code, _, err = rlprobe.disagree(rl="Qwen/Qwen2.5-1.5B")
    assert code == 4
    assert "offline, give a local folder" in err


def test_a_truncated_checkpoint_ends_with_4(rlprobe, tmp_path):
    broken = shutil.copytree(rlprobe.rl, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    code, _, err = rlprobe.disagree(rl=broken)
    assert code == 4
    assert "damaged" in err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"id": 1, "answer": "2"}\n', "question"),
        ('{"id": 1, "question": "a", "answer": "2"}\n{"id": 2, "question"\n', "2"),
        ("", "empty"),
    ],
)
def test_a_file_of_problems_that_cannot_be_used_ends_with_2(rlprobe, content, says):
    file = rlprobe.tmp_path / "bad.jsonl"
    file.write_text(content)
    code, _, err = rlprobe.disagree(dataset=file)
    assert code == 2
    assert "bad.jsonl" in err
    assert says in err
    assert one_line(err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("disagree", "--pair", "no-such"),
        ("disagree", "--dataset", "no-such"),
        ("disagree", "--shard", "3/2"),
        ("disagree", "--batch-size", "0"),
        ("disagree", "--style", "no-such"),
        ("disagree", "--no-such-option"),
        ("disagree", "--pair", "bundled", "--base", "x"),
        ("disagree", "--base", "x"),
        ("disagree", "--responses", "no-such-file"),
        ("grade", "no-such-run"),
        ("merge", "out", "no-such-run"),
        ("no-such-command",),
    ],
)
def test_unusable_arguments_end_with_2(rlprobe, arguments, monkeypatch):
    monkeypatch.chdir(rlprobe.tmp_path)
    code, out, err = rlprobe(*arguments)
    assert (code, out) == (2, "")
    assert err.strip()
    assert list(rlprobe.tmp_path.iterdir()) == []


def test_a_run_of_another_identity_ends_with_2_and_overwrite_replaces_it(rlprobe):
    before = contents(rlprobe.finished())
    code, _, err = rlprobe.disagree("--max-new-tokens", 31)
    assert code == 2
    assert "decoding.max_new_tokens is 30, this one's is 31" in err
    assert contents(rlprobe.tmp_path / "run") == before
    assert rlprobe.disagree("--max-new-tokens", 31, "--overwrite")[0] == 0


def test_a_gold_that_does_not_parse_ends_with_3_after_everything_is_written(rlprobe):
    file = rlprobe.problems(4, answer="\\frac{")
    file.write_text(file.read_text().replace("frac{", "frac{1}{2}", 1))
    code, out, err = rlprobe.disagree(dataset=file)
    assert code == 3
    assert "3 have a gold answer that does not parse" in err
    assert "Where base and RL disagree" in out
    assert rlprobe.disagree("--max-failed", 3, dataset=file)[0] == 0


def test_a_prompt_longer_than_the_context_is_left_out_and_counted(rlprobe):
    file = rlprobe.problems(4)
    file.write_text(file.read_text() + json.dumps({"id": "long", "question": "eggs " * 400, "answer": "1"}) + "\n")
    code, out, err = rlprobe.disagree("--json", dataset=file)
    assert code == 3
    assert "1 problems were left out" in err
    assert json.loads(out)["problems"]["left_out"] == {"long": "prompt longer than the context"}
    assert rlprobe.disagree("--max-failed", 1, dataset=file)[0] == 0


def test_a_token_shard_cut_short_is_made_again(rlprobe):
    before = contents(rlprobe.finished())
    shard = next((rlprobe.tmp_path / "run/tokens/base").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:100])
    code, _, err = rlprobe.disagree()
    assert code == 0
    assert f"{shard.name} was damaged" in " ".join(err.split())
    assert contents(rlprobe.tmp_path / "run") == before


def test_a_broken_shard_that_cannot_be_made_again_ends_with_1(rlprobe):
    shard = next((rlprobe.finished() / "rollouts/base").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:100])
    code, _, err = rlprobe("grade", rlprobe.tmp_path / "run", "--answer", "first")
    assert code == 1
    assert shard.name in err


def test_a_full_disk_ends_with_1_and_the_run_goes_on_later(rlprobe, monkeypatch):
    write, calls = storage.write, []

    def full(file, writer):
        calls.append(file)
        if len(calls) > 16:
            raise RlprobeError(f"cannot write {file} (No space left on device); free some space")
        write(file, writer)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write", full)
        code, _, err = rlprobe.disagree()
    assert code == 1
    assert "No space left on device" in err
    assert rlprobe.disagree()[0] == 0
    assert rlprobe.disagree(out="fresh")[0] == 0
    assert contents(rlprobe.tmp_path / "run") == contents(rlprobe.tmp_path / "fresh")


def test_a_grader_bomb_is_a_verdict_not_an_end(rlprobe):
    file = rlprobe.tmp_path / "responses.jsonl"
    rows = [
        {"problem_id": "q0", "response": " \\boxed{9^{9^{9^9}}}"},
        {"problem_id": "q1", "response": " \\boxed{4}"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = rlprobe.disagree("--responses", file, "--grader-timeout", 1, "--max-failed", 4)
    assert code == 0, err
    run = runs.read(rlprobe.tmp_path / "run")
    table = run.table(layer_of(run)).to_pylist()
    statuses = {row["problem_id"]: row["status_last"] for row in table}
    assert statuses["q0"] in ("timeout", "unparsed", "wrong")
    assert statuses["q1"] == "correct"


def test_ctrl_c_ends_with_130_and_says_that_the_run_goes_on(rlprobe, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rlprobe.commands.stages.Job.score", interrupted)
    code, _, err = rlprobe.disagree()
    assert code == 130
    assert "goes on where it stopped" in err
