"""A page in Chromium: opened at an address, asked, and waited for."""

import json
import time

from browsing import media, window


def fresh(driver, width=1400, height=1000):
    """A window in light colours, with nothing left of the last test."""
    driver.get("about:blank")
    media(driver)
    window(driver, width, height)
    for log in ("browser", "performance"):
        driver.get_log(log)
    return driver


def visit(driver, page, problem=None):
    driver.get("about:blank")
    driver.get(page.as_uri() + (f"#{problem}" if problem else ""))
    wait(driver, "return document.querySelectorAll('#list tbody tr').length > 0")
    if problem:
        wait(driver, "return document.querySelectorAll('#problem .tok').length > 0")


def wait(driver, script, limit=120):
    end = time.monotonic() + limit
    while not driver.execute_script(script):
        assert time.monotonic() < end, f"not within {limit} s: {script}"
        time.sleep(0.02)


def js(driver, script, *arguments):
    return driver.execute_script(f"return {script}", *arguments)


def choose(driver, name, value):
    script = """const field = document.querySelector(`#${arguments[0]}, [name="${arguments[0]}"]`);
    field.value = arguments[1];
    for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, {bubbles: true}));"""
    driver.execute_script(script, name, str(value))


def shown(driver):
    return js(driver, "[...document.querySelectorAll('#list tbody tr')].map(row => Number(row.dataset.index))")


def requests(driver):
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    found = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in found if not url.startswith(("data:", "about:"))]
