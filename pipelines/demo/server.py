"""Serve a site on loopback, in a thread, as an ordinary web server would: HTTP/1.1, keep-alive, ETag."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from pipelines.demo.site import Resource, Site

LOOPBACK = "127.0.0.1"
_NOT_FOUND = Resource(404, "text/html; charset=utf-8", b"<!DOCTYPE html><title>404</title><p>Not found.</p>")


class SiteServer:
    """Serves a site while it is open.

    Args:
        make: makes the site from its base, which is known when the port is.
        port: 0 for any free one. Page URLs hold the port and content ids hold URLs: a run that shall go on
            where another one stopped asks for the port that the other one had.

    Raises:
        OSError: the port is taken.

    Example:
        >>> with SiteServer(lambda base: make_site(load_sample(), base)) as server:
        ...     print(server.site.seeds)
    """

    def __init__(self, make: Callable[[str], Site], port: int = 0) -> None:
        self._server = _Server((LOOPBACK, port), _Handler)
        self.port: int = self._server.server_address[1]
        self.site = make(f"http://{LOOPBACK}:{self.port}")
        self._server.site = self.site
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo-site", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def requests(self) -> list[str]:
        """Paths that were asked for, in order of arrival."""
        with self._server.lock:
            return list(self._server.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that keeps its connection must not keep us from closing.
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.site: Site | None = None
        self.lock = threading.Lock()
        self.requests: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "DemoSite/1"
    # Headers and body leave as two packets; without this a keep-alive client waits for a delayed ACK.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        assert self.server.site is not None, "the site is made before the thread starts"
        path = urlsplit(self.path).path
        with self.server.lock:
            self.server.requests.append(path)
        found = self.server.site.resources.get(path, _NOT_FOUND)
        tag = found.etag if found.status == HTTPStatus.OK else ""
        if tag and self.headers.get("If-None-Match") == tag:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        self.send_response(found.status)
        self.send_header("Content-Type", found.kind)
        self.send_header("Content-Length", str(len(found.body)))
        if tag:
            self.send_header("ETag", tag)
        if found.location:
            self.send_header("Location", found.location)
        self.end_headers()
        if with_body:
            self.wfile.write(found.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: the crawl's own ledger tells."""
