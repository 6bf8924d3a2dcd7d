"""Group: sentences of three and more varieties that say the same, a row a sentence.

Rows with the same `group_id` are one group; no two of them are of the same variety.
"""

from collections.abc import Iterable

import pyarrow as pa

from schemas.identity import content_id
from schemas.table import Batch, field, table

GROUP = table(
    "group",
    1,
    [
        field("group_id", pa.string(), "Content id of the ids of the group's sentences."),
        field("sentence_id", pa.string(), "The sentence."),
        field("document_id", pa.string(), "The document that it stands in."),
        field("variety", pa.string(), "BCP 47 tag of the sentence; each variety stands once in a group."),
        field("text", pa.string(), "The sentence as found."),
        field("url", pa.string(), "Where it was found.", nullable=True),
        field("licence", pa.string(), "Licence of the text.", nullable=True),
        field("robots", pa.string(), "Verdict of robots.txt on the sentence's page."),
        field("varieties", pa.int16(), "Sentences of the group, which is its number of varieties.", unit="varieties"),
        field(
            "consensus",
            pa.float32(),
            "Share of the mined variety pairs within the group whose two sentences are a pair of the corpus; "
            "1 where every way through the group leads back to the same sentences.",
            range="0 to 1",
        ),
        field("weakest_margin", pa.float32(), "Smallest margin of the pairs that hold the group together."),
    ],
)


class GroupBatch(Batch):
    """Sentences of groups."""

    SCHEMA = GROUP
    ID = "sentence_id"
    __slots__ = ()


def group_id(sentences: Iterable[str]) -> str:
    """Make the id of a group from the ids of its sentences, in any order."""
    return content_id("group", *sorted(sentences))
