"""What a run holds of texts and responses, read a shard at a time: what analyses ask for of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rlprobe.analysis import responses
from rlprobe.analysis.accuracy import GRADES
from rlprobe.analysis.answered import behind_answer
from rlprobe.analysis.classes import ANSWERS
from rlprobe.analysis.noise import DECODED, decoded
from rlprobe.analysis.responses import responses_of
from rlprobe.analysis.texts import Text, cuts_of
from rlprobe.columns import Stored
from rlprobe.commands.shown import First, Shown
from rlprobe.records import OUTSIDE, token_schema
from rlprobe.runs import Shard
from rlprobe.settings import Reading

PLACE = ("problem_id", "draw", "position")
VERDICTS = (*GRADES, *(f"end_{answer}" for answer in ANSWERS))


@dataclass(frozen=True)
class Asked:
    """What is read of the token tables of a run, on the problems that were asked for.

    `columns` are those of a token table; `verdicts`, where answers are known, the grades of all arms; `decoding`:
    with the logprobs that tokens had when they were decoded.
    """

    first: First
    columns: Sequence[str]
    reading: Reading
    verdicts: pd.DataFrame | None = None
    decoding: bool = False

    def sizes(self, arm: str) -> dict[str, int]:
        """How many rows each problem has in an arm; of those without one nothing."""
        found = Counter[str]()
        for shard in self.first.run.shards("tokens", arm):
            names = self.first.run.read_shard("tokens", shard, ["problem_id"])["problem_id"].value_counts()
            found.update({row["values"]: row["counts"] for row in names.to_pylist()})
        ids = None if self.first.count is None else set(self.first.ids)
        return {name: n for name, n in found.items() if ids is None or name in ids}

    def text(self, arm: str, problems: Sequence[str]) -> Text:
        """The text of an arm, in the order of these problems, draws and positions."""
        sizes = self.sizes(arm)
        rows = np.array([sizes.get(name, 0) for name in problems], np.int64)
        stored = Stored(self._kinds(arm), int(rows.sum()))
        filled = np.cumsum(rows) - rows
        for codes, table in self._sorted(arm, problems):
            there, starts, counts = np.unique(codes, return_index=True, return_counts=True)
            for name in stored.kinds:
                values = codes if name == "problem" else table[name].to_numpy()
                for code, start, count in zip(there, starts, counts, strict=True):
                    stored.put(name, int(filled[code]), values[start : start + count])
            filled[there] += counts
        return Text(arm, stored.whole(), len(problems), self.reading.class_k, cuts_of(rows))

    def _kinds(self, arm: str) -> dict[str, np.dtype]:
        """The type of each column of a text; `OUTSIDE` are columns that a run may have."""
        run, schema = self.first.run, token_schema(True)
        outside = {*OUTSIDE} & {*self.columns}
        if outside:
            shards = run.shards("tokens", arm)
            outside &= {name for s in shards for name in run.read_shard("tokens", s, [*outside]).column_names}
        kept = [name for name in self.columns if name not in (*OUTSIDE, "arm", "problem_id") or name in outside]
        kinds = {name: np.dtype(schema.field(name).type.to_pandas_dtype()) for name in kept}
        kinds |= {"problem": np.dtype(np.int32)}
        kinds |= {} if self.verdicts is None else {"after_answer": np.dtype(bool)}
        return kinds | ({DECODED: np.dtype(np.float32)} if self.decoding else {})

    def _sorted(self, arm: str, problems: Sequence[str]) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
        """Shard by shard, a draw after the other: the problem of each row, and the rows in order."""
        run, wanted, index = self.first.run, [*dict.fromkeys((*PLACE, *self.columns))], pd.Index(problems)
        for shard in sorted(run.shards("tokens", arm), key=lambda shard: (shard.draw, shard.start)):
            table = run.read_shard("tokens", shard, [name for name in wanted if name != "arm"])
            rows = table.to_pandas(strings_to_categorical=True).reindex(columns=wanted)
            names = rows["problem_id"].cat
            codes = index.get_indexer(names.categories)[names.codes].astype(np.int64)
            order = np.lexsort((rows["position"], rows["draw"], codes))
            order = order[codes[order] >= 0]
            yield codes[order], self._with_more(rows.iloc[order].assign(arm=arm), shard)

    def _with_more(self, rows: pd.DataFrame, shard: Shard) -> pd.DataFrame:
        run = self.first.run
        if self.verdicts is not None:
            rows = rows.assign(after_answer=behind_answer(rows, self.verdicts, self.reading.answer))
        if self.decoding:
            wanted = ["arm", "problem_id", "draw", "response_ids", "logprobs"]
            theirs = self.first.rows(run.read_shard("rollouts", shard, wanted).to_pandas())
            rows = rows.assign(**{DECODED: decoded(rows, theirs)})
        return rows


def read_shown(first: First, shown: Shown, layer: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is kept of the responses that belong to `shown`, and a layer's verdicts on them."""
    responses = responses_in(first, shown.among, shown.draws)
    return shown.rows(responses), shown.rows(verdicts_in(first, layer, shown.among, shown.draws))


def responses_in(first: First, arms: Sequence[str], draws: int | None = None) -> pd.DataFrame:
    """What is kept (analysis/responses.py) of the responses of some arms to the problems that were asked for."""
    run = first.run
    shards = [s for arm in dict.fromkeys(arms) for s in run.shards("rollouts", arm) if draws is None or s.draw < draws]
    tables = (run.read_shard("rollouts", shard, responses.COLUMNS).to_pandas() for shard in shards)
    parts = [responses_of(first.rows(table)) for table in tables]
    return pd.concat(parts or [responses_of(pd.DataFrame(columns=responses.COLUMNS))], ignore_index=True)


def verdicts_in(first: First, layer: str, arms: Sequence[str], draws: int | None = None) -> pd.DataFrame:
    """The verdicts on the same: what was said of either answer, and where it ends."""
    return first.rows(first.run.table(layer, VERDICTS, arms, draws).to_pandas())


def problems_of(sizes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The problems that have a row in any of some texts, in order."""
    return sorted({name for rows in sizes.values() for name in rows})
