"""Runs one function of a script: SCRIPT FUNCTION BASE_URL http1|http2."""

import faulthandler
import sys


def main(functions, client):
    """Calls the function with `client(base_url, http2)`."""
    # A case that hangs says where, and ends.
    faulthandler.dump_traceback_later(60, exit=True)
    function, base_url, http = sys.argv[1:]
    functions[function](client(base_url, {"http1": False, "http2": True}[http]))


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
