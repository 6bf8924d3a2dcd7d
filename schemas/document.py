"""Document: the running text of a page or file, as found and normalized, with the way back.

`text` is what was found and is what gets published; `normalized` is what the models read. `edits` lists
the stretches where the two differ, so that every span of one has its span in the other.
"""

import pyarrow as pa

from schemas.identity import content_id
from schemas.table import Batch, field, table

EDIT = pa.struct(
    [
        field("start", pa.int32(), "First character of the stretch in `text`.", unit="code points"),
        field("end", pa.int32(), "One past its last character in `text`.", unit="code points"),
        field(
            "normalized_start", pa.int32(), "First character of what replaced it, in `normalized`.", unit="code points"
        ),
        field("normalized_end", pa.int32(), "One past its last character in `normalized`.", unit="code points"),
    ]
)
ALTERNATE = pa.struct(
    [
        field("tag", pa.string(), "Language tag as the page declares it."),
        field("url", pa.string(), "Absolute URL of the same page in that language."),
    ]
)

DOCUMENT = table(
    "document",
    1,
    [
        field(
            "document_id",
            pa.string(),
            "Content id of URL (without one: of source and language hint) and text as found.",
        ),
        field("source", pa.string(), "Name of the configured source."),
        field("url", pa.string(), "Where it was found; null for local text without a URL.", nullable=True),
        field("title", pa.string(), "Title, where the source gives one.", nullable=True),
        field("text", pa.string(), "Main text as found; blocks are separated by newlines."),
        field(
            "normalized",
            pa.string(),
            "Text after normalization; what identification and embedding read.",
            nullable=True,
        ),
        field(
            "edits",
            pa.list_(EDIT),
            "Stretches where `normalized` differs from `text`, in order; null before normalization.",
            nullable=True,
        ),
        field(
            "language_hint",
            pa.string(),
            "BCP 47 tag that source or page declares; null when neither does.",
            nullable=True,
        ),
        field(
            "alternates",
            pa.list_(ALTERNATE),
            "The same document in other languages, as declared (hreflang).",
            nullable=True,
        ),
        field("licence", pa.string(), "Licence of the text.", nullable=True),
        field("robots", pa.string(), "Verdict of robots.txt: allowed, none, not_checked."),
    ],
)


class DocumentBatch(Batch):
    """Documents."""

    SCHEMA = DOCUMENT
    ID = "document_id"
    __slots__ = ()


def document_id(url: str | None, text: str, source: str = "", hint: str | None = None) -> str:
    """Make the id of a document from its URL and its text as found.

    Args:
        url: where it was found; None for local text without one.
        text: as found.
        source: name of the configured source.
        hint: variety that the source declares. Both stand in for the URL where there is none, so that a line
            that is the same in two varieties is a document of each.
    """
    return content_id("document", url, text) if url is not None else content_id("document", None, source, hint, text)
