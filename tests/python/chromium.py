"""Headless Chromium as Debian packages it."""

import contextlib
import shutil
import tempfile

from selenium import webdriver

SIZES = {"desktop": (1280, 900, 1), "phone": (390, 844, 2)}


@contextlib.contextmanager
def browser(size):
    """A browser of this size with a profile of its own, for as long as it is used."""
    width, height, pixels = SIZES[size]
    options = webdriver.ChromeOptions()
    options.binary_location = found("chromium")
    for flag in [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        "--disable-sync",
        "--no-first-run",
        f"--window-size={width},{height}",
    ]:
        options.add_argument(flag)
    if size == "phone":
        metrics = {"width": width, "height": height, "pixelRatio": pixels, "mobile": True, "touch": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=found("chromedriver"))
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        with webdriver.Chrome(options=options, service=service) as driver:
            yield driver


def found(program):
    path = shutil.which(program)
    assert path, f"{program} is missing: run cargo xtask setup"
    return path
