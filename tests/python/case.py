"""Runs one function of a script: SCRIPT FUNCTION BASE_URL http1|http2."""

import faulthandler
import sys


def main(functions, client):
    """Calls the function with `client(base_url, transport)`, where the second are options of the SDK's HTTP client."""
    # A case that hangs says where, and ends.
    faulthandler.dump_traceback_later(60, exit=True)
    function, base_url, http = sys.argv[1:]
    # Without TLS nothing is negotiated: HTTP/2 is spoken from the first byte, or not at all.
    functions[function](client(base_url, {"http1": http == "http1", "http2": http == "http2"}))


def leave(client, stream, is_content):
    """Leaves after the third token, and says so before: what is measured from there is never too short."""
    tokens = (item for item in stream if is_content(item))
    for _ in range(3):
        next(tokens)
    print("leaving", flush=True)
    stream.close()
    # Over HTTP/2 this HTTP client closes a stream without a word to the other side; a connection it does close.
    client.close()
    # Stays until it is told to go: the server must notice the closed stream, not the end of this process.
    sys.stdin.read()


def fails(error, call):
    """The error of this type that the call must raise."""
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError(f"no {error.__name__} came")
