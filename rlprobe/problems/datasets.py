"""Where problems come from: the bundled set, published benchmarks on the Hub, or a file of the user's.

A name or a path in, a ProblemSet out. Benchmarks are loaded, never copied into this package, and their rows are
counted; what a benchmark needs to make its gold answers gradable is one small function. Knows no prompts, no grading.
"""

import csv
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from rlprobe import own
from rlprobe.errors import BadInput, NotAvailable
from rlprobe.problems.matching import id_text
from rlprobe.problems.spelling import gold_in
from rlprobe.records import Problem
from rlprobe.settings import near

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ProblemSet:
    """Problems in a fixed order, and the sha256 over all their ids and questions, and over their golds.

    Plain documents are problems whose question is the text and whose answer is empty.
    """

    name: str
    source: str
    problems: tuple[Problem, ...]
    fingerprint: str
    golds: str
    are_documents: bool = False


@dataclass(frozen=True)
class BundledSet:
    """A JSONL file inside this package."""

    file: str
    rows: tuple[int, ...]

    @property
    def source(self) -> str:
        """Where the rows come from, for people."""
        return f"bundled, {self.rows[0]} problems"


@dataclass(frozen=True)
class HubSet:
    """A data set on the Hub; `rows` are the row counts it is known to have, `revision` None is whatever is newest."""

    hub_id: str
    split: str
    rows: tuple[int, ...]
    config: str | None = None
    revision: str | None = None
    question: Callable[[Row], Any] = lambda row: row["problem"]
    answer: Callable[[Row], Any] = lambda row: row["answer"]
    id_field: str | None = None

    @property
    def source(self) -> str:
        """Where the rows come from, for people."""
        part = f"{self.config} {self.split}" if self.config else self.split
        return f"{self.hub_id} {part} ({self.revision or 'unpinned'})"


def load_problems(dataset: str, question_field: str | None = None, answer_field: str | None = None) -> ProblemSet:
    """The problems of a registered data set or of a JSONL, JSON, Parquet or CSV file.

    The two fields are for files only, with dots for a field of a field; left out, they are guessed if there is one
    candidate. Of a solution in the place of an answer, what it ends in is the gold (spelling.gold_in). Raises BadInput
    for an unknown name and for a file that cannot be used, NotAvailable for a data set that cannot be loaded.
    """
    if (rows := own.problems(dataset)) is not None:
        return _from_rows(_named(dataset, rows), dataset, dataset, question_field, answer_field)
    registered = DATASETS.get(dataset.lower())
    if registered is None:
        return _from_file(_existing(dataset), question_field, answer_field)
    if question_field or answer_field:
        raise BadInput(f"{dataset} has its own fields: question and answer fields are for files")
    name = dataset.lower()
    problems = _from_hub(name, registered) if isinstance(registered, HubSet) else _from_bundle(name, registered)
    if len(problems) not in registered.rows:
        known = " or ".join(map(str, registered.rows))
        raise NotAvailable(f"{name} has {len(problems)} rows, not {known}: {registered.source} is another edition")
    return _problem_set(name, registered.source, problems)


def selected(whole: ProblemSet, only: Sequence[str]) -> ProblemSet:
    """These problems of a set, in its order: ids, places as 0-9 (from 0, both included), or files of ids, one a line.

    Another selection is another set. Raises BadInput for what names no problem.
    """
    if not only:
        return whole
    places = {problem.problem_id: place for place, problem in enumerate(whole.problems)}
    wanted = sorted({place for word in only for place in _places_of(word, places, whole.name)})
    chosen = _problem_set("", whole.source, [whole.problems[place] for place in wanted])
    return replace(chosen, name=f"{whole.name}-only-{chosen.fingerprint[:6]}", are_documents=whole.are_documents)


def _places_of(word: str, places: Mapping[str, int], name: str) -> list[int]:
    if word in places:
        return [places[word]]
    if found := re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", word):
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < len(places):
            raise BadInput(
                f"--only is {word}: the {len(places)} problems of {name} have the places 0-{len(places) - 1}"
            )
        return list(range(first, last + 1))
    if Path(word).is_file():
        ids = [line.strip() for line in _plain(Path(word)).splitlines() if line.strip()]
        if unknown := [each for each in ids if each not in places]:
            raise BadInput(
                f"--only: {word} names {unknown[0]!r}, which is no problem of {name}{near(unknown[0], places)}"
            )
        return [places[each] for each in ids]
    raise BadInput(f"--only: {word!r} is no problem of {name}, no places such as 0-9, and no file{near(word, places)}")


def _existing(dataset: str) -> Path:
    path = Path(dataset).expanduser()
    if path.is_file():
        return path
    found = "is a folder" if path.is_dir() else "was not found as a file either"
    raise BadInput(f"no data set {dataset!r}, and it {found}; choose one of {', '.join(DATASETS)}, or name a file")


def _problem_set(name: str, source: str, problems: list[Problem]) -> ProblemSet:
    asked, golds = hashlib.sha256(), hashlib.sha256()
    for problem in problems:
        asked.update(json.dumps([problem.problem_id, problem.question]).encode() + b"\n")
        golds.update(json.dumps(problem.answer).encode() + b"\n")
    return ProblemSet(name, source, tuple(problems), asked.hexdigest(), golds.hexdigest())


# ---- registered sets


def _from_bundle(name: str, bundled: BundledSet) -> list[Problem]:
    path = Path(__file__).with_name(bundled.file)
    if not path.is_file():
        raise NotAvailable(f"{name} is missing from this installation ({bundled.file}): reinstall rlprobe")
    rows = list(_jsonl_rows(path))
    return [Problem(row["problem_id"], row["question"], row["answer"], row["source"]) for _, row in rows]


def _from_hub(name: str, hub: HubSet) -> list[Problem]:
    problems = []
    for number, row in enumerate(_hub_rows(name, hub)):
        where = f"{name}, row {number}"
        problem_id = f"{name}/{row[hub.id_field] if hub.id_field else number}"
        question, answer = _text(hub.question(row), "question", where), _text(hub.answer(row), "answer", where)
        problems.append(Problem(problem_id, question, answer, f"{name}, row {number}"))
    return problems


def _hub_rows(name: str, hub: HubSet) -> Iterable[Row]:
    """The rows as the Hub or its local cache has them; without a network the cache is tried at once, no retries."""
    import datasets

    try:
        with _offline_if_unreachable():
            return datasets.load_dataset(hub.hub_id, hub.config, split=hub.split, revision=hub.revision)
    except (OSError, ValueError) as error:  # both a missing network and a missing split: datasets raises either
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise NotAvailable(
            f"{name} ({hub.hub_id}) is neither cached nor reachable: {reason[0]}; "
            "connect once to fetch it, or pass a local file"
        ) from error


@contextmanager
def _offline_if_unreachable(seconds: float = 3.0) -> Iterator[None]:
    """Make the Hub's libraries look at the cache only, if the Hub does not answer: they would retry for 25 seconds."""
    from datasets import config
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE
    offline = any(before) or not _answers(constants.ENDPOINT, seconds)
    constants.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE = offline
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE = before


def _answers(endpoint: str, seconds: float) -> bool:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        urlopen(Request(endpoint, method="HEAD"), timeout=seconds).close()
    except HTTPError:  # an answer, if not a friendly one
        return True
    except (OSError, ValueError):
        return False
    return True


# ---- files

_QUESTION_FIELDS = ("question", "problem", "prompt")
_ANSWER_FIELDS = ("answer", "final_answer")  # a "solution" is not an answer: it has to be asked for
_FOREIGN_ID_FIELDS = ("unique_id", "id")


def _from_file(path: Path, question_field: str | None, answer_field: str | None) -> ProblemSet:
    rows = _Rows(path, printable(path.name), list(read_rows(path)))
    return _from_rows(rows, printable(path.stem), printable(path), question_field, answer_field)


class _Rows(NamedTuple):
    """Rows, each with where it stands; `place` is what messages call all of them, `short` what problems do."""

    place: Path | str
    short: str
    rows: list[tuple[str, Row]]


def _named(given: str, rows: list[dict[str, Any]]) -> _Rows:
    """Rows that were given as objects."""
    return _Rows("the problems given", given, [(f"row {number}", row) for number, row in enumerate(rows)])


def _from_rows(
    given: _Rows, name: str, source: str, question_field: str | None, answer_field: str | None
) -> ProblemSet:
    path, short, rows = given
    if not rows:
        raise BadInput(f"{path} is empty: it holds no problem" if isinstance(path, Path) else f"{path} are none")
    names = list(dict.fromkeys(field for _, row in rows for field in row))
    question = _field(path, names, "question", question_field, _QUESTION_FIELDS)
    answer = _field(path, names, "answer", answer_field, _ANSWER_FIELDS)
    ids = _problem_ids(path, rows)
    problems = []
    for problem_id, (where, row) in zip(ids, rows, strict=True):
        asked, gold = _cell(path, where, row, question), gold_in(_cell(path, where, row, answer))
        problems.append(Problem(problem_id, asked, gold, f"{short}, {where}"))
    return _problem_set(name, source, problems)


_TEXT_FIELDS = ("text", "content", "document")


def load_documents(path: Path, text_field: str | None = None) -> ProblemSet:
    """Plain documents: a text file is one, a JSONL, JSON, Parquet or CSV file has one in each row."""
    if not path.is_file():
        raise BadInput(f"{path} is no file; --text takes a text, JSONL, JSON, Parquet or CSV file")
    if path.suffix.lower() not in _READERS:
        if text_field:
            raise BadInput(f"{path} is read as one document, without fields: leave out --text-field")
        rows: list[tuple[str, Row]] = [("the whole file", {"text": _plain(path)})]
        ids = [printable(path.stem)]
    else:
        rows = list(read_rows(path))
        ids = _problem_ids(path, rows)
    if not rows:
        raise BadInput(f"{path} is empty: it holds no document")
    field = _field(path, list(dict.fromkeys(name for _, row in rows for name in row)), "text", text_field, _TEXT_FIELDS)
    documents = [
        Problem(i, _cell(path, where, row, field), "", f"{printable(path.name)}, {where}")
        for i, (where, row) in zip(ids, rows, strict=True)
    ]
    return replace(_problem_set(printable(path.stem), printable(path), documents), are_documents=True)


def _plain(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error


def printable(name: str | Path) -> str:
    """A file's name as text; bytes of it that are no UTF-8 are escaped."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _field(path: Path | str, names: list[str], role: str, asked: str | None, usual: tuple[str, ...]) -> str:
    available = f"{path} {'has' if isinstance(path, Path) else 'have'} the fields {', '.join(names)}"
    if asked is not None:
        if asked not in names and asked.split(".")[0] not in names:
            raise BadInput(f"no field {asked!r} for the {role}: {available}")
        return asked
    candidates = [name for name in usual if name in names]
    if len(candidates) != 1:
        raise BadInput(f"which field holds the {role}? {available}; say it with --{role}-field")
    return candidates[0]


def _cell(path: Path | str, where: str, row: Row, field: str) -> str:
    return _text(_value(path, where, row, field), field, f"{path}, {where}")


def _value(path: Path | str, where: str, row: Row, field: str) -> Any:
    """What a field holds; with dots in its name, a field of a field."""
    if field in row:
        return row[field]
    name, _, rest = field.partition(".")
    inner = row.get(name)
    if rest and isinstance(inner, dict):
        return _value(path, f"{where}, {name}", inner, rest)
    raise BadInput(f"{path}, {where} has no field {field!r}: it has {', '.join(row) or 'none'}")


def _text(value: Any, field: str, where: str) -> str:
    """A cell as text: strings and numbers as they are, a list of answers as `a, b`."""
    if isinstance(value, list | tuple) and value:
        value = ", ".join(_text(item, field, where) for item in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value in (inf, -inf) or value != value:
        what = "null" if value is None or value != value else f"a {type(value).__name__}"
        raise BadInput(f"{where}: the field {field!r} is {what}, not text or a number")
    if not str(value).strip():
        raise BadInput(f"{where}: the field {field!r} is empty")
    return whole_text(str(value), f"{where}: the field {field!r}")


def whole_text(text: str, what: str) -> str:
    """The same text. Raises BadInput where it holds half of a character, which no tokenizer and no table takes."""
    if broken := _SURROGATE.search(text):
        raise BadInput(f"{what} is no text: at character {broken.start()} it holds {broken[0]!a}, half of one")
    return text


_SURROGATE = re.compile("[\ud800-\udfff]")


def _problem_ids(path: Path | str, rows: list[tuple[str, Row]]) -> list[str]:
    """`problem_id`, which must then be in every row and unique; else `unique_id` or `id` if they are; else numbers."""
    if any("problem_id" in row for _, row in rows):
        ids = [id_text(row.get("problem_id")) or _cell(path, where, row, "problem_id") for where, row in rows]
        if repeated := [problem_id for problem_id, times in Counter(ids).items() if times > 1]:
            raise BadInput(f"{path}: problem_id {repeated[0]!r} comes more than once; ids must be unique")
        return [whole_text(name, f"{path}: problem_id") for name in ids]
    for field in _FOREIGN_ID_FIELDS:
        names = [name for _, row in rows if (name := id_text(row.get(field))) is not None]
        if len(set(names)) == len(rows):
            return [whole_text(name, f"{path}: the field {field!r}") for name in names]
    return [f"row-{number:05d}" for number in range(len(rows))]


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(where, row) of each row of a JSONL, JSON, Parquet or CSV file; `where` is "line 3" or "row 2", for messages."""
    if path.suffix.lower() not in _READERS:
        raise BadInput(f"{path} is no {', '.join(_READERS)} file: rlprobe knows the format by the ending of the name")
    try:
        yield from _READERS[path.suffix.lower()](path)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error


def _jsonl_rows(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            yield f"line {number}", _json_object(_json(line, f"{path}, line {number}"), f"{path}, line {number}")


def _json_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """A list of objects, or one object that holds everything."""
    found = _json(path.read_text(encoding="utf-8-sig"), str(path))
    for number, row in enumerate(found if isinstance(found, list) else [found]):
        where = f"entry {number}" if isinstance(found, list) else "the one object in it"
        yield where, _json_object(row, f"{path}, {where}")


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise BadInput(f"{where} is no JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise BadInput(f"{where} is JSON nested too deeply to be read") from error


def _json_object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise BadInput(f"{where} is a JSON {type(row).__name__}, not an object with fields")
    return row


def _whole_number(digits: str) -> int | str:
    """A number of thousands of digits stays text: Python makes none of it, and an answer is text anyway."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


_LONGEST_NUMBER = 4000  # digits; Python's own limit is 4300


def _csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    expected = len(reader.fieldnames or ())
                    raise BadInput(f"{path}, line {reader.line_num} does not have the header's {expected} fields")
                yield f"line {reader.line_num}", row
        except csv.Error as error:
            raise BadInput(f"{path}, line {reader.line_num} is no CSV: {error}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(os.fspath(path), page_checksum_verification=True) as table:
            number = 0
            for batch in table.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    yield f"row {number}", row
                    number += 1
    except (pa.ArrowException, OverflowError, ValueError) as error:  # a date beyond Python's, text that is no UTF-8
        raise BadInput(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from error


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, Row]]]] = {
    ".jsonl": _jsonl_rows,
    ".json": _json_rows,
    ".parquet": _parquet_rows,
    ".csv": _csv_rows,
}


# ---- what some benchmarks' gold answers need


def _question(row: Row) -> Any:
    return row["question"]


def _gsm8k_answer(row: Row) -> str:
    """The number after "####", without its thousands commas."""
    return gold_in(row["answer"]).replace(",", "")


def _aime_answer(row: Row) -> str:
    """An integer from 0 to 999, which the source writes with leading zeros: 033."""
    return str(int(row["answer"]))


def _amc_answer(row: Row) -> str:
    """The source stores integers as floats: 27.0."""
    value = float(row["answer"])
    return str(int(value)) if value.is_integer() else str(row["answer"])


def _olympiad_question(row: Row) -> str:
    """The question after the context it refers to, where it has one."""
    return "\n".join(part for part in (row.get("context"), row["question"]) if part)


def _olympiad_answer(row: Row) -> str:
    """A list, of one answer mostly: 2, or several that are all asked for."""
    answers = row["final_answer"]
    return answers if isinstance(answers, str) else ", ".join(answer.strip().strip("$") for answer in answers)


DATASETS: dict[str, BundledSet | HubSet] = {
    "word-problems": BundledSet("word_problems.jsonl", rows=(500,)),
    "short-problems": BundledSet("short_problems.jsonl", rows=(500,)),
    "math-500": HubSet("HuggingFaceH4/MATH-500", "test", rows=(500,), id_field="unique_id"),
    "gsm8k": HubSet("openai/gsm8k", "test", rows=(1319,), config="main", question=_question, answer=_gsm8k_answer),
    "gsm8k-train": HubSet(
        "openai/gsm8k", "train", rows=(7473,), config="main", question=_question, answer=_gsm8k_answer
    ),
    "aime-2024": HubSet("HuggingFaceH4/aime_2024", "train", rows=(30,), answer=_aime_answer, id_field="id"),
    "aime-2025": HubSet("math-ai/aime25", "test", rows=(30,), answer=_aime_answer, id_field="id"),
    "amc23": HubSet("math-ai/amc23", "test", rows=(40,), question=_question, answer=_amc_answer, id_field="id"),
    "minerva": HubSet("math-ai/minervamath", "test", rows=(272,), question=_question),
    "olympiadbench": HubSet(
        "Hothan/OlympiadBench",
        "train",
        rows=(674, 675),
        config="OE_TO_maths_en_COMP",
        question=_olympiad_question,
        answer=_olympiad_answer,
        id_field="id",
    ),
}
