"""Reject: a record that did not go on, and why. Nothing is dropped without one."""

from enum import StrEnum

import pyarrow as pa

from schemas.table import Batch, field, table


class Reason(StrEnum):
    """The closed list of reasons."""

    # crawl
    ROBOTS_DISALLOWED = "robots_disallowed"
    ROBOTS_UNREACHABLE = "robots_unreachable"
    HOST_NOT_ALLOWED = "host_not_allowed"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    URL_INVALID = "url_invalid"
    DNS_FAILURE = "dns_failure"
    CONNECTION_FAILED = "connection_failed"
    TIMEOUT = "timeout"
    HTTP_STATUS = "http_status"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    PAGE_LIMIT = "page_limit"
    # read
    CONTAINER_BROKEN = "container_broken"
    CONTAINER_TRUNCATED = "container_truncated"
    RECORD_MALFORMED = "record_malformed"
    NOT_TEXT = "not_text"
    NO_MAIN_TEXT = "no_main_text"
    EMPTY = "empty"
    ENCODING_INVALID = "encoding_invalid"
    DUPLICATE_DOCUMENT = "duplicate_document"
    # segment
    SENTENCE_TOO_LONG = "sentence_too_long"
    SENTENCE_TOO_SHORT = "sentence_too_short"
    NO_LETTERS = "no_letters"
    # identify, mine's selection
    VARIETY_UNDETERMINED = "variety_undetermined"
    VARIETY_NOT_WANTED = "variety_not_wanted"
    VARIETY_UNCERTAIN = "variety_uncertain"
    DUPLICATE = "duplicate"
    # mine, align, score, publish
    NO_PARTNER = "no_partner"
    BELOW_THRESHOLD = "below_threshold"
    NOT_ENCODABLE = "not_encodable"
    TOO_MANY_WORDS = "too_many_words"
    SCORE_TOO_LOW = "score_too_low"
    SCORE_TOO_HIGH = "score_too_high"
    SCORE_MISSING = "score_missing"
    TAKEN_DOWN = "taken_down"


REJECT = table(
    "reject",
    1,
    [
        field("stage", pa.string(), "Stage that rejected it."),
        field("unit", pa.string(), "What it is: page, document, sentence or pair."),
        field("record_id", pa.string(), "Its id, or the content id of where it stood when it never got one."),
        field(
            "variety",
            pa.string(),
            "Its variety on entering the stage; `und` when not known; `source>target` for pairs.",
        ),
        field("reason", pa.string(), "Why: one of the closed list in schemas/reject.py."),
        field("detail", pa.string(), "What was expected and what came, for a person.", nullable=True),
        field("source", pa.string(), "Name of the configured source.", nullable=True),
        field("url", pa.string(), "Where it was found.", nullable=True),
        field("excerpt", pa.string(), "Its beginning, at most 200 characters.", nullable=True, unit="code points"),
        field("score", pa.string(), "Name of the score that decided.", nullable=True),
        field("value", pa.float64(), "Value of that score.", nullable=True),
        field("limit", pa.float64(), "Limit that it failed.", nullable=True),
    ],
)
EXCERPT_CHARACTERS = 200


class RejectBatch(Batch):
    """Rejects."""

    SCHEMA = REJECT
    ID = "record_id"
    __slots__ = ()
