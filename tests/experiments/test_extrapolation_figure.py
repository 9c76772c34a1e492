"""The figure of experiments/extrapolation.py."""

from experiments.extrapolation import COLUMNS, FIGURE, WHERE
from rlprobe.reporting.drawing import render
from rlprobe.reporting.formats import Cell, table_of


def test_gamma_0_is_joined_to_nothing_and_all_panels_have_one_scale():
    rows = [(where, gamma) for where in WHERE.values() for gamma in ("0", "0.5", "4")]
    table = table_of(
        [
            {"model": model, "decoding": decoding, "where": where, "γ": gamma, "accuracy": Cell(0.5, 0.4, 0.6, "%")}
            for model in ("RL", "early")
            for decoding in ("greedy", "sampled")
            for where, gamma in [("plain", None), *rows]
        ],
        COLUMNS,
    )
    figure, data = render(FIGURE, table)
    assert sorted(data["gamma"].unique()) == [0, 0.5, 4]
    assert [ax.get_title() for ax in figure.axes] == [
        f"{m}, {d}" for d in ("greedy", "sampled") for m in ("RL", "early")
    ]
    assert len({(*ax.get_xlim(), *ax.get_ylim()) for ax in figure.axes}) == 1
    for ax in figure.axes:
        zero = ax.get_xticks()[0]
        joined = [
            container.lines[0].get_xdata() for container in ax.containers if len(container.lines[0].get_xdata()) > 1
        ]
        assert len(joined) == len(WHERE)
        assert all(x.min() > zero + 1 for x in joined)
