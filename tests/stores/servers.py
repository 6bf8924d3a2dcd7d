"""Object stores on loopback, as fixtures: Google's (gcp-storage-emulator) and Amazon's (moto), and a gate before them.

The gate stands between a program and a store, and answers some requests itself, as a store in trouble would.
"""

import json
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

BUCKET = "isogloss-test"
LOOPBACK = "127.0.0.1"
HANG_UP = 1
"""In the place of a status: the connection is closed without an answer."""
logging.getLogger("werkzeug").setLevel(logging.WARNING)  # moto's server tells of every request
MISSING = "the emulators are not installed: make install-stores"


@dataclass(frozen=True)
class Store:
    """A store that is up.

    `root` is a folder of it, `environment` is what a process needs to reach it, `flags` the same as Beam's flags.
    """

    name: str
    root: str
    port: int
    environment: dict[str, str]
    flags: tuple[str, ...] = ()

    def within(self, folder: str) -> str:
        return f"{self.root}/{folder}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Token(BaseHTTPRequestHandler):
    """Gives every service account a token, so that nothing waits for a metadata server that is not there."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"access_token": "loopback", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer((LOOPBACK, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_account(path: Path, token_port: int) -> Path:
    """Write the key of a service account whose tokens come from loopback."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "isogloss-test",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "tests@isogloss-test.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"http://{LOOPBACK}:{token_port}/token",
    }
    path.write_text(json.dumps(account))
    return path


@contextmanager
def google_store(folder: Path) -> Iterator[Store]:
    pytest.importorskip("gcp_storage_emulator", reason=MISSING)
    pytest.importorskip("apache_beam.io.gcp.gcsio", reason=MISSING, exc_type=ImportError)
    from gcp_storage_emulator.server import create_server

    port = free_port()
    server = create_server(LOOPBACK, port, in_memory=True, default_bucket=BUCKET)
    with serving(_Token) as tokens:
        account = write_account(folder / "account.json", tokens.server_address[1])
        server.start()
        try:
            yield Store(
                name="gs",
                root=f"gs://{BUCKET}",
                port=port,
                environment={
                    "STORAGE_EMULATOR_HOST": f"http://{LOOPBACK}:{port}",
                    "GOOGLE_APPLICATION_CREDENTIALS": str(account),
                    "GOOGLE_CLOUD_PROJECT": "isogloss-test",
                },
            )
        finally:
            server.stop()


@contextmanager
def amazon_store() -> Iterator[Store]:
    pytest.importorskip("moto.server", reason=MISSING, exc_type=ImportError)
    boto3 = pytest.importorskip("boto3", reason=MISSING)
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    values = {
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://{LOOPBACK}:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        with environment(values):
            boto3.session.Session().client("s3").create_bucket(Bucket=BUCKET)
        yield Store(
            name="s3",
            root=f"s3://{BUCKET}",
            port=port,
            environment=values,
            flags=(f"--s3_endpoint_url=http://{LOOPBACK}:{port}",),
        )
    finally:
        server.stop()


@dataclass
class Gate:
    """What stands before a store: requests that a rule names are answered with its status, the others go through.

    `close(text, status, times)`: the next `times` requests with TEXT in method, path or query get the status;
    `seen` are all requests that came.
    """

    store: Store
    port: int = 0
    rules: list[list] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self, pattern: str, status: int = 503, times: int = 1_000_000) -> None:
        with self.lock:
            self.rules.append([re.compile(pattern), status, times])

    def open(self) -> None:
        with self.lock:
            self.rules.clear()
            self.seen.clear()
            self.refused.clear()

    def verdict(self, request: str) -> int:
        with self.lock:
            self.seen.append(request)
            for rule in self.rules:
                if rule[2] > 0 and rule[0].search(request):
                    rule[2] -= 1
                    self.refused.append(request)
                    return int(rule[1])
        return 0

    @property
    def environment(self) -> dict[str, str]:
        before, after = f":{self.store.port}", f":{self.port}"
        return {name: value.replace(before, after) for name, value in self.store.environment.items()}


@contextmanager
def gate_before(store: Store) -> Iterator[Gate]:
    gate = Gate(store)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self.rfile.read(size)
            status = gate.verdict(f"{self.command} {unquote(self.path)}")
            if status == HANG_UP:
                self.close_connection = True
                return
            if status:
                self._answer(status, {"Retry-After": "0"}, b"")
                return
            connection = HTTPConnection(LOOPBACK, store.port, timeout=30)
            headers = {
                k: v for k, v in self.headers.items() if k.lower() not in {"transfer-encoding", "content-length"}
            }
            connection.request(self.command, self.path, body, headers)
            try:
                answer = connection.getresponse()
            except ConnectionError:  # as the store does, so does the gate
                self.close_connection = True
                return
            given = answer.read()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in {"transfer-encoding", "connection"}}
            self._answer(answer.status, kept, given)
            connection.close()

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"date", "server"} and not (name.lower() == "content-length" and body):
                    self.send_header(name, value)
            if body or "content-length" not in {name.lower() for name in headers}:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _pass  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as server:
        gate.port = server.server_address[1]
        yield gate


@contextmanager
def nobody(how: str) -> Iterator[int]:
    """Give a port that serves nothing: `refused` at once; `dropped` without an answer; `silent` once it is connected."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port = int(listener.getsockname()[1])
        if how == "refused":
            listener.close()
        else:
            listener.listen(0 if how == "dropped" else 100)
        waiting = [socket.socket() for _ in range(4 if how == "dropped" else 0)]  # the queue is full then
        for client in waiting:
            client.setblocking(False)
            client.connect_ex((LOOPBACK, port))
        try:
            yield port
        finally:
            for client in waiting:
                client.close()


def make_store(name: str, folder: Path) -> Callable:
    return google_store(folder) if name == "gs" else amazon_store()
