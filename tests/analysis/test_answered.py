"""Which positions stand behind an answer, against a loop over rows."""

import numpy as np
import pandas as pd
from synthetic_tables import tables

from rlprobe.analysis.answered import with_answers


def by_hand(tokens, grades, answer):
    ends = {(g.arm, g.problem_id, g.draw): getattr(g, f"end_{answer}") for g in grades.itertuples()}
    found = []
    for row in tokens.itertuples():
        end = ends.get((row.arm, row.problem_id, row.draw))
        found.append(end is not None and not pd.isna(end) and row.position >= end)
    return found


def test_a_position_is_behind_the_answer_from_where_that_ends():
    tokens, _, grades = tables(problems=12)
    grades.loc[::3, "end_last"] = np.nan  # no answer
    grades = grades.drop(index=[1, 4])  # no grade
    tokens = tokens.sample(frac=1, random_state=0)
    for answer in ("first", "last"):
        for table in (tokens, tokens.astype({"arm": "category", "problem_id": "category"})):
            assert with_answers(table, grades, answer)["after_answer"].tolist() == by_hand(tokens, grades, answer)


def test_without_an_answer_nothing_is_behind_it():
    tokens, _, grades = tables(problems=3)
    assert not with_answers(tokens, grades.assign(end_last=None), "last")["after_answer"].any()
    assert not with_answers(tokens, grades.iloc[:0], "last")["after_answer"].any()
    assert with_answers(tokens.iloc[:0], grades, "last").empty
