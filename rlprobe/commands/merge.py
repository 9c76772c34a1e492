"""`rlprobe merge OUT RUN...`: bring the shares of several machines together, and summarise the whole.

Nothing is written before every part has been read: parts that are damaged, or that differ where they should not, are
refused. Problems that no part holds are named, and count as left out.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from rlprobe import runs, storage
from rlprobe.commands import claims
from rlprobe.commands.grade import summarise_all
from rlprobe.commands.progress import Reporter
from rlprobe.commands.written import Written
from rlprobe.errors import BadInput
from rlprobe.runs import Run, Shard
from rlprobe.settings import MergeSettings

NAMED = 10  # so many of the problems that no part holds are named on the terminal


def merge(settings: MergeSettings, reporter: Reporter) -> list[Written]:
    """The run that one machine would have written. Verdicts that the parts brought along are kept."""
    out = settings.out
    sources = [runs.read(part) for part in {part.resolve(): part for part in settings.runs}.values()]
    with ExitStack() as held:
        for source in sources:
            if source.path.resolve() != out.resolve():
                held.enter_context(source.locked())
        run = held.enter_context(brought_together(out, sources))
        if unheld := problems_unheld(run):
            names = ", ".join(unheld[:NAMED]) + (", ..." if len(unheld) > NAMED else "")
            reporter.note(f"no part holds {len(unheld)} of {len(run.problems())} problems: {names}")
        if len(cards := run.cards()) > 1:
            reporter.note(f"its shards were computed on different cards ({'; '.join(cards)}): last digits may differ")
        written = summarise_all(run, sources, settings.grader, settings.reading, reporter)
    return [replace(each, unheld=tuple(unheld)) for each in written]


@contextmanager
def brought_together(out: Path, parts: Sequence[Run]) -> Iterator[Run]:
    """The run in `out`, held for writing, with every shard of the parts, byte for byte.

    Raises OtherRun for parts of other settings, Damaged for a shard that is not what was written, BadInput for parts
    that hold different shards of the same name, overlapping ones or other problems.
    """
    first = max(parts, key=lambda part: len(part.problems()))
    for part in parts:
        runs.refuse_other(part.path, part.identity, first.identity)
    _gathered(parts, first)  # refuses before anything is written
    with runs.writing(out, first.identity, first.about) as run:
        run.extend(first.problems(), first.left_out())
        for (layer, shard), part in _gathered([run, *parts], first).items():
            if part is not run:
                run.take_shard(layer, shard, part)
        for part in parts:
            _take_the_rest(run, part)
        claims.take_registered(run, parts)
        yield run


def problems_unheld(run: Run) -> list[str]:
    """The problems that no arm has a response to, or that an arm lacks between others that it has.

    An arm may well end early: it was made with a smaller --limit.
    """
    problems, left_out = run.problems(), run.left_out()
    held: set[int] = set()
    holes: set[int] = set()
    for layer in ("rollouts", "tokens"):
        for arm in run.arms(layer):
            there = run.shards(layer, arm)
            stop, draws = max(shard.stop for shard in there), 1 + max(shard.draw for shard in there)
            held.update(range(stop))
            for draw in range(draws):
                holes.update(*(range(gap.start, gap.stop) for gap in runs.gaps(Shard(arm, 0, stop, draw), there)))
    lacking = sorted(holes | (set(range(len(problems))) - held))
    return [problems[i].problem_id for i in lacking if problems[i].problem_id not in left_out]


def _gathered(parts: Sequence[Run], whole: Run) -> dict[tuple[str, Shard], Run]:
    """(layer, shard) -> the first part that holds it."""
    found: dict[tuple[str, Shard], Run] = {}
    for part in parts:
        if part.problems() != whole.problems()[: len(part.problems())]:
            raise BadInput(f"{part.path} and {whole.path} hold different problems: they are no parts of one run")
        for layer in part.layers():
            for shard in (shard for arm in part.arms(layer) for shard in part.shards(layer, arm)):
                file, other = part.check_shard(layer, shard), found.setdefault((layer, shard), part)
                if other is not part and storage.sha256(file) != storage.sha256(other.check_shard(layer, shard)):
                    raise BadInput(
                        f"{file} is not the same as in {other.path}: the machines computed different things; "
                        "remove one of the two and merge again"
                    )
    _refuse_overlaps(found)
    return found


def _refuse_overlaps(found: Iterable[tuple[str, Shard]]) -> None:
    of_draws = sorted(found, key=lambda key: (key[0], key[1].arm, key[1].draw, key[1].start))
    for (layer, earlier), (other, later) in pairwise(of_draws):
        if (layer, earlier.arm, earlier.draw) == (other, later.arm, later.draw) and later.start < earlier.stop:
            raise BadInput(
                f"{layer}/{earlier.arm}: {earlier.file_name} and {later.file_name} overlap; merge runs of one --limit"
            )


def _take_the_rest(run: Run, part: Run) -> None:
    """What shards need beside them: the tokenizer, and the settings of graders."""
    if part.file("tokenizer").exists():
        run.keep_tokenizer(partial(shutil.copytree, part.tokenizer_folder, dirs_exist_ok=True))
    for file in part.files("grades/*/settings.json"):
        name = file.relative_to(part.path).as_posix()
        if not run.file(name).exists():
            run.write_with(name, partial(shutil.copyfile, file))
