"""One response under the glass: the tokens of the page as an object that shows itself in a notebook.

The same renderer as the page's: glyphs, views, the words of marks, the classes and data attributes of a token and
tokens.css are one and the same. A notebook runs no script, so what tokens.js puts together in the browser is put
together here, and the card of a token is text in `data-card` that the style shows on hover and on keyboard focus: where
styles are stripped as well, nothing of it is left between the tokens. Shows a response and computes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from rlprobe.errors import BadInput
from rlprobe.reporting.page.card import card
from rlprobe.reporting.page.glyphs import SPACE, Segment, completed, told_apart
from rlprobe.reporting.page.page import style_sheet, template
from rlprobe.reporting.page.passage import Passage
from rlprobe.reporting.page.views import VIEWS, marks, words


@dataclass(frozen=True)
class TokenView:
    """A response with every token marked; display it in a notebook, or take its `html`.

    `passage` is the response, `pieces` what each id stands for (pairs/pieces.py), `class_k` the largest base rank that
    is still reranked, `by` what tokens are coloured by. Raises BadInput for a `by` that is neither "class" nor one of
    `views.VIEWS`.
    """

    passage: Passage
    pieces: Mapping[int, str | bytes]
    title: str = ""
    note: str = ""
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
        view = VIEWS.get(self.by)
        return template("token_view.html.jinja").render(
            style=Markup(style_sheet("tokens.css", "token_view.css")),  # ours: nothing to escape
            title=self.title,
            note=self.note,
            view=view,
            words=view and words(view),
            marks={name: said for name, said in marks(self.class_k).items() if name in self._marks()},
            tokens=list(self._tokens()),
        )

    def __repr__(self) -> str:
        return f"{self.title}: {self.note}" if self.note else self.title

    def _repr_html_(self) -> str:
        return self.html

    def _marks(self) -> set[str]:
        """Which marks are explained: those of an arm where there is one, those of a class where it is shown."""
        of_class = set() if self.by in VIEWS else {"reranked", "shifted"}
        return of_class | ({"gated", "edited"} if self.passage.is_of_an_arm else set())

    def _tokens(self) -> Iterator[dict[str, Any]]:
        """What the template writes of each token."""
        passage, glyphs = self.passage, told_apart(self.pieces)
        whole = completed([self.pieces[i] for i in passage.ids])
        for t, (i, name) in enumerate(zip(passage.ids, passage.classes(self.class_k), strict=True)):
            yield {
                "parts": _parts(glyphs[i]),
                "whole": whole[t][1] if t in whole else None,
                "host": _parts(glyphs[passage.host[t]], marked=True) if t in passage.host else None,
                "classes": " ".join(["tok", *self._classes(t, name)]),
                "card": card(passage, t, name, self.pieces),
                **self._strength(t),
            }

    def _classes(self, t: int, name: str | None) -> Iterator[str]:
        """The classes of a token, as tokens.js gives them."""
        passage = self.passage
        if name:
            yield name
        if passage.after is not None and t >= passage.after:
            yield "after"
        if t in passage.gated:
            yield "gated"
        if t in passage.host:
            yield "edited"

    def _strength(self, t: int) -> dict[str, Any]:
        """How strong the colour is, from 0 to 1, and which; nothing where there is no number."""
        view, row = VIEWS.get(self.by), self.passage.row(t)
        number = view.number(row) if view and row else None
        if view is None or number is None:
            return {"v": None, "of": None, "is_below": False}
        of = view.below if number < 0 and view.below else view.colour
        return {"v": f"{view.strength(number):.3f}", "of": of, "is_below": number < 0}


def _parts(segments: Sequence[Segment], marked: bool = False) -> list[dict[str, str | None]]:
    """The segments of a token as elements, as tokens.js makes them: kind (none: plain text), text, mark of whitespace.

    `marked`: whitespace is shown by its mark alone.
    """
    return [_part(segment, marked) for segment in segments]


def _part(segment: Any, marked: bool) -> dict[str, str | None]:
    if isinstance(segment, str):
        return {"kind": "", "text": segment, "mark": None}
    kind, mark, text = segment
    if kind != SPACE:
        return {"kind": kind, "text": mark, "mark": None}
    if marked:
        return {"kind": "mark", "text": mark, "mark": None}
    return {"kind": "ws blank" if text in " \u00a0" else "ws", "text": text, "mark": mark}
