"""prepare with identify.adapt and hosts: the run's own sentences teach, and the bytes stay the same however it is run."""

import json
import subprocess
import sys
from pathlib import Path

from pipelines.demo.sample import load_sample

DOCUMENTS = 12
CONFIGURATION = """
[corpus]
name = "small"
output = "{output}"
varieties = ["lij", "it"]
shards = {shards}

[identify]
adapt = true
context = "host"

[[read.sources]]
name = "wiki"
path = "{path}"
licence = "CC-BY-SA-4.0"
"""


def prepare(folder: Path, source: Path, workers: int, shards: int = 2) -> dict[str, bytes]:
    folder.mkdir()
    path = folder / "small.toml"
    path.write_text(CONFIGURATION.format(output=folder / "out", path=source, shards=shards), encoding="utf-8")
    command = [sys.executable, "-m", "pipelines", "prepare", str(path), "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = sorted((folder / "out" / "sentences").rglob("*.parquet"))
    return {file.name: file.read_bytes() for file in found}


def test_two_workers_adapt_to_the_same_bytes(tmp_path: Path):
    texts: dict[tuple[str, str], list[str]] = {}
    wanted = sorted({line.document for line in load_sample()})[:DOCUMENTS]
    for line in load_sample():
        if line.tag in ("lij", "it") and line.document in wanted:
            texts.setdefault((line.document, line.tag), []).append(line.text)
    rows = [{"url": f"{url}#{tag}", "text": "\n".join(lines)} for (url, tag), lines in sorted(texts.items())]
    source = tmp_path / "pages.jsonl"
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    one, two = prepare(tmp_path / "one", source, 1), prepare(tmp_path / "two", source, 2)
    assert one
    assert one == two
