"""What reaches the terminal: no character of data that it would obey."""

import ast
import json
import logging
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

import rlprobe as package
from rlprobe.cli import PrintableFormatter
from rlprobe.errors import BadInput
from rlprobe.printable import one_line, printable
from rlprobe.reporting.terminal import SafeConsole, texts_of

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202etxt\x00\x7f"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def test_control_characters_are_written_as_python_writes_them():
    assert printable("a\x1b[2Jb\x9b\r\u202e\ud800") == r"a\x1b[2Jb\x9b\r\u202e\ud800"
    assert printable("Δ log p, 数学, \t👩‍🔬\n") == "Δ log p, 数学, \t👩‍🔬\n"
    assert printable(printable(HOSTILE)) == printable(HOSTILE)
    assert one_line("a\nb\tc") == r"a\nb\tc"
    assert all(printable(chr(i)) != chr(i) for i in (*range(9), *range(11, 32), *range(127, 160)))


def test_errors_are_one_line_whatever_is_in_them():
    assert str(BadInput(f"no problem {HOSTILE}\nrlprobe: all is well")).count("\n") == 0
    assert not OBEYED.search(str(BadInput(HOSTILE)))


def test_tables_and_logs_show_what_is_in_them():
    stream = StringIO()
    table = Table("x")
    table.add_row(*texts_of([HOSTILE]))
    table.add_row(Text(HOSTILE))
    SafeConsole(file=stream, width=200, force_terminal=True).print(table, Text("red", style="red"))
    assert "\x1b[31mred" in stream.getvalue(), "styles are rich's own"
    assert not OBEYED.search(re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue()))
    assert r"\x1b]0;owned" in stream.getvalue()
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s", (HOSTILE,), None)
    assert not OBEYED.search(PrintableFormatter("%(message)s").format(record))


@pytest.fixture
def problems(rlprobe):
    """Six problems whose every field would steer a terminal."""
    file = rlprobe.tmp_path / "hostile\x1b[2J.jsonl"
    rows = [{"id": f"{HOSTILE}{i}", "question": f"{HOSTILE} {i}+1?", "answer": str(i + 1)} for i in range(6)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_no_command_lets_data_steer_the_terminal(rlprobe, problems):
    said = [rlprobe.disagree("--dry-run", dataset=problems, out=f"run{HOSTILE[:5]}")]
    assert r"\x1b]0;owned" in said[0][1], "the rendered prompt shows it"
    said += [rlprobe.disagree(*more, dataset=problems) for more in ((), ("--json",))]
    run = rlprobe.tmp_path / "run"
    common = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--dataset", problems)
    small = ("--out", run, "--max-new-tokens", 30, "--shard-size", 3)
    said += [rlprobe("flips", *common, *small, "--problem", f"{HOSTILE}0", "--dry-run")]
    said += [rlprobe("flips", *common, *small, "--all", "--most-trials", 2)]
    said += [rlprobe("flips", *common, *small, "--problem", HOSTILE)]
    said += [rlprobe("intervene", *common, *small, "--mode", "oracle", *more) for more in (("--dry-run",), ())]
    said += [rlprobe("sample", *common, *small, "--n", 1), rlprobe("direction", run), rlprobe("grade", run)]
    said += [rlprobe("report", run), rlprobe("merge", rlprobe.tmp_path / HOSTILE[1:5], run)]
    said += [
        rlprobe("grade", rlprobe.tmp_path / f"none{HOSTILE.strip(chr(0))[:9]}"),
        rlprobe("disagree", f"--{HOSTILE[:8]}"),
    ]
    assert {code for code, *_ in said} == {0, 2}
    for number, (_, out, err) in enumerate(said):
        assert not OBEYED.search(out + err), f"call {number}: {out + err!r}"


def test_everything_is_said_through_the_doors_that_look_at_it():
    own = {"cli.py", "reporting/terminal.py", "pairs/fetch.py"}  # the last one is a door of its own
    own |= {"problems/_worker.py"}  # a pipe, no terminal
    folder = Path(package.__file__).parent
    for file in folder.rglob("*.py"):
        if file.relative_to(folder).as_posix() in own:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho", "Console", "sys.stdout.write"), file
