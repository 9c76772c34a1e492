"""A declared table: what a way finds, what a unit makes of it, and columns that depend on the summary."""

import pandas as pd

from rlprobe.reporting.formats import Cell
from rlprobe.reporting.table import Column, Table, each, plain, walk

INTERVAL = {"value": 0.5, "low": 0.4, "high": 0.6, "n_tokens": 10}
SUMMARY = {"arms": {"base": {"n": 3, "rate": INTERVAL}, "rl": {"n": 4, "rate": None}}}


def test_a_way_that_ends_early_finds_nothing():
    assert walk({"a": {"b": 0}}, "a.b") == 0
    assert walk({"a": None}, "a.b") is None
    assert walk({}, "a.b.c") is None


def test_a_unit_makes_a_cell_of_an_interval_or_of_a_number_and_leaves_words_alone():
    assert Column("x", "x", "%").entry({"x": INTERVAL}) == Cell(0.5, 0.4, 0.6, "%")
    assert Column("x", "x", "nats").entry({"x": 0.25}) == Cell(0.25, unit="nats")
    assert Column("x", "x", "%").entry({"x": None}) == Cell(None, unit="%")
    assert Column("x", "x", "%").entry({"x": "no threshold"}) == "no threshold"
    ready = Cell(1.0, unit="×")
    assert Column("x", "x", "%").entry({"x": ready}) is ready


def test_without_a_unit_an_entry_stands_as_it_is():
    assert [Column("x", "x").entry({"x": entry}) for entry in (7, "word", None)] == [7, "word", None]
    assert Column("x", lambda row: row["a"] + row["b"]).entry({"a": 1, "b": 2}) == 3


def test_rows_and_columns_may_depend_on_the_summary():
    def columns(summary):
        return [Column("arm", "arm"), *plain(*({"n"} & set(summary["arms"]["base"]))), Column("rate", "rate", "%")]

    made = Table(lambda summary: each(summary["arms"], "arm"), columns)(SUMMARY)
    assert list(made.columns) == ["arm", "n", "rate"]
    assert made["arm"].tolist() == ["base", "rl"]
    assert made["n"].tolist() == [3, 4]
    assert made["rate"].tolist() == [Cell(0.5, 0.4, 0.6, "%"), Cell(None, unit="%")]
    assert made["n"].map(type).eq(int).all()


def test_a_table_without_rows_keeps_its_columns():
    empty = Table(lambda _: [], plain("one_word", "two"))({})
    assert isinstance(empty, pd.DataFrame)
    assert empty.empty
    assert list(empty.columns) == ["one word", "two"]
