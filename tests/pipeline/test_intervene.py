"""`rlprobe intervene` from the command line: identities, resuming, sharing, sampling, bad input."""

import json

import pytest
from making import contents

from rlprobe import runs, storage
from rlprobe.analysis.halves import HALVES, half_of
from rlprobe.analysis.thresholds import percentile
from rlprobe.commands.arm_choice import FromRun, chosen, described
from rlprobe.decoding.arms import Sampling
from rlprobe.errors import BadInput
from rlprobe.pairs.kinds import KINDS, VERSION, kind_of
from rlprobe.pairs.pieces import pieces
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.settings import ArmChoice


@pytest.fixture
def intervene(rlprobe):
    """`rlprobe intervene` on the tiny pair with small settings."""

    def run(*arguments, dataset=None, out="run"):
        return rlprobe(
            *(
                "intervene",
                "--base",
                rlprobe.base,
                "--rl",
                rlprobe.rl,
                "--style",
                "question_answer",
                "--max-new-tokens",
            ),
            *(20, "--shard-size", 3, "--dataset", dataset or rlprobe.problems(), "--out", rlprobe.tmp_path / out),
            *arguments,
        )

    run.tmp_path, run.problems = rlprobe.tmp_path, rlprobe.problems
    return run


def responses(run) -> dict[tuple[str, str], list[int]]:
    return {(r["arm"], r["problem_id"]): r["response_ids"] for r in run.table("rollouts").to_pylist()}


@pytest.mark.slow
def test_the_default_modes_the_identity_and_the_files(intervene):
    code, out, err = intervene("--seeds", 2)
    assert code == 0, err
    assert "What the substituted tokens do" in out
    run = runs.read(intervene.tmp_path / "run")
    summary = json.loads((run.path / "interventions.json").read_text())
    assert next(iter(summary["arms"])) == "base"
    assert list(summary["arms"])[-1] == "rl"
    assert {"oracle", "random", "entropy 1.2"} <= set(summary["arms"])
    ids = responses(run)
    for i in range(6):
        assert ids["disagree x donor_argmax x base", f"q{i}"] == ids["rl", f"q{i}"]
    assert len([arm for arm in run.arms("rollouts") if "host_random" in arm]) == 2
    for name in ("tables/interventions.md", "figures/interventions.png", "figures/dose.csv"):
        assert (run.path / name).stat().st_size > 0


def test_backward_the_oracle_is_the_base(intervene):
    assert intervene("--mode", "oracle", "--host", "rl")[0] == 0
    ids = responses(runs.read(intervene.tmp_path / "run"))
    for i in range(6):
        assert ids["disagree x donor_argmax x rl", f"q{i}"] == ids["base", f"q{i}"]


@pytest.mark.slow
def test_a_second_command_adds_arms_and_keeps_the_first(intervene):
    assert intervene("--mode", "oracle")[0] == 0
    before = contents_of_rollouts(intervene.tmp_path / "run")
    assert intervene("--gate", "disagree", "--gate", "first:2", "--writer", "host_second", "--json")[0] == 0
    after = contents_of_rollouts(intervene.tmp_path / "run")
    assert {name: after[name] for name in before} == before
    assert any("first(2)" in arm for arm in runs.read(intervene.tmp_path / "run").arms("rollouts"))


def contents_of_rollouts(run):
    return {str(f.relative_to(run)): f.read_bytes() for f in run.glob("rollouts/**/*.parquet")}


@pytest.mark.slow
def test_disagree_goes_on_from_the_same_run(intervene, rlprobe):
    assert intervene("--mode", "oracle", "--max-new-tokens", 30)[0] == 0
    code, out, err = rlprobe.disagree("--json")
    assert code == 0, err
    assert set(json.loads(out)["trajectories"]) == {"base", "rl"}


@pytest.mark.slow
def test_modes_that_ask_the_run_or_the_oracle(intervene):
    code, out, err = intervene(
        *("--mode", "matched", "--mode", "entropy", "--mode", "random-replayed", "--mode", "random-positions"),
        *("--tau", "p90", "--seeds", 1, "--json"),
    )
    assert code == 0, err
    summary = json.loads(out)
    assert "oracle" in summary["arms"]  # the replayed arms need it
    (tau,) = [spec["dose"] for spec in summary["specs"] if spec["mode"] == "entropy"]
    assert tau != 1.2
    rollouts = runs.read(intervene.tmp_path / "run").table("rollouts").to_pylist()
    oracle = {r["problem_id"]: r for r in rollouts if r["arm"] == "disagree x donor_argmax x base"}
    for replayed in (r for r in rollouts if "replayed" in r["arm"]):
        same = oracle[replayed["problem_id"]]
        edited = [a != b for a, b in zip(same["response_ids"], same["host_ids"], strict=True)]
        n = min(len(edited), len(replayed["gated"]))
        assert replayed["gated"][:n] == edited[:n]
    ids = {half: {i for i in oracle if half_of(i) == half} for half in HALVES}
    tokens = runs.read(intervene.tmp_path / "run").table("tokens").to_pandas()
    here = tokens[(tokens["arm"] == "base") & tokens["problem_id"].isin(ids["calibration"])]
    assert tau == pytest.approx(percentile(here["entropy_base"], 90))
    read_off = {arm["mode"]: arm["problems"] for arm in summary["arms"].values() if arm["half"] == "evaluation"}
    assert read_off == dict.fromkeys(("matched", "entropy"), len(ids["evaluation"]))
    assert summary["arms"]["oracle"]["problems"] == len(oracle)
    code, out, err = intervene("--gate", "entropy_above:p90", "--json")  # a percentile in a gate is its mode's
    assert code == 0, err
    composed = [spec["spec"] for spec in json.loads(out)["specs"] if spec["mode"] == "composed"]
    assert composed == [f"entropy_above({tau:g}) x donor_argmax x base"], "it is the mode's arm, and called anew"


SAMPLED = ("--sample", "--temperature", 0.8, "--mode", "entropy", "--mode", "delta", "--json")
ALONE = "never x donor_argmax x {} x T=0.8,top_p=1 x seed=0"


@pytest.mark.slow
def test_sampled_arms_stand_between_sampled_ends_draw_by_draw(intervene, rlprobe):
    assert intervene(*SAMPLED, "--draws", 1)[0] == 0
    before = contents_of_rollouts(intervene.tmp_path / "run")
    code, out, err = intervene(*SAMPLED, "--draws", 3)
    assert code == 0, err
    summary = json.loads(out)
    assert {"base", "rl", "entropy 1.2"} <= set(summary["arms"])
    assert [arm["responses"] for arm in summary["arms"].values()] == [6 * 3] * len(summary["arms"])
    assert summary["ends"] == {"base": ALONE.format("base"), "rl": ALONE.format("rl")}
    after = contents_of_rollouts(intervene.tmp_path / "run")
    assert {name: after[name] for name in before} == before  # more draws only add shards
    rollouts = runs.read(intervene.tmp_path / "run").table("rollouts").to_pylist()
    by_draw = {(r["problem_id"], r["draw"]): r["response_ids"] for r in rollouts if r["arm"] == ALONE.format("base")}
    assert {draw for _, draw in by_draw} == {0, 1, 2}
    assert by_draw["q0", 0] != by_draw["q0", 1]
    code, out, err = rlprobe("grade", intervene.tmp_path / "run", "--json")
    assert code == 0, err
    assert json.loads(out) == summary


@pytest.mark.slow
def test_shares_merge_to_the_whole(intervene, rlprobe):
    file = intervene.problems(7)
    assert intervene("--mode", "entropy", dataset=file, out="whole")[0] == 0
    for i in (1, 2):
        assert intervene("--mode", "entropy", "--shard", f"{i}/2", dataset=file, out=f"part{i}")[0] == 0
    assert rlprobe("merge", *(intervene.tmp_path / name for name in ("merged", "part1", "part2")))[0] == 0
    whole, merged = (contents_of_rollouts(intervene.tmp_path / name) for name in ("whole", "merged"))
    assert whole == merged


@pytest.mark.slow
def test_an_interrupted_run_ends_in_the_same_bytes(intervene, monkeypatch):
    assert intervene("--seeds", 1, out="unbroken")[0] == 0
    write, calls = storage.write, []

    def killed(file, writer):
        calls.append(file)
        if len(calls) == 17:
            raise KeyboardInterrupt
        write(file, writer)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write", killed)
        assert intervene("--seeds", 1)[0] == 130
    assert intervene("--seeds", 1)[0] == 0
    killed_run, unbroken = (intervene.tmp_path / name for name in ("run", "unbroken"))
    assert contents(killed_run, "interventions.json") == contents(unbroken, "interventions.json")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--mode", "no-such"), "no mode is called"),
        (("--mode", "entropy", "--tau", "-1"), "at least 0"),
        (("--mode", "entropy", "--tau", "high"), "neither a number"),
        (("--mode", "entropy", "--tau", "p100"), "not between"),
        (("--mode", "support", "--top-k", "0"), "at least 1"),
        (("--mode", "support", "--top-k", "301"), "vocabulary has 300"),
        (("--gate", "no-such"), "no gate is called"),
        (("--gate", "bernoulli:2"), "probability"),
        (("--gate", "reranked:p90"), "have percentiles"),
        (("--mode", "oracle", "--gate", "disagree"), "not both"),
        (("--mode", "random", "--seeds", "0"), "seeds"),
        (("--sample", "--top-p", "0"), "top-p"),
        (("--mode", "matched", "--shard", "1/2"), "whole run"),
        (("--mode", "entropy:nan"), "no finite number"),
        (("--gate", "delta_below:inf"), "no finite number"),
        (("--gate", "entropy_above:1", "--tau", "0.3"), "--tau is for the modes"),
        (("--mode", "mix", "--tau", "0.5"), "--tau is for the modes"),
        (("--mode", "dose", "--top-k", "3"), "--top-k is for the modes"),
        (("--mode", "oracle", "--allow-donor"), "--allow-donor is for the modes"),
        (
            ("--mode", "random", "--exclude-donor"),
            "no option --exclude-donor any more: controls never write the donor's token",
        ),
        (("--mode", "oracle:3"), "takes no values"),
        (("--mode", "only:words"), "no kind of token is called 'words'"),
        (("--mode", "handoff:1.5"), "whole numbers"),
        (("--mode", "handoff-first:2"), "takes no values"),
        (("--writer", "mix:0.5"), "where a --gate fires"),
        (("--temperature", "0.5"), "give --sample"),
        (("--draws", "2"), "give --sample"),
        (("--sample", "--seeds", "2"), "give either --seeds or --sample, not both"),
        (("--sample", "--mode", "random-replayed"), "cannot be sampled"),
    ],
)
def test_arms_that_cannot_be_are_refused_before_anything_is_written(intervene, arguments, says):
    code, out, err = intervene(*arguments)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())
    assert not (intervene.tmp_path / "run").exists()


@pytest.mark.slow
def test_controls_leave_rls_token_out_unless_it_is_allowed_and_each_arm_says_how_often_it_wrote_it(intervene):
    run, shares = intervene.tmp_path / "run", {}
    modes = ("--mode", "oracle", "--mode", "resample", "--mode", "mix:0.5", "--seeds", 1)
    for more in ((), ("--allow-donor",)):
        assert intervene(*modes, *more)[0] == 0
        for title, told in json.loads((run / "interventions.json").read_text())["arms"].items():
            shares[title] = told["donors_token"]["value"]
        assert "edits that are the donor's token" in (run / "tables" / "interventions.md").read_text()
    assert (shares["base"], shares["oracle"], shares["resample"]) == (None, 1, 0)
    rows = [row for row in runs.read(run).table("rollouts").to_pylist() if row["donor_ids"]]
    assert {row["arm"] for row in rows} == set(runs.read(run).arms("rollouts")) - {"base", "rl"}
    for title, name in (
        ("resample (donor allowed)", "disagree x host_sample x base x seed=0"),
        ("mix 0.5", "mix(0.5)"),
    ):
        edits = [
            token == donor
            for row in rows
            if name in row["arm"]
            for token, host, donor in zip(row["response_ids"], row["host_ids"], row["donor_ids"], strict=True)
            if token != host
        ]
        assert shares[title] == pytest.approx(sum(edits) / len(edits)) if edits else shares[title] is None


def test_from_python_a_host_is_a_model_and_an_arm_with_randomness_has_a_seed():
    with pytest.raises(BadInput, match="seeds is 0"):
        ArmChoice(("random",), seeds=0)
    with pytest.raises(BadInput, match="one of base, rl"):
        ArmChoice(host="nobody")


def test_a_mode_that_is_named_twice_is_run_with_all_its_values():
    choice = ArmChoice(("entropy:0.6", "entropy:1.2", "entropy", "entropy:p95"))
    assert [arm.gate.spec for arm, _ in chosen(choice, FromRun())] == [
        "entropy_above(0.6)",
        "entropy_above(1.2)",
        "entropy_above(1)",
    ]
    assert described(choice)[-1] == "entropy p95: read off the calibration half, told for the other"


def test_a_sampled_gate_without_a_writer_is_redrawn_from_the_donor():
    greedy, sampled = (
        ArmChoice(gates=("delta_below:-0.3",)),
        ArmChoice(gates=("delta_below:-0.3",), sampling=Sampling()),
    )
    assert [arm.writer.spec for arm, _ in chosen(greedy, FromRun())] == ["donor_argmax"]
    assert chosen(sampled, FromRun())[-1][0].writer.spec == "donor_draw"


def test_another_noise_seed_is_another_arm():
    of = {s: chosen(ArmChoice(("entropy",), sampling=Sampling(noise_seed=s)), FromRun()) for s in (0, 3)}
    assert {arm.seed for arm, _ in of[3]} == {3}
    assert not {arm.spec for arm, _ in of[0]} & {arm.spec for arm, _ in of[3]}


def test_a_dry_run_names_the_arms(intervene):
    code, out, _ = intervene("--dry-run", "--mode", "dose", "--seeds", 1)
    assert code == 0
    assert "(disagree & bernoulli(0.25)) x donor_argmax x base" in out
    assert "graded problems exact McNemar" in out
    assert "McNemar" not in intervene("--dry-run", "--mode", "entropy", "--sample")[1]  # which compares means
    assert not (intervene.tmp_path / "run").exists()


@pytest.mark.slow
def test_hand_offs_and_edits_by_kind_from_the_command_line(intervene):
    code, out, _ = intervene("--dry-run", "--mode", "only:digits,format", "--mode", "handoff:0,20")
    assert code == 0
    assert f"only digits: (disagree & of_kind(digits, v{VERSION})) x donor_argmax x base" in out
    code, out, err = intervene(
        *("--mode", "only", "--mode", "without:digits", "--mode", "handoff:0,20", "--mode", "oracle", "--json")
    )
    assert code == 0, err
    summary, ids = json.loads(out), responses(runs.read(intervene.tmp_path / "run"))
    assert {*summary["arms"]} >= {*(f"only {kind}" for kind in KINDS), "without digits", "handoff 0", "handoff 20"}
    for i in range(6):
        assert ids["before(0) x donor_argmax x base", f"q{i}"] == ids["base", f"q{i}"]
        assert ids["before(20) x donor_argmax x base", f"q{i}"] == ids["rl", f"q{i}"]
    tokenizer = load_tokenizer(str(intervene.tmp_path / "run" / "tokenizer"))
    for row in runs.read(intervene.tmp_path / "run").table("rollouts").to_pylist():
        written = [a for a, b in zip(row["response_ids"], row["host_ids"], strict=True) if a != b]
        kinds = {kind_of(pieces(tokenizer, [a])[a], a == 0) for a in written}
        for kind in KINDS:
            if f"& of_kind({kind}, " in row["arm"]:
                assert kinds <= {kind}
        assert "digits" not in kinds or "not-of_kind(digits" not in row["arm"]


@pytest.mark.slow
def test_interventions_are_graded_again_without_models(intervene, rlprobe):
    assert intervene("--mode", "oracle", "--mode", "random", "--seeds", 1)[0] == 0
    before = json.loads((intervene.tmp_path / "run" / "interventions.json").read_text())
    code, out, err = rlprobe("grade", intervene.tmp_path / "run", "--answer", "first", "--json")
    assert code == 0, err
    after = json.loads(out)
    assert after["specs"] == before["specs"]
    assert after["reading"]["answer"] == "first"


@pytest.mark.slow
def test_a_smaller_limit_on_a_larger_run_leaves_the_other_problems_to_be_done(intervene, rlprobe):
    file = intervene.problems(8)
    assert intervene("--mode", "entropy", dataset=file, out="whole")[0] == 0
    assert rlprobe.disagree("--max-new-tokens", 20, dataset=file)[0] == 0
    code, out, _ = intervene("--mode", "entropy", "--limit", 4, dataset=file)
    assert code == 0
    assert "The first 4 of the run's 8 problems alone" in out
    run = runs.read(intervene.tmp_path / "run")
    summary = json.loads((run.path / "interventions.json").read_text())
    assert {arm["problems"] for arm in summary["arms"].values()} == {4}  # the ends, too, which the run has on 8
    assert summary["problems"]["asked"] == 4
    assert rlprobe("grade", run.path)[0] == 0
    assert json.loads((run.path / "interventions.json").read_text())["arms"] == summary["arms"]
    arm = "entropy_above(1.2) x donor_argmax x base"
    assert [r for r in run.table("rollouts")["arm"].to_pylist() if r == arm] == [arm] * 4
    assert intervene("--mode", "entropy", dataset=file)[0] == 0
    whole = responses(runs.read(intervene.tmp_path / "whole"))
    assert {key: ids for key, ids in responses(run).items() if key[0] == arm} == {
        key: ids for key, ids in whole.items() if key[0] == arm
    }
