"""The sentences of the demo's site: a sample of OLDI Seed (CC BY-SA 4.0, see README.md here).

One file a variety, compressed TSV: document, line number, text. `pipelines.demo.make_sample` made them.
"""

import gzip
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

TAGS = ("fur", "it", "lij", "lmo")
LICENCE = "https://creativecommons.org/licenses/by-sa/4.0/"


class SampleLine(NamedTuple):
    """A sentence of the sample.

    Attributes:
        tag: BCP 47 tag of its variety.
        document: URL of the Wikipedia page that the English original was taken from.
        number: line number in OLDI Seed, from 0; equal numbers say the same.
        text: the sentence.
    """

    tag: str
    document: str
    number: int
    text: str


def pack(lines: Sequence[SampleLine]) -> bytes:
    """Write lines of one variety as compressed TSV. Equal lines are equal bytes."""
    rows = "".join(f"{line.document}\t{line.number}\t{line.text}\n" for line in lines)
    target = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(rows.encode("utf-8"))
    return target.getvalue()


def unpack(tag: str, data: bytes) -> Iterator[SampleLine]:
    """Read what `pack` wrote."""
    for row in gzip.decompress(data).decode("utf-8").removesuffix("\n").split("\n"):
        if row:
            document, number, text = row.split("\t")
            yield SampleLine(tag, document, int(number), text)


def load_sample() -> list[SampleLine]:
    """Read the sample: all varieties, in the order of tag and line number."""
    folder = Path(__file__).parent
    return [line for tag in TAGS for line in unpack(tag, (folder / f"{tag}.tsv.gz").read_bytes())]
