"""Every table of `rlprobe intervene`, from summaries with everything in them and with almost nothing."""

from io import StringIO

import pandas as pd
import pytest
from synthetic_arms import ARMS, arm_tables, named_arms

from rlprobe.analysis.interventions import summarise
from rlprobe.reporting.formats import FORMATS
from rlprobe.reporting.intervene import TABLES
from rlprobe.settings import Reading

CASES = {
    "everything": {"modes": tuple(ARMS)},
    "only the ends": {},
    "no gain": {"modes": ("oracle", "random"), "rl": 0.15},
    "one problem": {"modes": ("oracle", "random"), "problems": 1},
    "base alone": {"ends": ("base",)},
}


def made(modes=(), problems=30, **more):
    arms = named_arms(modes)
    return summarise(*arm_tables(arms, problems=problems, **more), arms, Reading(resamples=100))


@pytest.fixture(scope="module", params=CASES)
def summary(request):
    return made(**CASES[request.param])


@pytest.fixture(scope="module")
def full():
    return made(modes=tuple(ARMS))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_table_can_be_written_in_every_format(summary, name, suffix):
    text = FORMATS[suffix](TABLES[name](summary))
    assert text.endswith("\n")
    assert "nan" not in text
    assert "None" not in text


def test_there_is_one_row_an_arm_between_base_and_rl(full):
    table = TABLES["interventions"](full)
    assert table["arm"].tolist() == ["base", *list(full["arms"])[1:-1], "RL"]
    assert table["arm"].is_unique
    assert table["responses"].tolist() == [
        90 if arm in ("random", "resample", "matched") else 30 for arm in table["arm"]
    ]


def test_every_number_of_the_table_is_the_summary_s(full):
    back = pd.read_csv(StringIO(FORMATS["csv"](TABLES["interventions"](full)))).set_index("arm")
    row, arm = back.loc["entropy(1.2)"], full["arms"]["entropy(1.2)"]
    last = arm["answers"]["last"]
    assert row["edited"] == arm["edited"]["value"]
    assert row["gated_low"] == arm["gated"]["low"]
    assert row["recovery_high"] == last["recovery"]["high"]
    assert row["p_against_RL"] == last["against"]["rl"]["p_value"]
    assert row["repaired_against_base"] == last["against"]["base"]["repaired"]
    assert row["identical_to_RL"] == 0
    assert back.loc["oracle", "identical_to_RL"] == 1
    assert pd.isna(back.loc["base", "edited"])
    assert back.loc["random", "test"] == "paired bootstrap"


def test_the_sweeps_stand_in_the_order_of_their_parameters(full):
    table = TABLES["doses"](full)
    assert "oracle" not in set(table["family"])
    for family, rows in table.groupby("family"):
        assert rows["parameter"].tolist() == [f"{dose:g}" for dose, *_ in ARMS[family]]


def test_both_answers_are_shown_for_every_arm(full):
    table = TABLES["answers"](full)
    assert table["answer"].value_counts().tolist() == [len(full["arms"])] * 2
