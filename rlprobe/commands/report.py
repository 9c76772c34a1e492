"""`rlprobe report`: the page of a finished run, made of what the run holds. Needs no models and no network."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from rlprobe import __version__, runs, storage
from rlprobe.arm_labels import ArmLabel
from rlprobe.commands import COMMANDS
from rlprobe.commands.collected import families
from rlprobe.commands.continuations import Continuation, commands, continuations
from rlprobe.commands.progress import Reporter
from rlprobe.commands.verdicts import layer_of
from rlprobe.errors import BadInput
from rlprobe.pairs.pieces import pieces
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.answers import extraction_of
from rlprobe.records import MEMBERS, Made, Problem, Rollout, Stop
from rlprobe.reporting.formats import from_json
from rlprobe.reporting.page.answer import answer
from rlprobe.reporting.page.chunks import FOLDER, PAGE_LIMIT, Chunks, OnDemand, digest
from rlprobe.reporting.page.glyphs import told_apart
from rlprobe.reporting.page.page import NAME, Page, marks_of, render
from rlprobe.reporting.page.payload import TABLE_COLUMNS, Lexicon, Verdict, response, token_table
from rlprobe.reporting.page.places import Places
from rlprobe.reporting.page.problems import ProblemList
from rlprobe.reporting.unanswered import warning
from rlprobe.runs import Run
from rlprobe.settings import Reading, ReportSettings

DRAWS = 4  # of an arm with more, the first so many are on the page
SUMMARY, FLIPS_SUMMARY = (COMMANDS[name].summary for name in ("disagree", "flips"))
_SHOWN = ("*.json", "tables/*.json", "tables/*.csv", "figures/*.png", "grades/*/settings.json", "**/*.sha256")

Key = tuple[str, int]  # problem_id, draw
_ROLLOUT_COLUMNS = ("arm", "problem_id", "draw", "response_ids", "host_ids", "gated", "stop", "made")


def report(settings: ReportSettings, reporter: Reporter) -> list[Path]:
    """Write the page of a run; returns its files, report.html first."""
    run = runs.read(settings.run)
    source = Source.of(run, settings.trajectory)
    with run.locked():
        files = render(_page(source, reporter), settings.limit or PAGE_LIMIT)
        for name in (NAME, FOLDER):
            run.remove(name)
        written = [run.write_text(name, files[name]) for name in reversed(list(files))]  # the page when all is there
        return written[::-1]


def page_of(path: Path, trajectory: str | None = None) -> Path | None:
    """The page of a run, if it was made from what the run holds now, is whole, and shows these trajectories' tokens.

    None: whichever it shows.
    """
    run = runs.read(path)
    page = run.file(NAME)
    if not page.exists():
        return None
    with page.open(encoding="utf-8", errors="replace") as stream:
        marks = marks_of(stream.read(2000))
    names = [f"{FOLDER}/{file.name}" for file in run.files(f"{FOLDER}/*.js")]
    beside = OnDemand(names, lambda name: run.file(name).read_bytes())
    expected = {"source": fingerprint(run), "chunks": digest(beside)}
    if trajectory is not None:
        expected["trajectories"] = " ".join(Source.of(run, trajectory).trajectories)
    return page if expected.items() <= marks.items() else None


def fingerprint(run: Run) -> str:
    """The digest of everything that a page of the run shows; of its shards, their digests stand for them."""
    files = [file for pattern in _SHOWN for file in run.files(pattern)]
    shown = {file.relative_to(run.path).as_posix(): storage.sha256(file) for file in files}
    return storage.digest_of({"rlprobe": __version__, **shown})


def summary_of(run: Run) -> dict[str, Any]:
    """What `rlprobe disagree` said last; nothing where it has said nothing. Raises BadInput for what it never wrote."""

    def parse(content: Any) -> dict[str, Any]:
        Reading(**content.get("reading", {}))
        str((content.get("grader") or {"key": ""})["key"])  # documents have none
        return content

    return run.read_json(SUMMARY, parse) if run.file(SUMMARY).exists() else {}


@dataclass(frozen=True)
class Source:
    """A run as the page reads it: its trajectories, its arms in order, how it was graded and read."""

    run: Run
    trajectories: tuple[str, ...]
    summary: dict[str, Any]

    @classmethod
    def of(cls, run: Run, trajectory: str = "both") -> "Source":
        """Raises BadInput where there is nothing to show."""
        there = run.arms("tokens")
        if not there:
            raise BadInput(f"{run.path} has no token tables; run `rlprobe disagree --out {run.path}` first")
        _ = run.tokenizer_folder  # has to be there
        wanted = there if trajectory == "both" else [trajectory]
        if not set(wanted) <= set(there):
            raise BadInput(f"{run.path} has no token table of {wanted[0]}'s text, but of {', '.join(there)}")
        return cls(run, tuple(sorted(wanted, key=_place)), summary_of(run))

    @cached_property
    def reading(self) -> Reading:
        """How the run was read last; as it is by default where it has not been summarised."""
        return Reading(**self.summary.get("reading", {}))

    @cached_property
    def arms(self) -> dict[str, ArmLabel]:
        """Every arm with responses, the two ends first, as the run's summaries call them."""
        labels = self.asked
        names = sorted(self.run.arms("rollouts"), key=lambda name: (_place(name), name not in labels))
        in_order = [n for n in names if n not in labels] + [n for n in labels if n in names]
        return {name: labels.get(name) or _unasked(name) for name in sorted(in_order, key=_place)}

    @cached_property
    def asked(self) -> dict[str, ArmLabel]:
        """The arms that `rlprobe intervene` was ever asked for here, as it calls them, by name."""
        return {arm.name: arm for family in families(self.run) for arm in family.arms}

    @cached_property
    def grades(self) -> str | None:
        """The layer of verdicts that the run's summary was made with."""
        return layer_of(self.run)

    def arm_called(self, name: str) -> str:
        """The arm of a name: its key, its label in the tables ("entropy 0.6"), or its mode where one arm has it.

        Of the seeds of an arm the first; a mode alone is that of the base's text. Raises BadInput where no arm or
        several are called so.
        """
        if name in self.arms:
            return name
        labels = {arm: (called.line, called.line.partition(", seed")[0]) for arm, called in self.arms.items()}
        alike = [arm for arm, words in labels.items() if name in words]
        of_mode = [
            arm for arm, asked in self.asked.items() if arm in labels and (asked.mode, asked.host) == (name, "base")
        ]
        if not alike and len({labels[arm][1] for arm in of_mode}) == 1:
            alike = of_mode
        if len({self.asked[arm].kind if arm in self.asked else arm for arm in alike}) > 1:
            raise BadInput(f"{self.run.path} has several arms {name!r}: say which, {'; '.join(alike)}")
        if not alike:
            known = ", ".join(dict.fromkeys(label for _, label in labels.values()))
            raise BadInput(f"{self.run.path} has no arm {name!r} (or several of that mode); there are {known}")
        return alike[0]

    def blocks(self) -> Iterator["Block"]:
        """The problems in the order of the run, as many at a time as lie in a shard."""
        problems, size = self.run.problems(), self.run.identity["decoding"]["shard"]
        for start in range(0, len(problems), size):
            yield Block(self, start, problems[start : start + size])


@dataclass(frozen=True)
class Block:
    """Neighbouring problems, and what the run holds of them."""

    source: Source
    start: int
    problems: Sequence[Problem]

    def read(self, layer: str, arm: str, columns: Sequence[str]) -> pa.Table:
        """The rows of a layer for an arm, with the draws that are shown."""
        run, stop = self.source.run, self.start + len(self.problems)
        shards = [s for s in run.shards(layer, arm) if s.start < stop and self.start < s.stop and s.draw < DRAWS]
        parts = [run.read_shard(layer, shard, list(columns)) for shard in shards]
        return pa.concat_tables(parts) if parts else pa.table({name: pa.nulls(0) for name in columns})

    def rollouts(self, arm: str) -> dict[Key, Rollout]:
        """The responses of an arm."""
        rows = self.read("rollouts", arm, _ROLLOUT_COLUMNS).to_pylist()
        of_rows = ({**row, "stop": Stop(row["stop"]), "made": Made(row["made"])} for row in rows if row["draw"] < DRAWS)
        made = (Rollout(prompt_ids=(), logprobs=None, **row) for row in of_rows)
        return {(rollout.problem_id, rollout.draw): rollout for rollout in made}

    def verdicts(self, arm: str) -> dict[Key, Verdict]:
        """What the grader said."""
        if self.source.grades is None:
            return {}
        answer = self.source.reading.answer
        columns = ("problem_id", "draw", *(f"{what}_{answer}" for what in ("status", "answer", "end")))
        rows = (row.values() for row in self.read(self.source.grades, arm, columns).to_pylist())
        return {(i, draw): Verdict(*verdict) for i, draw, *verdict in rows}

    def prompts(self) -> dict[str, list[int]]:
        """problem_id -> the ids of its prompt, which all arms share."""
        found: dict[str, list[int]] = {}
        for arm in list(self.source.arms)[:1]:
            rows = self.read("rollouts", arm, ("problem_id", "prompt_ids")).to_pylist()
            found |= {row["problem_id"]: row["prompt_ids"] for row in rows}
        return found

    def continuations(self) -> dict[str, list[Continuation]]:
        """How texts go on from another token, as far as it was decoded."""
        return continuations(self.source.run, self.source.grades, self.start, self.start + len(self.problems))

    def tables(self, arm: str) -> dict[Key, pd.DataFrame]:
        """The token tables of an arm, response by response."""
        rows = self.read("tokens", arm, TABLE_COLUMNS).to_pandas()
        return {(str(i), int(draw)): part for (i, draw), part in rows.groupby(["problem_id", "draw"], sort=False)}


@dataclass
class Collected:
    """What grows while a run is read."""

    source: Source
    chunks: Chunks = field(default_factory=Chunks)
    lexicon: Lexicon = field(default_factory=Lexicon)
    places: Places = field(default_factory=Places)

    @cached_property
    def problems(self) -> ProblemList:
        """The list of problems."""
        return ProblemList(list(self.source.arms), self.source.trajectories)

    def add(self, block: Block) -> None:
        """The problems of a block."""
        responses, prompts, ifs = self._responses(block), block.prompts(), block.continuations()
        left_out = block.source.run.left_out()
        for at, problem in enumerate(block.problems, block.start):
            mine, others = responses.get(problem.problem_id, []), ifs.get(problem.problem_id, [])
            self.problems.add(problem, mine, left_out.get(problem.problem_id))
            self._add_places(at, mine, others)
            prompt = self.lexicon.numbers(prompts.get(problem.problem_id, ())).tolist()
            ifs_here = [asdict(each) | {"ids": self.lexicon.numbers(each.ids).tolist()} for each in others]
            self.chunks.add(f"p{at}", {"responses": mine, "prompt": prompt, "ifs": ifs_here})

    def _add_places(self, at: int, responses: Sequence[dict[str, Any]], ifs: Sequence[Continuation]) -> None:
        for each in responses:
            arm = self.problems.arms[each["arm"]]
            if "table" in each and each["draw"] == 0:
                outcomes = {other.position: other.outcome for other in ifs if other.text == arm}
                self.places.add(at, self.source.trajectories.index(arm), each["table"], outcomes)

    def _responses(self, block: Block) -> dict[str, list[dict[str, Any]]]:
        """problem_id -> its responses, in the order of arms and draws."""
        found: dict[str, list[dict[str, Any]]] = {problem.problem_id: [] for problem in block.problems}
        reading = self.source.reading
        for number, arm in enumerate(self.source.arms):
            verdicts = block.verdicts(arm)
            tables = block.tables(arm) if arm in self.source.trajectories else {}
            for key, rollout in block.rollouts(arm).items():
                if key[0] in found:
                    verdict = verdicts.get(key, Verdict())
                    payload = response(rollout, number, verdict, self.lexicon)
                    if key in tables:
                        payload["table"] = token_table(tables[key], reading.class_k, verdict.end, self.lexicon)
                    found[key[0]].append(payload)
        return found


def _page(source: Source, reporter: Reporter) -> Page:
    run, about, collected = source.run, source.run.about, Collected(source)
    with reporter.task("the page", len(run.problems()), "problems") as meter:
        for block in source.blocks():
            collected.add(block)
            meter.advance(len(block.problems))
    glyphs = told_apart(pieces(load_tokenizer(str(run.tokenizer_folder)), collected.lexicon.ids))
    ids = collected.lexicon.ids
    collected.chunks.add("lexicon", {"ids": ids, "segments": [glyphs[i] for i in ids]})
    collected.chunks.add("places", collected.places.columns)
    numbers = {file.stem: file.read_text(encoding="utf-8") for file in run.files("tables/*.csv")}
    collected.chunks.add("csv", numbers)
    return Page(
        base=_name(about["base"]),
        rl=_name(about["rl"]),
        lede=_lede(source),
        answer=answer(source.summary, _flips(run)),
        settings=_settings(source),
        prompt=about.get("prompt_example", ""),
        confidence=f"{100 * source.reading.confidence:g} %" if source.summary else "",
        colophon=f"Written by rlprobe {__version__}.",
        tables=_tables(run, reporter),
        figures={f.stem: f.read_bytes() for f in run.files("figures/*.png")},
        class_k=source.reading.class_k,
        arms=source.arms,
        problems=collected.problems,
        chunks=collected.chunks,
        source=fingerprint(run),
        numbers=sorted(numbers),
        commands=commands(run),
        run=run.path.resolve().name,
    )


def _flips(run: Run) -> dict[str, Any]:
    """What `rlprobe flips` found, where it has looked at more than one problem."""
    return run.read_json(FLIPS_SUMMARY, dict) if run.file(FLIPS_SUMMARY).exists() else {}


def _lede(source: Source) -> str:
    whose = {"base": "the base's own answers", "rl": "RL's own answers", "responses": "answers made elsewhere"}
    texts = " and ".join(whose.get(name, f"the text of {name}") for name in source.trajectories)
    n, dataset = len(source.run.problems()), Path(source.run.about["dataset"]).name
    many = "" if n == 1 else "s"
    if "text" in source.run.identity:
        return f"{n:,} document{many} of {dataset}. Both models read them: where would they have gone on differently?"
    return (
        f"{n:,} problem{many} of {dataset}. Both models read the same tokens, those of {texts}: where would they have "
        "gone on differently, and what do those tokens cause?" + _shown(source) + _warning(source)
    )


def _shown(source: Source) -> str:
    """That the numbers are of fewer problems than the list, where the last reading was asked for fewer."""
    first = source.summary.get("first")
    return f" What stands under “Where they disagree” and “Accuracy” is of the first {first:,} alone." if first else ""


def _tables(run: Run, reporter: Reporter) -> dict[str, pd.DataFrame]:
    """The tables of a run that have a row, by name; of documents, say, there is no accuracy."""
    found = {file.stem: run.read_json(f"tables/{file.name}", from_json) for file in run.files("tables/*.json")}
    if older := sorted({file.stem for file in run.files("tables/*.md")} - found.keys()):
        reporter.note(
            f"not on the page, since an older rlprobe wrote them: {', '.join(older)}; run their command again"
        )
    return {name: table for name, table in found.items() if len(table)}


def _settings(source: Source) -> list[tuple[str, str]]:
    """What the numbers depend on."""
    identity, about, reading = source.run.identity, source.run.about, source.reading
    decoding, vocabulary = identity["decoding"], about["vocabulary"]
    revisions = {m: identity["pair"][m].get("revision") for m in MEMBERS}
    return [
        *((m, about[m] + (f" @ {revisions[m]}" if revisions[m] else "")) for m in MEMBERS),
        ("problems", f"{about['dataset']} ({about['source']})"),
        ("prompt style", about["prompt_style"]),
        ("decoding", f"greedy, at most {decoding['max_new_tokens']:,} tokens, {decoding['batch_size']} rows at a time"),
        ("arithmetic", f"{identity['pair']['dtype']} trunks, {decoding['statistics']} statistics in float32"),
        ("vocabulary", f"{vocabulary['common']:,} common ids; base alone {vocabulary['only_base']:,}, "
                       f"RL alone {vocabulary['only_rl']:,}"),
        ("stop ids", ", ".join(map(str, identity["pair"]["stop_ids"])) or "none"),
        ("classes", f"reranked up to base rank {reading.class_k}"),
        ("answers", _answers(source)),
        ("intervals", f"{100 * reading.confidence:g} %, {reading.resamples:,} resamples, seed {reading.seed}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in identity["packages"].items())),
        *([("draws", f"the first {DRAWS} of each arm are on this page")] if _has_more_draws(source) else []),
    ]  # fmt: skip


def _answers(source: Source) -> str:
    grader = source.summary.get("grader")
    if grader is None:
        return "not graded"
    return f"{extraction_of(grader['extract']).words}; the {source.reading.answer} one counts ({grader['libraries']})"


def _warning(source: Source) -> str:
    """That answers were found much more often in one model's responses than in the other's, where they were."""
    accuracy = (source.summary.get("accuracy") or {}).get(source.reading.answer)
    if not accuracy or not accuracy["no_answer_differs"]:
        return ""
    return " " + warning((accuracy["arms"][m]["no_answer"] for m in MEMBERS), source.summary.get("grader"))


def _has_more_draws(source: Source) -> bool:
    return any(shard.draw >= DRAWS for arm in source.arms for shard in source.run.shards("rollouts", arm))


def _unasked(name: str) -> ArmLabel:
    """A member's own responses, or an arm of another command's."""
    return ArmLabel(
        name=name, mode=name, label="RL" if name == "rl" else name, host=name if name in MEMBERS else "base"
    )


def labels_of(run: Run) -> dict[str, str]:
    """What the arms of a run are called in lists, by their keys."""
    asked = {arm.name: arm for family in families(run) for arm in family.arms}
    return {name: (asked.get(name) or _unasked(name)).line for name in run.arms("rollouts")}


def _place(arm: str) -> int:
    return (*MEMBERS, "responses").index(arm) if arm in (*MEMBERS, "responses") else 3


def _name(model: str) -> str:
    """A model as a heading: of a folder, the last two names of its path."""
    return "/".join(Path(model).parts[-2:]) if Path(model).is_absolute() else model
