"""One response under the glass: the tokens of the page as an object that shows itself in a notebook.

The same glyphs, marks and style as on the page, without its script: what the card says there is a tooltip here. Shows
a response and computes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import exp, isnan, log
from typing import Any, cast

import pandas as pd
from markupsafe import Markup

from rlprobe.analysis.classes import CLASSES, classify
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.reporting.page.glyphs import SPACE, plain, segments
from rlprobe.reporting.page.page import style_sheet, template

_NAMES = {"base": "base", "rl": "RL"}
_STYLE = """.rlp { color: var(--ink); background: var(--paper); padding: 0.8em 1em; }
.rlp .key { font: 0.8em/1.5 system-ui, sans-serif; color: var(--quiet); margin: 0 0 0.6em; }
"""


@dataclass(frozen=True, slots=True)
class View:
    """What tokens are coloured by: a number of each row, where its scale ends, its colours above and below zero."""

    label: str
    number: Callable[[dict[str, Any]], float]
    end: float
    above: str
    below: str = ""


@dataclass(frozen=True)
class TokenView:
    """A response with its token table; display it in a notebook, or take its `html`.

    `tokens` holds the rows of one response in order of position (columns of records.TOKEN_SCHEMA), `pieces` what each
    id stands for (pairs/pieces.py), `class_k` the largest base rank that is still reranked. Raises BadInput for a `by`
    that is neither "class" nor one of `VIEWS`.
    """

    tokens: pd.DataFrame
    pieces: Mapping[int, str | bytes]
    title: str = ""
    class_k: int = 5
    by: str = "class"

    def __post_init__(self) -> None:
        if self.by not in ("class", *VIEWS):
            raise BadInput(f"tokens cannot be coloured by {self.by!r}: choose class or one of {', '.join(VIEWS)}")

    def coloured_by(self, by: str) -> "TokenView":
        """The same response, coloured by something else."""
        return replace(self, by=by)

    @property
    def html(self) -> str:
        """A fragment that needs nothing beside it."""
        return template("token_view.html.jinja").render(
            style=Markup(style_sheet("tokens.css") + _STYLE),  # ours: nothing to escape
            title=self.title,
            view=VIEWS.get(self.by),
            tokens=list(self._tokens()),
            k=self.class_k,
        )

    def _repr_html_(self) -> str:
        return self.html

    def _tokens(self) -> Iterator[dict[str, Any]]:
        """What the template writes of each token."""
        classes = classify(self.tokens, self.class_k).cat.codes
        rows = cast("list[dict[str, Any]]", self.tokens.to_dict("records"))
        for row, code in zip(rows, classes, strict=True):
            piece, name = self.pieces[row["token_id"]], CLASSES[code]
            parts, words = [_part(segment) for segment in segments(piece)], self._words(row, name)
            yield {"parts": parts, "name": name, "words": words, **_strength(VIEWS.get(self.by), row)}

    def _words(self, row: dict[str, Any], name: str) -> str:
        """What the card of the page says."""
        delta = row["logprob_rl"] - row["logprob_base"]
        lines = [f"{plain(self.pieces[row['token_id']])}  id {row['token_id']} · position {row['position']} · {name}"]
        lines += [f"{_NAMES[m]}: {self._best(row, m)}" for m in MEMBERS]
        lines += [f"entropy base {row['entropy_base']:.3g}, RL {row['entropy_rl']:.3g} nats"]
        lines += [f"Δ log p {delta:+.3f} nats, KL(RL ‖ base) {row['kl_rl_base']:.3g} nats"]
        ranks = f"rank base {row['rank_base']}, RL {row['rank_rl']}"
        return "\n".join([*lines, f"{ranks}; base rank of RL's choice {row['rank_base_of_rl']}"])

    def _best(self, row: dict[str, Any], member: str) -> str:
        best = zip(row[f"top_ids_{member}"], row[f"top_logprobs_{member}"], strict=True)
        return ", ".join(f"{plain(self.pieces[i])} {100 * exp(logprob):.3g} %" for i, logprob in best)


def _part(segment: Any) -> dict[str, str]:
    if isinstance(segment, str):
        return {"kind": "", "text": segment}
    kind, mark, text = segment
    return {"kind": "ws", "text": text} if kind == SPACE else {"kind": kind, "text": mark}


def _strength(view: View | None, row: dict[str, Any]) -> dict[str, Any]:
    """How strong the colour is, from 0 to 1, and which; nothing where there is no number."""
    number = view.number(row) if view else None
    if view is None or number is None or isnan(number):
        return {"v": None}
    of = view.below if number < 0 and view.below else view.above
    return {"v": f"{min(1.0, abs(number) / view.end):.3f}", "of": of, "is_below": number < 0}


# what tokens can be coloured by, beside their class; ends and colours are those of the page (tokens.js)
VIEWS = {
    "entropy_base": View("the base's entropy, nats", lambda row: row["entropy_base"], 2.5, "--base"),
    "entropy_rl": View("RL's entropy, nats", lambda row: row["entropy_rl"], 2.5, "--rl"),
    "delta": View("|Δ log p|, nats", lambda row: row["logprob_rl"] - row["logprob_base"], 3, "--rl", "--base"),
    "kl": View("KL(RL ‖ base), nats", lambda row: row["kl_rl_base"], 2, "--reranked"),
    "rank": View("ln of the base rank of RL's choice", lambda row: log(row["rank_base_of_rl"]), 3, "--shifted"),
}
