"""The page as text: everything from a run is escaped, its policy names its own script, and its tables are the run's."""

import base64
import hashlib
import importlib
import json
import pkgutil
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from rlprobe import reporting
from rlprobe.arm_labels import ArmLabel
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.page import tables
from rlprobe.reporting.page.chunks import FOLDER, Chunks, unpacked
from rlprobe.reporting.page.page import NAME, Page, render
from rlprobe.reporting.page.problems import ProblemList
from rlprobe.reporting.page.tables import parts

HOSTILE = "</script><img src=x onerror=alert(1)><!--\u2028]]>&amp;\"' {{ 7*7 }}"


class Elements(HTMLParser):
    """The elements of a page, and the text in each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.attributes, self._in = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "script":
            self.scripts.append([dict(attributes), ""])
        self._in = tag

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, text):
        if self._in == "script":
            self.scripts[-1][1] += text


def page(**changes):
    arms = {name: ArmLabel(name=name, mode=name, label=label) for name, label in (("base", "base"), ("x", HOSTILE))}
    problems = ProblemList(list(arms), ["base"])
    problems.lines.append({"id": HOSTILE, "question": HOSTILE, "answer": HOSTILE})
    chunks = Chunks()
    chunks.add("p0", {"responses": [HOSTILE]})
    table = pd.DataFrame({HOSTILE: [HOSTILE]})
    fields = {"base": HOSTILE, "rl": HOSTILE, "lede": HOSTILE, "settings": [(HOSTILE, HOSTILE)], "prompt": HOSTILE}
    fields |= {"confidence": "95 %", "colophon": HOSTILE, "tables": {"classes": table}, "figures": {"f": b"png"}}
    return Page(**(fields | {"class_k": 5, "arms": arms, "problems": problems, "chunks": chunks} | changes))


@pytest.fixture(scope="module")
def html():
    return render(page())[NAME]


def test_nothing_of_a_run_becomes_markup(html):
    found = Elements(html)
    assert found.tags.count("img") == 1  # the figure
    assert not [value for name, value in found.attributes if name.startswith("on")]
    assert "<!--" not in html
    assert html.count("<script") == html.count("</script>") == len(found.scripts) == 3
    assert "49" not in "".join(text for _, text in found.scripts[:1])  # a template in the data is not run


def test_the_head_and_the_chunks_hold_what_was_given(html):
    scripts = {attributes.get("id"): text for attributes, text in Elements(html).scripts}
    head = json.loads(scripts["head"])
    assert head["problems"] == [{"id": HOSTILE, "question": HOSTILE, "answer": HOSTILE}]
    assert head["arms"][1]["label"] == HOSTILE
    assert unpacked(scripts["chunk-p0"]) == {"responses": [HOSTILE]}


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    own = next(text for attributes, text in Elements(html).scripts if not attributes)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    for name, text in (("script-src", own), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed[name] == f"'sha256-{digest}'"
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"


def test_the_page_names_no_address(html):
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]*)', html.split('id="head"')[0])
    assert all(address.startswith(("data:", "x", "#")) for address in addresses)  # x: HOSTILE's own, as text
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")  # the name of a namespace is no address
    assert "https://" not in html


def test_a_page_that_would_be_too_large_has_files_beside_it():
    files = render(page(), limit=1000)
    assert set(files) == {NAME, f"{FOLDER}/0000.js"}
    assert "chunk-p0" not in files[NAME]
    assert "strict-dynamic" in files[NAME]
    head = json.loads({a.get("id"): text for a, text in Elements(files[NAME]).scripts}["head"])
    assert head["files"] == {"p0": f"{FOLDER}/0000.js"}


def test_the_page_shows_the_entries_of_a_table_as_they_are_read():
    shares = [Cell(0.0211, 0.019, 0.0235, "%"), Cell(None), Cell(-1.2, -1.5, -0.9), None]
    names = ["a | b", "\\|", "-3 [1, 2]", None]
    frame = pd.DataFrame({"arm": names, "share of|all": shares}, dtype=object)
    found = tables.page_table("some_table", frame)
    assert found.columns == ("arm", "share of|all")
    assert found.numeric == (False, True)
    assert found.heading == "Some table"
    shown = [[parts(entry) for entry in row] for row in found.rows]
    assert [row[0] for row in shown] == [("a | b", ""), ("\\|", ""), ("-3 [1, 2]", ""), ("–", "")]
    assert [row[1] for row in shown] == [("2.11 %", "[1.90, 2.35]"), ("–", ""), ("−1.20", "[−1.50, −0.90]"), ("–", "")]


def test_known_tables_come_first_and_unknown_ones_are_there():
    frame = pd.DataFrame({"arm": ["x"], "spec": ["y"]})
    shown, every = tables.arranged({"zebra": frame, "interventions": frame, "classes": frame})
    assert [table.name for table in shown] == ["classes", "interventions"]
    assert [table.name for table in every] == ["classes", "interventions", "zebra"]
    assert shown[1].columns == ("arm",)
    assert every[1].columns == ("arm", "spec")


def test_every_table_that_is_open_at_first_is_one_that_a_command_writes():
    modules = [importlib.import_module(m.name) for m in pkgutil.walk_packages(reporting.__path__, "rlprobe.reporting.")]
    written = {
        name for module in modules for what in vars(module) if what.endswith("TABLES") for name in vars(module)[what]
    }
    assert {"classes", "weights_by_kind", "low_rank_answers"} <= written
    assert set(tables.OPEN) <= written | {"claims"}  # a user's own, which every command writes


def test_a_number_stands_apart_from_what_is_said_of_its_bounds():
    never = Cell(0.0, 0.0, 0.03, "%", n=9, problems_bound=0.05)
    said = "at most 5.00 % of problems have one; at most 3.00 % of tokens if tokens were independent"
    assert parts(never) == ("0 of 9 tokens", said)
    assert parts(Cell(-0.5, 0, 1, n=9, problems_bound=0.05))[1].startswith("[0, 1.000]; the interval holds")
    assert parts("rl - base") == ("rl - base", "")
    assert parts(1234) == ("1,234", "")
