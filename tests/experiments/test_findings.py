"""What the findings say is what the tables under figures/ show, and no measured number in them is typed by hand."""

import json
import re

import pandas as pd
import pytest

from experiments import findings, kept
from rlprobe.reporting.formats import Cell, as_json, from_json, markdown


def test_the_page_and_the_four_rows_are_those_of_the_tables():
    again = "run `python -m experiments.findings`"
    assert findings.PAGE.read_text() == findings.told(), again
    assert findings.four_rows() in findings.README.read_text(), again


def test_no_interval_and_no_p_value_is_typed_by_hand():
    words = re.sub(r"\{[{%].*?[}%]\}", "", findings.TEMPLATE.read_text(), flags=re.DOTALL)
    assert not re.search(r"\[-?\d|p [=<] *\d|AUROC \d|\d e-", words)


def test_every_figure_and_table_that_is_named_is_there():
    for name in re.findall(r"\.\./figures/([\w.-]+)", findings.PAGE.read_text()):
        assert (kept.FIGURES / name).exists(), name


def test_the_json_and_the_markdown_beside_each_other_are_one_table():
    files = sorted(kept.FIGURES.rglob("*.json"))
    assert files
    for file in files:
        table = from_json(json.loads(file.read_text(encoding="utf-8")))
        assert markdown(table) == file.with_suffix(".md").read_text(encoding="utf-8"), file


def test_a_row_that_is_not_there_or_not_alone_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FIGURES", tmp_path)
    shares = [Cell(0.015, 0.01, 0.02, "%"), Cell(None), Cell(0.0, 0.0, 0.5, n=3, problems_bound=0.9)]
    table = pd.DataFrame({"a": ["x", "z", "z"], "b": shares}, dtype=object)
    (tmp_path / "t.json").write_text(as_json(table))
    assert findings.cell("t", "b", a="x") == "1.50 % [1.00, 2.00]"
    assert findings.value("t", "b", a="x") == "1.50 %"
    for name in ("nowhere", "z"):
        with pytest.raises(LookupError, match="rows have"):
            findings.cell("t", "b", a=name)
