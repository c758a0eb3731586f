"""What EventSource gives in headless Chromium, of each path: BASE_URL PATH..."""

import faulthandler
import json
import pathlib
import sys

from chromium import browser

SCRIPT = pathlib.Path(__file__).parent.parent / "javascript" / "events.js"


def main(base_url, *paths):
    faulthandler.dump_traceback_later(120, exit=True)
    with browser("desktop") as driver:
        driver.set_script_timeout(60)
        # A page of the same origin as the streams.
        driver.get(f"{base_url}/page")
        collect = f"{SCRIPT.read_text()}; collect(arguments[0]).then(arguments[1], error => arguments[1](`${{error}}`))"
        print(json.dumps([driver.execute_async_script(collect, path) for path in paths]))


main(*sys.argv[1:])
