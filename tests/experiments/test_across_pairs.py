"""The table of claims across pairs: read from what the scripts keep, nulls apart, what was not run left empty."""

from dataclasses import replace

import pandas as pd
import pytest
from click.testing import CliRunner

from experiments import across_pairs, kept
from experiments.across_pairs import OVER
from experiments.own_pairs import OWN

CLAIM = "RL answers more problems than its base"


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Three pairs of two bases, one of them null, with one claim each on their shelf."""
    pairs = {
        "bundled": OWN["bundled"],
        "smollm2": OWN["smollm2"],
        "a null": replace(OWN["smollm2"], null=True),
    }
    for module in ("experiments.across_pairs", "experiments.request"):
        monkeypatch.setattr(f"{module}.OWN", pairs)
    monkeypatch.setattr(kept, "FIGURES", tmp_path)
    for name, (ours, low, high) in {
        "bundled": (0.3, 0.2, 0.4),
        "smollm2": (0.2, 0.1, 0.3),
        "a null": (0, -1, 1),
    }.items():
        file = kept.Shelf.shown(name).file("claims_disagreement.csv")
        columns = {"claim": CLAIM, "ours": ours, "ours_low": low, "ours_high": high, "verdict": "holds"}
        pd.DataFrame([columns]).to_csv(file, index=False)
    return tmp_path


def test_a_claim_stands_beside_itself_on_every_pair_and_the_null_is_in_no_mean(shown):
    assert CliRunner().invoke(across_pairs.main, [], catch_exceptions=False).exit_code == 0
    table = pd.read_csv(shown / "across_pairs.csv").set_index("claim")
    assert table.loc[CLAIM, ["bundled", "smollm2", "a_null"]].tolist() == [0.3, 0.2, 0]
    assert table.loc[CLAIM, OVER.replace(" ", "_")] == pytest.approx(0.25)
    assert table.loc[CLAIM, "bundled:_verdict"] == "holds"
    assert table.loc[CLAIM, "a_null:_verdict"] == "not resolved"
    assert table.loc[CLAIM, f"{OVER}:_verdict".replace(" ", "_")] == "not resolved"  # two bases: t of one degree


def test_a_script_that_was_not_run_on_a_pair_leaves_the_entry_empty(shown):
    (shown / "smollm2" / "claims_disagreement.csv").unlink()
    CliRunner().invoke(across_pairs.main, ["--pair", "bundled", "--pair", "smollm2"], catch_exceptions=False)
    row = pd.read_csv(shown / "across_pairs.csv").set_index("claim").loc[CLAIM]
    assert pd.isna(row["smollm2"])
    assert pd.isna(row["smollm2:_verdict"])
    assert pd.isna(row[OVER.replace(" ", "_")])
