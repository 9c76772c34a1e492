"""What CONTRIBUTING's table says of adding something: one of each is added to a copy, and the command line has it.

Each addition is what a row of the table asks for and nothing else. No weights are loaded; one process answers all.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# what is added: the definitions, and the entries of the registries
PAIR = '    "added-pair": PairEntry(str(BUNDLED / "base"), str(BUNDLED / "rl"), "GRPO", "question_answer", "added"),'
GATE = '''
def added_gate(k: int = 5) -> Gate:
    """The gate that was added."""
    return _gate(f"added_gate({k})", lambda view: view.host_argmax != view.donor_argmax)


'''
WRITER = '''
def added_writer() -> Writer:
    """The writer that was added."""
    return Writer("added_writer", lambda view: view.donor_argmax)


'''
MODE = '''
def added(_: Options) -> list[_Draft]:
    """The mode that was added."""
    return [_Draft(arms.disagree(), arms.host_second())]


'''
STYLE = '''
def added_style(question: str, _: Any) -> str:
    """Ask as was added."""
    return f"Added: {question}"


'''
ANSWER = '''
def added(text: str) -> Answers:
    """Find what was added."""
    return hashes(text)


'''
COMMAND = '''"""`rlprobe added`: the command that was added."""

from rich.text import Text

from rlprobe import runs
from rlprobe.commands.written import Report
from rlprobe.reporting.table import Table, plain

REPORT = Report({"added": Table(lambda found: [found], plain("said"))}, {}, lambda found: Text(found["said"]))


def added(settings, reporter):
    """Say it."""
    run = runs.read(settings.run)
    with run.locked():
        problems = {"left_out": {}, "ungraded": []}
        return REPORT.write(run, "added.json", {"said": "loud" if settings.loud else "quiet", "problems": problems})
'''
SETTINGS = '''
@dataclass(frozen=True, kw_only=True)
class AddedSettings(Noun):
    """Is it there? The command that was added."""

    run: Path = place()
    loud: bool = option(False, "The option that was added.")
'''
SIGNAL = (
    """    "added": Signal(title="added", gate="js_above", side="above", column="js", colour="#123456", marker="^"),"""
)
FIGURE = """    "added": Drawing(
        lambda found: curves_data(found, found["reading"]), draw_curves, panels=2, size=lambda _: (6, 3)
    ),"""
TABLE = """    "added_table": Table(solvable, (Column("added column", lambda row: 7), *SOLVABLE)),"""

FOOT = {  # file: (the line of its registry; what is defined above it; the entry)
    "pairs/registry.py": ("PAIRS: dict[str, PairEntry] = {", "", PAIR),
    "problems/datasets.py": (
        "DATASETS: dict[str, BundledSet | HubSet] = {",
        "",
        '    "added-set": BundledSet("short_problems.jsonl", rows=(500,)),',
    ),
    "problems/prompts.py": (
        "PROMPT_STYLES: dict[str, PromptStyle] = {",
        STYLE,
        '    "added": PromptStyle(added_style, "box"),',
    ),
    "problems/answers.py": (
        "EXTRACTIONS: dict[str, Extraction] = {",
        ANSWER,
        '    "added": Extraction("what was added", added),',
    ),
    "decoding/modes.py": ("MODES: dict[str, Callable[[Options], list[_Draft]]] = {", MODE, '    "added": added,'),
    "training/methods.py": (
        "METHODS: dict[str, Method] = {",
        "",
        '    "added": Method("the method that was added", "here", _GRPO, _NARROW, _CLIP),',
    ),
    "signal.py": ("SIGNALS: dict[str, Signal] = {", "", SIGNAL),
    "reporting/passk.py": ("TABLES = {", "", TABLE),
    "reporting/figures/passk.py": ("FIGURES: dict[str, Drawing] = {", "", FIGURE),
    "commands/__init__.py": ("_ALL = (", "", '    Command("added", asked.AddedSettings, "added RUN"),'),
}
FEW = "--limit 12 --out runs/few --dry-run"
LINES = {
    "pairs": "pairs",
    "data sets": "datasets",
    "arms": "arms",
    "methods": "methods",
    "help": "--help",
    "asked": f"disagree --pair added-pair --dataset added-set --style added --extract added {FEW}",
    "mode": f"intervene --mode added {FEW}",
    "gate": f"intervene --gate added_gate:3 --writer added_writer {FEW}",
    "signal": f"signals --signal added {FEW}",
    "passk": "passk counts.csv --out counted",
    "command": "added counted --loud --json",
}
DRIVER = """
import contextlib, io, json, sys
from rlprobe.cli import cli
said = {}
for name, line in json.loads(sys.argv[1]).items():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        cli.main(line.split(), standalone_mode=False)
    said[name] = out.getvalue()
print(json.dumps(said))
"""


def add_one_of_each(package):
    for name, (registry, above, entry) in FOOT.items():
        insert(package / name, registry, above, entry)
    insert(
        package / "decoding/arms.py", "GATES: dict[str, Callable[..., Gate]] = {", GATE, '    "added_gate": added_gate,'
    )
    insert(
        package / "decoding/arms.py",
        "WRITERS: dict[str, Callable[..., Writer]] = {",
        WRITER,
        '    "added_writer": added_writer,',
    )
    (package / "commands/added.py").write_text(COMMAND)
    with (package / "settings.py").open("a") as settings:
        settings.write(SETTINGS)


def insert(file, registry, above, entry):
    text = file.read_text(encoding="utf-8")
    assert text.count(f"\n{registry}\n") == 1, (file, registry)
    before, after = text.split(f"\n{registry}\n")
    file.write_text(f"{before}\n{above}{registry}\n{entry}\n{after}", encoding="utf-8")


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    left = shutil.ignore_patterns("bundled", "__pycache__")
    shutil.copytree(ROOT / "rlprobe", folder / "rlprobe", ignore=left)
    (folder / "rlprobe/pairs/bundled").symlink_to(ROOT / "rlprobe/pairs/bundled", target_is_directory=True)
    add_one_of_each(folder / "rlprobe")
    counts = [f"p{i},{model},8,{(i * (2 + (model == 'rl'))) % 9}" for i in range(12) for model in ("base", "rl")]
    (folder / "counts.csv").write_text("\n".join(["problem_id,model,n,c", *counts, ""]))
    found = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(LINES)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    return json.loads(found.stdout) | {"folder": folder}


def test_a_pair_a_data_set_a_style_and_a_way_to_find_answers_are_an_entry_each(said):
    assert re.search(r"^added-pair\s.*GRPO", said["pairs"], re.MULTILINE)
    assert re.search(r"^added-set\s.*500", said["data sets"], re.MULTILINE)
    assert "prompt style added, first prompt:\nAdded:" in said["asked"]
    assert "12 problems in 1 shards" in said["asked"]


def test_a_gate_a_writer_and_a_mode_are_a_function_and_an_entry_each(said):
    for words in (r"added_gate:K +The gate", r"added_writer +The writer", r"added +The mode"):
        assert re.search(f"^{words} that was added", said["arms"], re.MULTILINE)
    assert "disagree x host_second" in said["mode"]
    assert "added_gate(3) x added_writer x base" in said["gate"]


def test_a_method_of_training_is_an_entry(said):
    assert re.search(r"^added +.*the method that was added", said["methods"], re.MULTILINE)


def test_a_signal_is_one_record(said):
    assert re.search(r"^ +added, at \d", said["signal"], re.MULTILINE)


def test_a_column_a_table_and_a_figure_are_an_entry_each(said):
    made = said["folder"] / "counted"
    assert (made / "tables/added_table.csv").read_text().startswith("added_column,")
    assert (made / "tables/added_table.csv").read_text().splitlines()[1].startswith("7,")
    assert (made / "figures/added.png").stat().st_size > 0


def test_a_command_is_its_settings_its_file_and_its_line(said):
    assert re.search(r"^ +added +Is it there\?", said["help"], re.MULTILINE)
    assert json.loads(said["command"])["said"] == "loud"
    assert (said["folder"] / "counted/tables/added.md").exists()


def test_what_is_added_here_is_what_the_table_names():
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| to add |")[2].partition("\n\n")[0]
    named = {name for line in table.splitlines()[2:] for name in re.findall(r"`([\w/]+\.py)`", line.split("|")[3])}
    files = {*FOOT, "decoding/arms.py", "settings.py"}
    of_passk = {name.replace("passk", "COMMAND") for name in files}
    # a base of its own; an experiment's; a class of its own, where TRL has no option
    elsewhere = {"pairs/fetched.py", "experiments/SCRIPT.py", "training/trainers.py"}
    assert named <= of_passk | elsewhere
