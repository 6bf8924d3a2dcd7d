"""Bytes a sentence and a pair at each checkpoint of a finished run: the table of docs/dataflow.md.

    isogloss demo --output build/demo
    python benchmarks/bench_bytes.py build/demo

`in memory` is what Arrow holds of a row of the finished table, before compression; a batch in a shuffle is as large.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "output", type=Path, help="folder of a finished run: pages, documents, sentences, pairs, corpus"
    )
    output = parser.parse_args().output
    if not (output / "corpus" / "manifest.json").exists():
        print(f"{output} holds no finished corpus: run `isogloss build`, or the demo, first", file=sys.stderr)
        return 2
    sentences, sentence_bytes = rows(output.glob("sentences/part-*.parquet"))
    pairs, pair_bytes = rows(output.glob("pairs/part-*.parquet"))
    embedded, _ = rows(output.glob("vectors/*/part-*.parquet"))
    print(f"{sentences:,} sentences, {embedded:,} embedded, {pairs:,} pairs\n")
    print("| checkpoint | bytes | a sentence (a pair) |\n|---|---|---|")
    row("`pages/warc`", size(output.glob("pages/warc/*")), sentences, "")
    row("`documents`", size(output.glob("documents/part-*")), sentences, "")
    row("`sentences`", size(output.glob("sentences/part-*")), sentences, "")
    row("`vectors`, first pass", size(output.glob("vectors/*/*.arrow")), embedded, "")
    row("`vectors`, second pass", size(output.glob("vectors/second-pass/**/*.arrow")), embedded, "")
    row("`vectors`, sentences beside them", size(output.glob("vectors/*/*.parquet")), embedded, "")
    row("`pairs`", size(output.glob("pairs/part-*")), pairs, " a pair")
    row("`corpus`", size(output.glob("corpus/**/part-*")), pairs, " a pair")
    print(f"| in memory | | {sentence_bytes / sentences:,.0f} a sentence, {pair_bytes / pairs:,.0f} a pair |")
    return 0


def row(name: str, taken: int, count: int, unit: str) -> None:
    """Print a row of the table."""
    print(f"| {name} | {taken:,} | {taken / count:,.0f}{unit} |")


def size(paths: Iterable[Path]) -> int:
    """Add up files, in bytes."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def rows(paths: Iterable[Path]) -> tuple[int, int]:
    """Count the rows of Parquet files, and the bytes of their columns in memory."""
    tables = [pq.read_table(path) for path in paths]
    return sum(table.num_rows for table in tables), sum(table.nbytes for table in tables)


if __name__ == "__main__":
    sys.exit(main())
