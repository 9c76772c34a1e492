"""Every figure of the registry; and that drawing one leaves no trace."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic_tables import tables, token

from rlprobe.analysis.disagreement import Reading, summarise
from rlprobe.reporting.figures import FIGURES, encode, render

CASES = {
    "both": {"problems": 8},
    "no disagreement": {"problems": 8, "reranked": 0, "shifted": 0},
    "made elsewhere": {"problems": 8, "arms": ("responses",)},
    "one problem": {"problems": 1, "arms": ("base",)},
}


def made(**case):
    tokens, rollouts, grades = tables(**case)
    return tokens, summarise(tokens, rollouts, grades, Reading(resamples=100), token)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_drawn_and_written(name, case):
    figure, data = render(name, *made(**case))
    assert encode(figure, "png").startswith(b"\x89PNG")
    assert encode(figure, "pdf").startswith(b"%PDF")
    assert len(data)
    assert all(ax.get_xlabel() and ax.get_ylabel() and ax.get_title() for ax in figure.axes)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_to_the_byte_each_time(name):
    tokens, summary = made(problems=5)
    one, other = (render(name, tokens, summary)[0] for _ in range(2))
    assert encode(one, "pdf") == encode(other, "pdf")
    assert encode(other, "png") == encode(one, "png")
    assert b"CreationDate" not in encode(one, "pdf")


def test_drawing_leaves_the_global_style_alone():
    before = dict(mpl.rcParams)
    render("disagreement", *made(problems=3))
    assert dict(mpl.rcParams) == before


def test_a_figure_can_be_drawn_again_from_its_csv(tmp_path):
    figure, data = render("disagreement", *made(problems=5))
    data.to_csv(tmp_path / "data.csv", index=False)
    again = mpl.figure.Figure()
    FIGURES["disagreement"].draw(pd.read_csv(tmp_path / "data.csv"), list(again.subplots(1, 2)))
    for ours, theirs in zip(figure.axes, again.axes, strict=True):
        for line, copy in zip(ours.lines, theirs.lines, strict=True):
            np.testing.assert_allclose(np.array(line.get_ydata(), float), np.array(copy.get_ydata(), float))


def test_the_entropy_panel_is_made_of_the_quantiles_of_each_class():
    tokens, summary = made(problems=8)
    data = render("disagreement", tokens, summary)[1]
    line = data[(data["panel"] == "entropy") & (data["trajectory"] == "rl") & (data["class"] == "reranked")]
    rows = tokens[(tokens["arm"] == "rl") & (tokens["argmax_base"] != tokens["argmax_rl"])]
    entropy = np.sort(rows.loc[rows["rank_base_of_rl"] <= 5, "entropy_base"])
    assert line["n"].unique().tolist() == [len(entropy)]
    assert line["x"].iloc[[0, -1]].tolist() == entropy[[0, -1]].tolist()
    at_half = line.loc[line["y"] == 0.5, "x"].item()
    assert (entropy <= at_half).mean() >= 0.5 > (entropy < at_half).mean()


def test_the_position_panel_counts_disagreements_in_tenths_of_each_response():
    tokens, summary = made(problems=8)
    data = render("disagreement", tokens, summary)[1]
    line = data[(data["panel"] == "position") & (data["trajectory"] == "base")]
    tried, apart = np.zeros(10), np.zeros(10)
    for _, response in tokens[tokens["arm"] == "base"].groupby("problem_id"):
        for row in response.itertuples():
            tenth = int((row.position + 0.5) / len(response) * 10)
            tried[tenth] += 1
            apart[tenth] += row.argmax_base != row.argmax_rl
    assert line["n"].tolist() == tried.tolist()
    np.testing.assert_allclose(line["y"], apart / tried)
    assert (line["low"] <= line["y"]).all()
    assert (line["y"] <= line["high"]).all()
