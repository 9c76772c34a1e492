"""Every table of the registry, from summaries with everything in them and with almost nothing."""

import pytest
from synthetic_tables import tables, token

from rlprobe.analysis.disagreement import summarise
from rlprobe.reporting.disagree import TABLES
from rlprobe.reporting.formats import FORMATS
from rlprobe.settings import Reading

CASES = {
    "both": {"problems": 12},
    "no disagreement": {"problems": 12, "reranked": 0, "shifted": 0},
    "made elsewhere": {"problems": 12, "arms": ("responses",)},
    "one problem": {"problems": 1, "arms": ("base",)},
}


@pytest.fixture(scope="module", params=CASES)
def summary(request):
    return summarise(*tables(**CASES[request.param]), Reading(resamples=100), token)


@pytest.fixture(scope="module")
def full():
    return summarise(*tables(problems=12), Reading(resamples=100), token)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_table_can_be_written_in_every_format(summary, name, suffix):
    text = FORMATS[suffix](TABLES[name](summary))
    assert text.endswith("\n")
    assert "nan" not in text
    assert "None" not in text


def test_table_1_has_a_row_for_each_trajectory_and_the_published_ranges_under_them(full):
    table = TABLES["classes"](full)
    assert table["trajectory"].tolist() == ["base", "rl", "arXiv 2605.06241, text", "arXiv 2605.06241, table"]
    assert [str(cell) for cell in table["reranked"][2:]] == ["1.0–4.1 %", "1.03–3.96 %"]
    assert [str(cell) for cell in table["shifted"][2:]] == ["0 %", "0.01–0.12 %"]
    rate = full["trajectories"]["rl"]["rates"]["all"]["micro"]["reranked"]
    assert (table["reranked"][1].value, table["reranked"][1].high) == (rate["value"], rate["high"])


def test_no_rate_of_disagreement_stands_without_the_noise_floor(full):
    for table in (TABLES["classes"](full), TABLES["rates"](full)):
        ours = table[table["trajectory"].isin(["base", "rl"])]
        assert all(cell.high is not None for cell in ours["noise floor"])


def test_the_rates_table_has_every_class_in_every_part_of_every_trajectory(full):
    kept = [rates for text in full["trajectories"].values() for rates in text["rates"].values() if rates["micro"]]
    assert len(kept) in (2 * 3, 2 * 4)  # where no near tie is left out there is no rate without them
    assert len(TABLES["rates"](full)) == len(kept) * 4


def test_accuracies_stand_beside_the_gain_and_its_test(full):
    table = TABLES["accuracy"](full)
    assert table["arm"].tolist() == ["base", "rl", "rl - base"] * 2
    assert table["McNemar p"][2].value == full["accuracy"]["last"]["mcnemar"]["p_value"]


def test_tokens_are_shown_in_quotes(full):
    assert all(entry[0] in "'\"" for entry in TABLES["swaps"](full)["base"])
