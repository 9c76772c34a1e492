"""A response in a notebook: every token once, in order, escaped, with its class and its numbers."""

import re
from html.parser import HTMLParser

import pytest
from synthetic_run import make_run

from rlprobe.analysis.classes import CLASSES, classify
from rlprobe.errors import BadInput
from rlprobe.pairs.loading import load_tokenizer
from rlprobe.pairs.pieces import pieces
from rlprobe.reporting.page.token_view import VIEWS, TokenView

WORDS = ("<img src=x onerror=alert(1)>", "</span></div>", "<0xE2>", " a\nb")


class Tokens(HTMLParser):
    """The classes and the text of the tokens, and every element's name."""

    def __init__(self, html):
        super().__init__()
        self.classes, self.texts, self.tags, self._depth = [], [], [], 0
        self.feed(html.split('<div class="tokens">')[1])

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        name = dict(attributes).get("class", "")
        self._depth += 1
        if name.startswith("tok "):
            self.classes.append(name.split()[1])
            self.texts.append("")

    def handle_endtag(self, tag):
        self._depth -= 1

    def handle_data(self, text):
        if self._depth > 0:
            self.texts[-1] += text


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("run") / "run", problems=1, length=120, vocabulary=60, words=WORDS)
    table = run.table("tokens").to_pandas()
    table = table[table["arm"] == "base"].reset_index(drop=True)
    return TokenView(table, pieces(load_tokenizer(str(run.tokenizer_folder)), range(60)), title="<b>one</b>")


def test_every_token_is_there_once_with_its_class(view):
    found = Tokens(view._repr_html_())
    assert found.classes == [CLASSES[c] for c in classify(view.tokens, 5).cat.codes]
    words = [view.pieces[i] for i in view.tokens["token_id"]]
    assert found.texts == ["E2" if isinstance(word, bytes) else word for word in words]


def test_no_token_and_no_title_becomes_markup(view):
    assert set(Tokens(view.html).tags) == {"span"}
    assert "<img" not in view.html
    assert "<b>one" not in view.html


@pytest.mark.parametrize("by", VIEWS)
def test_a_number_gives_every_token_a_strength(view, by):
    html = view.coloured_by(by).html
    strengths = [float(v) for v in re.findall(r"--v:([\d.]+)", html)]
    assert len(strengths) == len(view.tokens)
    assert all(0 <= v <= 1 for v in strengths)
    if by == "entropy_base":
        assert strengths == pytest.approx((view.tokens["entropy_base"] / 2.5).clip(upper=1).tolist(), abs=1e-3)


def test_what_is_no_view_is_refused(view):
    with pytest.raises(BadInput, match="cannot be coloured by 'colour'"):
        view.coloured_by("colour")
