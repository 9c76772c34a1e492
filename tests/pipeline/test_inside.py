"""`rlprobe lens`, `rlprobe patch` and `rlprobe steer` on a run of the tiny pair."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from conftest import save_pair

from rlprobe.analysis.halves import HALVES, half_of
from rlprobe.commands.disagree import disagree
from rlprobe.commands.inside import chosen_points, open_run
from rlprobe.commands.lens import lens
from rlprobe.commands.patch import patch
from rlprobe.commands.progress import Reporter
from rlprobe.commands.steer import steer
from rlprobe.errors import BadInput, OtherRun
from rlprobe.internals.lens import read_out, residual_streams
from rlprobe.records import Status
from rlprobe.settings import (
    ComputeChoice,
    DisagreeSettings,
    LensSettings,
    OutputChoice,
    PairChoice,
    PatchChoice,
    PatchSettings,
    PointChoice,
    ProblemChoice,
    Reading,
    SteerChoice,
    SteerSettings,
)

FAST = Reading(resamples=100, tau=0.1)
QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def run(tiny_folders, tmp_path_factory) -> Path:
    """Eight problems, answered by the tiny pair; no test changes what it holds."""
    folder = tmp_path_factory.mktemp("inside")
    rows = [{"id": f"q{i}", "question": f"Ann has {i} eggs and buys 2. How many?", "answer": str(i)} for i in range(8)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    base, rl = map(str, tiny_folders)
    settings = DisagreeSettings(
        pair=PairChoice(base=base, rl=rl, device="cpu"),
        problems=ProblemChoice(dataset=str(folder / "problems.jsonl"), style="question_answer"),
        compute=ComputeChoice(max_new_tokens=30, batch_size=8, block=8),
        output=OutputChoice(folder / "run"),
        reading=FAST,
    )
    disagree(settings, Reporter(quiet=True))
    return folder / "run"


def cell_of(summary, **key):
    return next(c for c in summary["cells"] if all(c[name] == value for name, value in key.items()))


@contextmanager
def judging(_settings):
    """A judge who likes even lengths: verdicts are not what is tested here."""
    yield lambda pairs: [(Status.WRONG, Status.CORRECT)[len(text) % 2 == 0] for text, _ in pairs]


@pytest.mark.slow
def test_lens_and_patch_agree_on_what_the_last_residual_alone_does(run):
    """Two ways to the same numbers: reading RL's last residual by the base's head, and patching it into the base."""
    choice = PointChoice(points=6)
    read = lens(LensSettings(run=run, choice=choice, reading=FAST), QUIET).summary
    crossed = {(e["trunk"], e["readout"]): e for e in read["crossed"]}
    assert crossed["base", "base"]["base_choice"]["value"] == 1
    assert crossed["rl", "rl"]["rl_choice"]["value"] == 1
    for host, donor in (("base", "rl"), ("rl", "base")):
        patches = PatchChoice(host=host, before=(1, 300))
        found = patch(PatchSettings(run=run, choice=choice, reading=FAST, patches=patches), QUIET).summary
        last = cell_of(found, source="same", site="residual", layer=1, where="0")
        assert last["flips"]["value"] == crossed[donor, host][f"{donor}_choice"]["value"]
        gaps = [crossed[pair]["gap"]["value"] for pair in ((host, host), (donor, host), (donor, donor))]
        if found["small_gaps"] == 0:
            assert last["share"]["value"] == pytest.approx((gaps[1] - gaps[0]) / (gaps[2] - gaps[0]), abs=1e-3)
        assert {c["where"] for c in found["cells"]} == {"0", "-1", "earlier", "prompt"}  # 300 before: no such place
    for name in ("figures/lens.png", "figures/patching.pdf", "figures/heads.csv", "tables/patching_backward.md"):
        assert (run / name).exists()


@pytest.mark.slow
def test_lens_twice_says_the_same_and_leaves_what_the_run_holds_alone(rlprobe, run):
    before = {f: f.read_bytes() for f in run.rglob("*.parquet")}
    first, second = (rlprobe("lens", run, "--points", 5, "--json") for _ in range(2))
    assert first[0] == 0, first[2]
    assert json.loads(first[1]) == json.loads(second[1])
    assert before == {f: f.read_bytes() for f in run.rglob("*.parquet")}


@pytest.mark.slow
def test_patch_from_the_command_line_takes_some_layers_and_no_heads(rlprobe, run):
    arguments = ("--points", 2, "--layers", "1", "--before", "", "--no-heads", "--no-whole", "--json")
    code, out, err = rlprobe("patch", run, *arguments)
    assert code == 0, err
    cells = json.loads(out)["cells"]
    assert {(c["layer"], c["head"], c["where"]) for c in cells} == {(1, -1, "0")}
    assert len(cells) == 9  # three sites from three sources
    assert {c["source"]: c["minus_control"] and c["minus_control"]["control"] for c in cells} == {
        "same": "other",
        "other": "other_host",
        "other_host": None,
    }


@pytest.mark.slow
def test_steering_is_compared_with_random_directions_on_the_other_half(run):
    choice = SteerChoice(coefficients=(0.0, 3.0), directions=2)
    summary = steer(SteerSettings(run=run, reading=FAST, steering=choice), QUIET, judging).summary
    split = summary["split"]
    assert {half: {half_of(i) for i in split[half]} for half in HALVES} == {half: {half} for half in HALVES}
    assert summary["tested"] == len(split["evaluation"])
    assert [choice["where"] for choice in summary["choices"]] == ["everywhere", "uncertain"]
    assert all(choice["problems"] == len(split["calibration"]) for choice in summary["choices"])
    arms = [(arm["where"], arm["coefficient"], arm["direction"], arm["directions"]) for arm in summary["arms"]]
    assert arms[:2] == [("own", 0, "base", 1), ("own", 0, "rl", 1)]
    assert arms[2:6] == [("everywhere", c, d, n) for c in (0, 3) for d, n in (("difference", 1), ("random", 2))]
    nothing = [arm for arm in summary["arms"] if arm["coefficient"] == 0 and arm["direction"] != "rl"]
    assert {arm["differs"] for arm in nothing} == {0.0}  # a vector of nothing leaves every text as it is
    something = [arm for arm in summary["arms"] if arm["coefficient"] == 3 and arm["where"] == "everywhere"]
    assert all(arm["differs"] > 0 for arm in something)
    assert (run / "tables" / "steering.md").exists()
    assert (run / "figures" / "steering.png").exists()


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (lambda: SteerChoice(coefficients=(1.0, float("nan"))), "--coefficient is nan: it is a finite number"),
        (lambda: SteerChoice(coefficients=(float("-inf"),)), "finite"),
        (lambda: SteerChoice(coefficients=()), "--coefficient is empty"),
        (lambda: SteerChoice(coefficients=(2, 2.0)), "named twice"),
        (lambda: SteerChoice(limit=0), "limit is 0"),
        (lambda: SteerChoice(limit=-1), "limit is -1"),
        (lambda: SteerChoice(directions=-1), "directions is -1"),
        (lambda: SteerChoice(wheres=()), "--where is empty"),
        (lambda: SteerChoice(wheres=("uncertain", "uncertain")), "named twice"),
        (lambda: SteerChoice(wheres=("here",)), "--where is 'here': it is one of"),
        (lambda: PatchChoice(layers=(1, 0, 0)), "layers is 1, 0, 0: .*twice"),
        (lambda: PatchChoice(before=(2, 2)), "before is 2, 2"),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused_in_one_line_when_it_is_made(choice, says):
    with pytest.raises(BadInput, match=says) as refused:
        choice()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("patch", "--layers", "0,7"), "has no layer 7"),
        (("patch", "--layers", "a"), "it is a whole number"),
        (("patch", "--layers", ""), "--layers is empty"),
        (("patch", "--before", "0"), "--before is 0: it is at least 1"),
        (("patch", "--layers", "1,1"), "named twice"),
        (("steer", "--layer", 9), "has no layer 9"),
        (("steer", "--coefficient", "nan"), "--coefficient is nan"),
        (("steer", "--coefficient", "inf"), "--coefficient is inf"),
        (("lens", "--device", "cuda:99"), "no device cuda:99"),
        (("lens", "--kind", "shifted", "--class-k", 300), "no shifted position"),
        (("lens", "--pair", "bundled"), "about another pair"),
        (("lens", "--pair", "bundled", "--base", "x"), "not both"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(rlprobe, run, arguments, says):
    command, *options = arguments
    code, _, err = rlprobe(command, run, *options)
    assert code == 2
    assert says in err.replace("\n", " ")


def test_a_folder_that_is_no_run_and_a_run_without_tokens_are_refused(run, tmp_path):
    with pytest.raises(BadInput, match="no run directory"):
        open_run(tmp_path / "none", PairChoice())
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "tokens" / "rl")
    with pytest.raises(BadInput, match="no token table of the text of rl"):
        lens(LensSettings(run=tmp_path / "run", choice=PointChoice(trajectory="rl")), QUIET)


def test_another_pair_is_refused_by_name_and_the_same_pair_elsewhere_is_not(rlprobe, run, tmp_path):
    other = save_pair(tmp_path / "other", seed=1)
    with pytest.raises(OtherRun, match="another pair: its base"):
        open_run(run, PairChoice(base=str(other[0]), rl=str(other[1]), device="cpu"))
    moved = save_pair(tmp_path / "moved")
    assert open_run(run, PairChoice(base=str(moved[0]), rl=str(moved[1]), device="cpu")).run.path == run


@pytest.fixture
def adapter(tiny_folders, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_pretrained(tiny_folders[0])
    adapted = get_peft_model(network, LoraConfig(r=2, target_modules=["q_proj", "o_proj"], init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.slow
def test_a_run_of_an_adapter_is_looked_into_under_the_names_that_it_remembers(rlprobe, adapter):
    code, _, err = rlprobe.disagree("--rl", f"base+{adapter}")
    assert code == 0, err
    run = rlprobe.tmp_path / "run"
    opened = open_run(run, PairChoice())
    point = chosen_points(opened.run, PointChoice(points=4), FAST)[1]
    tokens = opened.run.table("tokens").to_pandas()
    tokens = tokens[tokens["arm"] == "base"].set_index(["problem_id", "position"])
    streams = residual_streams(opened.inside["rl"], point)
    read = read_out(opened.inside["rl"], streams[:, -1], point, opened.pair.vocabulary)
    rows = [tokens.loc[(p.problem_id, len(p.ids) - p.prompt)] for p in point]
    assert read.leading.tolist() == [row["argmax_rl"] for row in rows]
    assert read.logprobs[:, 1].tolist() == pytest.approx([row["logprob_argmax_rl"] for row in rows], abs=1e-4)
    for command in ("lens", "patch"):
        code, _, err = rlprobe(command, run, "--points", 2)
        assert code == 0, err


@pytest.mark.slow
def test_an_adapter_that_cannot_be_merged_exactly_is_refused_before_anything_is_loaded(rlprobe, adapter, monkeypatch):
    assert rlprobe.disagree("--rl", f"base+{adapter}", "--dtype", "bfloat16")[0] == 0
    monkeypatch.setattr("rlprobe.pairs.loading.load", lambda *_: pytest.fail("weights were loaded"))
    code, _, err = rlprobe("lens", rlprobe.tmp_path / "run")
    assert (code, "merging it in bfloat16 rounds what it adds" in err) == (5, True)
