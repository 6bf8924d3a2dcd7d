"""Sentence: a span of a document, with its variety and its cluster of duplicates.

Three answers to one question stand side by side: `own_variety` is what the sentence alone says, `context_variety` what it
says among its neighbours, and `variety` is the one of the two that the run goes by.
"""

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
    2,
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
            "Variety that later stages go by, a BCP 47 tag: `context_variety` where the configuration lets the context "
            "decide, else `own_variety`; `und` when the identifier abstains; null before identification.",
            nullable=True,
        ),
        field("variety_probability", pa.float32(), "Probability of `variety`.", nullable=True, range="0 to 1"),
        field(
            "varieties",
            pa.list_(CANDIDATE),
            "The most probable varieties of the sentence alone, best first.",
            nullable=True,
        ),
        field(
            "own_variety",
            pa.string(),
            "Variety by the sentence alone; `und` when the identifier abstains.",
            nullable=True,
        ),
        field("own_probability", pa.float32(), "Probability of `own_variety`.", nullable=True, range="0 to 1"),
        field(
            "context_variety",
            pa.string(),
            "Variety by the sentence, its neighbours, its document and, where asked for, its host; null where the context "
            "was not looked at.",
            nullable=True,
        ),
        field("context_probability", pa.float32(), "Probability of `context_variety`.", nullable=True, range="0 to 1"),
        field(
            "mixed_probability",
            pa.float32(),
            "Probability that it is in two varieties, by its windows of words; 0 where no second variety is plausible at "
            "first sight; null where it is too short, or was not looked at.",
            nullable=True,
            range="0 to 1",
            score_version="1",
        ),
        field("mixed_variety", pa.string(), "The second variety, where the windows speak for one.", nullable=True),
        field(
            "mixed_share",
            pa.float32(),
            "Share of the second variety.",
            nullable=True,
            unit="code points",
            range="0 to 1",
        ),
        field(
            "dialectness",
            pa.float32(),
            "How far it is from the standard language of its variety, by the evidence in 50 characters of it: 0 standard, "
            "1 dialect; null where it is undetermined or the model does not know variety and standard language.",
            nullable=True,
            range="0 to 1",
            score_version="1",
        ),
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
