"""The claims of the experiments: each finds its number in what its script measures, and each table is written."""

import importlib
from dataclasses import asdict

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from experiments import claims, kept, signals
from experiments.benchmarks import cost_by_pair
from experiments.claims import Asked, number, write_claims
from experiments.divergence import shares
from experiments.own_pairs import OWN
from experiments.request import Request, asked
from experiments.signals import NAMES
from experiments.weights import counted
from rlprobe.analysis import calibration
from rlprobe.analysis.claims import Claim, Kind, Verdict
from rlprobe.analysis.statistics import Interval, missing
from rlprobe.pairs.registry import PAIRS
from rlprobe.settings import Resampling

SHELVES = {"footprint": "bundled-footprint-word-problems"}  # the others share a run
FEW = {"sampling": ["--n", "2"], "backward": ["--seeds", "1"], "interventions": ["--seeds", "1"]}
FEW |= {"extrapolation": ["--draws", "1"]}
FOUND = Interval(0.5, 0.4, 0.6, 10, None, "bootstrap over problems")
CLAIMED = {script: importlib.import_module(f"experiments.{script}").CLAIMS for script in claims.SCRIPTS}


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FIGURES", tmp_path / "figures")
    return kept.FIGURES


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder whose runs all scripts share, as they do for a user."""
    return tmp_path_factory.mktemp("workplace")


@pytest.mark.slow
@pytest.mark.parametrize("script", CLAIMED)
def test_every_claim_finds_its_number_in_what_its_script_measures(script, workplace, figures, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setattr(calibration, "TOLERANCE", 1)  # few problems have few edits: their shares are far apart
    few = {"signals": tuple(NAMES), "targets": (0.9,)}
    cheap = {name: asked if "preset" in asked else asked | few for name, asked in signals.COMPARISONS.items()}
    monkeypatch.setattr(signals, "COMPARISONS", cheap)
    monkeypatch.setattr(signals, "DRAWS", 1)
    module = importlib.import_module(f"experiments.{script}")
    limit = 8 if script == "signals" else 4
    ended = CliRunner().invoke(module.main, ["--limit", str(limit), *FEW.get(script, [])], catch_exceptions=False)
    assert ended.exit_code == 0
    shelf = workplace / "runs" / SHELVES.get(script, "bundled-word-problems") / "kept"
    assert (shelf / f"claims_{script}.md").read_text() in ended.stdout
    assert "there is no" not in (shelf / f"claims_{script}.md").read_text()
    assert f"{script}-word-problems/kept" in ended.stderr or "bundled-word-problems/kept" in ended.stderr
    assert not figures.exists()


def test_a_script_keeps_under_figures_only_what_is_asked_as_shown():
    asked_for = []

    @click.command()
    @asked
    @click.option("--only", multiple=True)
    @click.option("--n", default=16)
    def script(request, only, n):
        asked_for.append(request)

    for arguments in ([], ["--only", "x"], ["--n", "2"], ["--limit", "3"], ["--max-new-tokens", "16384"]):
        assert CliRunner().invoke(script, arguments).exit_code == 0
    assert [request.as_shown for request in asked_for] == [True, True, False, False, False]
    assert asked_for[-1].options["max_new_tokens"] == 16384


def test_every_pair_of_this_project_has_its_own_way_of_being_shown_and_its_own_folder():
    for name, own in OWN.items():
        shown = Request.of(name, {})
        assert (shown.limit, shown.max_new_tokens, shown.dataset) == (own.limit, own.max_new_tokens, own.entry.dataset)
        assert shown.as_shown
        assert not Request.of(name, {"limit": 3}).as_shown
    assert kept.Shelf.shown("smollm2").folder == kept.FIGURES / "smollm2"
    assert not Request.of("simplerl-7b", {}).as_shown


@pytest.mark.parametrize("script", CLAIMED)
def test_every_script_ends_in_its_table_of_claims(script):
    assert f'write_claims("{script}", CLAIMS' in (kept.FIGURES.parent / "experiments" / f"{script}.py").read_text()


def test_what_a_summary_lacks_is_not_measured_and_named(figures):
    write_claims("signals", CLAIMED["signals"], {"greedy": {"overall": []}}, kept.Shelf.shown("bundled"))
    text = (figures / "claims_signals.md").read_text()
    assert "not measured: there is no first delta, other kl" in text
    assert "not measured: there is no 'sampled'" in text
    assert Verdict.HOLDS not in text


def test_a_number_that_is_none_keeps_its_own_reason():
    assert number({"a": asdict(missing("the pair is its own"))}, ("a",)).reason == "the pair is its own"
    assert number({"a": None}, ("a",)).reason == "there is no 'a'"
    assert number({"a": []}, ("a", -1)).reason == "there is no -1"


def test_what_the_bundled_pair_has_by_construction_is_measured_on_another():
    asked = Asked(Claim(statement="few", source="ours", high=1, kind=Kind.BY_CONSTRUCTION), ("a",))
    assert asked.on({"a": FOUND}, "bundled").verdict is Verdict.BY_CONSTRUCTION
    assert asked.on({"a": FOUND}, "simplerl-7b").verdict is Verdict.HOLDS


def test_the_tables_are_gathered_and_a_missing_one_names_its_command(figures):
    write_claims("footprint", CLAIMED["footprint"], {"steps": []}, kept.Shelf.shown("bundled"))
    text = claims.gathered([figures])
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(claims.SCRIPTS)
    assert (figures / "claims_footprint.md").read_text() in text
    assert "not measured: run `python -m experiments.backward`" in text
    assert "0 claims were judged by an interval of 95 %, each for itself" in text


def test_verdicts_that_chance_alone_would_give_are_counted_of_what_was_judged(figures):
    verdicts = (
        ["holds"] * 30 + ["does not hold"] * 6 + ["not resolved: one problem"] * 4 + ["identity", "not measured: no"]
    )
    figures.mkdir()
    pd.DataFrame({"source": ["ours"] * 10 + ["2603.22117"] * 32, "verdict": verdicts}).to_csv(
        figures / "claims_signals.csv"
    )
    (figures / "claims_signals.md").write_text("a table\n")
    text = " ".join(claims.gathered([figures]).split())
    assert "32 claims of the papers: *holds* 20, *does not hold* 6, *not resolved* 4," in text
    assert "10 claims of our own: *holds* 10." in text
    assert "40 claims were judged" in text
    assert "36 of them *hold* or *do not hold*" in text
    assert "up to 2.0 verdicts, and up to 1.0 that it *holds*" in text


def test_shares_of_near_zero_and_unlikely_are_counted():
    rng = np.random.default_rng(0)
    tokens = pd.DataFrame({"problem_id": rng.integers(8, size=400), "js": rng.exponential(0.05, 400)})
    tokens["logprob_base_of_rl"] = -rng.exponential(3, 400)
    found = shares(tokens, Resampling())
    assert found["near_zero"].value == pytest.approx((tokens["js"] < 0.01).mean())
    apart = tokens[tokens["js"] > 0.1]
    assert found["unlikely_in_base"].value == pytest.approx((np.exp(apart["logprob_base_of_rl"]) < 0.01).mean())
    assert found["near_zero"].low < found["near_zero"].value < found["near_zero"].high


def test_what_is_counted_on_the_weights_is_a_fact_or_missing():
    spread = {"value": 0.2, "low": 0.1, "high": 0.3}
    found = counted({"unchanged": 0.75, "rank_90_share": spread, "numerical_rank_share": None})
    assert [found[name].value for name in ("changed", "rank_90_share")] == [0.25, 0.2]
    assert found["numerical_rank_share"].reason == "RL changed no matrix"


# ---- costs -----------------------------------------------------------------------------------------------------------

READS = {"entropy": (0.1, 2.0), "random": (0.6, 2.7)}


@pytest.mark.parametrize("pair", [name for name, pair in PAIRS.items() if pair.published])
def test_every_published_pair_has_a_price_and_fits_its_cards(pair):
    row = cost_by_pair.row(pair, READS)
    assert row["rows"] >= 1
    assert row["GB in all"] < 80 * row["80 GB cards"]
    scripts = [float(row[script]) for script in cost_by_pair.passes(READS)]
    assert float(row["GPU hours in all, at least"]) == pytest.approx(sum(scripts), rel=0.1)


def test_the_readme_holds_the_table_of_every_pair_and_its_command():
    text = cost_by_pair.README.read_text()
    for pair, entry in PAIRS.items():
        if entry.published:
            assert f"| {pair} |" in text
            assert f"\nreproduce {pair}" in text


def test_only_what_is_between_the_marks_is_rewritten(tmp_path):
    file = tmp_path / "README.md"
    file.write_text("before\n<!-- x: written by a script -->\nold\n<!-- end of x -->\nafter\n")
    for _ in range(2):
        kept.rewrite(file, "x", "new\n")
    assert file.read_text() == "before\n<!-- x: written by a script -->\n\nnew\n\n<!-- end of x -->\nafter\n"


def test_disagreement_costs_two_decodes_and_four_readings():
    shape = cost_by_pair.SIZES["Qwen/Qwen2.5-7B"].shape("7B")
    tokens, read = 500 * 600, 15.24e9 / 3.1e14  # 2 operations a parameter of 2 bytes
    decoded = max((15.24e9 / shape.rows + 500 * 2 * 28 * 4 * 128 * 2) / 2e12, read)
    hours = tokens * (2 * decoded + 4 * read) / 3600
    assert float(cost_by_pair.row("simplerl-7b", READS)["disagreement"]) == pytest.approx(hours, rel=0.05)
