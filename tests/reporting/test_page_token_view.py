"""A response in a notebook: every token once, in order, escaped, with its class, its numbers, and what an arm did."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from synthetic_run import OPENING, make_run

from rlprobe.analysis.classes import CLASSES, classify
from rlprobe.errors import BadInput
from rlprobe.pairs.pieces import pieces
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.reporting.page.card import card, percent
from rlprobe.reporting.page.glyphs import plain
from rlprobe.reporting.page.passage import Passage
from rlprobe.reporting.page.token_view import TokenView
from rlprobe.reporting.page.views import MARKS, VIEWS

HOSTILE = "<img src=x onerror=alert(1)>"
WORDS = (HOSTILE, "</span></div>", "<0xE2>", " a\nb", '"><script>alert(1)</script>')
END = 100  # the first position behind the answer
ARM = "disagree x donor_argmax x base"


class Tokens(HTMLParser):
    """The classes, attributes and text of the tokens, the host's choices, and every element's name."""

    def __init__(self, html):
        super().__init__()
        self.classes, self.attributes, self.texts, self.hosts, self.marks, self.tags = [], [], [], [], [], []
        self._open = []
        self.feed(html.rsplit('<div class="tokens">', 1)[1])

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        name = (dict(attributes).get("class") or "").split()
        self._open.append(name[0])
        if name[0] == "tok":
            self.classes.append(name[1:])
            self.attributes.append(dict(attributes))
            self.texts.append("")
        elif name[0] == "host":
            self.hosts.append((len(self.texts), ""))
        elif name[0] == "ws":
            self.marks.append(dict(attributes)["data-mark"])

    def handle_endtag(self, tag):
        self._open[-1:] = []

    def handle_data(self, text):
        if "host" in self._open:
            at, before = self.hosts.pop()
            self.hosts.append((at, before + text))
        elif "tok" in self._open:
            self.texts[-1] += text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    return make_run(folder, problems=1, length=120, vocabulary=60, words=WORDS, arms=(ARM,))


@pytest.fixture(scope="module")
def words(run):
    return pieces(load_tokenizer(str(run.tokenizer_folder)), range(60))


@pytest.fixture(scope="module")
def tables(run):
    table = run.table("tokens").to_pandas()
    return {m: table[table["arm"] == m].reset_index(drop=True) for m in ("base", "rl")}


@pytest.fixture(scope="module")
def rollout(run):
    """The arm's response, edited at two places more, the host's own choices being whitespace and hostile."""
    row = next(row for row in run.table("rollouts").to_pylist() if row["arm"] == ARM)
    for t, host in ((4, 4), (20, 1)):
        row["host_ids"][t], row["gated"][t] = host, True
        assert row["response_ids"][t] != host
    return row


@pytest.fixture(scope="module")
def view(tables, words):
    return TokenView(Passage.of_table(tables["base"], END), words, title="<b>one</b>", note=HOSTILE)


@pytest.fixture(scope="module")
def arm_view(tables, words, rollout):
    texts = [Passage.of_table(table) for table in tables.values()]
    return TokenView(Passage.of_arm(rollout, texts), words, title="an arm")


def test_every_token_is_there_once_with_its_class(view, tables, words):
    found = Tokens(view._repr_html_())
    assert [names[0] for names in found.classes] == [CLASSES[c] for c in classify(tables["base"], 5).cat.codes]
    present = [words[i] for i in tables["base"]["token_id"]]
    assert found.texts == ["E2" if isinstance(word, bytes) else word for word in present]


def test_what_follows_the_answer_is_set_apart_and_whitespace_has_its_mark(view, tables, words):
    found = Tokens(view.html)
    assert ["after" in names for names in found.classes] == list(tables["base"]["position"] >= END)
    text = "".join(w for i in tables["base"]["token_id"] if isinstance(w := words[i], str))
    assert found.marks == [{" ": "·", "\n": "⏎"}[c] for c in text if c in " \n"]
    assert 'show-white"' in view.html


def test_no_token_no_card_and_no_title_becomes_markup(view, arm_view):
    for html in (view.html, arm_view.html):
        assert set(Tokens(html).tags) == {"span"}
        assert "<img" not in html
        assert "<script" not in html
        assert "<b>one" not in html
        assert not re.search(r"<[^>]*\son\w+=", re.sub(r'"[^"]*"', "", html))
    assert HOSTILE in "".join(Tokens(view.html).texts)
    assert any(HOSTILE[:4] in found["data-card"] for found in Tokens(view.html).attributes)


def test_every_token_can_be_reached_and_its_card_has_both_models_five_best(view, tables, words):
    for row, found in zip(tables["base"].to_dict("records"), Tokens(view.html).attributes, strict=True):
        assert found["tabindex"] == "0"
        lines = found["data-card"].splitlines()
        assert f"id {row['token_id']} · position {row['position']}" in lines[0]
        for place, line in enumerate(lines[2:7]):
            for m in ("base", "rl"):
                assert percent(float(row[f"top_logprobs_{m}"][place])) in line
                assert plain(words[row[f"top_ids_{m}"][place]])[1:-1][:15] in line
        assert f"entropy {row['entropy_base']:.2g} nats" in found["data-card"] or row["entropy_base"] < 0.001


@pytest.mark.parametrize("by", VIEWS)
def test_a_number_gives_every_token_a_strength(view, tables, by):
    html = view.coloured_by(by).html
    strengths = [float(v) for v in re.findall(r"--v:([\d.]+)", html)]
    table = tables["base"]
    numbers = {
        "entropy_base": table["entropy_base"] / 2.5,
        "entropy_rl": table["entropy_rl"] / 2.5,
        "delta": (table["logprob_rl"] - table["logprob_base"]).abs() / 3,
        "kl": table["kl_rl_base"] / 2,
        "rank": np.log(table["rank_base_of_rl"]) / np.log(20),
    }
    assert strengths == pytest.approx(numbers[by].clip(upper=1).tolist(), abs=1e-3)


def test_an_arm_shows_its_gates_its_edits_and_the_hosts_own_choice(arm_view, rollout, words):
    found = Tokens(arm_view.html)
    assert [t for t, names in enumerate(found.classes) if "gated" in names] == list(np.flatnonzero(rollout["gated"]))
    edited = [t for t, (a, b) in enumerate(zip(rollout["response_ids"], rollout["host_ids"], strict=True)) if a != b]
    assert edited
    assert [t for t, names in enumerate(found.classes) if "edited" in names] == edited
    assert found.hosts == [(t, plain(words[rollout["host_ids"][t]])[1:-1]) for t in edited]
    assert all("the host would have said" in found.attributes[t]["data-card"] for t in edited)
    assert all(text in arm_view.html for text in (MARKS["gated"].replace("'", "&#39;"), "struck out"))
    assert "struck out" not in TokenView(Passage(rollout["response_ids"], arm_view.passage.table, 0), words).html


def test_an_arm_has_numbers_as_far_as_it_shares_a_trajectory(arm_view, tables, rollout):
    ids, passage = rollout["response_ids"], arm_view.passage
    common = [
        next((t for t, (a, b) in enumerate(zip(ids, table["token_id"], strict=False)) if a != b), None)
        for table in tables.values()
    ]
    until = max(common)
    assert until >= OPENING
    assert passage.row(until + 1) is None
    assert passage.row(until)["logprob_rl"] is None
    assert passage.row(until)["entropy_base"] > 0
    assert passage.row(until - 1)["logprob_rl"] < 0
    assert passage.classes(5)[until + 1 :] == [None] * (len(ids) - until - 1)
    last = card(passage, len(ids) - 1, None, arm_view.pieces)
    assert "have not read this text to here" in last


def test_the_numbers_at_the_parting_are_not_those_of_the_token_present(arm_view):
    html = arm_view.coloured_by("delta").html
    assert len(re.findall(r"--v:", html)) == arm_view.passage.own
    assert len(re.findall(r"--v:", arm_view.coloured_by("kl").html)) == arm_view.passage.own + 1


def test_a_view_of_two_hundred_tokens_stays_small(tables, words):
    many = pd.concat([tables["base"]] * 2, ignore_index=True).iloc[:200]
    many["position"] = range(200)
    assert len(TokenView(Passage.of_table(many), words).html.encode()) < 200_000


def test_what_is_no_view_is_refused(view):
    with pytest.raises(BadInput, match="cannot be coloured by 'colour'"):
        view.coloured_by("colour")


def test_percentages_are_written_as_on_the_page():
    written = {1.0: "100 %", 0.5: "50.0 %", 0.0123: "1.2 %", 2e-5: "0.002 %", 1e-7: "1e−05 %"}
    assert {p: percent(float(np.log(p))) for p in written} == written


def test_a_models_best_tokens_that_look_alike_on_the_card_stand_there_with_their_ids(tables, words):
    passage = Passage.of_table(tables["base"])
    at = next(t for t in range(len(passage.ids)) if len(set(passage.row(t)["top_ids_base"])) == 5)
    first, second, third, fourth, fifth = passage.row(at)["top_ids_base"]
    like = {first: "·", second: " ", third: "a long word that goes on", fourth: "a long word that ends", fifth: "b"}
    lines = card(passage, at, None, {**words, **like}).splitlines()[2:7]
    shown = [line[:16].strip() for line in lines]
    assert shown[:2] == [f"· #{first}", f"· #{second}"]
    assert [s.rpartition("… #")[2] for s in shown[2:4]] == [str(third), str(fourth)]
    assert shown[4] == "b"
