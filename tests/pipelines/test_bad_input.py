"""Bad input end to end: broken files and a hostile server; the run ends well, and everything has a reason."""

import bz2
import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from pipelines.demo.sample import load_sample
from schemas.ledger import LedgerBatch, imbalances
from schemas.reject import Reason

LIMIT = 200_000
CHECKPOINTS = ("pages", "documents", "sentences", "pairs", "corpus")

CONFIGURATION = """
[corpus]
name = "bad-input"
output = "{folder}/out"
varieties = ["lij", "it"]
shards = 2

[crawl]
seeds = [{seeds}]
allow_private_addresses = true
delay_s = 0.0
max_page_bytes = {limit}
max_tries = 2
first_pause_s = 0.0
timeout_s = 2.0
read_timeout_s = 0.5

[[read.sources]]
name = "text"
path = "{folder}/in/*.txt"
[[read.sources]]
name = "records"
path = "{folder}/in/*.jsonl"
[[read.sources]]
name = "packed"
path = "{folder}/in/*.txt.gz"
[[read.sources]]
name = "bzip"
path = "{folder}/in/*.txt.bz2"
[[read.sources]]
name = "archive"
path = "{folder}/in/*.warc.gz"
[[read.sources]]
name = "pages"
path = "{folder}/in/*.html"
format = "html"
"""


def texts(tag: str) -> list[str]:
    lines = load_sample()
    wanted = sorted(
        {line.document for line in lines if line.tag == "lij"} & {line.document for line in lines if line.tag == "it"}
    )[:3]
    return [line.text for line in lines if line.tag == tag and line.document in wanted]


LIGURIAN, ITALIAN = texts("lij"), texts("it")


# A hostile server ----------------------------------------------------------------------------------------


def page(lines: list[str], links: str = "") -> bytes:
    paragraphs = "".join(f"<p>{line}</p>" for line in lines)
    return f"<!DOCTYPE html><html><body><article><h1>Pagina</h1>{paragraphs}</article>{links}</body></html>".encode()


class Hostile(BaseHTTPRequestHandler):
    """Answers well at some paths, and at others as no server should."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answers = {
            "/robots.txt": self.robots,
            "/": self.front,
            "/lij.html": lambda: self.answer(page(LIGURIAN)),
            "/it.html": lambda: self.answer(page(ITALIAN)),
            "/500.html": lambda: self.answer(b"<p>Internal server error.</p>", status=500),
            "/hangs.html": self.hang,
            "/hangs-inside.html": self.hang_inside,
            "/loop-a": lambda: self.redirect("/loop-b"),
            "/loop-b": lambda: self.redirect("/loop-a"),
            "/endless.html": self.endless,
            "/bomb.html": self.bomb,
            "/cut.html": self.cut,
            "/empty.html": lambda: self.answer(b""),
            "/paper.pdf": lambda: self.answer(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", kind="application/pdf"),
            "/paper.html": lambda: self.answer(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n" + bytes(range(256)) * 20),
            "/nul.html": lambda: self.answer(page(["Uno\x00due tre quattro cinque sei."])),
            "/latin.html": lambda: self.answer("<p>Perché la città è così bella e così cara?</p>".encode("latin-1")),
            "/elsewhere": lambda: self.redirect("http://169.254.169.254/latest/meta-data/"),
        }
        answers.get(self.path, lambda: self.answer(b"<p>Not found.</p>", status=404))()

    def robots(self) -> None:
        self.answer(b"User-agent: *\nDisallow: /secret/\n", kind="text/plain")

    def front(self) -> None:
        paths = (
            "lij.html it.html 500.html hangs.html hangs-inside.html loop-a endless.html bomb.html cut.html empty.html"
        )
        paths += " paper.pdf paper.html nul.html latin.html elsewhere secret/plan.html"
        links = "".join(f'<a href="/{path}">{path}</a> ' for path in paths.split())
        links += '<a href="http://example.org/">away</a> <a href="http://[::1/">broken</a>'
        self.answer(page(["Benvegnui in sciô scito di esenpi cattivi."], links))

    def answer(self, body: bytes, status: int = 200, kind: str = "text/html; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def head(self, *headers: tuple[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True

    def hang(self) -> None:
        self.server.ended.wait(60)

    def hang_inside(self) -> None:
        self.head(("Content-Length", "1000"))
        self.wfile.write(b"<p>Unna pagina che")
        self.wfile.flush()
        self.server.ended.wait(60)

    def endless(self) -> None:
        self.head()
        line = b"<p>Questa pagina non finisce mai, e va avanti ancora un poco.</p>\n" * 100
        try:
            for _ in range(200_000):  # 1.3 GB, to who would take it
                self.wfile.write(line)
                self.server.sent += len(line)
        except OSError:
            return

    def bomb(self) -> None:
        packed = gzip.compress(bytes(20_000_000))
        self.head(("Content-Encoding", "gzip"), ("Content-Length", str(len(packed))))
        self.wfile.write(packed)

    def cut(self) -> None:
        self.head(("Content-Length", "100000"))
        self.wfile.write(b"<p>Questa pagina")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hostile)
        self.ended = threading.Event()
        self.sent = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that closes its connection is what these tests want."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield served
        served.ended.set()
        served.shutdown()
        thread.join()


# Broken files --------------------------------------------------------------------------------------------


def write_files(folder: Path) -> None:
    folder.mkdir()
    (folder / "good-it.txt").write_text("\n".join(ITALIAN) + "\n", encoding="utf-8")
    (folder / "good-lij.txt").write_text("\n".join(LIGURIAN) + "\n", encoding="utf-8")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "nul.txt").write_bytes(b"Uno\x00due tre.\nQuesta riga va bene, grazie.\n")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 400)
    (folder / "long.txt").write_bytes(b"parola " * (10_000_000 // 7) + b"\n")
    (folder / "invalid.txt").write_bytes("La città è bella.\n".encode() + b"perch\xe9 no\xff\n")
    records = [
        json.dumps({"text": "Unna linia che a l’é bonn-a.", "url": "https://example.org/good"}).encode(),
        b'{"text": "half a rec',
        b'{"text": 7}',
        b"[]",
        b"",
        b'{"text": "\xff\xfe invalid"}',
        b'{"text": ""}',
    ]
    (folder / "records.jsonl").write_bytes(b"\n".join(records))
    packed = gzip.compress(("\n".join(ITALIAN) * 20).encode())
    (folder / "truncated.txt.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "broken.txt.gz").write_bytes(packed[:10] + b"this is no deflated text" * 20)
    squeezed = bz2.compress(("\n".join(ITALIAN)).encode())
    (folder / "truncated.txt.bz2").write_bytes(squeezed[: len(squeezed) // 2])
    archive = b"".join(gzip.compress(record(number)) for number in range(4))
    (folder / "truncated.warc.gz").write_bytes(archive[: len(archive) - 60])
    (folder / "no-archive.warc.gz").write_bytes(b"\x00\x01\x02 no archive \xff" * 50)
    (folder / "paper.html").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 20)
    (folder / "empty.html").write_bytes(b"")
    (folder / "script.html").write_bytes(
        b"<html><head><title>Menu</title></head><body><script>go()</script></body></html>"
    )


def record(number: int) -> bytes:
    body = page(ITALIAN[number * 5 : number * 5 + 5])
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://example.org/{number}\r\n"
        f"WARC-Date: 2026-11-20T12:00:00Z\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012}>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(answer)}\r\n\r\n"
    )
    return head.encode() + answer + b"\r\n\r\n"


# The run -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    write_files(folder / "in")
    base = f"http://127.0.0.1:{server.server_address[1]}"
    seeds = f'"{base}/", "http://127.0.0.1:9/nobody-listens.html"'
    path = folder / "bad.toml"
    path.write_text(CONFIGURATION.format(folder=folder, seeds=seeds, limit=LIMIT), encoding="utf-8")
    assert main(["build", str(path), "--quiet"]) == 0
    return folder / "out"


def rejects(checkpoint: Path) -> list[dict]:
    return [
        row for path in sorted((checkpoint / "rejects").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_the_ledger_of_every_checkpoint_adds_up(output: Path, checkpoint: str):
    ledger = LedgerBatch.from_table(pq.read_table(output / checkpoint / "ledger.parquet"))
    assert imbalances(ledger) == []


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_every_rejection_of_the_ledger_has_its_row(output: Path, checkpoint: str):
    ledger = pq.read_table(output / checkpoint / "ledger.parquet").to_pylist()
    counted: Counter = Counter()
    for row in ledger:
        if row["outcome"] == "rejected":
            counted[row["stage"], row["unit"], row["reason"]] += row["count"]
    assert counted == Counter((row["stage"], row["unit"], row["reason"]) for row in rejects(output / checkpoint))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/500.html", Reason.HTTP_STATUS),
        ("/hangs.html", Reason.TIMEOUT),
        ("/hangs-inside.html", Reason.TIMEOUT),
        ("/loop-a", Reason.TOO_MANY_REDIRECTS),
        ("/endless.html", Reason.TOO_LARGE),
        ("/bomb.html", Reason.TOO_LARGE),
        ("/cut.html", Reason.CONNECTION_FAILED),
        ("/paper.pdf", Reason.NOT_TEXT),
        ("/elsewhere", Reason.HOST_NOT_ALLOWED),
        ("/secret/plan.html", Reason.ROBOTS_DISALLOWED),
        ("/nobody-listens.html", Reason.ROBOTS_UNREACHABLE),
    ],
)
def test_the_crawl_names_what_a_server_did(output: Path, path: str, reason: Reason):
    assert {row["reason"] for row in rejects(output / "pages") if row["url"].endswith(path)} == {reason}


def test_an_endless_body_is_not_taken_to_its_end(output: Path, server: Server):
    assert output.exists()
    assert LIMIT < server.sent < 100_000_000


@pytest.mark.parametrize(
    ("source", "reasons"),
    [
        ("crawl", {Reason.EMPTY: 1, Reason.NOT_TEXT: 1}),
        ("pages", {Reason.EMPTY: 1, Reason.NOT_TEXT: 1, Reason.NO_MAIN_TEXT: 1}),
        # an empty file, NUL, bytes that are no text, invalid UTF-8, a line of 10 MB
        ("text", {Reason.EMPTY: 1, Reason.NOT_TEXT: 1, Reason.ENCODING_INVALID: 2, Reason.TOO_LARGE: 1}),
        # half a record, a number for a text, a list; invalid UTF-8; no text
        ("records", {Reason.RECORD_MALFORMED: 3, Reason.ENCODING_INVALID: 1, Reason.EMPTY: 1}),
        ("packed", {Reason.CONTAINER_TRUNCATED: 1, Reason.CONTAINER_BROKEN: 1}),
        ("bzip", {Reason.CONTAINER_TRUNCATED: 1}),
        ("archive", {Reason.CONTAINER_TRUNCATED: 1, Reason.CONTAINER_BROKEN: 1}),
    ],
)
def test_reading_names_what_was_wrong_with_every_file(output: Path, source: str, reasons: dict[Reason, int]):
    found = [row for row in rejects(output / "documents") if (row["source"], row["stage"]) == (source, "read")]
    assert Counter(row["reason"] for row in found) == reasons
    assert all(row["detail"] for row in found)


def test_what_is_good_beside_the_bad_is_in_the_corpus(output: Path):
    rows = [row for path in (output / "corpus").glob("lij-it/*.parquet") for row in pq.read_table(path).to_pylist()]
    known = set(zip(LIGURIAN, ITALIAN, strict=False))
    assert len(rows) > len(known) / 2
    documents = [
        row for path in (output / "documents").glob("part-*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    urls = {str(row["url"]) for row in documents}
    assert any(url.endswith("/lij.html") for url in urls)
    assert "https://example.org/0" in urls  # before the place where the archive ends
    assert not any("\x00" in row["normalized"] for row in documents)
