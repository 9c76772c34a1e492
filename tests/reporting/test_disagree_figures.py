"""Every figure of the registry; and that drawing one leaves no trace."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic_tables import tables, token

from rlprobe.analysis.disagreement import summarise, texts_with
from rlprobe.reporting.drawing import encode, render
from rlprobe.reporting.figures.disagree import CLASS_COLOURS, FEWEST, FIGURES
from rlprobe.settings import Reading

CASES = {
    "both": {"problems": 8},
    "no disagreement": {"problems": 8, "reranked": 0, "shifted": 0},
    "made elsewhere": {"problems": 8, "arms": ("responses",)},
    "one problem": {"problems": 1, "arms": ("base",)},
}


def made(**case):
    tokens, rollouts, grades = tables(**case)
    return texts_with(tokens, rollouts), summarise(tokens, rollouts, grades, Reading(resamples=100), token)


@pytest.fixture(scope="module")
def both():
    return made(problems=8)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_drawn(name, case):
    figure, data = render(FIGURES[name], *made(**case))
    assert len(data)
    assert all(ax.get_xlabel() and ax.get_ylabel() and ax.get_title() for ax in figure.axes)


def test_a_trajectory_of_nothing_but_empty_responses_is_drawn_as_nothing():
    tokens, rollouts, grades = tables(problems=3, arms=("base",))
    rollouts = rollouts.assign(response_ids=[[], [], []], logprobs=[[], [], []])
    summary = summarise(tokens.iloc[:0], rollouts, grades, Reading(resamples=100))
    assert render(FIGURES["disagreement"], texts_with(tokens.iloc[:0], rollouts), summary)[1]["n"].sum() == 0


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_to_the_byte_each_time_and_in_whatever_order_it_is_written(name, both):
    one, other = (render(FIGURES[name], *both)[0] for _ in range(2))
    png, pdf = encode(one, "png"), encode(one, "pdf")
    assert (encode(other, "pdf"), encode(other, "png")) == (pdf, png)
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf


def test_drawing_leaves_the_global_style_alone(both):
    before = dict(mpl.rcParams)
    render(FIGURES["disagreement"], *both)
    assert dict(mpl.rcParams) == before


def test_a_figure_can_be_drawn_again_from_its_csv(both, tmp_path):
    figure, data = render(FIGURES["disagreement"], *both)
    data.to_csv(tmp_path / "data.csv", index=False)
    again = mpl.figure.Figure()
    FIGURES["disagreement"].draw(pd.read_csv(tmp_path / "data.csv"), list(again.subplots(1, 2)))
    for ours, theirs in zip(figure.axes, again.axes, strict=True):
        for line, copy in zip(ours.lines, theirs.lines, strict=True):
            np.testing.assert_allclose(np.array(line.get_ydata(), float), np.array(copy.get_ydata(), float))


def test_the_entropy_panel_is_made_of_the_quantiles_of_each_class(both):
    tokens, data = tables(problems=8)[0], FIGURES["disagreement"].data(*both)
    line = data[(data["panel"] == "entropy") & (data["trajectory"] == "rl") & (data["class"] == "reranked")]
    rows = tokens[(tokens["arm"] == "rl") & (tokens["argmax_base"] != tokens["argmax_rl"])]
    entropy = np.sort(rows.loc[rows["rank_base_of_rl"] <= 5, "entropy_base"])
    assert line["n"].unique().tolist() == [len(entropy)]
    assert line["x"].iloc[[0, -1]].tolist() == entropy[[0, -1]].tolist()
    at_half = line.loc[line["y"] == 0.5, "x"].item()
    assert (entropy <= at_half).mean() >= 0.5 > (entropy < at_half).mean()


def test_the_position_panel_counts_disagreements_in_tenths_of_each_response(both):
    tokens, data = tables(problems=8)[0], FIGURES["disagreement"].data(*both)
    line = data[(data["panel"] == "position") & (data["trajectory"] == "base")]
    tried, apart = np.zeros(10), np.zeros(10)
    for _, response in tokens[tokens["arm"] == "base"].groupby("problem_id"):
        for row in response.itertuples():
            tenth = int((row.position + 0.5) / len(response) * 10)
            tried[tenth] += 1
            apart[tenth] += row.argmax_base != row.argmax_rl
    assert line["n"].tolist() == tried.tolist()
    np.testing.assert_allclose(line["y"], apart / tried)
    seen = line[line["y"] > 0]
    assert (seen["low"] <= seen["y"]).all()
    assert (seen["y"] <= seen["high"]).all()
    assert line.loc[line["y"] == 0, ["low", "high"]].isna().all(axis=None)


def test_a_class_of_few_tokens_is_marks_and_no_curve_and_bands_stay_in_the_axes():
    few = made(problems=12, shifted=0.001)
    figure, data = render(FIGURES["disagreement"], *few)
    sizes = data[data["panel"] == "entropy"].groupby(["trajectory", "class"])["n"].first()
    assert 0 < sizes.xs("shifted", level="class").max() < FEWEST
    left, right = figure.axes
    curves = [line for line in left.lines if line.get_color() == CLASS_COLOURS["shifted"]]
    assert curves
    assert all(line.get_linestyle() == "None" for line in curves)
    assert len([line for line in left.lines if line.get_drawstyle() == "steps-post"]) == (sizes >= FEWEST).sum()
    assert data.loc[data["panel"] == "position", "high"].max() <= right.get_ylim()[1]
