"""What httpx-sse gives of each path, up to its event `done`, over as many connections as it takes: BASE_URL PATH..."""

import faulthandler
import json
import sys

import httpx
from httpx_sse import connect_sse


def main(base_url, *paths):
    faulthandler.dump_traceback_later(60, exit=True)
    with httpx.Client(trust_env=False, timeout=30) as client:
        print(json.dumps([collect(client, base_url + path) for path in paths]))


def collect(client, url):
    seen, last = [], ""
    # This library leaves it to its users to connect again.
    while not seen or seen[-1][0] != "done":
        try:
            with connect_sse(client, "GET", url, headers={"Last-Event-ID": last} if last else {}) as source:
                for event in source.iter_sse():
                    last = event.id
                    # By the standard a block without data is no event; this library gives it when there is an id.
                    if event.data:
                        seen.append([event.event, event.id, event.data])
        except httpx.TransportError:
            pass
    return seen


main(*sys.argv[1:])
