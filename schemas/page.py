"""Page: what a server answered for a URL, as a WARC response record keeps it.

On disk pages are WARC shards, the web archive's own format; this table is how they travel in a job. The
time of capture stays in the WARC (`WARC-Date`): it is not content, and a corpus made of the same pages
must be the same bytes whenever they were fetched.
"""

import pyarrow as pa

from schemas.identity import content_id
from schemas.table import Batch, field, table

PAGE = table(
    "page",
    1,
    [
        field("page_id", pa.string(), "Content id of URL and body."),
        field("source", pa.string(), "Name of the configured source."),
        field("url", pa.string(), "URL that gave this answer, after redirects; null for a local file.", nullable=True),
        field("status", pa.int16(), "HTTP status.", nullable=True),
        field(
            "content_type",
            pa.string(),
            "Media type as the server declared it, lower case, without parameters.",
            nullable=True,
        ),
        field("charset", pa.string(), "Charset that the server declared.", nullable=True),
        field("content_language", pa.string(), "Content-Language as the server declared it.", nullable=True),
        field("body", pa.binary(), "The answer's body, transfer and content encodings undone.", unit="bytes"),
        field(
            "language_hint",
            pa.string(),
            "Variety that the configuration declares for the source, a BCP 47 tag.",
            nullable=True,
        ),
        field("licence", pa.string(), "Licence of the text, as configured or as the page declares.", nullable=True),
        field(
            "robots",
            pa.string(),
            "Verdict of robots.txt when the page was fetched: allowed, none (no rules), not_checked.",
        ),
    ],
)


class PageBatch(Batch):
    """Pages."""

    SCHEMA = PAGE
    ID = "page_id"
    __slots__ = ()


def page_id(url: str | None, body: bytes) -> str:
    """Make the id of a page from its URL, if any, and its body."""
    return content_id("page", url, body)
