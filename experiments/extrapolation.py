"""Claims (arXiv 2603.22117): going beyond RL, log π_γ = (1 + γ) log π_RL − γ log π_base, beats RL without training; and
on an early RL checkpoint it does for free what more training would.

The base decodes; π_γ's token stands everywhere, or where Δ log p of the base's own token is below −0.3 nats (the
paper's criterion). Greedy and sampled, γ from 0 up, against the checkpoint itself and against the RL model that
training ends with, in pairs over problems. Writes the table and draws the figure "extrapolation".

    python -m experiments.extrapolation
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.interventions import against
from experiments.kept import Shelf
from experiments.request import Request, asked, known_pair
from experiments.script import script
from rlprobe import runs
from rlprobe.analysis.claims import Claim
from rlprobe.analysis.interventions import summarise
from rlprobe.arm_labels import ArmLabel
from rlprobe.commands.reading import read_shown
from rlprobe.commands.shown import First, Shown
from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.reporting.drawing import Drawing, corner_of, encode, in_percent, off_grid, on_ratios, reach, render
from rlprobe.reporting.formats import FORMATS, Cell, table_of
from rlprobe.results import Results
from rlprobe.settings import Checkpoint, Reading

# ---- what is claimed -------------------------------------------------------------------------------------------------
# Published: γ from 0.05 to 0.1, sampled, where the criterion fires, on 30 problems and with no interval. Any gain is
# asked: above 0. The published protocol draws again where it has refused a draw, which is sharper than drawing once: so
# γ = 0, which extrapolates nothing, is asked to be no better than RL. What an early checkpoint gains is not published.

PAPER = "2603.22117 (extrapolation)"
PUBLISHED = "+0.9 to +2.9 points over RL (AIME24)"


def beyond(case: str, arm: str, statement: str, published: str = "not published") -> Asked:
    """That an arm is better than the model that it extrapolates."""
    source = "ours" if published == "not published" else PAPER
    claim = Claim(statement=statement, source=source, published=published, low=0, unit="%")
    return Asked(claim, (case, *against(arm, "rl")))


CLAIMS = (
    beyond("RL sampled", "extrapolate-delta 0.1", "γ = 0.1 where Δ log p < −0.3 beats RL, sampled", PUBLISHED),
    Asked(
        Claim(statement="… and γ = 0 there, which extrapolates nothing, does not", source="ours", high=0, unit="%"),
        ("RL sampled", *against("extrapolate-delta 0", "rl")),
    ),
    beyond("RL sampled", "extrapolate 0.1", "γ = 0.1 everywhere beats RL, sampled"),
    beyond("RL greedy", "extrapolate-delta 0.1", "γ = 0.1 where Δ log p < −0.3 beats RL, greedy"),
    beyond("RL greedy", "extrapolate 0.1", "γ = 0.1 everywhere beats RL, greedy"),
    beyond("early greedy", "extrapolate 1", "γ = 1 everywhere beats an early checkpoint, greedy"),
    beyond("early sampled", "extrapolate 1", "γ = 1 everywhere beats an early checkpoint, sampled"),
)

# ---- how it is measured ----------------------------------------------------------------------------------------------

CHECKPOINTS = Path(__file__).parent / "organism" / "checkpoints"
FINAL = "RL"
WHERE = {"extrapolate": "everywhere", "extrapolate-delta": "Δ log p < −0.3"}
ITSELF = "itself"
BUNDLED = [Checkpoint(name, str(CHECKPOINTS / name)) for name in ("step-004", "step-008")]
# where π_γ's token stands: colour, marker, words, and how far it is moved aside
LOOKS = {
    WHERE["extrapolate"]: ("#009E73", "o", "π_γ's token everywhere", -0.1),
    WHERE["extrapolate-delta"]: ("#CC79A7", "s", "π_γ's token where Δ log p < −0.3", 0.1),
}
COLUMNS = ["model", "decoding", "where", "γ", "accuracy", "edited", "identical to the checkpoint"]
COLUMNS += ["minus the checkpoint", "p against the checkpoint"]
COLUMNS += ["recovery of final RL", "minus final RL", "p against final RL"]


@dataclass(frozen=True)
class Case:
    """One RL model of a base, how it is decoded, and the γ to try everywhere and at the criterion."""

    model: Checkpoint | None  # None: the RL model of the pair
    everywhere: tuple[float, ...]
    gated: tuple[float, ...]
    sampled: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        """As `rlprobe intervene --mode` takes them."""
        values = {"extrapolate": self.everywhere, "extrapolate-delta": self.gated}
        return tuple(f"{mode}:{','.join(f'{g:g}' for g in gammas)}" for mode, gammas in values.items() if gammas)

    @property
    def name(self) -> str:
        """As the table says it."""
        return self.model.name if self.model else FINAL

    @property
    def decoding(self) -> str:
        """As the table says it."""
        return "sampled" if self.sampled else "greedy"


def cases(checkpoints: Sequence[Checkpoint]) -> list[Case]:
    """The end of training and the first checkpoint at many γ, later checkpoints at a few; greedily and sampled."""
    first, later, gammas = checkpoints[:1], checkpoints[1:], (0, 0.1, 0.25, 0.5, 1)
    return [
        Case(None, gammas, gammas),
        *(Case(each, (0.5, 1, 2, 4, 8), (0, 1, 4)) for each in first),
        *(Case(each, (0.5, 1, 2, 4), ()) for each in later),
        Case(None, (0, 0.1, 0.5, 1), (0, 0.1, 0.5, 1), sampled=True),
        *(Case(each, (0.5, 1, 2, 4), (1,), sampled=True) for each in first),
        *(Case(each, (1, 4), (), sampled=True) for each in later),
    ]


@script(help=__doc__)
@asked
@click.option(
    "--checkpoint", "named", multiple=True, help="NAME=FOLDER of an early one, earliest first.  [default: the bundled]"
)
@click.option("--draws", default=2, show_default=True, type=click.IntRange(min=1), help="Of the sampled cases.")
def main(request: Request, named: tuple[str, ...], draws: int) -> None:
    """Run every case, compare, and keep what a reader wants to see."""
    checkpoints = [Checkpoint.parse(text) for text in named] or (BUNDLED if request.pair == DEFAULT_PAIR else [])
    rows: list[dict[str, Any]] = []
    final: dict[str, Responses] = {}
    found: dict[str, Any] = {}
    for case in cases(checkpoints):
        written = rp.intervene(**_options(case, request, draws))
        responses = Responses.of(written)
        final.setdefault(case.decoding, responses)  # the first case of a decoding is the model at the end of training
        rows += _rows(case, written.summary["arms"], responses.towards(final[case.decoding]))
        found.setdefault(f"{'early' if case.model else FINAL} {case.decoding}", written.summary)
    shelf = request.shelf(runs.read(request.path()))
    _write(table_of(rows, COLUMNS), corner_of(found[f"{FINAL} greedy"]), shelf)
    shelf.show("extrapolation")
    write_claims("extrapolation", CLAIMS, found, shelf)


def _write(table: pd.DataFrame, corner: str, shelf: Shelf) -> None:
    figure, _ = render(FIGURE, table, corner=corner)
    for suffix in ("csv", "md", "json"):
        shelf.file(f"extrapolation.{suffix}").write_text(FORMATS[suffix](table), encoding="utf-8")
    if shelf.keeps("extrapolation.png"):
        shelf.file("extrapolation.png").write_bytes(encode(figure, "png"))


def _options(case: Case, request: Request, draws: int) -> dict[str, Any]:
    asked_for = {"modes": case.modes, "sample": case.sampled, "draws": draws if case.sampled else None, "arms": "asked"}
    options = request.options | asked_for
    if case.model is None:
        return options
    entry, model = known_pair(request.pair).entry, case.model
    early: dict[str, Any] = {"pair": None, "base": entry.base, "base_revision": entry.base_revision}
    early |= {"rl": model.model, "rl_revision": model.revision, "out": request.path(model.name)}
    return options | early


# ---- the comparison with the end of training ------------------------------------------------------------------------


@dataclass(frozen=True)
class Responses:
    """What is kept of the responses of a case, the verdicts, its ends as "base" and "rl", and what its arms are."""

    rollouts: pd.DataFrame
    grades: pd.DataFrame
    arms: tuple[ArmLabel, ...]

    @classmethod
    def of(cls, written: Results) -> "Responses":
        """Those that a summary speaks of."""
        arms = tuple(ArmLabel(**spec) for spec in written.summary["specs"])
        shown = Shown([arm.name for arm in arms], written.summary["ends"], written.summary["draws"])
        grades = f"grades/{written.summary['grader']['key']}"
        return cls(*read_shown(First(written.run), shown, grades), arms)

    def towards(self, final: "Responses") -> dict[str, Any]:
        """Every arm, and this case's own RL model as the arm "itself", between the base and the final RL model."""
        tables = [
            pd.concat([mine.assign(arm=mine["arm"].replace({"rl": ITSELF})), theirs[theirs["arm"] == "rl"]])
            for mine, theirs in ((self.rollouts, final.rollouts), (self.grades, final.grades))
        ]
        rollouts, grades = (table.reset_index(drop=True) for table in tables)
        return summarise(rollouts, grades, [ArmLabel(name=ITSELF, mode=ITSELF, label=ITSELF), *self.arms], Reading())[
            "arms"
        ]


# ---- the table ------------------------------------------------------------------------------------------------------


def _rows(case: Case, own: dict[str, Any], towards: dict[str, Any]) -> list[dict[str, Any]]:
    """The checkpoint itself, then each γ."""
    plain = {"where": "plain", "accuracy": _accuracy(own["rl"])} | _beside(case, towards[ITSELF])
    arms = [
        {
            "where": WHERE[arm["mode"]],
            "γ": f"{arm['dose']:g}",
            "accuracy": _accuracy(arm),
            "edited": Cell.of(arm["edited"], "%"),
            "identical to the checkpoint": Cell.of(arm["identical"]["rl"], "%"),
            **_compared(arm, "the checkpoint"),
            **_beside(case, towards[title]),
        }
        for title, arm in own.items()
        if arm["mode"] in WHERE
    ]
    return [{"model": case.name, "decoding": case.decoding, **row} for row in (plain, *arms)]


def _accuracy(arm: dict[str, Any]) -> Cell:
    return Cell.of(arm["answers"]["last"]["accuracy"], "%")


def _compared(arm: dict[str, Any], end: str) -> dict[str, Any]:
    """An arm against the RL model of its table, in pairs over problems."""
    test = arm["answers"]["last"]["against"]["rl"]
    return {f"minus {end}": Cell.of(test["difference"], "%"), f"p against {end}": Cell.p(test)}


def _beside(case: Case, arm: dict[str, Any]) -> dict[str, Any]:
    """What training on would have brought, where that is not the model itself."""
    if case.model is None:
        return {}
    return {"recovery of final RL": Cell.of(arm["answers"]["last"]["recovery"]), **_compared(arm, "final RL")}


# ---- the figure -----------------------------------------------------------------------------------------------------


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """One row a row of the table, in plain numbers; a plain model is its own γ = 0, everywhere."""
    ends = {end: [getattr(cell, end) for cell in table["accuracy"]] for end in ("value", "low", "high")}
    gamma = [float(text or 0) for text in table["γ"]]
    points = table[["model", "decoding", "where"]].assign(gamma=gamma, **ends)
    starts = points[points["where"] == "plain"].assign(where=WHERE["extrapolate"])
    return pd.concat([points, starts]).drop_duplicates(["model", "decoding", "where", "gamma"], ignore_index=True)


def _draw(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """A row a way of decoding, a column a model, all to one scale: γ along an axis of doublings, 0 apart from it."""
    models = list(dict.fromkeys(data["model"]))
    data = data.assign(x=on_ratios(data["gamma"]))
    cells = [(decoding, model) for decoding in data["decoding"].unique() for model in models]
    room = data[["low", "high"]].to_numpy()
    ticks = data.drop_duplicates("gamma").sort_values("gamma")
    for ax, (decoding, model) in zip(axes, cells, strict=True):
        for where, line in data[(data["decoding"] == decoding) & (data["model"] == model)].groupby("where"):
            _line(ax, str(where), line.sort_values("gamma"))
        ax.set_xticks(ticks["x"], [f"{gamma:g}" for gamma in ticks["gamma"]], rotation=45)
        ax.set(title=f"{model}, {decoding}", ylim=(room.min() - 0.02, room.max() + 0.02))
        ax.set_xlim(ticks["x"].min() - 0.5, ticks["x"].max() + 0.5)
        in_percent(ax.yaxis)
        sns.despine(ax=ax)
    off_grid(axes, len(cells), len(models))
    figure = axes[0].figure
    figure.suptitle("Beyond RL: log π = (1 + γ) log π_RL − γ log π_base", fontsize=9)
    figure.supylabel("accuracy", fontsize=8)
    figure.supxlabel("γ (0, no extrapolation, stands apart from the doublings)", fontsize=8)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _line(ax: Axes, where: str, line: pd.DataFrame) -> None:
    """A model itself as a line from side to side; else its points above γ = 0 joined, and that at 0 by itself."""
    if where == "plain":
        ax.axhline(line["value"].iloc[0], color="0.3", linewidth=0.9, linestyle=":", label="the model itself")
        return
    colour, marker, label, aside = LOOKS[where]
    line = line.assign(x=line["x"] + aside)
    style: dict[str, Any] = {"color": colour, "marker": marker, "linewidth": 1.1, "elinewidth": 0.8, "markersize": 4}
    joined, start = line[line["gamma"] > 0], line[line["gamma"] == 0]
    ax.errorbar(joined["x"], joined["value"], yerr=reach(joined), label=label, **style)
    ax.errorbar(start["x"], start["value"], yerr=reach(start), **style | {"linestyle": "none"})


def _grid(data: pd.DataFrame) -> tuple[int, int]:
    return data["decoding"].nunique(), data["model"].nunique()


def _size(data: pd.DataFrame) -> tuple[float, float]:
    rows, columns = _grid(data)
    return 0.6 + 2.1 * columns, 0.9 + 1.9 * rows


FIGURE = Drawing(_points, _draw, panels=_grid, size=_size)

if __name__ == "__main__":
    main()
