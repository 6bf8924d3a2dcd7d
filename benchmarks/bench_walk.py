"""What Beam adds: the `prepare` run against the same stage functions called in a plain loop, in one sitting.

    python benchmarks/bench_walk.py --data ../shared/data --sentences 100000

Both read the same JSON lines (documents of 20 sentences of OLDI Seed and PILAR), normalize, drop double documents,
segment, identify, mark duplicates, and write the same documents/ and sentences/ shards. Each variant runs in a
process of its own, in turn, `--rounds` times; the figures are medians of wall and processor seconds from the first
read to the last file, imports left out, and the peak memory of the process. The share is (beam - plain) / beam; on a
machine that is busy with other work believe the processor seconds.

The later runs (mine, publish) hand over references and some thousand rows a second; there Beam's share is smaller.
"""

import argparse
import gzip
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

VARIETIES = ("lij", "lmo", "fur", "it", "es", "en", "oc", "ca")
SEED = ("lij_Latn", "lmo_Latn", "fur_Latn", "ita_Latn", "spa_Latn", "eng_Latn")
DOCUMENT_LINES = 20
SHARDS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data", help="folder with oldi-seed and pilar-aranese")
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", choices=("beam", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(run_variant(options.variant, Path(options.folder))))
        return
    if not Path(options.data).is_dir():
        sys.exit(f"no data at {options.data}: give --data")
    with tempfile.TemporaryDirectory() as folder:
        written = write_input(Path(options.data), Path(folder), options.sentences)
        print(f"{written:,} lines in documents of {DOCUMENT_LINES}, {options.rounds} rounds")
        found: dict[str, list[dict[str, float]]] = {"plain": [], "beam": []}
        for _ in range(options.rounds):
            for variant, results in found.items():
                command = [sys.executable, __file__, "--variant", variant, "--folder", folder]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                results.append(json.loads(done.stdout.splitlines()[-1]))
        digests = {result["digest"] for results in found.values() for result in results}
    report(found, len(digests) == 1)


def report(found: dict[str, list[dict[str, float]]], is_equal: bool) -> None:
    def median(variant: str, figure: str) -> float:
        return statistics.median(result[figure] for result in found[variant])

    for variant, results in found.items():
        sentences = results[0]["sentences"]
        print(
            f"{variant:6} wall {median(variant, 'seconds'):7.2f} s  cpu {median(variant, 'cpu_seconds'):7.2f} s"
            f"  {sentences / median(variant, 'cpu_seconds'):9,.0f} sentences a cpu second"
            f"  peak {median(variant, 'peak_mb'):6,.0f} MiB"
        )
    for figure in ("seconds", "cpu_seconds"):
        beam, plain = median("beam", figure), median("plain", figure)
        print(f"share of the {figure.replace('_', ' ')} that Beam adds: {(beam - plain) / beam:.1%}")
    print(f"sentences/ of both: {'equal, byte for byte' if is_equal else 'DIFFERENT'}")


def write_input(data: Path, folder: Path, sentences: int) -> int:
    lines = read_lines(data)
    written = 0
    with (folder / "input.jsonl").open("w", encoding="utf-8") as file:
        while written < sentences:
            text = [line for _, line in zip(range(min(DOCUMENT_LINES, sentences - written)), lines, strict=False)]
            if not text:
                break
            record = {"url": f"https://example.org/{written}", "text": "\n".join(text)}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            written += len(text)
    return written


def read_lines(data: Path) -> Iterator[str]:
    for name in SEED:
        yield from (data / "oldi-seed" / "seed" / name).read_text(encoding="utf-8").split("\n")[:-1]
    for name in ("aranese", "catalan"):
        with gzip.open(data / "pilar-aranese" / f"sentences.{name}.txt.gz", "rt", encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file)


def run_variant(variant: str, folder: Path) -> dict[str, object]:
    from pipelines.config import make_configuration

    output = folder / variant
    configuration = make_configuration(
        {
            "corpus": {
                "name": "bench",
                "output": str(output),
                "varieties": list(VARIETIES),
                "pairs": [["lij", "it"]],
                "shards": SHARDS,
            },
            "read": {"sources": [{"name": "bench", "path": str(folder / "input.jsonl")}]},
        }
    )
    (run_beam if variant == "beam" else run_plain)(configuration, warm=True)
    started, busy = time.perf_counter(), time.process_time()
    sentences, digest = (run_beam if variant == "beam" else run_plain)(configuration)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": peak_mb,
        "sentences": sentences,
        "digest": digest,
    }


def run_beam(configuration, warm: bool = False):
    from pipelines.options import parse_beam_flags
    from pipelines.prepare import prepare
    from pipelines.progress import Progress
    from pipelines.run import Run
    from transforms.common.checkpoint import read_manifest

    if warm:
        return None
    options = parse_beam_flags([], workers=1)
    prepare(Run(configuration=configuration, options=options, progress=Progress(quiet=True), again=True))
    manifest = read_manifest(configuration.folder("sentences"))
    return manifest["rows"], manifest["digest"]


def run_plain(configuration, warm: bool = False):
    import numpy as np
    import pyarrow as pa

    from schemas.document import DocumentBatch
    from schemas.identity import buckets_of, content_digest
    from schemas.sentence import SentenceBatch
    from transforms.common.shards import ordered, write_shard
    from transforms.deduplicate import annotate
    from transforms.identify.function import IdentifySentences
    from transforms.normalize.batches import NormalizeDocuments
    from transforms.read.inputs import list_inputs
    from transforms.read.sources import read_input
    from transforms.segment.batches import SegmentDocuments

    if warm:
        return None

    def shards(rows):
        number = buckets_of(rows.column("document_id"), SHARDS)
        for shard in np.unique(number):
            yield f"part-{shard:05d}-of-{SHARDS:05d}.parquet", rows.take(np.flatnonzero(number == shard))

    normalize = NormalizeDocuments(settings=configuration.normalize)
    segment = SegmentDocuments(settings=configuration.segment)
    identify = IdentifySentences(configuration.identify, configuration.corpus.wanted_varieties())()
    read = [
        normalize(chunk.documents).made
        for file in list_inputs(configuration.sources())
        for chunk in read_input(file, configuration.read)
        if len(chunk.documents)
    ]
    sentences = []
    for name, rows in shards(DocumentBatch.concatenate(read)):
        documents = ordered(rows, ("document_id", "source"))
        _, first = np.unique(np.array(documents.texts("document_id")), return_index=True)
        documents = documents.take(np.sort(first))
        write_shard(configuration.folder("documents"), name, pa.Table.from_batches([documents.data]))
        for batch in documents.pieces():
            sentences += [identify(piece).made for piece in segment(batch).made.pieces()]
    marked = annotate(SentenceBatch.concatenate(sentences))
    written = []
    for name, rows in shards(marked):
        batch = ordered(rows, ("document_id", "position", "sentence_id"))
        written.append(write_shard(configuration.folder("sentences"), name, pa.Table.from_batches([batch.data])))
    listing = "\n".join(f"{shard.path} {shard.digest}" for shard in sorted(written, key=lambda shard: shard.path))
    return len(marked), content_digest(listing.encode("utf-8"))


if __name__ == "__main__":
    main()
