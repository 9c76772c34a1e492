"""Tables of counts: what is read, and what is refused with its place."""

import json

import pandas as pd
import pytest

from rlprobe.errors import BadInput
from rlprobe.problems.counts import load_counts, load_families

ROWS = [
    {"problem_id": "7", "model": "base", "n": 4, "c": 1},
    {"problem_id": "7", "model": "rl", "n": 4, "c": 4},
    {"problem_id": "8", "model": "base", "n": 2, "c": 0},
]


def written(tmp_path, rows, name="counts.json"):
    file = tmp_path / name
    if name.endswith(".parquet"):
        pd.DataFrame(rows).to_parquet(file)
    elif name.endswith(".csv"):
        pd.DataFrame(rows).to_csv(file, index=False)
    else:
        file.write_text(json.dumps(rows))
    return file


@pytest.mark.parametrize("name", ["counts.csv", "counts.json", "counts.parquet"])
def test_every_format_gives_the_same_table(tmp_path, name):
    assert load_counts(written(tmp_path, ROWS, name)).to_dict("records") == ROWS


@pytest.mark.parametrize("name", ["counts.csv", "counts.json", "counts.parquet"])
def test_whole_numbers_that_became_floats_are_counts(tmp_path, name):
    floats = [row | {"n": float(row["n"]), "c": float(row["c"])} for row in ROWS]
    assert load_counts(written(tmp_path, floats, name)).to_dict("records") == ROWS


def test_an_id_that_became_a_float_is_the_same_id(tmp_path):
    floats = [row | {"problem_id": float(row["problem_id"])} for row in ROWS]
    assert load_counts(written(tmp_path, floats, "counts.parquet")).to_dict("records") == ROWS


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"c": 5}, "entry 0: c is 5 and n is 4"),
        ({"c": -1}, "c is -1; a count is from 0 up"),
        ({"n": -4}, "n is -4; a count is from 0 up"),
        ({"n": 0, "c": 0}, "n is 0; leave out a problem"),
        ({"c": 1.5}, "c is 1.5, which is no whole number"),
        ({"c": True}, "c is True, which is no whole number"),
        ({"c": None}, "c is None, which is no whole number"),
        ({"c": "²"}, "which is no whole number"),
        ({"n": "9" * 30}, "at most 65,536 draws"),
        ({"n": 65_537}, "at most 65,536 draws"),
        ({"model": "rl"}, "'7' is there for 'rl' already (entry 0)"),
        ({"model": " "}, "the column 'model' is empty"),
        ({"problem_id": None}, "the column 'problem_id' is empty"),
        ({"family": "a"}, "has no family, and others have one"),
    ],
)
def test_what_cannot_be_a_count_is_refused(tmp_path, change, says):
    with pytest.raises(BadInput) as error:
        load_counts(written(tmp_path, [ROWS[0] | change, *ROWS[1:]]))
    assert says in str(error.value)


def test_a_table_without_rows_or_columns_is_refused(tmp_path):
    with pytest.raises(BadInput, match="is empty: it holds no row"):
        load_counts(written(tmp_path, []))
    (tmp_path / "head.csv").write_text("problem_id,model,n,c\n")
    with pytest.raises(BadInput, match="is empty: it holds no row"):
        load_counts(tmp_path / "head.csv")
    with pytest.raises(BadInput, match="has no column 'c': it has problem_id, model, n"):
        load_counts(written(tmp_path, [{name: ROWS[0][name] for name in ("problem_id", "model", "n")}]))


def test_a_problem_is_of_one_family(tmp_path):
    two = [row | {"family": row["model"]} for row in ROWS]
    with pytest.raises(BadInput, match="'7' is of two families"):
        load_counts(written(tmp_path, two))
    assert load_families(written(tmp_path, [row | {"family": "x"} for row in ROWS])) == {"7": "x", "8": "x"}
    with pytest.raises(BadInput, match="has no column 'family'"):
        load_families(written(tmp_path, ROWS))
