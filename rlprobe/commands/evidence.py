"""What a claim of the user's own reads of a run: a row a response, a row a token, and the summaries.

    @rp.claim(above=0, margin=1)
    def rl_writes_more(told):                                   # tokens a response, RL's less the base's
        tokens = told.responses.pivot(index="problem_id", columns="arm", values="tokens")
        return tokens["rl"] - tokens["base"]                    # a number a problem: their mean is judged

Nothing is read before it is asked for. Knows no claim.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.answered import KEY
from rlprobe.analysis.classes import classify
from rlprobe.commands.collected import families
from rlprobe.commands.verdicts import layer_of
from rlprobe.runs import Run
from rlprobe.settings import Reading


@dataclass(frozen=True)
class Evidence:
    """A run as it is now; `summaries` are its JSON files by name ("summary", "interventions", ...)."""

    run: Run
    summaries: Mapping[str, Any]

    @cached_property
    def responses(self) -> pd.DataFrame:
        """One row per arm, problem and draw.

        `arm` is "base", "rl" or a key, `label` what the tables call it; `tokens`, `gated` and `edited` are counts, the
        last two missing where the response was made elsewhere; `stop`; and by the verdicts in use `status`, `answer`
        and `correct` (1 or 0; missing where nothing was graded).
        """
        columns = (*KEY, "response_ids", "host_ids", "gated", "stop")
        rows = self.run.table("rollouts", columns).to_pandas()
        names = {arm.name: arm.title for family in families(self.run) for arm in family.arms}
        ids, host = rows.pop("response_ids"), rows.pop("host_ids")
        edited = [np.nan if h is None else np.count_nonzero(i != h) for i, h in zip(ids, host, strict=True)]
        gated = rows["gated"].map(np.count_nonzero).where(host.notna())
        counted = {"tokens": ids.map(len), "gated": gated, "edited": edited}
        rows = rows.assign(label=[names.get(arm, arm) for arm in rows["arm"]], **counted)
        layer = layer_of(self.run)
        if layer is None:
            return rows.assign(status=None, answer=None, correct=np.nan)
        verdicts = {f"{what}_{self.reading.answer}": what for what in ("status", "answer")}
        graded = self.run.table(layer, (*KEY, *verdicts)).to_pandas().rename(columns=verdicts)
        rows = rows.merge(graded, how="left", on=list(KEY))
        return rows.assign(correct=rows["status"].eq("correct").astype(float).where(rows["status"].notna()))

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """The token table (records.TOKEN_SCHEMA), and the `class` of each position."""
        table = self.run.table("tokens").to_pandas()
        return table.assign(**{"class": classify(table, self.reading.class_k)})

    @cached_property
    def problems(self) -> pd.DataFrame:
        """The problems, in order: problem_id, question, answer, source."""
        return pd.DataFrame(self.run.problems())

    @property
    def reading(self) -> Reading:
        """How the run was read last."""
        said: dict[str, Any] = next((each["reading"] for each in self.summaries.values() if "reading" in each), {})
        return Reading(**said)
