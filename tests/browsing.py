"""Pages in a real browser."""

import shutil
import time

import pytest

# Counts the sounds that are started and can be heard, as `sounding`.
COUNT_SOUNDS = """
window.sounding = 0;
const begin = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
  window.sounding += this.buffer.getChannelData(0).some((x) => Math.abs(x) > 0.1);
  return begin.call(this, at);
};
"""


def start_browser():
    """A headless Chromium, with its console; the test is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs a browser: chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        return webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        pytest.skip(f"the browser does not start: {str(error).splitlines()[0]}")


def wait_for(browser, condition: str):
    """The value of a JavaScript expression, as soon as it is true."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if value := browser.execute_script(f"return {condition}"):
            return value
        time.sleep(0.02)
    raise AssertionError(f"never {condition}: {browser.get_log('browser')}")


def open_page(browser, path, text=None, width=1200):
    """Opens a file, which is first written if there is a text for it."""
    if text is not None:
        path.write_text(text, encoding="utf-8")
    browser.set_window_size(width, 900)
    browser.get("about:blank")  # another hash alone would load nothing
    browser.get(path.as_uri())
    browser.get_log("browser")


def complaints(browser) -> list:
    """What the console has against the page."""
    return [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
