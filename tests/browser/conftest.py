"""Chromium, driven by its own driver; where there is none, a loud line says that nobody looked at the page."""

import shutil

import pytest

_missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


def pytest_terminal_summary(terminalreporter):
    if _missing:
        line = f"NOBODY LOOKED AT THE PAGE: {' and '.join(_missing)} missing; `make browser` installs them"
        terminalreporter.write_line(line, red=True, bold=True)


@pytest.fixture(scope="session")
def chromium():
    if _missing:
        pytest.skip(f"no {_missing[0]}: `make browser` installs it")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()
