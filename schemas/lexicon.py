"""Lexicon entry: a word of one variety and a word of another that translate each other in the run's pairs.

Words stand in folded letter case, as the aligner counts them. Nothing is left out: copies, function words and rare
pairs are marked, and `confidence` says how far the counts bear an entry out.
"""

import pyarrow as pa

from schemas.identity import content_id
from schemas.table import Batch, field, table

LEXICON = table(
    "lexicon",
    1,
    [
        field("entry_id", pa.string(), "Content id of the two varieties and the two words."),
        field("source_variety", pa.string(), "BCP 47 tag of the source word."),
        field("target_variety", pa.string(), "BCP 47 tag of the target word."),
        field("source", pa.string(), "The source word, letter case folded."),
        field("target", pa.string(), "The target word, letter case folded."),
        field("count", pa.int64(), "Links between the two words.", unit="links"),
        field(
            "expected_count",
            pa.float64(),
            "Sum of the links' probabilities; a link without one counts as 1.",
            unit="links",
        ),
        field("source_count", pa.int64(), "Occurrences of the source word in the aligned sentences.", unit="words"),
        field("target_count", pa.int64(), "Occurrences of the target word in the aligned sentences.", unit="words"),
        field(
            "probability",
            pa.float32(),
            "Share of the target word in all that the source word is linked with (by expected count).",
            range="0 to 1",
        ),
        field(
            "backward_probability",
            pa.float32(),
            "Share of the source word in all that the target word is linked with.",
            range="0 to 1",
        ),
        field(
            "confidence",
            pa.float32(),
            "Lower end of the one-sided 95 % Wilson interval of the expected count as a share of the occurrences of the"
            " more frequent word: a stated lower bound, no calibrated probability.",
            range="0 to 1",
        ),
        field(
            "edit_similarity",
            pa.float32(),
            "1 - edit distance / length of the longer word; letter case and marks do not count.",
            range="0 to 1",
        ),
        field(
            "source_variants",
            pa.list_(pa.string()),
            "Other spellings of the source word that are linked with the same target word.",
        ),
        field(
            "target_variants",
            pa.list_(pa.string()),
            "Other spellings of the target word that are linked with the same source word.",
        ),
        field("is_copy", pa.bool_(), "Are both words the same?"),
        field(
            "is_function_word",
            pa.bool_(),
            "Is one of the words frequent and linked with many others, or very frequent (settings: `function_word_share`)?",
        ),
        field("source_entropy", pa.float32(), "Entropy of what the source word is linked with.", unit="bits"),
        field("target_entropy", pa.float32(), "Entropy of what the target word is linked with.", unit="bits"),
        field(
            "source_generality",
            pa.float32(),
            "How widely the source word is used over the run's other varieties: mean over them of the probability that"
            " they say the same by a related word, weighted by its likeness. Null with fewer than two others.",
            nullable=True,
            range="0 to 1",
        ),
        field("target_generality", pa.float32(), "The same of the target word.", nullable=True, range="0 to 1"),
        field(
            "dialectness",
            pa.float32(),
            "How far the source word is from all that the target variety says in its place: 1 - mean likeness with its"
            " translations, where regular correspondences of letters count as likeness.",
            range="0 to 1",
        ),
        field("example_pairs", pa.list_(pa.string()), "Ids of pairs that hold such a link, the smallest ones."),
    ],
)


class LexiconBatch(Batch):
    """Lexicon entries."""

    SCHEMA = LEXICON
    ID = "entry_id"
    __slots__ = ()


def entry_id(source_variety: str, target_variety: str, source: str, target: str) -> str:
    """Make the id of an entry from its varieties and its words."""
    return content_id("entry", source_variety, target_variety, source, target)
