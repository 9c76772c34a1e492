"""A token view as a person has it in a notebook: no script, and a card that the style alone shows."""

import pytest
from browsing import HOSTILE, media, press, window
from synthetic_run import make_run

from rlprobe.results import read

ARM = "disagree x donor_argmax x base"
CARD = "getComputedStyle(arguments[0], '::after').content"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    run = make_run(folder / "run", problems=3, length=120, words=HOSTILE, arms=(ARM,))
    found = read(run.path)
    views = [found.view("p0000", "base"), found.view("p0000", ARM), found.view("p0000", "rl", by="delta")]
    body = "".join(f"<div style='overflow: auto'>{view._repr_html_()}</div>" for view in views)
    (folder / "view.html").write_text(f"<!doctype html><meta charset=utf-8><title>view</title><body>{body}")
    return folder / "view.html"


@pytest.fixture
def opened(chromium, page):
    chromium.get_log("browser")
    media(chromium)
    window(chromium, 1000, 900)
    chromium.get(page.as_uri())
    return chromium


def tokens(driver, view=0):
    return driver.find_elements("css selector", ".rlp.view")[view].find_elements("css selector", ".tok[tabindex]")


def card(driver, token):
    """What the card of a token says; nothing where it is not shown."""
    content = driver.execute_script(f"return {CARD}", token)
    return "" if content == "none" else driver.execute_script("return arguments[0].dataset.card", token)


def test_a_card_appears_on_hover_and_goes_with_the_pointer(opened):
    from selenium.webdriver.common.action_chains import ActionChains

    first, other = tokens(opened)[3], tokens(opened)[40]
    assert card(opened, first) == ""
    ActionChains(opened).move_to_element(first).perform()
    assert "base" in card(opened, first)
    assert card(opened, first).count("%") >= 10
    ActionChains(opened).move_to_element(other).perform()
    assert card(opened, first) == ""
    assert "position 40" in card(opened, other)


def test_the_keyboard_reaches_every_token_and_shows_its_card(opened):
    opened.execute_script("arguments[0].focus()", tokens(opened)[4])
    press(opened, "TAB")
    here = opened.switch_to.active_element
    assert here == tokens(opened)[5]
    assert "position 5" in card(opened, here)


@pytest.mark.parametrize("at", [0, 60, -1])
def test_a_card_fits_into_the_output_of_a_notebook(opened, at):
    token = tokens(opened)[at]
    opened.execute_script("arguments[0].focus()", token)
    assert card(opened, token)
    over = "const box = arguments[0].closest('.rlp').parentElement; return [box.scrollHeight - box.clientHeight, "
    assert max(opened.execute_script(over + "box.scrollWidth - box.clientWidth]", token)) <= 0


def test_nothing_of_a_response_becomes_markup_or_runs(opened):
    assert opened.title == "view"
    assert opened.execute_script("return document.querySelectorAll('.rlp img, .rlp script').length") == 0
    assert HOSTILE[0] in opened.execute_script("return document.body.textContent")
    assert opened.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_whitespace_is_seen_and_the_paper_follows_the_scheme(opened, scheme):
    media(opened, scheme=scheme)
    mark = "return getComputedStyle(document.querySelector('.rlp .show-white .ws'), '::before').content"
    assert opened.execute_script(mark) != "none"
    paper = (
        "return getComputedStyle(document.querySelector('.rlp')).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert (sum(opened.execute_script(paper)) > 384) == (scheme == "light")
