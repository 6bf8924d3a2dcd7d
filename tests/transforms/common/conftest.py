"""A server on loopback, for what is fetched."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type[BaseHTTPRequestHandler]], ThreadingHTTPServer]]:
    """Serve with a handler until the test ends; the server has a `url` and a list of `requests`."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    servers = []

    def serve(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
        made = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        made.requests = []
        made.daemon_threads = True
        made.url = f"http://127.0.0.1:{made.server_port}"
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(made)
        return made

    yield serve
    for made in servers:
        made.shutdown()
        made.server_close()
