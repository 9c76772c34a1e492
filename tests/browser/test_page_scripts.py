"""Words in responses, and the scripts of the world: in their own order, whole, and found."""

import pytest
from browsing import press
from page_in_window import choose, fresh, js, shown, visit, wait
from synthetic_run import make_run

from rlprobe.commands.progress import Reporter
from rlprobe.commands.report import report
from rlprobe.settings import ReportSettings

# the opening of the first problem reads them in this order
WORDS = ("\n", "שלום", " עולם", "\n", "<0xE2>", "<0x82>", "<0xAC>", "日本語", "👩‍🚀", " سلام")
FOUND = "[...document.querySelectorAll('#problem .found')].map(e => Number(e.dataset.t))"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("scripts") / "run", problems=40, length=40, words=WORDS, vocabulary=4000)
    report(ReportSettings(run=run.path), Reporter(quiet=True))
    return run


@pytest.fixture
def page(chromium, run):
    visit(fresh(chromium), run.path / "report.html", "p0000")
    return chromium


def box(driver, t):
    script = "const b = document.querySelector(`#problem .tok[data-t='${arguments[0]}']`).getBoundingClientRect();"
    return driver.execute_script(script + "return [b.left, b.right, b.top]", t)


def test_words_of_a_right_to_left_script_stand_in_their_own_order(page):
    first, second = box(page, 1), box(page, 2)
    assert abs(first[2] - second[2]) < 4, "on one line"
    assert second[1] <= first[0] + 1, "the second word stands to the left of the first"
    assert first[1] > box(page, 4)[1], "and its line begins at the right, as the next, of another script, does not"


def test_latin_words_stand_from_left_to_right(page):
    lefts = [box(page, t)[0] for t in (4, 5, 6, 7)]
    assert lefts == sorted(lefts)


def test_a_character_in_parts_is_shown_whole_behind_its_parts(page):
    whole = """[...document.querySelectorAll('#problem .shared .whole')].map(
        e => [e.textContent, Number(e.previousElementSibling.dataset.t)])"""
    assert js(page, whole) == [["€", 6]]
    parts = js(page, "[...document.querySelectorAll('#problem .shared .bytes')].map(e => e.textContent)")
    assert parts == ["E2", "82", "AC"]


def test_wide_and_joined_characters_are_shown_as_they_are(page):
    text = js(page, "document.querySelector('#problem .shared').textContent")
    assert all(word in text for word in ("日本語", "👩‍🚀", "سلام", "שלום"))
    assert js(page, "document.querySelectorAll('#problem .shared .code').length") == 0


@pytest.mark.parametrize(("words", "tokens"), [("日本", [7]), ("€", [4, 5, 6]), ("שלום עו", [1, 2]), ("nowhere", [])])
def test_what_is_looked_for_is_marked_in_the_open_problem(page, words, tokens):
    choose(page, "find", words)
    assert [t for t in js(page, FOUND) if t < 10] == tokens
    said = js(page, "document.querySelector('#found').value")
    assert (said == "no matches") == (not tokens)
    if tokens:
        page.execute_script("document.activeElement.blur()")
        press(page, "n")
        assert js(page, "Number(document.activeElement.dataset.t)") == tokens[0]


def test_the_search_goes_through_every_response_where_it_is_asked_to(page, run):
    rollouts = run.table("rollouts").to_pandas()
    words = {0: "<|end|>", **dict(enumerate(WORDS, 1))} | {i: f" w{i}" for i in range(1 + len(WORDS), 4000)}
    counts = {}
    for row in rollouts.itertuples():
        for i in set(row.response_ids):
            counts.setdefault(i, set()).add(int(row.problem_id[1:]))
    rare = min((i for i in counts if 2 <= len(counts[i]) <= 4 and i > 1000), key=lambda i: (len(counts[i]), i))
    expected = {p for i, problems in counts.items() if words[rare].strip() in words[i] for p in problems}
    choose(page, "search", words[rare].strip())
    assert shown(page) == [], "no question has it"
    page.find_element("css selector", "[name=inResponses]").click()
    wait(page, f"return document.querySelectorAll('#list tbody tr').length === {len(expected)}")
    assert set(shown(page)) == expected
    choose(page, "search", "日本")
    having = {p for i in counts if "日本" in words[i] for p in counts[i]}
    wait(page, f"return document.querySelectorAll('#list tbody tr').length === {len(having)}")
    assert set(shown(page)) == having


def test_a_problem_that_nobody_opened_is_no_work_and_the_first_screen_is_small(chromium, tmp_path):
    run = make_run(tmp_path / "run", problems=500, length=8, arms=())
    file, *_ = report(ReportSettings(run=run.path), Reporter(quiet=True))
    html = file.read_text(encoding="utf-8")
    before = html.index('id="chunk-')
    assert before < 250_000, "bytes until everything that the first screen needs has been read"
    visit(fresh(chromium), file)
    assert js(chromium, "document.querySelectorAll('*').length") < 15_000
    assert js(chromium, "document.querySelectorAll('#problem .tok, #places-table td').length") == 0
