"""What the page answers, and the ways through it, on a run of the bundled pair: the first screen, the list of all

disagreements, what if the other token stood there, the address, and tables for elsewhere.
"""

import csv
import io
import json
import re
import shlex
import shutil
import urllib.parse

import pytest
from browsing import media, press, window
from page_in_window import choose, fresh, js, shown, visit, wait

import rlprobe as rp
from rlprobe.analysis.classes import classify
from rlprobe.cli import cli
from rlprobe.records import MEMBERS

ORACLE = "disagree x donor_argmax x base"
OPTIONS = {"pair": "bundled", "limit": 10, "max_new_tokens": 320}
FOCUS = "[document.activeElement.closest('article')?.className ?? 'shared', Number(document.activeElement.dataset.t)]"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("reading") / "run"
    rp.disagree(**OPTIONS, out=out, resamples=100)
    rp.intervene(**OPTIONS, out=out, modes=["oracle"], resamples=100)
    rp.flips(**OPTIONS, out=out, all_problems=True, resamples=100)
    rp.consequences(**OPTIONS, out=out, resamples=100)
    rp.report(out)
    return rp.read(out)


@pytest.fixture
def browser(chromium):
    return fresh(chromium)


@pytest.fixture
def page(browser, run):
    visit(browser, run.path / "report.html")
    return browser


def changes(run):
    """The outcome of each problem, from the verdicts themselves."""
    right = run.grades.assign(right=run.grades["status_last"] == "correct").set_index(["arm", "problem_id"])["right"]
    names = {(0, 1): "repaired", (1, 0): "broken", (1, 1): "both right", (0, 0): "both wrong"}
    return {i: names[tuple(int(right[m, i]) for m in MEMBERS)] for i in run.problems["problem_id"]}


def disagreements(run):
    """(problem, text, position) of every place where the two would not say the same."""
    rows = run.tokens[classify(run.tokens, 5) != "unchanged"]
    return {(r.problem_id, r.arm, r.position) for r in rows.itertuples()}


def open_places(driver):
    driver.execute_script("document.querySelector('#h-places').scrollIntoView()")
    wait(driver, "return document.querySelectorAll('#places-table tbody tr').length > 0")


# ---- the first screen


def test_every_number_of_the_first_screen_is_an_entry_of_the_table_it_names(page, run):
    facts = js(
        page,
        """[...document.querySelectorAll('.answer .facts > div, .answer .sentence')].map(e => [
        e.querySelector('a').hash.slice('#table-'.length), e.querySelector('b').textContent,
        e.querySelector('.ci')?.textContent ?? ''])""",
    )
    assert len(facts) == 6, "two accuracies, the gain, the shares on two texts, and a sentence"
    for table, value, interval in facts:
        entries = {str(entry).replace("-", "−") for entry in run.tables[table].to_numpy().ravel()}
        assert f"{value} {interval}".strip() in entries
    repaired = sum(change == "repaired" for change in changes(run).values())
    assert f"{repaired} repaired, " in js(page, "document.querySelector('.answer').textContent")


def test_a_link_of_the_first_screen_opens_its_table(page):
    link = page.find_element("css selector", ".answer .facts a")
    name = urllib.parse.urlsplit(link.get_attribute("href")).fragment
    link.click()
    wait(page, f"return document.getElementById('{name}').open && document.getElementById('every').open")
    top = js(page, f"document.getElementById('{name}').getBoundingClientRect().top")
    assert 0 <= top < 1000


@pytest.mark.parametrize(("width", "height"), [(1600, 1000), (1400, 1000), (390, 844)])
def test_the_first_screen_holds_the_answer_and_leads_on(browser, run, width, height):
    window(browser, width, height)
    visit(browser, run.path / "report.html")
    seen = "(e => e.getBoundingClientRect().bottom)(document.querySelector('{}'))"
    assert js(browser, seen.format(".answer .facts > div:nth-child(3)")) < height
    if width > 1000:
        assert js(browser, seen.format("#list tbody tr:nth-child(3)")) < height, "the list begins on it"


def test_repaired_problems_come_first(page, run):
    found = list(changes(run).values())
    order = ["repaired", "broken", "both right", "both wrong"]
    assert "repaired" in found[1:]
    assert shown(page) == sorted(range(len(found)), key=lambda i: (order.index(found[i]), i))


# ---- all disagreements


def test_the_list_of_disagreements_has_every_place_and_each_leads_to_its_token(page, run):
    open_places(page)
    links = "[...document.querySelectorAll('#places-table tbody a')]"
    data = js(page, f"{links}.map(a => [a.dataset.problem, a.dataset.text, a.dataset.position])")
    ids = run.problems["problem_id"]
    assert {(ids[int(p)], text, int(t)) for p, text, t in data} == disagreements(run)
    assert len(data) == len(disagreements(run))
    problem, text, t = data[-1]
    page.execute_script(f"{links}.at(-1).click()")
    wait(page, "return document.activeElement.classList.contains('tok')")
    assert js(page, "document.querySelector('#h-reader').textContent") == ids[int(problem)]
    assert js(page, FOCUS) in ([f"who-{text}", int(t)], ["shared", int(t)])


def test_the_list_of_disagreements_says_what_the_token_table_says(page, run):
    open_places(page)
    rows = js(
        page, "[...document.querySelectorAll('#places-table tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    table = run.tokens.set_index(["problem_id", "arm", "position"])
    outcome = changes(run)
    for _, _, name, entropy, rank, text, position, problem, change, _ in rows:
        row = table.loc[(problem, "rl" if text == "RL's text" else "base", int(position))]
        assert name == row["class"]
        assert int(rank) == row["rank_base_of_rl"]
        assert float(entropy) == pytest.approx(row["entropy_base"], rel=0.05, abs=0.01)
        assert change == outcome[problem]


def test_the_list_of_disagreements_can_be_sorted_and_follows_the_filters(page, run):
    open_places(page)
    column = "[...document.querySelectorAll('#places-table tbody td:nth-child(4)')].map(c => Number(c.textContent))"
    for falling in (True, False):
        page.execute_script("document.querySelector('#places-table th button[data-column=entropy]').click()")
        found = js(page, column)
        assert found == sorted(found, reverse=falling)
    choose(page, "verdicts", "repaired")
    names = set(
        js(page, "[...document.querySelectorAll('#places-table tbody td:nth-child(8)')].map(c => c.textContent)")
    )
    assert names == {i for i, change in changes(run).items() if change == "repaired"}
    page.find_element("css selector", "#places-filtered").click()
    assert len(js(page, column)) == len(disagreements(run))


# ---- what if


def flip_rows(run):
    layer = next(layer for layer in run.run.layers() if layer.endswith("/single"))
    return run.run.table(layer).to_pandas()


def test_the_continuation_that_flips_decoded_is_shown_in_its_place(page, run):
    from rlprobe.pairs.sources import load_tokenizer

    tokenizer = load_tokenizer(str(run.run.tokenizer_folder))
    flip = flip_rows(run).iloc[0]
    visit(page, run.path / "report.html", f"problem={flip.problem_id}&at=base:{flip.position}")
    wait(page, "return document.activeElement.classList.contains('tok')")
    assert js(page, "document.activeElement.getAttribute('aria-expanded')") == "false"
    press(page, "ENTER")
    assert js(page, "document.activeElement.getAttribute('aria-expanded')") == "true"
    box = "document.activeElement.nextElementSibling"
    assert js(page, f"{box}.className") == "whatif"
    assert js(page, f"{box}.querySelector(':scope > .tokens').textContent") == tokenizer.decode(
        flip.response_ids[flip.position :].tolist()
    )
    assert js(page, f"{box}.querySelector('.outcome b').textContent") == ("right" if flip.right else "wrong")
    press(page, "ENTER")
    assert js(page, "document.querySelectorAll('.whatif').length") == 0


def test_what_rl_says_after_the_bases_token_is_shown_as_well(page, run):
    layer = next(layer for layer in run.run.layers() if layer.startswith("consequences/"))
    place = run.run.table(layer).to_pandas().iloc[0]
    visit(page, run.path / "report.html", f"problem={place.problem_id}&at=rl:{place.position}")
    wait(page, "return document.activeElement.classList.contains('tok')")
    press(page, "ENTER")
    said = "RL's own answer" if place.same_answer else "another answer"
    assert js(page, "document.querySelector('.whatif .outcome b').textContent") == said


def test_where_nothing_was_decoded_stands_the_command_that_does_it(browser, run, tmp_path, monkeypatch):
    from click.testing import CliRunner

    shutil.copytree(run.path, tmp_path / "a run")
    shutil.rmtree(tmp_path / "a run" / "flips")
    rp.report(tmp_path / "a run")
    flip = flip_rows(run).iloc[0]
    visit(browser, tmp_path / "a run" / "report.html", f"problem={flip.problem_id}&at=base:{flip.position}")
    wait(browser, "return document.activeElement.classList.contains('tok')")
    press(browser, "ENTER")
    command = js(browser, "document.querySelector('.whatif .command').textContent")
    program, *arguments = shlex.split(command)
    assert program == "rlprobe"
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rp.report(tmp_path / "a run")
    visit(browser, tmp_path / "a run" / "report.html", f"problem={flip.problem_id}&at=base:{flip.position}")
    wait(browser, "return document.activeElement.classList.contains('tok')")
    press(browser, "ENTER")
    assert js(browser, "document.querySelector('.whatif .outcome b').textContent") == (
        "right" if flip.right else "wrong"
    )


# ---- one problem


def test_the_prompt_and_the_gold_of_the_open_problem_are_there(page, run):
    from rlprobe.pairs.sources import load_tokenizer

    rollout = run.rollouts.query("arm == 'base'").iloc[3]
    visit(page, run.path / "report.html", rollout.problem_id)
    prompt = load_tokenizer(str(run.run.tokenizer_folder)).decode(rollout.prompt_ids.tolist())
    assert js(page, "document.querySelector('#problem .prompt-tokens').textContent") == prompt
    gold = run.problems.set_index("problem_id")["answer"][rollout.problem_id]
    assert js(page, "document.querySelector('#problem .gold b').textContent") == gold


def test_the_strip_has_a_tick_where_a_mark_is_and_a_click_goes_there(page, run):
    from selenium.webdriver.common.action_chains import ActionChains

    problem, text, _ = min(disagreements(run))
    marks = sorted(t for p, a, t in disagreements(run) if (p, a) == (problem, text))
    visit(page, run.path / "report.html", problem)
    strip = f"document.querySelector('article.who-{text} .strip')"
    ticks = js(page, f"[...{strip}.querySelectorAll('.reranked, .shifted')].map(e => Number(e.getAttribute('x')))")
    assert ticks == marks
    n = js(page, f"Number({strip}.getAttribute('viewBox').split(' ')[2])")
    box = js(page, f"(b => [b.width, b.height])({strip}.getBoundingClientRect())")
    element = js(page, strip)
    offset = int((marks[-1] + 0.5) / n * box[0] - box[0] / 2)
    ActionChains(page).move_to_element_with_offset(element, offset, 0).click().perform()
    assert js(page, "Number(document.activeElement.dataset.t)") == marks[-1]


# ---- the address


def test_what_is_open_stands_in_the_address_and_another_window_shows_the_same(page, run):
    flip = flip_rows(run).iloc[0]
    choose(page, "verdicts", "repaired")
    choose(page, "arm", 2)
    page.execute_script("document.querySelector('#list tbody button').click()")
    wait(page, "return document.querySelectorAll('#problem .tok').length > 0")
    choose(page, "view", "delta")
    press(page, "j", "ARROW_RIGHT")
    wait(page, "return location.hash.includes('at=')")
    state = """[document.querySelector('#h-reader').textContent, document.querySelector('#view').value,
        document.querySelector('#third').selectedOptions[0].textContent, document.activeElement.dataset.t,
        document.querySelector('[name=verdicts]').value, document.querySelector('[name=arm]').value,
        document.querySelectorAll('#list tbody tr').length]"""
    at = js(page, state)
    assert at[1:3] == ["delta", "oracle"]
    wait(page, f"return new URLSearchParams(location.hash.slice(1)).get('at')?.endsWith(':{at[3]}')")
    here = js(page, "location.href")
    page.get("about:blank")
    page.get(here)
    wait(page, "return document.activeElement.classList.contains('tok')")
    assert js(page, state) == at
    assert flip.problem_id  # the run has one


def test_back_goes_to_the_problem_before_with_its_token_and_to_none(page, run):
    title = "document.querySelector('#h-reader').textContent"
    page.execute_script("document.querySelectorAll('#list tbody button')[0].click()")
    wait(page, "return document.querySelectorAll('#problem .tok').length > 0")
    one = js(page, title)
    press(page, "j")
    token = js(page, "document.activeElement.dataset.t")
    page.execute_script("document.querySelectorAll('#list tbody button')[1].click()")
    wait(page, f"return {title} !== '{one}' && location.hash.includes({title})")
    page.back()
    wait(page, f"return {title} === '{one}' && document.activeElement.dataset.t === '{token}'")
    page.back()
    wait(page, "return document.querySelector('#reader').hidden")
    page.forward()
    wait(page, f"return {title} === '{one}' && !document.querySelector('#reader').hidden")


def test_a_filter_survives_a_link_of_the_list_of_disagreements(page):
    choose(page, "verdicts", "repaired")
    open_places(page)
    page.execute_script("document.querySelector('#places-table tbody a').click()")
    wait(page, "return document.activeElement.classList.contains('tok')")
    assert js(page, "document.querySelector('[name=verdicts]').value") == "repaired"
    assert "verdicts=repaired" in js(page, "location.hash")


@pytest.mark.parametrize(
    "hash_",
    ["#%E0%A4%A", "#problem=no&at=base:7", "#problem=word-0001&at=base:99999", "#=&&=", "#verdicts=odd&order=x"],
)
def test_an_address_that_means_nothing_does_no_harm(page, run, hash_):
    page.get("about:blank")
    page.get((run.path / "report.html").as_uri() + hash_)
    wait(page, "return document.querySelectorAll('#list tbody tr').length === 10")
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


# ---- tables for elsewhere


def clicked(driver, label):
    script = """document.querySelectorAll('details').forEach(e => { e.open = true; });
    const buttons = [...document.querySelectorAll('.tools button')];
    buttons.find(b => b.getAttribute('aria-label') === arguments[0]).click()"""
    driver.execute_script(script, label)


def test_a_table_is_saved_as_the_csv_of_the_run(page, run, tmp_path):
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    clicked(page, "save Accuracy as CSV")
    file = tmp_path / "accuracy.csv"
    wait_for(file)
    assert file.read_bytes() == (run.path / "tables" / "accuracy.csv").read_bytes()
    open_places(page)
    clicked(page, "save the list of disagreements as CSV")
    wait_for(tmp_path / "disagreements.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "disagreements.csv").read_text(encoding="utf-8"))))
    assert {(r["problem_id"], r["text"], int(r["position"])) for r in rows} == disagreements(run)


def wait_for(file):
    import time

    end = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < end, f"{file.name} was not saved"
        time.sleep(0.05)


def test_a_table_is_copied_as_it_is_shown(page, run):
    grant = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.execute_cdp_cmd("Browser.grantPermissions", grant)
    clicked(page, "copy Accuracy")
    wait(page, "return [...document.querySelectorAll('.tools button')].some(b => b.textContent === 'copied')")
    page.set_script_timeout(20)
    text = page.execute_async_script("navigator.clipboard.readText().then(arguments[0], e => arguments[0](String(e)))")
    table = run.tables["accuracy"]
    header, *rows = [line.split("\t") for line in text.split("\n")]
    assert header == list(table.columns)
    assert [[entry.replace("−", "-") for entry in row] for row in rows] == table.to_numpy().tolist()


# ---- read by everyone


@pytest.fixture(scope="module")
def axe():
    Axe = pytest.importorskip("axe_core_python.selenium").Axe
    return Axe()


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["class", "delta"])
def test_axe_finds_nothing(browser, run, axe, scheme, width, view):
    media(browser, scheme=scheme)
    window(browser, width, 900)
    flip = flip_rows(run).iloc[0]
    third = urllib.parse.quote(ORACLE)
    place = f"problem={flip.problem_id}&at=base:{flip.position}&third={third}&view={view}&find=the"
    visit(browser, run.path / "report.html", place)
    wait(browser, "return document.activeElement.classList.contains('tok')")
    press(browser, "ENTER")
    browser.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    open_places(browser)
    found = axe.run(browser)
    told = [(v["id"], v["help"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_have_a_contrast_of_three_and_a_target_of_24_pixels(browser, run, scheme):
    media(browser, scheme=scheme)
    visit(browser, run.path / "report.html", "word-0001")
    open_places(browser)
    browser.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    controls = """[...document.querySelectorAll('button, input, select, summary, a:not(.skip)')]
        .filter(e => e.offsetParent).map(e => { const s = getComputedStyle(e), b = e.getBoundingClientRect();
        const edge = parseFloat(s.borderTopWidth) && e.type !== 'checkbox' ? s.borderTopColor : null;
        return [e.outerHTML.slice(0, 80), b.width, b.height, edge]; })"""
    paper = rgb(js(browser, "getComputedStyle(document.body).backgroundColor"))
    found = js(browser, controls)
    assert len(found) > 60
    assert [name for name, width, height, _ in found if min(width, height) < 24] == []
    edges = {edge for *_, edge in found if edge}
    assert edges
    assert [edge for edge in edges if contrast(rgb(edge), paper) < 3] == []


def rgb(text):
    return [int(x) for x in re.findall(r"\d+", text)[:3]]


def contrast(one, other):
    """WCAG 2.2's contrast ratio."""

    def luminance(colour):
        linear = [c / 12.92 if (c := x / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for x in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_the_tokens_are_one_tab_stop_and_arrows_go_among_them(page, run):
    visit(page, run.path / "report.html", "word-0001")
    stops = "document.querySelectorAll('#problem .tok[tabindex=\"0\"]').length"
    assert js(page, stops) == 1
    page.execute_script("document.querySelector('#problem .tok').focus()")
    press(page, "ARROW_DOWN", "ARROW_DOWN", "ARROW_RIGHT")
    below = js(page, "document.activeElement.getBoundingClientRect().top")
    assert below > js(page, "document.querySelector('#problem .tok').getBoundingClientRect().top")
    assert js(page, stops) == 1
    press(page, "ARROW_UP")
    assert js(page, "document.activeElement.getBoundingClientRect().top") < below
    press(page, "END")
    assert js(page, "document.activeElement === [...document.querySelectorAll('#problem .tok')].at(-1)")
    press(page, "HOME")
    assert js(page, "document.activeElement === document.querySelector('#problem .tok')")
    press(page, "c")
    assert js(page, FOCUS)[0] == "who-base"
    press(page, "TAB")
    assert not js(page, "document.activeElement.classList.contains('tok')")


def test_every_token_has_a_role_and_a_name(page, run):
    visit(page, run.path / "report.html", "word-0001")
    names = js(page, "[...document.querySelectorAll('#problem .tok')].map(e => [e.getAttribute('role'), e.ariaLabel])")
    assert all(role == "button" and name.strip() for role, name in names)
    assert any(name.endswith(", reranked") for _, name in names)
    groups = js(page, "[...document.querySelectorAll('#problem .tokens[role=group]')].map(e => e.ariaLabel)")
    assert groups == ["the opening of base, RL", "base's text", "RL's text"]


def test_the_first_tab_skips_to_the_problems(page):
    press(page, "TAB")
    assert js(page, "document.activeElement.className") == "skip"
    assert js(page, "document.activeElement.getBoundingClientRect().top") >= 0
    press(page, "ENTER")
    assert js(page, "document.activeElement.id") == "h-problems"


@pytest.mark.parametrize("zoom", [80, 100, 150, 200])
def test_it_fits_at_every_zoom(browser, run, zoom):
    window(browser, 1280 * 100 // zoom, 900 * 100 // zoom)
    visit(browser, run.path / "report.html", f"problem=word-0001&third={urllib.parse.quote(ORACLE)}")
    open_places(browser)
    assert js(browser, "document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_print_has_the_answer_the_tables_and_the_open_problem_and_no_controls(page, run):
    visit(page, run.path / "report.html", "word-0001")
    media(page, kind="print")
    visible = "[...document.querySelectorAll('{}')].filter(e => e.getClientRects().length).length"
    assert js(page, visible.format("input, select, .contents, .skip, .tools, #places")) == 0
    assert js(page, visible.format(".answer, #problem .tok, figure.table table")) > 30


def test_the_page_asks_for_nothing_and_runs_nothing_of_others(page, run):
    policy = js(page, "document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    open_places(page)
    assert [json.dumps(entry) for entry in page.get_log("browser")] == []
