"""Make the demo's sample from OLDI Seed: how `pipelines/demo/sample/*.tsv.gz` came to be.

    python -m pipelines.demo.make_sample FOLDER

FOLDER holds `metadata.tsv` and one file a language, as the `seed/` folder of OLDI Seed does. Line i of every
file is the same sentence; line i + 1 of `metadata.tsv` names the Wikipedia page that it was taken from.

Two choices are made, both by content, so the same input gives the same bytes:

- Documents: those whose bucket (of 100, by the content id of their URL) is under 36. The other buckets are for
  training and tuning and are never part of the demo.
- Lines: of each variety, 85 in 100, chosen by the content id of tag, URL and line number, for every variety on
  its own. So about 72 in 100 of the lines of two varieties stand beside each other, and the other 28 are
  lines whose partner is missing, as on any real site.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.demo.sample import SampleLine, pack
from schemas.identity import bucket_of, content_id

FILES = {"lij": "lij_Latn", "lmo": "lmo_Latn", "fur": "fur_Latn", "it": "ita_Latn"}
DEMO_BUCKETS = 36
KEPT_OF_100 = 85
MINIMUM_LINES = 1500


def is_demo_document(url: str) -> bool:
    """Is this a document of the demo, never of training or tuning?"""
    return bucket_of(content_id("oldi-seed", url), 100) < DEMO_BUCKETS


def is_kept(tag: str, url: str, number: int) -> bool:
    """Does the sample keep this line of this variety?"""
    return bucket_of(content_id("demo-sample", tag, url, number), 100) < KEPT_OF_100


def choose_lines(tag: str, urls: Sequence[str], texts: Sequence[str]) -> list[SampleLine]:
    """Choose the sample's lines of one variety.

    Args:
        tag: of the variety.
        urls: page of each line; a `#fragment` is cut off.
        texts: the lines.

    Raises:
        ValueError: the two do not go together.
    """
    if len(urls) != len(texts):
        raise ValueError(f"{tag}: expected a line for each of {len(urls)} rows of metadata, got {len(texts)} lines")
    chosen = []
    for number, (url, text) in enumerate(zip(urls, texts, strict=True)):
        document = url.partition("#")[0]
        if is_demo_document(document) and is_kept(tag, document, number):
            chosen.append(SampleLine(tag, document, number, " ".join(text.split())))
    return chosen


def main(folder: str) -> None:
    """Write the sample from OLDI Seed's `seed/` folder, beside this file."""
    source = Path(folder)
    urls = [row.split("\t")[0] for row in (source / "metadata.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    for tag, name in FILES.items():
        lines = choose_lines(tag, urls, (source / name).read_text(encoding="utf-8").removesuffix("\n").split("\n"))
        if len(lines) < MINIMUM_LINES:
            raise SystemExit(f"{tag}: expected {MINIMUM_LINES} lines or more, got {len(lines)}")
        target = Path(__file__).parent / "sample" / f"{tag}.tsv.gz"
        target.write_bytes(pack(lines))
        print(f"{tag}: {len(lines)} lines, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
