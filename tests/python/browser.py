"""The gateway's page in headless Chromium, as a person uses it: BASE_URL SCREENSHOTS, and "no-faults" if the upstream takes none."""

import base64
import contextlib
import faulthandler
import pathlib
import sys

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from chromium import SIZES, browser

PROMPT = "Which damper takes the shock out of a motion?"
FITS = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
# Once at each size, and in each scheme: it takes a while.
BROKEN = [("desktop", "light"), ("phone", "dark")]
DIGITS = "0123456789"


def main(base_url, screenshots, upstream="faults"):
    # A browser that hangs ends with a traceback.
    faulthandler.dump_traceback_later(240, exit=True)
    folder = pathlib.Path(screenshots)
    folder.mkdir(parents=True, exist_ok=True)
    if upstream == "no-faults":
        with page("desktop", "light", base_url, folder) as seen:
            seen.cannot_inject()
        return
    for size in SIZES:
        for scheme in ["light", "dark"]:
            with page(size, scheme, base_url, folder) as seen:
                seen.ask()
                seen.panels()
                if (size, scheme) in BROKEN:
                    seen.break_and_heal()


@contextlib.contextmanager
def page(size, scheme, base_url, folder):
    with browser(size) as driver:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        # They would take room on the screen, and none in a picture of all the page.
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        driver.get(base_url)
        yield Page(driver, folder / f"{size}-{scheme}")


class Page:
    def __init__(self, driver, path):
        self.driver, self.path = driver, path
        self.wait = WebDriverWait(driver, timeout=30, poll_frequency=0.02)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        # By script: in one moment, while the page may replace the element.
        look = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return self.driver.execute_script(look, selector).strip()

    def button(self, words):
        return next(button for button in self.driver.find_elements(By.TAG_NAME, "button") if button.text == words)

    def click(self, element):
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def screenshot(self, moment):
        """All of the page, however long it is."""
        self.driver.execute_script("scrollTo(0, 0)")
        png = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": self.all()})
        pathlib.Path(f"{self.path}-{moment}.png").write_bytes(base64.b64decode(png["data"]))

    def all(self):
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def errors(self, but=()):
        """What the console complains of; `but` are answers that were asked for, which it complains of too."""
        lines = [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]
        return [line for line in lines if not any(f"status of {status}" in line for status in but)]

    def ask(self):
        assert self.driver.execute_script(FITS), "the page is wider than the screen"
        prompt = self.find("#prompt")
        prompt.clear()
        # One for each run: the gateway may keep answers.
        prompt.send_keys(f"{PROMPT} ({self.path.name})")
        prompt.send_keys(Keys.ENTER)

        # One look at the page for all three, so that they belong to the same moment.
        parts = [".turn .streamed .answer", ".turn .whole .answer", ".turn .streamed dd"]
        look = "return arguments[0].map(part => document.querySelector(part)?.innerText ?? '')"
        early, whole, first = self.wait.until(lambda _: (seen := self.driver.execute_script(look, parts))[0] and seen)
        assert whole == "", f"the whole answer is there as early as the first token: {whole!r}"
        assert any(digit in first for digit in DIGITS), f"no time to the first words: {first!r}"
        self.screenshot("streaming")

        self.wait.until(lambda _: self.text(".turn .whole .answer") and self.find("#send").is_enabled())
        answer = self.text(".turn .streamed .answer")
        assert answer.startswith(early.strip()) and len(answer) > len(early), f"{early!r}, then {answer!r}"
        assert any(digit in self.text(".turn .whole dd") for digit in DIGITS)
        assert "first words after" in self.driver.execute_script("return document.getElementById('said').textContent")
        assert self.driver.execute_script(FITS), "the answers are wider than the screen"
        assert not (errors := self.errors()), errors
        print(f"{self.path.name}: {len(early)} of {len(answer)} characters were seen first")

    def panels(self):
        self.wait.until(lambda _: self.text("#connection-text") == "live")
        self.click(self.find("#load"))
        self.wait.until(lambda _: int(self.text(".legend .flight dd")) > 1)
        self.wait.until(lambda _: self.text("#load-result") == "10 requests: 10 answered")
        self.wait.until(lambda _: self.text(".legend .flight dd") == "0")
        self.wait.until(lambda _: any(digit in self.text(".upstream tbody tr:last-child td") for digit in DIGITS))
        line = self.driver.execute_script("return document.querySelector('.line.flight').getAttribute('d')")
        assert line.count("L") > 3, line
        assert self.text(".pill.breaker") == "healthy"
        assert self.text("#cache .tiers-legend .misses dd") != "0", "the cache has been asked"
        self.screenshot("done")
        assert not (errors := self.errors()), errors

    def break_and_heal(self):
        self.click(self.button("Errors"))
        self.wait.until(lambda _: self.find("#faults [aria-pressed=true]").text == "Errors" and self.find("#heal").is_enabled())
        self.click(self.find("#load"))
        self.wait.until(lambda _: "consecutive failures" in self.text(".changes"))
        self.wait.until(lambda _: "breaker" in self.text(".pill.breaker"))
        self.screenshot("broken")

        self.click(self.find("#heal"))
        self.wait.until(lambda _: not self.driver.find_elements(By.CSS_SELECTOR, "#faults [aria-pressed=true]"))
        # Who asks after the wait is over shows that the model server is back.
        def back(_):
            if self.find("#load").is_enabled():
                self.click(self.find("#load"))
            return "the probes succeeded" in self.text(".changes") and self.text(".pill.breaker") == "healthy"
        self.wait.until(back)
        self.wait.until(lambda _: self.find("#load").is_enabled())
        self.screenshot("healed")
        assert self.driver.execute_script(FITS), "the panels are wider than the screen"
        assert not (errors := self.errors(but=[500, 502, 503])), errors

    def cannot_inject(self):
        self.wait.until(lambda _: "takes no faults" in self.text("#faults-why"))
        assert not any(button.is_enabled() for button in self.driver.find_elements(By.CSS_SELECTOR, "#faults button, #heal"))
        self.wait.until(lambda _: self.text("#connection-text") == "live")
        self.screenshot("no-faults")
        assert not (errors := self.errors(but=[404])), errors


main(*sys.argv[1:])
