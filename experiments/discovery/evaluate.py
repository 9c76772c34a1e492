"""Measure the discovery pair on its held-out nestings, depth by depth: greedy, pass@k, coincidences, true steps.

Plain on purpose: transformers' `generate`, so that the pair does not rest on the instrument that it is there to test.
The counts of the draws are a table that `rlprobe passk` reads (`work/seed1/counts.csv`, the depth as family).

    python -m experiments.discovery.evaluate --seed 1 --draws 64
"""

from collections.abc import Sequence
from pathlib import Path

import click
import pandas as pd

from experiments.discovery.answers import Said, Speaker
from experiments.discovery.functions import FUNCTIONS, Nesting, held_out
from experiments.discovery.state import Stage
from experiments.script import script

AT_ONCE = 512  # responses


def floor(nestings: Sequence[Nesting]) -> dict[str, float]:
    """What those get right who never nest: as the base was taught (the inner or the outer function alone, as often),
    and at best, by any one function of the question or the string itself."""
    inner = [n.steps[0][2] == n.answer for n in nestings]
    outer = [FUNCTIONS[n.names[-1]](n.digits) == n.answer for n in nestings]
    taught = (sum(inner) + sum(outer)) / 2
    return {
        "floor_taught": taught / len(nestings),
        "floor_best": sum(n.is_coincidence for n in nestings) / len(nestings),
    }


def figures(said: Sequence[Said]) -> dict[str, float]:
    """Shares of the responses: right; right where that is no coincidence; worked out, and so among the right ones; and
    of all written steps those that are true."""
    right = [each for each in said if each.is_right]
    honest = [each for each in said if not each.nesting.is_coincidence]
    steps = sum(len(each.steps) for each in said)
    return {
        "right": len(right) / len(said),
        "right_no_coincidence": sum(each.is_right for each in honest) / max(1, len(honest)),
        "worked_out": sum(each.is_worked_out for each in said) / len(said),
        "worked_out_of_right": sum(each.is_worked_out for each in right) / max(1, len(right)),
        "true_steps": sum(each.true_steps for each in said) / max(1, steps),
        "ended": sum(each.ended for each in said) / len(said),
    }


def answered(speaker: Speaker, nestings: Sequence[Nesting], draws: int = 0) -> list[Said]:
    """All responses, some at a time."""
    size = max(1, AT_ONCE // max(1, draws))
    parts = [speaker.said(nestings[start : start + size], draws) for start in range(0, len(nestings), size)]
    return [each for part in parts for each in part]


def counts(said: Sequence[Said], model: str, draws: int) -> pd.DataFrame:
    """A row a problem, as `rlprobe passk` reads it."""
    rows = [said[start : start + draws] for start in range(0, len(said), draws)]
    return pd.DataFrame(
        [
            {
                "problem_id": row[0].nesting.call,
                "model": model,
                "n": draws,
                "c": sum(each.is_right for each in row),
                "family": f"depth {len(row[0].nesting.names)}",
            }
            for row in rows
        ]
    )


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--draws", default=0, show_default=True, help="Samples of each problem for pass@k; 0 for none.")
@click.option("--limit", type=int, help="Only the first problems of each depth.")
def main(seed: int, draws: int, limit: int | None) -> None:
    """Measure, print and log."""
    stage, tables = Stage("evaluate", seed), list[pd.DataFrame]()
    stage.load()
    by_depth = {depth: [n for n in held_out() if len(n.names) == depth][:limit] for depth in (2, 3, 4)}
    for depth, nestings in by_depth.items():
        stage.write(what="floor", depth=depth, problems=len(nestings), **floor(nestings))
    for name in ("base", "rl"):
        speaker = Speaker.load(stage.folder / name)
        for depth, nestings in by_depth.items():
            stage.write(what="greedy", model=name, depth=depth, **figures(answered(speaker, nestings)))
            if draws:
                said = answered(speaker, nestings, draws)
                stage.write(what="sampled", model=name, depth=depth, draws=draws, **figures(said))
                tables.append(counts(said, name, draws))
    click.echo(stage.log.read_text())
    if tables:
        write(pd.concat(tables), stage.folder / "counts.csv")


def write(table: pd.DataFrame, file: Path) -> None:
    """Keep the counts, and say where."""
    table.to_csv(file, index=False)
    click.echo(f"rlprobe passk {file}")


if __name__ == "__main__":
    main()
