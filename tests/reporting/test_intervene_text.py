"""What the terminal shows of interventions."""

from io import StringIO

import pytest
from rich.console import Console
from synthetic_arms import ARMS, arm_tables, named_arms

from rlprobe.analysis.interventions import summarise
from rlprobe.arm_labels import ArmLabel
from rlprobe.reporting.intervene import TABLES, show
from rlprobe.settings import Reading

CASES = {
    "everything": {"modes": tuple(ARMS)},
    "only the ends": {},
    "no gain": {"modes": ("oracle", "random"), "rl": 0.15},
    "one problem": {"modes": ("oracle", "random"), "problems": 1},
    "base alone": {"ends": ("base",)},
}


def shown(modes=(), problems=30, more=(), left_out=None, **made):
    arms = named_arms(modes)
    tables = arm_tables(arms, problems=problems, **made)
    out = StringIO()
    summary = summarise(*tables, [*arms, *more], Reading(resamples=100), left_out)
    Console(file=out, width=80).print(show(summary))
    return out.getvalue()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_report_fits_eighty_columns_and_has_no_colour_codes_in_a_file(case):
    text = shown(**case)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "nan" not in text
    assert "None" not in text


def test_each_arm_has_one_line_and_the_caveats_are_under_them():
    text = shown(modes=tuple(ARMS))
    lines = text.splitlines()
    for arm in ("base", "oracle", "entropy(1.2)", "random", "mix(0.5)", "RL"):
        assert sum(line.split()[:1] == [arm] for line in lines) == 1
    assert "1.00 = RL" in text
    assert "An identity, not a finding (every response is RL's own): oracle." in text
    assert "no-ops included" in text
    assert "the arm's own text" in text


def test_an_oracle_that_rounding_drives_apart_is_called_no_identity_and_stands_beside_the_noise_floor():
    arms = named_arms(("oracle",))
    rollouts, grades = arm_tables(arms, problems=4)
    for row in rollouts.index[rollouts["arm"] == "oracle"][:2]:
        rollouts.at[row, "response_ids"] = rollouts.at[row, "response_ids"] + 1
    summary = summarise(rollouts, grades, arms, Reading(resamples=100))
    share = "oracle is no identity here: 2 of 4 responses (50.0 %"
    floor = {"value": 0.0125, "low": 0.01, "high": 0.02}
    for floors, beside in (
        ({"rl": floor}, "RL's noise floor: 1.25 % [1.00, 2.00]"),
        ({}, "no token table of RL's text"),
    ):
        out = StringIO()
        Console(file=out, width=80).print(show(summary | {"noise_floor": floors}))
        words = " ".join(out.getvalue().split())
        assert share in words
        assert f"are not RL's own, by rounding ({beside})." in words
        assert "An identity" not in words
        assert "= RL" not in words.replace("(RL", "")
        row = TABLES["interventions"](summary | {"noise_floor": floors}).set_index("arm").loc["oracle"]
        assert row["apart from its end"].value == 0.5
        assert row["noise floor"].value == (0.0125 if floors else None)


def test_a_recovery_that_is_not_defined_says_why():
    assert "Recovery is undefined: the interval of rl - base contains 0" in shown(modes=("oracle",), rl=0.15)


def test_a_composed_arm_with_a_long_name_is_folded_and_nothing_is_cut_off():
    spec = "((disagree & entropy_above(1.2)) & not-margin_below(0.25)) x host_random(20, without_donor) x base"
    text = shown(more=[ArmLabel(name=spec, mode="gate", label=spec)])
    assert max(map(len, text.splitlines())) <= 80
    assert spec.replace(" ", "") in "".join(line.split("  ")[0].strip() for line in text.splitlines()).replace(" ", "")


def test_what_is_not_in_the_numbers_is_said():
    text = shown(left_out={"p": "the prompt is too long"})
    assert "Problems left out: 1 (the prompt is too long)." in text
    assert "without a verdict by the last answer, left out: 4." in text
