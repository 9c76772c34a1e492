"""`rlprobe signals`: calibration, held-out problems, resuming, presets, bad input."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from making import contents

from rlprobe import runs
from rlprobe.analysis.halves import half_of
from rlprobe.analysis.learned import columns_of, learn
from rlprobe.commands.grade import grade
from rlprobe.commands.progress import Reporter
from rlprobe.commands.signal_arms import PRESETS, SignalArms
from rlprobe.commands.signals import signals
from rlprobe.decoding import arms
from rlprobe.reporting.formats import FORMATS
from rlprobe.settings import (
    ComputeChoice,
    GraderChoice,
    GradeSettings,
    OutputChoice,
    PairChoice,
    ProblemChoice,
    Reading,
    SamplingChoice,
    SignalChoice,
    SignalSettings,
)

QUIET = Reporter(quiet=True)
CHOICE = SignalChoice(("delta", "entropy", "random"), targets=(0.3, 0.9), draws=2, most_decodes=4)


@pytest.fixture(scope="module")
def settings(tiny_folders, tmp_path_factory):
    """The tiny pair and twelve problems, in a folder that the tests of this file share."""
    folder = tmp_path_factory.mktemp("signals")
    rows = [{"id": f"q{i}", "question": f"Ann has {i} eggs. How many?", "answer": str(i)} for i in range(12)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    base, rl = map(str, tiny_folders)
    return SignalSettings(
        pair=PairChoice(base=base, rl=rl, device="cpu"),
        problems=ProblemChoice(str(folder / "problems.jsonl"), style="question_answer"),
        compute=ComputeChoice(max_new_tokens=14, block=8),
        output=OutputChoice(folder / "run"),
        reading=Reading(resamples=100),
        choice=CHOICE,
    )


@pytest.fixture(scope="module")
def done(settings):
    """The comparison, made once."""
    return signals(settings, QUIET)


def by_the_first(run, resamples):
    """To grade by the first answer instead."""
    reading = Reading(answer="first", resamples=resamples)
    return GradeSettings(run=run, grader=GraderChoice(answer="first"), reading=reading)


def elsewhere(settings, tmp_path, **changes):
    """The same settings for a run of its own."""
    return replace(settings, output=OutputChoice(tmp_path / "run"), choice=SignalChoice(**changes))


def gated_rate(run, names):
    """Counted from the shards, no-ops included."""
    rows = [row for row in run.table("rollouts").to_pylist() if row["arm"] in names]
    return np.concatenate([row["gated"] for row in rows]).mean()


def edited_rate(run, names):
    """Counted from the shards."""
    rows = [row for row in run.table("rollouts").to_pylist() if row["arm"] in names]
    ids, host = (np.concatenate([row[name] for row in rows]) for name in ("response_ids", "host_ids"))
    return (ids != host).mean()


def test_thresholds_hit_the_rates_that_were_asked_for_or_are_absent_with_a_reason(done):
    calibration = runs.read(done.run.path / "signals" / "calibration")
    oracle = edited_rate(calibration, ["disagree x donor_argmax x base"])
    told = done.summary["calibration"]
    assert told["oracle"]["rate"] == pytest.approx(oracle)
    assert [(f["signal"], f["target"]) for f in told["targets"]] == [(s, t) for s in CHOICE.signals for t in (0.3, 0.9)]
    for found in told["targets"]:
        if found["threshold"] is None:
            assert found["reason"]
            assert abs(found["nearest"] - found["wanted"]) > 0.1 * found["wanted"]
        else:
            arm = SignalArms.of(CHOICE).arm(found["signal"], found["threshold"]).spec
            assert edited_rate(calibration, [arm]) == pytest.approx(found["reached"])
            assert abs(found["reached"] - found["target"] * oracle) <= 0.1 * found["target"] * oracle
    reached = {(found["signal"], found["target"]) for found in told["targets"] if found["threshold"] is not None}
    assert reached
    assert {(point["signal"], point["target"]) for point in done.summary["points"]} == reached


@pytest.mark.slow
def test_both_kinds_of_dose_live_in_one_run_and_neither_overwrites_the_other(done, settings, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(done.run.path, run)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != "log.jsonl"}
    choice = SignalChoice(("delta", "random"), "replaced", (0.05, 0.3), draws=2, most_decodes=4)
    written = signals(replace(settings, output=OutputChoice(run), choice=choice), QUIET)
    calibration, evaluation = (runs.read(run / "signals" / half) for half in ("calibration", "evaluation"))
    reached = [found for found in written.summary["calibration"]["targets"] if found["threshold"] is not None]
    assert reached
    for found in reached:
        arm = SignalArms.of(choice).arm(found["signal"], found["threshold"]).spec
        assert gated_rate(calibration, [arm]) == pytest.approx(found["reached"])
        assert abs(found["reached"] - found["target"]) <= 0.1 * found["target"]
    for point in written.summary["points"]:
        names = [arm["name"] for arm in point["arms"]]
        assert point["dose"]["value"] == pytest.approx(gated_rate(evaluation, names))
    assert before.items() <= {file: file.read_bytes() for file in before}.items()
    added = {file.name for file in (run / "tables").iterdir()} - {file.name for file in before}
    titles = {"equal-replaced"} | {
        f"signal-{what}-replaced" for what in ("differences", "calibration", "detection", "learned")
    }
    assert added == {f"{title}.{suffix}" for title in titles for suffix in FORMATS}
    told = {again.summary["kind"] for again in grade(GradeSettings(run=run, reading=settings.reading), QUIET)}
    assert told == {"equal-edits", "equal-replaced"}


def test_what_is_compared_was_measured_on_other_problems(done):
    split, evaluation = done.summary["split"], runs.read(done.run.path / "signals" / "evaluation")
    assert not set(split["calibration"]) & set(split["evaluation"])
    assert len(split["calibration"]) + len(split["evaluation"]) == 12
    assert {row["problem_id"] for row in evaluation.table("rollouts").to_pylist()} == set(split["evaluation"])
    for point in done.summary["points"]:
        told = done.summary["arms"][point["title"]]
        assert told["problems"] == len(split["evaluation"])
        assert told["edited"]["value"] == pytest.approx(edited_rate(evaluation, [a["name"] for a in point["arms"]]))
    assert done.summary["arms"]["oracle"]["identity"] == "rl"
    assert done.run.arms("rollouts") == []  # a half never passes for an arm of the whole run


def test_a_second_command_decodes_nothing_and_writes_the_same(done, settings, monkeypatch):
    before = contents(done.run.path, "signals.json")
    monkeypatch.setattr("rlprobe.pairs.loading.load", lambda _: pytest.fail("weights were loaded"))
    again = signals(settings, QUIET)
    assert contents(again.run.path, "signals.json") == before


@pytest.mark.slow
def test_a_run_is_graded_and_read_again_without_models(done, tmp_path, monkeypatch):
    shutil.copytree(done.run.path, tmp_path / "copy")
    monkeypatch.setattr("rlprobe.pairs.loading.load", lambda _: pytest.fail("weights were loaded"))
    (written,) = grade(by_the_first(tmp_path / "copy", 2000), QUIET)
    assert written.summary["reading"]["answer"] == "first"
    first, again = (
        [(p["title"], p["threshold"], p["dose"]["value"]) for p in of.summary["points"]] for of in (done, written)
    )
    assert first == again
    assert (tmp_path / "copy" / "tables" / "equal-edits.md").stat().st_size > 0


def test_sampled_arms_have_draws_and_their_oracle_is_rls_own_sample(settings, tmp_path):
    sampling = arms.Sampling(1.0)
    asked = elsewhere(settings, tmp_path, signals=("delta", "kl"), targets=(0.5,), sampling=sampling, draws=2)
    summary = signals(asked, QUIET).summary
    assert summary["sampling"] == {"temperature": 1.0, "top_p": 1.0, "noise_seed": 0}
    assert summary["arms"]["oracle"]["identity"] == "rl"
    for title in ("base", "rl", "oracle", *(point["title"] for point in summary["points"])):
        assert summary["arms"][title]["responses"] == 2 * len(summary["split"]["evaluation"])
    assert (asked.output.out / "figures" / "equal-edits-sampled.png").stat().st_size > 0


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_runs_its_own_protocol_on_every_problem(settings, tmp_path, preset):
    asked = replace(elsewhere(settings, tmp_path, preset=preset, draws=2), problems=replace(settings.problems, limit=2))
    written = signals(asked, QUIET)
    assert written.summary["calibration"] is written.summary["split"] is None
    assert len(written.summary["points"]) == len(PRESETS[preset].arms)
    rollouts = written.run.table("rollouts").to_pylist()
    for point, (signal, threshold, host) in zip(written.summary["points"], PRESETS[preset].arms, strict=True):
        assert (point["signal"], point["threshold"], point["arms"][0]["host"]) == (signal, threshold, host)
        assert len([row for row in rollouts if row["arm"] == point["arms"][0]["name"]]) == 4
    assert (written.run.path / "tables" / f"preset-{preset}.md").stat().st_size > 0


def test_rl_at_equal_entropy_stands_beside_each_published_arm_and_is_told_for_the_other_half(settings, tmp_path):
    asked = elsewhere(settings, tmp_path, preset="dir", draws=1)
    written = signals(asked, QUIET)
    run, told = written.run, written.summary["equal_entropy"]
    assert [each["threshold"] for each in told] == [-0.3, -0.35, -0.4]
    other = [i for i in (f"q{n}" for n in range(12)) if half_of(i) == "evaluation"]
    for each in told:
        if each["temperature"] is None:
            assert each["reason"]
            continue
        assert abs(each["reached"] - each["wanted"]) <= 0.02 * each["wanted"]
        assert each["rl"] == f"never x donor_argmax x rl x T={each['temperature']:g},top_p=0.7 x seed=0"
        rows = runs.read(run.path / "signals" / "evaluation").table("rollouts").to_pylist()
        assert sorted(r["problem_id"] for r in rows if r["arm"] == each["rl"]) == sorted(other)
        assert each["problems"] == len(other)
        assert each["difference"]["value"] == each["accuracy"]["value"] - each["accuracy_rl"]["value"]
        assert 0 < each["entropy"] != each["entropy_rl"] > 0
    assert any(each["temperature"] for each in told)
    assert "RL's temperature" in (run.path / "tables" / "equal-entropy-dir.md").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlprobe.pairs.loading.load", lambda _: pytest.fail("weights were loaded"))
        assert signals(asked, QUIET).summary["equal_entropy"] == told
        (again,) = grade(by_the_first(run.path, 100), QUIET)
    assert [each["temperature"] for each in again.summary["equal_entropy"]] == [e["temperature"] for e in told]


def test_dirs_gate_sees_the_drawn_token_and_redraws_it_with_fresh_noise():
    choice = SignalArms.of(SignalChoice(preset="dir"))
    for threshold, point in zip((-0.3, -0.35, -0.4), choice.points(), strict=True):
        arm = choice.arm(point.signal, point.threshold)
        assert arm.gate.spec == f"delta_below({threshold:g})"
        assert (arm.donor_stream, arm.writer.spec, arm.host) == ("redraw", "donor_draw", "base")
        assert arm.sampling == arms.Sampling(temperature=1.0, top_p=0.7)


def test_sampled_delta_is_redrawn_within_rl_and_greedy_delta_is_rls_token():
    sampled = SignalArms.of(SignalChoice(sampling=SamplingChoice(0.8))).arm("delta", -0.3)
    assert (sampled.gate.spec, sampled.writer.spec) == ("sampled_delta_below(-0.3)", "donor_residual")
    greedy = SignalArms().arm("delta", -0.3)
    assert (greedy.gate.spec, greedy.writer.spec) == ("delta_below(-0.3)", "donor_argmax")


def test_a_target_that_cannot_be_reached_is_absent_and_the_command_still_ends_well(settings, tmp_path):
    asked = elsewhere(settings, tmp_path, signals=("margin",), targets=(0.0001,), most_decodes=2)  # below one edit
    summary = signals(asked, QUIET).summary
    (found,) = summary["calibration"]["targets"]
    assert (found["threshold"], found["reached"]) == (None, None)
    assert found["reason"]
    assert summary["points"] == []
    assert found["reason"] in (asked.output.out / "tables" / "signal-calibration.md").read_text()


def test_what_the_host_alone_tells_is_learned_on_one_half_and_told_for_the_other(settings, tmp_path):
    asked = elsewhere(settings, tmp_path, signals=("learned", "entropy"), targets=(0.5,), most_decodes=6)
    written = signals(asked, QUIET)
    saved, halves = written.summary["learned"], written.run.path / "signals"
    tokens = {half: runs.read(halves / half).table("tokens").to_pandas() for half in ("calibration", "evaluation")}
    learned = learn(tokens["calibration"], "base")
    assert (saved["digest"], saved["intercept"]) == (learned.digest, learned.intercept)
    assert json.loads((written.run.path / "learned" / f"{learned.digest}.json").read_text()) == saved
    other = tokens["evaluation"][tokens["evaluation"]["arm"] == "base"]
    odds, differs = learned.log_odds(columns_of(other, "base")), other["argmax_base"] != other["argmax_rl"]
    pairs = np.sign(odds[differs][:, None] - odds[~differs])
    assert written.summary["detection"]["learned"]["value"] == pytest.approx((pairs.mean() + 1) / 2)
    assert set(other["problem_id"]) == set(written.summary["split"]["evaluation"])
    specs = [arm["spec"] for p in written.summary["points"] if p["signal"] == "learned" for arm in p["arms"]]
    assert all(spec.startswith("learned_above(") and f", {learned.digest})" in spec for spec in specs)
    assert any("learned_above" in arm for arm in runs.read(halves / "calibration").arms("rollouts"))
    assert "log position" in (written.run.path / "tables" / "signal-learned.csv").read_text()
    (again,) = grade(GradeSettings(run=written.run.path, reading=asked.reading), QUIET)
    assert again.summary["detection"] == written.summary["detection"]


# ---- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def command(rlprobe):
    """`rlprobe signals` on the tiny pair."""

    def run(*arguments, rl=None):
        return rlprobe(
            *("signals", "--base", rlprobe.base, "--rl", rl or rlprobe.rl, "--style", "question_answer"),
            *("--max-new-tokens", 8, "--dataset", rlprobe.problems(8), "--out", rlprobe.tmp_path / "run", *arguments),
        )

    run.path, run.base = rlprobe.tmp_path / "run", rlprobe.base
    return run


def test_the_command_says_what_it_found(command):
    code, out, err = command("--signal", "kl", "--signal", "delta", "--target", 50, "--most-decodes", 2)
    assert code == 0, err
    assert "Which signal finds the tokens" in out
    assert json.loads((command.path / "signals.json").read_text())["signals"] == ["kl", "delta"]


def test_the_plan_says_what_would_be_done_and_does_nothing(command):
    code, out, _ = command("--dry-run")
    assert code == 0
    assert "for calibration" in out
    assert "delta, at 10, 25, 50, 75, 90 % of what the oracle edits" in out
    assert "kl, at 2 % of all tokens replaced" in command("--dry-run", "--equal", "replaced", "--target", 2)[1]
    assert "js_above(0.1) x donor_draw x rl" in command("--dry-run", "--preset", "sbc")[1]
    assert not command.path.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--signal", "luck"), "no signal is called 'luck'; known: delta"),
        (("--target", 0), "above 0"),
        (("--target", 150), "at most 100 %"),
        (("--equal", "replaced", "--target", 150), "a share of all tokens"),
        (("--shard", "1/2"), "without --shard"),
        (("--preset", "dir", "--signal", "kl"), "give either --preset or --signal, not both"),
        (("--preset", "dir", "--equal", "replaced"), "give either --preset or --equal, not both"),
        (("--sample", "--top-p", 0), "--top-p is 0.0: it is above 0 and at most 1"),
        (("--limit", 1), "half of 1 problems is empty"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_before_anything_is_written(command, arguments, said):
    code, _, err = command(*arguments)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not command.path.exists()


def test_a_pair_that_never_disagrees_has_nothing_to_compare(command):
    code, _, err = command(rl=command.base)
    assert code == 2
    assert "never disagree" in err
