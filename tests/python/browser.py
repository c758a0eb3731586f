"""The gateway's page in headless Chromium, as a person uses it: BASE_URL SCREENSHOTS."""

import faulthandler
import pathlib
import sys

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from chromium import SIZES, browser

PROMPT = "Which damper takes the shock out of a motion?"


def main(base_url, screenshots):
    # A browser that hangs ends with a traceback.
    faulthandler.dump_traceback_later(120, exit=True)
    screenshots = pathlib.Path(screenshots)
    screenshots.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        with browser(size) as driver:
            ask(driver, base_url, lambda moment: driver.save_screenshot(screenshots / f"{size}-{moment}.png"))


def ask(driver, base_url, screenshot):
    driver.get(base_url)
    text = lambda id: driver.find_element(By.ID, id).text
    wait = WebDriverWait(driver, timeout=30, poll_frequency=0.02)
    prompt = driver.find_element(By.ID, "prompt")
    prompt.clear()
    prompt.send_keys(PROMPT)
    fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert driver.execute_script(fits), "the page is wider than the screen"

    driver.find_element(By.ID, "send").click()
    # One look at the page for all three, so that they belong to the same moment.
    look = "return ['streamed', 'whole', 'streamed-first'].map(id => document.getElementById(id).innerText)"
    early, whole, first = wait.until(lambda _: (seen := driver.execute_script(look))[0] and seen)
    screenshot("streaming")
    assert whole == "", f"the whole answer is there as early as the first token: {whole!r}"
    assert any(digit in first for digit in "0123456789"), f"no time to the first words: {first!r}"

    wait.until(lambda _: text("whole") and driver.find_element(By.ID, "send").is_enabled())
    screenshot("done")
    answer = text("streamed")
    assert answer.startswith(early.strip()) and len(answer) > len(early), f"{early!r}, then {answer!r}"
    assert any(digit in text("whole-first") for digit in "0123456789"), text("whole-first")
    assert driver.execute_script(fits), "the answers are wider than the screen"
    wait.until(lambda _: text("limit") == "Now 0 of 20 slots are in use.")
    errors = [line["message"] for line in driver.get_log("browser") if line["level"] == "SEVERE"]
    assert not errors, errors
    print(f"{len(early)} of {len(answer)} characters were seen first")


main(*sys.argv[1:])
