"""Question (ours): which single token does an answer hang on, and how few of RL's tokens are enough?

For every problem, RL's token is put once at each disagreement along the base's own answer: it may fix the answer, or
break one that was right. Where RL is right and the base wrong, the fewest edits that are enough are searched for. And
the other way round: the base's token is put once at each disagreement along RL's answer, and RL comes back to its
text or its answer, or does not. Writes the tables "needed_sizes", "needed_edits", "flips", "flip_tokens",
"consequences" and "consequence_finders".

    python -m experiments.flips
"""

import rlprobe as rp
from experiments.request import Request, asked
from experiments.script import script


@script(help=__doc__)
@asked
def main(request: Request) -> None:
    """Run, and keep what a reader wants to see."""
    run = rp.flips(**request.options, all_problems=True).run
    shelf = request.shelf(run)
    shelf.keep(run, (), ("needed_sizes", "needed_edits", "flips", "flip_tokens"))
    backward = ("consequences", "consequence_finders")
    shelf.keep(rp.consequences(**request.options).run, (), backward)
    shelf.show("needed_sizes", *backward)


if __name__ == "__main__":
    main()
