"""The page as a person has it: opened from disk in Chromium, with a pointer and with keys."""

import json
import re
import zlib
from base64 import b64decode
from itertools import takewhile

import pytest
from browsing import HOSTILE, media, press, window
from page_in_window import choose, fresh, js, requests, shown, visit, wait
from synthetic_run import OPENING, make_run

from rlprobe.commands.progress import Reporter
from rlprobe.commands.report import report
from rlprobe.settings import ReportSettings

ARM = "disagree x donor_argmax x base"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("browser") / "run", problems=40, length=120, words=HOSTILE, arms=(ARM,))
    report(ReportSettings(run=run.path), Reporter(quiet=True))
    return run


@pytest.fixture
def browser(chromium):
    """A window of 1400 × 1000 in light colours, with nothing left of the last test."""
    return fresh(chromium)


@pytest.fixture
def opened(browser, run):
    """The page with its first problem open, which begins with the hostile words."""
    visit(browser, run.path / "report.html", "p0000")
    return browser


def held(run, name):
    html = (run.path / "report.html").read_text()
    text = re.search(rf'<script[^>]*id="{name}">(.*?)</script>', html, re.DOTALL)[1]
    return json.loads(text if name == "head" else zlib.decompress(b64decode(text), -15))


def test_it_opens_from_disk_with_no_request_and_no_error(opened, run):
    following = f"p{shown(opened)[shown(opened).index(0) + 1]:04d}"
    press(opened, "j", "v", "w", "]")
    wait(opened, f"return document.querySelector('#h-reader').textContent === '{following}'")
    assert {url.partition("#")[0] for url in requests(opened)} == {(run.path / "report.html").as_uri()}
    assert opened.get_log("browser") == []


def test_what_a_response_holds_is_shown_as_text(opened, run):
    text = js(opened, "document.querySelector('#problem').textContent")
    words = held(run, "chunk-lexicon")
    ids = {words["ids"][n] for r in held(run, "chunk-p0")["responses"] for n in r["ids"]}
    here = [word for i, word in enumerate(HOSTILE, 1) if i in ids and word.isprintable() and word[:3] != "<0x"]
    assert len(here) == 3
    assert all(word in text for word in here)
    assert js(opened, "document.querySelectorAll('#problem img, #problem script, #list b').length") == 0
    assert opened.title == "some/rl against some/base · rlprobe"


def test_the_hidden_is_named_and_whitespace_can_be_seen(opened):
    codes = js(opened, "[...new Set([...document.querySelectorAll('#problem .code')].map(e => e.textContent))]")
    assert {"U+2028", "U+202E"} <= set(codes)
    mark = "getComputedStyle(document.querySelector('#problem .ws'), '::before').content"
    assert js(opened, mark) == "attr(data-mark)" or "·" in js(opened, mark) or "⏎" in js(opened, mark)
    press(opened, "w")
    assert js(opened, mark) == "none"


def test_half_a_character_is_shown_as_its_byte_and_the_card_puts_it_together(opened):
    token = "[...document.querySelectorAll('#problem .bytes')].find(e => e.textContent === 'E2' && "
    token += "e.parentElement.nextElementSibling?.querySelector('.bytes')?.textContent === '82').parentElement"
    opened.execute_script(f"{token}.focus()")
    assert "€" in js(opened, "document.querySelector('#card').textContent")


def test_the_list_can_be_filtered(opened, run):
    problems = held(run, "head")["problems"]
    choose(opened, "verdicts", "repaired")
    expected = [i for i, p in enumerate(problems) if p["verdicts"][:2] == "wr"]
    assert 0 < len(expected) < 40
    assert shown(opened) == expected
    assert js(opened, "document.querySelector('#count').value") == f"{len(expected)} of 40"
    choose(opened, "reranked", 3)
    assert shown(opened) == [i for i in expected if problems[i]["classes"][0][0] >= 3]
    choose(opened, "arm", 2)
    choose(opened, "armVerdict", "right")
    choose(opened, "reranked", "")
    choose(opened, "edited", 2)
    assert shown(opened) == [i for i in expected if problems[i]["verdicts"][2] == "r" and problems[i]["edited"][2] >= 2]
    opened.find_element("css selector", "#filters button[type=reset]").click()
    wait(opened, "return document.querySelectorAll('#list tbody tr').length === 40")
    choose(opened, "search", "p0017")
    assert shown(opened) == [17]


def test_the_list_can_be_sorted_both_ways(opened, run):
    problems = held(run, "head")["problems"]
    for falling in (True, False):
        opened.execute_script("document.querySelector('#list th button[data-column=\"tokens base\"]').click()")
        assert [problems[i]["tokens"][0] for i in shown(opened)] == sorted(
            (p["tokens"][0] for p in problems), reverse=falling
        )
        sort = js(opened, "document.querySelector('#list th[aria-sort]').getAttribute('aria-sort')")
        assert sort == ("descending" if falling else "ascending")


def test_keys_go_from_mark_to_mark_and_from_token_to_token(opened, run):
    responses = held(run, "chunk-p0")["responses"]
    marked = [[t for t, c in enumerate(r["table"]["classes"]) if c != "0"] for r in responses[:2]]
    focus = "[document.activeElement.closest('article').className, Number(document.activeElement.dataset.t)]"
    expected = [[who, t] for who, ts in zip(("who-base", "who-rl"), marked, strict=True) for t in ts if t >= OPENING]
    assert len(expected) > 2
    for where in expected:
        press(opened, "j")
        assert js(opened, focus) == where
    press(opened, "k")
    assert js(opened, focus) == expected[-2]
    press(opened, "ARROW_RIGHT")
    assert js(opened, focus) == [expected[-2][0], expected[-2][1] + 1]
    press(opened, "ARROW_LEFT", "ARROW_LEFT")
    assert js(opened, focus)[1] == expected[-2][1] - 1
    assert not js(opened, "document.querySelector('#card').hidden")
    press(opened, "ESCAPE")
    assert js(opened, "document.querySelector('#card').hidden")


def test_the_card_shows_both_models_five_best_with_their_probabilities(opened, run):
    from selenium.webdriver.common.action_chains import ActionChains

    token = opened.find_element("css selector", f"#problem .who-rl .tok[data-t='{OPENING}']")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", token)
    ActionChains(opened).move_to_element(token).perform()
    rows = "[...document.querySelectorAll('#card .who-{} li')].slice(0, 5).map(li => li.lastChild.textContent)"
    table = run.table("tokens").to_pandas().query(f"arm == 'rl' and problem_id == 'p0000' and position == {OPENING}")
    for m in ("base", "rl"):
        percents = js(opened, rows.format(m))
        assert len(percents) == 5
        probabilities = [2.718281828459045**x for x in table[f"top_logprobs_{m}"].iloc[0]]
        read = [float(text.removesuffix(" %").replace("−", "-")) / 100 for text in percents]
        assert read == pytest.approx(probabilities, abs=0.01)
    card = js(opened, "document.querySelector('#card').textContent")
    assert f"id {table['token_id'].iloc[0]}" in card
    assert f"position {OPENING}" in card


def test_texts_stand_side_by_side_from_where_they_part(opened, run):
    first, second = (r["ids"] for r in held(run, "chunk-p0")["responses"][:2])
    common = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))))
    assert common >= OPENING
    positions = "[...document.querySelectorAll('#problem {} .tok')].map(e => Number(e.dataset.t))"
    assert js(opened, positions.format(".shared")) == list(range(common))
    assert js(opened, positions.format(".who-base")) == list(range(common, len(first)))
    assert js(opened, positions.format(".who-rl")) == list(range(common, len(second)))
    tops = js(opened, "[...document.querySelectorAll('.columns .tokens')].map(e => e.getBoundingClientRect().top)")
    assert max(tops) - min(tops) < 1


def test_an_arm_shows_its_gates_its_edits_and_the_hosts_own_choice_in_place(opened, run):
    choose(opened, "third", 2)
    arm, words = held(run, "chunk-p0")["responses"][2], held(run, "chunk-lexicon")
    edited = "[...document.querySelectorAll('#problem :is(.who-arm, .shared) .tok.edited')]"
    assert sorted(js(opened, f"{edited}.map(e => Number(e.dataset.t))")) == sorted(arm["host"][0])
    names = [json.dumps(words["segments"][n]) for n in arm["host"][1]]
    assert js(opened, f"{edited}.every(e => e.previousElementSibling.className === 'host')")
    assert len(names) == js(opened, "document.querySelectorAll('#problem .host').length")
    gated = sum(arm["gated"][1::2])
    assert js(opened, "document.querySelectorAll('#problem :is(.who-arm, .shared) .tok.gated').length") == gated


@pytest.mark.parametrize("view", ["entropy_base", "entropy_rl", "delta", "kl", "rank"])
def test_a_number_colours_every_token_that_has_one(opened, view):
    choose(opened, "view", view)
    assert js(opened, "document.querySelector('#problem').className") == "show-white by-number"
    assert js(opened, "document.querySelectorAll('#problem .tok:not(.has)').length") == 0
    strengths = js(opened, "[...document.querySelectorAll('#problem .tok')].map(e => +e.style.getPropertyValue('--v'))")
    assert max(strengths) > 0
    assert all(0 <= v <= 1 for v in strengths)


@pytest.mark.parametrize("width", [1400, 800, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_in_light_and_dark(opened, width, scheme):
    media(opened, scheme=scheme)
    window(opened, width, 900)
    choose(opened, "third", 2)
    assert js(opened, "document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    paper = js(opened, "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert (sum(paper) > 384) == (scheme == "light")


def test_a_mark_has_a_form_without_colour_also_in_print(opened):
    media(opened, kind="print")
    style = "(e => [e.borderBottomStyle, e.borderBottomWidth])(getComputedStyle(document.querySelector('{}')))"
    assert js(opened, style.format("#problem .reranked")) == ["solid", "2px"]
    assert js(opened, style.format("#key .shifted")) == ["double", "4px"]


def test_chunk_files_beside_the_page_are_loaded_when_a_problem_is_opened(browser, run, tmp_path):
    import shutil

    shutil.copytree(run.path, tmp_path / "run")
    page, *beside = report(ReportSettings(run=tmp_path / "run", limit=20_000), Reporter(quiet=True))
    visit(browser, page, "p0007")
    asked = {url.partition("#")[0] for url in requests(browser)}
    assert asked <= {file.as_uri() for file in (page, *beside)}
    assert len(asked) > 1
    assert browser.get_log("browser") == []
    shutil.rmtree(beside[0].parent)
    browser.get("about:blank")
    browser.get(page.as_uri() + "#p0007")
    wait(browser, "return document.querySelector('#problem').textContent.includes('keep the folder with it')")


@pytest.mark.slow
def test_five_hundred_problems_of_a_thousand_tokens_are_little_work_until_one_is_opened(browser, tmp_path):
    """Bytes and elements are counted."""
    browser.set_window_size(1200, 800)
    run = make_run(tmp_path / "run", problems=500, length=1000, vocabulary=150_000, arms=())
    for trajectory in ("base", "both"):
        page, *beside = report(ReportSettings(run=run.path, trajectory=trajectory), Reporter(quiet=True))
        assert page.stat().st_size <= 30_000_000
        assert bool(beside) == (trajectory == "both")
        html = page.read_text(encoding="utf-8")
        assert len(html[: html.find('id="chunk-')]) < 300_000, "what is read before anything is drawn"
        visit(browser, page)
        assert js(browser, "document.querySelectorAll('*').length") < 10_000
        assert js(browser, "document.querySelectorAll('#problem .tok').length") == 0
        assert js(browser, "document.querySelectorAll('#places-table tbody tr').length") <= 100, "of tens of thousands"
        browser.execute_script("document.querySelectorAll('#list tbody button')[250].click()")
        wait(browser, "return document.querySelectorAll('#problem .tok').length > 1500")
        assert js(browser, "document.querySelectorAll('#problem *').length") < 9_000
        browser.execute_script("document.querySelector('#h-places').scrollIntoView()")
        wait(browser, "return document.querySelectorAll('#places-table tbody tr').length > 0")
        assert js(browser, "document.querySelectorAll('#places-table tbody tr').length") == 100, "of tens of thousands"
        assert browser.get_log("browser") == []
