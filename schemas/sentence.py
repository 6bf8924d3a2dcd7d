"""Sentence: a span of a document, with its variety and its cluster of duplicates."""

import pyarrow as pa

from schemas.identity import content_id
from schemas.table import Batch, field, table

CANDIDATE = pa.struct(
    [
        field("tag", pa.string(), "BCP 47 tag."),
        field("probability", pa.float32(), "Probability of the variety."),
    ]
)

SENTENCE = table(
    "sentence",
    1,
    [
        field("sentence_id", pa.string(), "Content id of document and span."),
        field("document_id", pa.string(), "The document that it stands in."),
        field("position", pa.int32(), "Place among the document's sentences, from 0.", unit="sentences"),
        field("start", pa.int32(), "First character in the document's `text`.", unit="code points"),
        field("end", pa.int32(), "One past its last character in the document's `text`.", unit="code points"),
        field("text", pa.string(), "The sentence as found; what is published."),
        field("normalized", pa.string(), "The sentence after normalization; what the models read."),
        field("language_hint", pa.string(), "BCP 47 tag that the source declares.", nullable=True),
        field(
            "variety",
            pa.string(),
            "Identified variety, a BCP 47 tag; `und` when the identifier abstains; null before identification.",
            nullable=True,
        ),
        field("variety_probability", pa.float32(), "Probability of `variety`.", nullable=True, range="0 to 1"),
        field("varieties", pa.list_(CANDIDATE), "The most probable varieties, best first.", nullable=True),
        field(
            "cluster_id",
            pa.string(),
            "Content id of variety and deduplication key; equal for duplicates. Null before deduplication.",
            nullable=True,
        ),
        field("cluster_size", pa.int32(), "Sentences in the cluster.", nullable=True, unit="sentences"),
        field(
            "is_duplicate",
            pa.bool_(),
            "Does another sentence represent the cluster? False for its one representative.",
            nullable=True,
        ),
        field("source", pa.string(), "Name of the configured source."),
        field("url", pa.string(), "Where the document was found.", nullable=True),
        field("licence", pa.string(), "Licence of the text.", nullable=True),
        field("robots", pa.string(), "Verdict of robots.txt: allowed, none, not_checked."),
    ],
)


class SentenceBatch(Batch):
    """Sentences."""

    SCHEMA = SENTENCE
    ID = "sentence_id"
    __slots__ = ()


def sentence_id(document: str, start: int, end: int) -> str:
    """Make the id of a sentence from its document's id and its span in the text as found."""
    return content_id("sentence", document, start, end)


def cluster_id(variety: str, key: str) -> str:
    """Make the id of a cluster of duplicates from its variety and its deduplication key."""
    return content_id("cluster", variety, key)
