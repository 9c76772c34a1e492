"""Everything that the page of a run shows -> the page and, where it would be too large, the chunk files beside it.

The template is page.html.jinja; its style and its script are files of their own and are put into it here. Whatever
comes from a run is escaped by the template, and the page's own policy lets no other script or request through. Knows no
disk of a run and no models.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from rlprobe.arm_labels import ArmLabel
from rlprobe.reporting.page import scales, tables, views
from rlprobe.reporting.page.answer import Answer
from rlprobe.reporting.page.chunks import PAGE_LIMIT, Chunks, OnDemand, digest
from rlprobe.reporting.page.problems import LETTERS, WORDS, ProblemList

NAME = "report.html"
SCRIPTS = (
    *(
        "data.js",
        "tokens.js",
        "card.js",
        "list.js",
        "places.js",
        "texts.js",
        "strip.js",
        "continuations.js",
        "reader.js",
    ),
    *("search.js", "address.js", "save.js", "main.js"),
)
STYLES = ("tokens.css", "page.css")

_HERE = Path(__file__).parent
_MARK = re.compile(r'<meta name="rlprobe-(\w+)" content="([^"]*)">')


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is on the page. `tables` and `figures`, PNG files, go by their names, `class_k` the classes' k,
    `source` a digest of what the page was made from. `numbers` names the tables whose CSV the chunk "csv" holds;
    `commands` decode how a text goes on from another token (commands/continuations.py); `run` is the run's folder.
    """

    base: str
    rl: str
    lede: str
    settings: Sequence[tuple[str, str]]
    prompt: str
    confidence: str
    colophon: str
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, bytes]
    class_k: int
    arms: Mapping[str, ArmLabel]
    problems: ProblemList
    chunks: Chunks
    source: str = ""
    answer: Answer = field(default_factory=Answer)
    numbers: Sequence[str] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    run: str = ""


def render(page: Page, limit: int = PAGE_LIMIT) -> Mapping[str, str]:
    """The files of the page, by name: report.html, and chunk files if it would be larger than `limit` bytes.

    A chunk file is made when it is asked for: all of them may be more than memory holds.
    """
    without = _html(page, {}, {}, {})
    if len(without.encode()) + page.chunks.size <= limit:
        return {NAME: _html(page, page.chunks.packed, {}, {})}
    files, where = page.chunks.files()
    html = _html(page, {}, where, files)
    return OnDemand([NAME, *files], lambda name: html if name == NAME else files[name])


def _html(page: Page, chunks: Mapping[str, str], files: Mapping[str, str], beside: Mapping[str, str]) -> str:
    shown, every = tables.arranged(page.tables)
    style, script = style_sheet(), _script()
    images = {name: base64.b64encode(image).decode() for name, image in page.figures.items()}
    return template("page.html.jinja").render(
        page=_with(page, images),
        policy=_policy(style, script, bool(files)),
        css=Markup(style),  # ours: nothing to escape
        script=Markup(script),
        head=_head(page, files),
        marks=_marks(page, beside),
        chunks=chunks,
        shown=shown,
        every=every,
        parts=tables.parts,
    )


def marks_of(html: str) -> dict[str, str]:
    """What a page says of itself: `trajectories`, whose token tables it shows, `source`, what it was made from, and

    `chunks`, the digest of the files beside it. The first 2000 characters of it are enough.
    """
    return dict(_MARK.findall(html))


@cache
def style_sheet(*names: str) -> str:
    """The style of the page, or of some of its files."""
    return "".join((_HERE / name).read_text(encoding="utf-8") for name in names or STYLES)


@cache
def _script() -> str:
    """The script of the page; a block of its own keeps its names to itself."""
    return "".join(['"use strict";\n{\n', *((_HERE / name).read_text(encoding="utf-8") for name in SCRIPTS), "}\n"])


@cache
def template(name: str) -> Template:
    """A template of this folder; whatever it writes is escaped, and a name that it does not know is an error."""
    return Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined).get_template(name)


def _policy(style: str, script: str, has_files: bool) -> str:
    """No request, no script and no style but the page's own; `strict-dynamic` lets it load its chunk files."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    own = f"'sha256-{hashes[1]}'" + (" 'strict-dynamic'" if has_files else "")
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src {own}; "
        "base-uri 'none'; form-action 'none'"
    )


def _with(page: Page, images: Mapping[str, str]) -> dict[str, Any]:
    return {name: getattr(page, name) for name in Page.__dataclass_fields__} | {"figures": images}


def _marks(page: Page, beside: Mapping[str, str]) -> dict[str, str]:
    """What `marks_of` finds again."""
    return {
        "trajectories": " ".join(page.problems.trajectories),
        "source": page.source,
        "chunks": digest(OnDemand(list(beside), lambda name: beside[name].encode())),
    }


def _head(page: Page, files: Mapping[str, str]) -> dict[str, Any]:
    """What the script needs at once."""
    return {
        **views.for_page(page.class_k),
        "scales": scales.for_page(),
        "arms": [{"name": n, "label": a.line, "spec": a.spec or n, "host": a.host} for n, a in page.arms.items()],
        "trajectories": list(page.problems.trajectories),
        "problems": page.problems.lines,
        "letters": {status: letter for status, letter in LETTERS.items() if status},
        "verdicts": {LETTERS[status]: words for status, words in WORDS.items()},
        "files": dict(files),
        "commands": dict(page.commands),
        "run": page.run,
    }
