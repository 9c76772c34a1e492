"""A user's own claims: registered before or after the first response, and judged by whatever the run holds."""

import json
import subprocess
import sys

import pytest

import rlprobe as rp
from rlprobe import runs
from rlprobe.analysis.own_claims import parse
from rlprobe.commands.claims import registered
from rlprobe.errors import BadInput

RATE = "summary.trajectories.base.rates.all.micro.disagreements"


def written(folder, *claims, name="claims.toml"):
    """A file of claims, each (name, quantity, inequality)."""
    rows = [f'[[claim]]\nname = "{n}"\nquantity = "{q}"\n{asked}\nmargin = 0\n' for n, q, asked in claims]
    (folder / name).write_text("".join(rows))
    return folder / name


FEW = ("few differ", RATE, "below = 1")
ALL = ("all differ", RATE, "above = 0.999")
GAIN = ("RL gains", "summary.accuracy.last.gain", "above = 0.9")
ORACLE = ("the oracle is RL", "interventions.arms.oracle.identical.rl", "above = 0.1")


def table(run):
    return rp.read(run).tables["claims"].set_index("claim")


@pytest.mark.slow
def test_claims_of_a_new_run_are_before_the_data_and_judged_by_it(rlprobe):
    run, file = rlprobe.tmp_path / "run", written(rlprobe.tmp_path, FEW, ALL, ORACLE)
    code, out, err = rlprobe.disagree("--claims", file)
    assert code == 0, err
    assert "Your claims, written before the data" in out
    assert "After the data" not in out
    found = table(run)
    assert list(found.loc[["few differ", "all differ"], "verdict"]) == ["holds", "does not hold"]
    assert found.loc["the oracle is RL", "verdict"] == "not measured: there is no interventions.json yet"
    assert set(found["written"]) == {"before the data"}
    summary = json.loads((run / "summary.json").read_text())
    rate = summary["trajectories"]["base"]["rates"]["all"]["micro"]["disagreements"]
    assert rp.read(run).numbers["claims"]["found"][0] == pytest.approx(rate["value"])
    for suffix in ("md", "csv", "tex"):
        assert (run / f"tables/claims.{suffix}").exists()


@pytest.mark.slow
def test_claims_are_no_part_of_the_identity_and_what_was_written_later_never_holds(rlprobe):
    run, folder = rlprobe.finished(), rlprobe.tmp_path
    identity = (run / "run.json").read_bytes()
    code, out, err = rlprobe.disagree("--claims", written(folder, FEW, ALL))
    assert code == 0, err
    assert (run / "run.json").read_bytes() == identity
    after = out[out.index("After the data") :]
    assert "hold" not in after.split("written to")[0]
    assert list(table(run)["verdict"]) == ["agrees", "disagrees"]
    assert list(table(run)["responses then"]) == ["12", "12"]  # two models, six problems


@pytest.mark.slow
def test_a_claim_that_was_changed_after_the_first_response_is_after_the_data_and_the_old_one_stays(rlprobe):
    run, folder = rlprobe.tmp_path / "run", rlprobe.tmp_path
    assert rlprobe.disagree("--claims", written(folder, FEW, ALL))[0] == 0
    easier = ("all differ", RATE, "above = 0")
    assert rlprobe.disagree("--claims", written(folder, FEW, easier))[0] == 0
    assert rlprobe.disagree("--claims", written(folder, FEW, easier))[0] == 0  # the same file again
    assert [each.responses for each in registered(runs.read(run))] == [0, 12]
    found = table(run).reset_index()
    assert list(found["claim"]) == ["few differ", "all differ", "all differ"]
    assert list(found["written"]) == ["before the data", "before the data, withdrawn since", "after the data"]
    assert list(found["verdict"]) == ["holds", "does not hold", "agrees"]


@pytest.mark.slow
def test_a_later_command_judges_the_claims_that_were_registered(rlprobe):
    run, folder = rlprobe.tmp_path / "run", rlprobe.tmp_path
    assert rlprobe.disagree("--claims", written(folder, ORACLE))[0] == 0
    of_pair = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 30)
    small = ("--dataset", rlprobe.problems(), "--out", run, "--shard-size", 3)
    code, _, err = rlprobe("intervene", *of_pair, *small, "--mode", "oracle")
    assert code == 0, err
    assert table(run).loc["the oracle is RL", "verdict"] == "holds"
    assert rlprobe("grade", run, "--class-k", 3)[0] == 0
    assert "the oracle is RL" in table(run).index


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the claims in"),
        (b"\xff", "not UTF-8"),
        (b"[[claim]", "it is no TOML"),
        (b'[[claim]]\nname = "x"\nquantity = "summary.gain"\nabove = 0\nmargin = 0', "which no summary has"),
    ],
)
def test_a_bad_file_is_one_line_and_leaves_nothing_behind_at_both_doors(rlprobe, content, says):
    file = rlprobe.tmp_path / "claims.toml"
    if content is not None:
        file.write_bytes(content)
    code, out, err = rlprobe.disagree("--claims", file)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert not (rlprobe.tmp_path / "run").exists()
    with pytest.raises(BadInput) as error:
        rp.disagree(base=str(rlprobe.base), rl=str(rlprobe.rl), dataset=str(rlprobe.problems()), claims=file)
    assert str(error.value) in err


# ---- functions -------------------------------------------------------------------------------------------------------

MINE = """
import rlprobe as rp

@rp.claim(below=1, margin=0)
def few_differ(told):
    base = told.tokens[told.tokens["arm"] == "base"]
    return base.assign(differ=base["class"] != "unchanged", n=1).groupby("problem_id")[["differ", "n"]].sum()

@rp.claim(above=-1, margin={margin})
def gains(told):
    right = told.responses.pivot(index="problem_id", columns="arm", values="correct")
    return right["rl"] - right["base"]

@rp.claim(above=0, margin=0)
def oracle_edits(told):
    return told.responses.pivot(index="problem_id", columns="label", values="edited")["oracle"]
"""


def test_the_name_of_a_function_that_was_not_included_says_how_to(rlprobe):
    code, _, err = rlprobe.disagree("--claims", "few_differ")
    assert code == 2
    assert err.endswith(
        "few_differ: No such file or directory; a claim few_differ of your own comes with --include FILE\n"
    )


@pytest.mark.slow
def test_a_function_is_a_claim_and_says_what_the_summary_says(rlprobe):
    run, file = rlprobe.tmp_path / "run", rlprobe.tmp_path / "mine.py"
    file.write_text(MINE.format(margin=0))
    asked = ("--include", file, "--claims", "few_differ", "--claims", "gains", "--claims", "oracle_edits")
    code, _, err = rlprobe.disagree(*asked, "--claims", written(rlprobe.tmp_path, FEW))
    assert code == 0, err
    found = rp.read(run).numbers["claims"].set_index("claim")
    assert list(found.loc["few_differ", ["found", "found_low", "found_high"]]) == pytest.approx(
        list(found.loc["few differ", ["found", "found_low", "found_high"]])
    ), "the same number by the summary's road"
    assert found.loc["gains", "found"] == rp.read(run).summary["accuracy"]["last"]["gain"]["value"]
    assert set(found["written"]) == {"before the data"}
    why = found.loc["oracle_edits", "verdict"]
    assert why == "not measured: the claim oracle_edits fails: line 16: KeyError: 'oracle'"
    file.write_text(MINE.format(margin=0.01))  # asked otherwise, it is another claim: after the data
    assert rlprobe.disagree("--include", file, "--claims", "gains")[0] == 0
    again = table(run).loc[["gains"]]
    assert list(again["written"]) == ["before the data, withdrawn since", "after the data"]
    assert rlprobe("grade", run)[0] == 0  # this process knows the functions; another one says that it does not
    code = "import sys, rlprobe as rp; rp.grade(sys.argv[1], quiet=True)"
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)
    assert "was given by another process: give it again" in table(run).loc["few_differ", "verdict"]


def test_a_command_that_registers_no_claims_has_no_such_option(rlprobe, tmp_path):
    file = written(tmp_path, FEW)
    for command in (rp.flips, lambda **asked: rp.footprint(["a=rl"], **asked)):
        with pytest.raises(BadInput, match="there is no option 'claims'"):
            command(pair="bundled", claims=file, out=tmp_path / "run")


@pytest.mark.slow
def test_merged_claims_are_before_the_data_where_they_were_so_in_every_part(rlprobe):
    folder = rlprobe.tmp_path
    first, late = written(folder, FEW), written(folder, FEW, GAIN, name="late.toml")
    for share, file in (("1/2", first), ("2/2", late)):
        assert rlprobe.disagree("--shard", share, "--claims", file, out=f"part{share[0]}")[0] == 0
    assert rlprobe.disagree("--shard", "2/2", "--claims", first, out="part2")[0] == 0
    assert rlprobe.disagree("--shard", "1/2", "--claims", late, out="part1")[0] == 0
    code, _, err = rlprobe("merge", folder / "whole", folder / "part1", folder / "part2")
    assert code == 0, err
    found = table(folder / "whole")
    assert dict(found["written"]) == {"few differ": "after the data", "RL gains": "after the data"}


def every_way(held, way=""):
    if isinstance(held, dict) and {"value", "low", "high"} <= held.keys():
        if not isinstance(held["value"], list):  # a curve: its points that are shown have names of their own
            yield way
    elif isinstance(held, dict | list):
        for key, entry in held.items() if isinstance(held, dict) else enumerate(held):
            yield from every_way(entry, f"{way}.{key}" if way else str(key))


@pytest.mark.slow
def test_every_interval_of_a_summary_can_be_claimed_and_is_found(rlprobe):
    """QUANTITIES is checked against what the commands write: whatever has an interval there has a name here."""
    run = rlprobe.tmp_path / "run"
    of_pair = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 12)
    small = ("--dataset", rlprobe.problems(), "--out", run, "--shard-size", 6)
    assert rlprobe("disagree", *of_pair, *small)[0] == 0
    assert rlprobe("intervene", *of_pair, *small, "--mode", "oracle")[0] == 0
    assert rlprobe("sample", *of_pair, *small, "--n", 2)[0] == 0
    assert rlprobe("signals", *of_pair, *small, "--preset", "dir", "--draws", 1)[0] == 0
    held = {name: json.loads((run / f"{name}.json").read_text()) for name in ("summary", "interventions", "sample")}
    for file in run.glob("signals*.json"):
        held["signals"] = json.loads(file.read_text())
    for name, summary in held.items():
        found = [f"{name}.{way}" for way in every_way(summary)]
        assert found
        for quantity in found:
            (claim,) = parse(f'[[claim]]\nname = "x"\nquantity = """{quantity}"""\nabove = 0\nmargin = 0')
            assert claim.found_in(held).ours.value == _value(summary, quantity.removeprefix(f"{name}."))


def _value(held, way):
    return next(v for w, v in _values(held) if w == way)


def _values(held, way=""):
    if isinstance(held, dict) and {"value", "low", "high"} <= held.keys():
        yield way, held["value"]
    elif isinstance(held, dict | list):
        for key, entry in held.items() if isinstance(held, dict) else enumerate(held):
            yield from _values(entry, f"{way}.{key}" if way else str(key))
