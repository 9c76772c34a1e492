"""What the findings say is what the tables under figures/ show, and no measured number in them is typed by hand."""

import re

import pytest

from experiments import findings, kept


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


def test_a_row_that_is_not_there_or_not_alone_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FIGURES", tmp_path)
    (tmp_path / "t.md").write_text("| a | b |\n| --- | ---: |\n| x\\_y | 1.5 % [1, 2] |\n| z | – |\n| z | 3; more |\n")
    assert findings.cell("t", "b", a="x_y") == "1.5 % [1, 2]"
    assert findings.value("t", "b", a="x_y") == "1.5 %"
    for name in ("nowhere", "z"):
        with pytest.raises(LookupError, match="rows have"):
            findings.cell("t", "b", a=name)
