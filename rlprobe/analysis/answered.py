"""Which tokens stand behind a response's answer: a matter of the grade, joined to the token table when it is read.

Tables in, tables out. Knows no texts: where an answer ends is a position, found by the grader's extraction.
"""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

KEY = ("arm", "problem_id", "draw")


def with_answers(tokens: pd.DataFrame, grades: pd.DataFrame, answer: str) -> pd.DataFrame:
    """The token table with the column after_answer: does the position stand behind the "first" or "last" answer?

    `tokens` has the columns KEY and position, `grades` those of records.GRADE_SCHEMA. A response without an answer, or
    without a grade, has no position behind one.
    """
    return tokens.assign(after_answer=behind_answer(tokens, grades, answer))


def behind_answer(tokens: pd.DataFrame, grades: pd.DataFrame, answer: str) -> Bool[np.ndarray, " rows"]:
    """The column that `with_answers` adds."""
    ended = grades[grades[f"end_{answer}"].notna()]
    if ended.empty or tokens.empty:
        return np.zeros(len(tokens), bool)
    levels = [pd.Index(ended[name].unique()) for name in KEY]
    wanted, known = _codes(tokens, levels), _codes(ended, levels)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    ends = ended[f"end_{answer}"].to_numpy(np.int64)[order][at]
    return (known[order][at] == wanted) & (tokens["position"].to_numpy(np.int64) >= ends)


def _codes(table: pd.DataFrame, levels: list[pd.Index]) -> Int[np.ndarray, " rows"]:
    """One number a response; -1 for one that has no answer in any arm, problem or draw."""
    codes = np.zeros(len(table), np.int64)
    unknown = np.zeros(len(table), bool)
    for name, values in zip(KEY, levels, strict=True):
        here = values.get_indexer(pd.Index(table[name])).astype(np.int64)
        unknown |= here < 0
        codes = codes * len(values) + here
    return np.where(unknown, -1, codes)
