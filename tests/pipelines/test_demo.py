"""The demo: what it writes, how good it is, and what opens its corpus."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

# Half a minute on a quiet machine, minutes on a busy one.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAIRS = ("lij-it", "lmo-it", "fur-it")
STAGES = (
    "crawl",
    "read",
    "normalize",
    "segment",
    "identify",
    "deduplicate",
    "embed",
    "mine",
    "align",
    "score",
    "publish",
)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo, and in `printed.txt` what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "demo", "--output", str(folder), "--quiet"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def summary(output: Path) -> dict:
    return json.loads((output / "summary.json").read_text(encoding="utf-8"))


def test_the_summary_has_its_keys(summary, output):
    assert {"fetched", "refused_by_robots"} <= summary["pages"].keys()
    assert summary["pages"]["fetched"] > 300
    assert summary["pages"]["refused_by_robots"] > 0
    assert set(summary["pairs"]) == set(PAIRS)
    for figures in summary["pairs"].values():
        assert {"found", "precision", "recall", "f1"} <= figures.keys()
    assert set(STAGES) <= summary["seconds"].keys()
    assert Path(summary["corpus"]) == output / "corpus"


def test_every_record_is_accounted_for(summary):
    assert summary["ledger_balanced"] is True


def test_it_stays_within_its_memory(summary):
    assert summary["peak_memory_mb"] < 4096


@pytest.mark.parametrize("pair", PAIRS)
def test_precision_and_recall_of_the_mined_pairs(summary, floor, pair):
    assert summary["pairs"][pair]["precision"] >= floor("demo.precision")
    assert summary["pairs"][pair]["recall"] >= floor("demo.recall")


def test_accuracy_of_identification(summary, floor):
    assert summary["identification_accuracy"] >= floor("demo.identification_accuracy")


def test_the_corpus_opens_in_polars(output, summary):
    rows = pl.read_parquet(f"{output}/corpus/*-*/*.parquet")
    assert len(rows) == summary["rows"] == sum(figures["found"] for figures in summary["pairs"].values())
    assert rows["source_text"].null_count() == 0
    assert set(rows["target_variety"]) == {"it"}


def test_the_corpus_opens_in_duckdb(output, summary):
    query = "select source_variety, count(*), min(margin) from read_parquet(?) group by 1"
    found = duckdb.execute(query, [f"{output}/corpus/*-*/*.parquet"]).fetchall()
    assert {f"{variety}-it": rows for variety, rows, _ in found} == {
        pair: figures["found"] for pair, figures in summary["pairs"].items()
    }


def test_what_it_prints_says_what_was_found_and_where_it_lies(output, summary):
    printed = (output / "printed.txt").read_text(encoding="utf-8")
    assert f"{summary['pages']['fetched']} fetched" in printed
    assert f"identification accuracy {summary['identification_accuracy']:.4f}" in printed
    for pair, figures in summary["pairs"].items():
        row = next(line for line in printed.splitlines() if line.startswith(f"{pair} ") and "0." in line)
        assert f"{figures['precision']:.4f}" in row
        assert f"{figures['recall']:.4f}" in row
    assert "every record is accounted for" in printed
    assert re.search(r"polars\.read_parquet\(", printed)
