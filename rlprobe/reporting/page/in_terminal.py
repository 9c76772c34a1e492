"""One response on a terminal: its text with every disagreement and edit marked in place, and the card of a position.

A mark is text, so that a pipe has it; where there are colours it has them as well, those of the page. Shows a token
view (token_view.py) and computes nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from rlprobe.errors import BadInput
from rlprobe.reporting.formats import quoted
from rlprobe.reporting.page.card import card
from rlprobe.reporting.page.glyphs import SPACE, completed, segments
from rlprobe.reporting.page.token_view import TokenView

STYLES = {"reranked": "green", "shifted": "bold magenta", "edited": "bold yellow"}
LETTERS = {"reranked": "r", "shifted": "s", "edited": "e"}
LEGEND = (
    "«r24 'a' → 'b'»: at position 24 the base would say 'a' and RL 'b'; r: 'b' is in the base's top {k}, s (shifted): "
    "it is not; e (edited): 'a' is the host's own choice, 'b' was written"
)


def response(view: TokenView, at: int | None = None) -> Iterator[Text]:
    """The lines of a response; of `at`, a position, both models' best tokens behind it. Raises BadInput for none."""
    yield Text.assemble((view.title, "bold"), f"   {view.note}" if view.note else "")
    yield _text(view)
    if at is None:
        return
    if at >= len(view.passage.ids):
        raise BadInput(f"--at is {at}: {view.title} has the positions 0 to {len(view.passage.ids) - 1}")
    name = view.passage.classes(view.class_k)[at]
    yield Text()
    yield Text(card(view.passage, at, name, view.pieces), style="cyan")


def legend(view: TokenView) -> Text:
    """What the marks mean."""
    return Text(LEGEND.format(k=view.class_k), style="dim")


def _text(view: TokenView) -> Text:
    made = Text()
    passage, whole = view.passage, completed([view.pieces[i] for i in view.passage.ids])
    parts = {t for last, (first, _) in whole.items() for t in range(first, last + 1)}
    for t, (i, name) in enumerate(zip(passage.ids, passage.classes(view.class_k), strict=True)):
        kind = "edited" if t in passage.host else name
        if kind in STYLES:
            made.append(_mark(view, t, kind), STYLES[kind])
        else:
            made.append("" if t in parts else _plain(view.pieces[i]))
        made.append(whole[t][1] if t in whole else "")
    return made


def _mark(view: TokenView, t: int, kind: str) -> str:
    """A place: who would say what there."""
    row = view.passage.row(t)
    pair = (view.passage.host[t], view.passage.ids[t]) if row is None or kind == "edited" else _best(row)
    said = (_named(view.pieces.get(int(i), f"<{i}>")) for i in pair)
    return f"«{LETTERS[kind]}{t} {' → '.join(said)}»"


def _best(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["argmax_base"], row["argmax_rl"]


def _named(piece: str | bytes) -> str:
    return quoted(piece) if isinstance(piece, str) else f"<{piece.hex(' ').upper()}>"


def _plain(piece: str | bytes) -> str:
    """A token as text; what has no look of its own, and bytes that complete nothing, in angle brackets."""
    if isinstance(piece, bytes):
        return _named(piece)
    parts = (
        part if isinstance(part, str) else part[2] if part[0] == SPACE else f"<{part[1]}>" for part in segments(piece)
    )
    return "".join(parts)
