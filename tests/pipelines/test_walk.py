"""The whole walk on a small corpus: the same bytes however it is run, killed or cut; and every record accounted for."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from pipelines.demo.sample import load_sample
from pipelines.demo.server import SiteServer
from pipelines.demo.site import Resource, Site, make_site
from schemas.ledger import LedgerBatch, imbalances

KILLER = Path(__file__).with_name("killer.py")
DOCUMENTS = 8
PAGES = 4
CHECKPOINTS = ("documents", "sentences", "pairs", "corpus")

CONFIGURATION = """
[corpus]
name = "small"
output = "{output}"
varieties = ["lij", "it"]
shards = 3

[[read.sources]]
name = "wiki"
path = "{path}"
licence = "CC-BY-SA-4.0"
"""


@pytest.fixture(scope="module")
def records() -> list[dict]:
    """A record per document of the first pages in Ligurian and Italian, and some that are no use."""
    texts: dict[tuple[str, str], list[str]] = {}
    wanted = sorted({line.document for line in load_sample()})[:DOCUMENTS]
    for line in load_sample():
        if line.tag in ("lij", "it") and line.document in wanted:
            texts.setdefault((line.document, line.tag), []).append(line.text)
    found = [{"url": f"{url}#{tag}", "text": "\n".join(lines)} for (url, tag), lines in sorted(texts.items())]
    return [*found, {"url": "https://example.org/empty", "text": ""}, {"title": "no text"}, found[0]]


def write_input(folder: Path, records: list[dict], shards: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(shards):
        lines = [json.dumps(record, ensure_ascii=False) for record in records[number::shards]]
        (folder / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def configure(folder: Path, source: Path) -> Path:
    path = folder / "small.toml"
    path.write_text(CONFIGURATION.format(output=folder / "out", path=source), encoding="utf-8")
    return path


def start(*arguments: object, script: object = None) -> subprocess.Popen[str]:
    head = [sys.executable, str(script)] if script else [sys.executable, "-m", "pipelines"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*head, *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def isogloss(*arguments: object, script: object = None) -> subprocess.CompletedProcess[str]:
    with start(*arguments, script=script) as process:
        out, err = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def build(folder: Path, source: Path, workers: int = 1) -> Path:
    done = isogloss("build", configure(folder, source), "--quiet", "--workers", workers)
    assert done.returncode == 0, done.stderr
    return folder / "out"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, records: list[dict]) -> Path:
    return write_input(tmp_path_factory.mktemp("input") / "one", records, 1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    return build(tmp_path_factory.mktemp("built"), source)


def test_the_corpus_holds_pairs_with_links_and_scores(built: Path):
    rows = pq.read_table(next((built / "corpus" / "lij-it").glob("*.parquet")))
    assert len(rows) > 50
    assert {"margin", "cosine", "copy", "length_ratio"} <= set(rows.column_names)
    assert all(len(links) > 0 for links in rows["links"].to_pylist())
    assert set(rows["source_licence"].to_pylist()) == {"CC-BY-SA-4.0"}


def test_every_record_is_accounted_for(built: Path):
    for checkpoint in CHECKPOINTS:
        ledger = LedgerBatch.from_table(pq.read_table(built / checkpoint / "ledger.parquet"))
        assert len(ledger) > 0
        assert imbalances(ledger) == []


def test_what_is_no_use_is_rejected_with_its_reason(built: Path):
    rejects = pq.read_table(next((built / "documents" / "rejects").glob("*.parquet"))).to_pylist()
    assert sorted(row["reason"] for row in rejects) == ["duplicate_document", "empty", "record_malformed"]


def test_what_a_stage_gives_is_what_the_next_one_takes(built: Path):
    entries = [row for name in CHECKPOINTS for row in pq.read_table(built / name / "ledger.parquet").to_pylist()]

    def total(stage: str, unit: str, outcome: str) -> int:
        return sum(
            row["count"] for row in entries if (row["stage"], row["unit"], row["outcome"]) == (stage, unit, outcome)
        )

    assert total("read", "document", "out") == total("normalize", "document", "in")
    assert total("normalize", "document", "out") == total("keep", "document", "in")
    assert total("keep", "document", "out") == total("segment", "document", "in")
    assert total("segment", "sentence", "out") == total("identify", "sentence", "in")
    assert total("identify", "sentence", "out") == total("deduplicate", "sentence", "in")
    assert total("deduplicate", "sentence", "out") == total("select", "sentence", "in")
    assert total("select", "sentence", "out") == total("embed", "sentence", "in")
    assert total("mine", "pair", "out") == total("align", "pair", "in")
    assert total("align", "pair", "out") == total("score", "pair", "in")
    assert total("score", "pair", "out") == total("publish", "pair", "in")
    assert total("publish", "pair", "out") > 0


def test_two_workers_make_the_same_bytes(tmp_path: Path, source: Path, built: Path):
    out = build(tmp_path, source, workers=2)
    for checkpoint in CHECKPOINTS[1:]:
        assert content(out / checkpoint) == content(built / checkpoint)


def test_seven_shards_of_input_make_the_same_corpus(tmp_path: Path, records: list[dict], built: Path):
    out = build(tmp_path, write_input(tmp_path / "seven", records, 7))
    for checkpoint in ("sentences", "pairs", "corpus"):
        ours, theirs = content(out / checkpoint), content(built / checkpoint)
        if checkpoint == "sentences":  # its manifest names the input files
            ours.pop("manifest.json"), theirs.pop("manifest.json")
        assert ours == theirs


KILLS = (
    ("documents/part-", "after"),
    ("documents/manifest", "before"),
    ("sentences/part-", "after"),
    ("sentences/manifest", "after"),
    ("vectors/", "before"),  # embed, before its first sentences are there
    (".arrow", "after"),  # embed has written, mine begins
    ("pairs/alignment/", "before"),  # align has learned; nothing of it is on disk
    ("pairs/alignment/", "after"),
    ("pairs/part-", "after"),
    ("pairs/manifest", "before"),
    ("corpus/lij-it/part-", "after"),
    ("corpus/manifest", "before"),
)


@pytest.mark.timeout(900)
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(tmp_path: Path, source: Path, built: Path):
    """Every run goes on where the one before it died, and dies further on."""
    configuration = configure(tmp_path, source)
    for path, when in KILLS:
        killed = isogloss(path, when, "build", configuration, "--quiet", script=KILLER)
        assert killed.returncode == -signal.SIGKILL, (path, killed.stderr)
        assert not (tmp_path / "out" / "corpus" / "manifest.json").exists()
    out = build(tmp_path, source)
    for checkpoint in CHECKPOINTS:
        assert content(out / checkpoint) == content(built / checkpoint)


def test_a_finished_run_is_used_as_it_is(built: Path, source: Path):
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*") if path.is_file()}
    done = isogloss("build", built.parent / "small.toml")
    assert done.returncode == 0
    assert done.stderr.count("is finished") == 3
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*") if path.is_file()} == before


def test_a_dry_run_writes_nothing(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["build", str(configure(tmp_path, source)), "--dry-run"]) == 0
    assert "would make" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_wrong_setting_ends_with_status_2_and_nothing_run(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["build", str(configure(tmp_path, source)), "--set", "mine.kk=8"]) == 2
    assert "$.mine" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_not_there_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["build", str(configure(tmp_path, tmp_path / "nowhere"))]) == 2
    assert "nowhere" in capsys.readouterr().err


# With a crawl before it -----------------------------------------------------------------------------------

CRAWL = """
[corpus]
name = "crawled"
output = "{output}"
varieties = ["lij", "it"]
shards = 2

[crawl]
seeds = ["{seed}"]
allow_private_addresses = true
delay_s = 0.0
"""


class Trap(dict[str, Resource]):
    """Answers by path; once armed, the crawler waits at its so many-th page until the trap is opened."""

    def __init__(self, resources: dict[str, Resource]) -> None:
        super().__init__(resources)
        self._left = 0
        self.caught = threading.Event()
        self.opened = threading.Event()

    def arm(self, pages: int) -> None:
        self._left = pages

    def get(self, path: str, default: Resource) -> Resource:  # type: ignore[override]
        if self._left and path.startswith(("/lij/", "/it/")):
            self._left -= 1
            if self._left == 0:
                self.caught.set()
                self.opened.wait(60)
        return super().get(path, default)


@pytest.fixture(scope="module")
def server() -> Iterator[SiteServer]:
    """A site of a few documents, in Ligurian and Italian, with all that the demo's site has besides."""
    lines = load_sample()
    both = [{line.document for line in lines if line.tag == tag} for tag in ("lij", "it")]
    wanted = sorted(both[0] & both[1])[:PAGES]
    chosen = [line for line in lines if line.tag in ("lij", "it") and line.document in wanted]

    def make(base: str) -> Site:
        site = make_site(chosen, base)
        return Site(base, Trap(dict(site.resources)), site.lines)

    with SiteServer(make) as served:
        yield served


def configure_crawl(folder: Path, server: SiteServer) -> Path:
    path = folder / "crawled.toml"
    path.write_text(CRAWL.format(output=folder / "out", seed=server.site.seeds[0]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory, server: SiteServer) -> Path:
    folder = tmp_path_factory.mktemp("crawled")
    done = isogloss("build", configure_crawl(folder, server), "--quiet")
    assert done.returncode == 0, done.stderr
    return folder / "out"


def entries(folder: Path) -> list[dict]:
    return pq.read_table(folder / "ledger.parquet").to_pylist()


def counted(rows: list[dict], stage: str, unit: str, outcome: str) -> int:
    return sum(row["count"] for row in rows if (row["stage"], row["unit"], row["outcome"]) == (stage, unit, outcome))


def test_every_record_of_a_crawl_is_accounted_for(crawled: Path):
    for checkpoint in ("pages", *CHECKPOINTS):
        ledger = LedgerBatch.from_table(pq.read_table(crawled / checkpoint / "ledger.parquet"))
        assert len(ledger) > 0
        assert imbalances(ledger) == []


def test_every_page_that_is_stored_is_read_and_every_other_one_is_rejected_with_its_reason(
    crawled: Path, server: SiteServer
):
    pages, documents = entries(crawled / "pages"), entries(crawled / "documents")
    stored = counted(pages, "crawl", "page", "out")
    assert stored >= 2 * PAGES
    assert stored == counted(documents, "read", "page", "in")
    reasons = Counter()
    for row in pages:
        if row["outcome"] == "rejected":
            reasons[row["reason"]] += row["count"]
    assert counted(pages, "crawl", "page", "in") == stored + reasons.total()
    assert {"robots_disallowed", "http_status", "too_many_redirects", "not_text"} <= reasons.keys()
    forbidden = {line.path for line in server.site.lines if not line.is_allowed}
    assert forbidden.isdisjoint(server.requests)


def test_a_crawl_that_was_killed_ends_with_the_same_corpus(tmp_path: Path, server: SiteServer, crawled: Path):
    trap = server.site.resources
    configuration = configure_crawl(tmp_path, server)
    trap.arm(5)
    with start("build", configuration, "--quiet") as process:
        assert trap.caught.wait(120), "the crawler never came to its fifth page"
        process.kill()
        process.communicate(timeout=60)
    trap.opened.set()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "pages" / "manifest.json").exists()
    asked = Counter(server.requests)
    done = isogloss("build", configuration, "--quiet")
    assert done.returncode == 0, done.stderr
    again = Counter(server.requests) - asked
    assert sum(path.startswith(("/lij/", "/it/")) for path in again) < sum(
        path.startswith(("/lij/", "/it/")) for path in asked
    )  # what the journal knows is not fetched again
    for checkpoint in ("pairs", "corpus"):
        assert content(tmp_path / "out" / checkpoint) == content(crawled / checkpoint)
    assert shards(tmp_path / "out" / "sentences") == shards(crawled / "sentences")


def shards(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in content(folder).items() if name.startswith("part-")}
