"""Inside the correction: where in the network is the different choice made, and at which tokens?

On the run of `experiments.disagreement`, which is finished first where it is not: the logit lens, patching of RL's
activations into the base and of the base's into RL, and steering by the mean difference. Draws the figures "lens",
"patching", "heads" and "steering" and writes the tables beside them, and "factorial": either model's residual under
either model's later layers, at the first disagreement of a response.

    python -m experiments.internals
"""

from pathlib import Path

import click

import rlprobe as rp
from experiments.request import Request, asked
from experiments.script import script

TAU = 0.6  # nats; the entropy above which this pair's disagreements lie (experiments/interventions.py)


@script(help=__doc__)
@asked
@click.option("--run", type=click.Path(path_type=Path), help="A finished run elsewhere.")
@click.option("--points", default=200, show_default=True, help="Disagreements looked at.")
@click.option("--coefficients", default=(1.0, 2.0, 4.0, 8.0), multiple=True, show_default=True, help="Of steering.")
def main(request: Request, run: Path | None, points: int, coefficients: tuple[float, ...]) -> None:
    """Run, and keep what a reader wants to see."""
    found = rp.read(run) if run else rp.disagree(**request.options)
    shelf = request.shelf(found.run)
    shelf.keep(rp.lens(found, points=points).run, ("lens",), ("lens_choices", "trunk_and_head"))
    for host, suffix in (("base", ""), ("rl", "_backward")):
        names = tuple(name + suffix for name in ("patching", "heads"))
        shelf.keep(rp.patch(found, points=points, host=host).run, names, (*names, "factorial"))
    steered = rp.steer(found, points=points, tau=TAU, coefficients=coefficients)
    shelf.keep(steered.run, ("steering",), ("steering",))
    shelf.show("lens_choices", "trunk_and_head", "steering", run=steered.run)


if __name__ == "__main__":
    main()
