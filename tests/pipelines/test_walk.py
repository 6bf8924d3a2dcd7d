"""The whole walk on a small corpus: the same bytes however it is run, killed or cut; and every record accounted for."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.demo.sample import load_sample
from schemas.ledger import LedgerBatch, imbalances

KILLER = Path(__file__).with_name("killer.py")
DOCUMENTS = 12
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


def isogloss(*arguments: object, script: object = None) -> subprocess.CompletedProcess:
    head = [sys.executable, str(script)] if script else [sys.executable, "-m", "pipelines"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*head, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=240)


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


@pytest.mark.parametrize(
    ("path", "when"),
    [
        ("documents/part-", "after"),
        ("documents/manifest", "before"),
        ("sentences/part-", "after"),
        ("sentences/manifest", "after"),
        ("vectors/", "before"),
        ("pairs/part-", "after"),
        ("corpus/lij-it/part-", "after"),
        ("corpus/manifest", "before"),
    ],
)
def test_a_run_that_was_killed_ends_with_the_same_bytes(
    tmp_path: Path, source: Path, built: Path, path: str, when: str
):
    killed = isogloss(path, when, "build", configure(tmp_path, source), "--quiet", script=KILLER)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
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


def test_a_dry_run_writes_nothing(tmp_path: Path, source: Path):
    done = isogloss("build", configure(tmp_path, source), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would make" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wrong_setting_ends_with_status_2_and_nothing_run(tmp_path: Path, source: Path):
    done = isogloss("build", configure(tmp_path, source), "--set", "mine.kk=8")
    assert done.returncode == 2
    assert "$.mine" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_not_there_ends_with_status_2(tmp_path: Path):
    done = isogloss("build", configure(tmp_path, tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "nowhere" in done.stderr
