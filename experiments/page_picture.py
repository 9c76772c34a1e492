"""The picture of the page that the README shows: docs/page.png, of a run of the bundled pair. Needs `make browser`.

python -m experiments.page_picture
"""

import shutil
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

import rlprobe as rp
from rlprobe.reporting.drawing import in_palette

PICTURE = Path(__file__).parent.parent / "docs" / "page.png"
OPTIONS = {"pair": "bundled", "limit": 40, "max_new_tokens": 400}
WIDTH, HEIGHT = 1180, 1540  # CSS pixels
AT = "problem=word-0001&at=base:24"  # a repaired problem, at the place from which the two part


def page(folder: Path) -> Path:
    """A run with interventions and single flips, and its page."""
    rp.disagree(**OPTIONS, out=folder)
    rp.intervene(**OPTIONS, out=folder)
    rp.flips(**OPTIONS, out=folder, all_problems=True)
    return rp.report(folder)


def picture(page: Path) -> bytes:
    """The page with what would have followed from RL's token opened, as a bitmap."""
    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "hide-scrollbars", f"window-size={WIDTH},{HEIGHT}"):
        options.add_argument(f"--{flag}")
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or ""))
    try:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(f"{page.as_uri()}#{AT}")
        focused = "return document.activeElement.classList.contains('tok')"
        WebDriverWait(driver, 60).until(lambda d: d.execute_script(focused))
        ActionChains(driver).send_keys(Keys.ENTER).perform()
        driver.execute_script("document.getElementById('list').style.maxHeight = '12rem'; scrollTo(0, 0)")
        return b64decode(driver.get_screenshot_as_base64())
    finally:
        driver.quit()


def main() -> None:
    """Write the picture."""
    with TemporaryDirectory() as folder:
        PICTURE.write_bytes(in_palette(picture(page(Path(folder) / "run"))))


if __name__ == "__main__":
    main()
