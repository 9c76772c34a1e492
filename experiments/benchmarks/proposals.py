"""What responses made elsewhere are worth as proposals: rounds and reads with a right, a wrong and a shuffled file.

Counted, not timed; what is emitted is the same each time, to the token, or this script fails. The right file is what
the decoded one says itself, as a fast sampler of the same model would say it; *nearly right* is the same with every
tenth token replaced; *shuffled* gives each problem the text of the next one; *wrong* is tokens drawn at random.

    python -m experiments.benchmarks.proposals          writes figures/proposals.csv and prints the table
"""

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd

from experiments.kept import FIGURES
from experiments.script import script
from rlprobe.commands.prepare import Prepared, prepare, problems_asked
from rlprobe.commands.proposed import NOTHING, proposed
from rlprobe.decoding.arms import Arm, always, disagree, donor_argmax, entropy_above, mix, never
from rlprobe.decoding.engine import Counts, DecodingSettings, Players, Response, Task, decode
from rlprobe.settings import ComputeChoice, DisagreeSettings, PairChoice, ProblemChoice

ARMS = {
    "rl alone": Arm(never(), donor_argmax(), host="rl"),
    "oracle": Arm(disagree(), donor_argmax()),
    "entropy 1.2": Arm(entropy_above(1.2), donor_argmax()),
    "mix 0.5": Arm(always(), mix(0.5)),
}
Texts = dict[str, list[int]]


def files_of(right: Texts, ids: list[int]) -> dict[str, Texts | None]:
    """The texts of each file, by problem; None is no file."""
    draw, names = random.Random(0), list(right)
    near = {
        i: [draw.choice(ids) if t % 10 == 9 else token for t, token in enumerate(text)] for i, text in right.items()
    }
    shuffled = {i: right[after] for i, after in zip(names, [*names[1:], names[0]], strict=True)}
    wrong = {i: draw.choices(ids, k=len(text)) for i, text in right.items()}
    return {"none": None, "right": right, "nearly right": near, "shuffled": shuffled, "wrong": wrong}


def decoded(prepared: Prepared, arm: Arm) -> tuple[list[Response], Counts]:
    """What an arm says to every problem with what is proposed, and what it took."""
    pair = prepared.pair
    donor = None if arm.gate.spec == never().spec else pair.member(arm.donor)
    players = Players(pair.member(arm.host), donor, pair.vocabulary)
    tasks = [Task(i, ids, known=prepared.proposed.of(i)) for i, ids in prepared.prompts.items()]
    settings = DecodingSettings(prepared.max_new_tokens, prepared.batch_size, pair.stop_ids, pair.context)
    return decode(players, arm, tasks, settings)


def rows_of(prepared: Prepared, settings: DisagreeSettings, name: str, folder: Path) -> list[dict[str, object]]:
    """One row for each file that an arm is decoded with."""
    plain, _ = decoded(prepared, ARMS[name])
    right = {i: response.ids for i, response in zip(prepared.prompts, plain, strict=True)}
    found = []
    for file, texts in files_of(right, prepared.pair.vocabulary.ids.tolist()).items():
        path = folder / "responses.jsonl"
        lines = [json.dumps({"problem_id": i, "draw": 0, "response_ids": ids}) for i, ids in (texts or {}).items()]
        path.write_text("\n".join(lines))
        own = proposed(path, problems_asked(settings), prepared.prompts, prepared.located) if texts else NOTHING
        responses, took = decoded(replace(prepared, proposed=own), ARMS[name])
        assert [r.ids for r in responses] == [r.ids for r in plain], (name, file)
        per_token = {key: round(getattr(took, key) / took.emitted, 3) for key in ("lane_reads", "tokens_read")}
        found.append({"arm": name, "file": file, "tokens": took.emitted, "rounds": took.rounds, **per_token})
    return found


@script(help=__doc__)
@click.option("--pair", default="bundled", show_default=True)
@click.option("--limit", default=32, show_default=True, type=click.IntRange(min=2))
@click.option("--max-new-tokens", default=160, show_default=True, type=click.IntRange(min=1))
def main(pair: str, limit: int, max_new_tokens: int) -> None:
    """Write figures/proposals.csv."""
    compute = ComputeChoice(max_new_tokens=max_new_tokens, batch_size=8)
    settings = DisagreeSettings(pair=PairChoice(pair), problems=ProblemChoice(limit=limit), compute=compute)
    prepared = prepare(settings, {})
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for name in ARMS for row in rows_of(prepared, settings, name, Path(folder))]
    table = pd.DataFrame(rows)
    table.to_csv(FIGURES / "proposals.csv", index=False)
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
