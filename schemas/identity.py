"""Content identifiers: the only maker of ids.

An id is the blake2b digest (128 bits) of named, length-prefixed parts, written as 32 lower-case
hexadecimal digits. The same content has the same id in every run, on every machine; ids are spread
evenly, so a range of ids is a fair shard.
"""

from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ID_DIGITS = 32


def content_id(kind: str, *parts: str | bytes | int | None) -> str:
    """Make the id of a thing from its kind and its parts.

    Every part is prefixed with its type and length, so `("ab", "c")` and `("a", "bc")` differ, and so
    do `None` and the empty string.

    Args:
        kind: what the thing is, such as `sentence`; keeps ids of different nouns apart.
        parts: the content that makes the thing what it is.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> content_id("document", "https://example.org/", "Bondì.") == content_id("document", "https://example.org/", "Bondì.")
        True
    """
    digest = blake2b(digest_size=ID_DIGITS // 2, person=b"isogloss")
    for part in (kind, *parts):
        if part is None:
            digest.update(b"n0:")
            continue
        if isinstance(part, int):
            mark, data = b"i", str(part).encode("ascii")
        elif isinstance(part, bytes):
            mark, data = b"b", part
        else:
            mark, data = b"s", part.encode("utf-8", "surrogatepass")
        digest.update(b"%s%d:" % (mark, len(data)))
        digest.update(data)
    return digest.hexdigest()


def bucket_of(identifier: str, buckets: int) -> int:
    """Give the bucket of an id when the id space is cut into equal ranges.

    Buckets are ranges in the order of ids: sorting by (bucket, id) is sorting by id.

    Args:
        identifier: an id made by `content_id`.
        buckets: number of ranges, 1 to 2**31.

    Returns:
        A number from 0 to `buckets - 1`.
    """
    return (int(identifier[:8], 16) * buckets) >> 32


def buckets_of(identifiers: pa.Array, buckets: int) -> NDArray[np.int64]:
    """Give the bucket of every id of an Arrow string array, as `bucket_of` does for one.

    Args:
        identifiers: (n,) string array of ids, no nulls.
        buckets: number of ranges, 1 to 2**31.

    Returns:
        (n,) int64.
    """
    if len(identifiers) == 0:
        return np.zeros(0, dtype=np.int64)
    offsets = np.frombuffer(identifiers.buffers()[1], dtype=np.int32, count=len(identifiers) + identifiers.offset)
    starts = offsets[identifiers.offset :].astype(np.int64)
    data = np.frombuffer(identifiers.buffers()[2], dtype=np.uint8)
    digits = data[starts[:, None] + np.arange(8)]
    values = np.where(digits >= ord("a"), digits - ord("a") + 10, digits - ord("0")).astype(np.int64)
    prefix = values @ (np.int64(16) ** np.arange(7, -1, -1, dtype=np.int64))
    result: NDArray[np.int64] = (prefix * buckets) >> 32
    return result


def content_digest(data: bytes) -> str:
    """Give the digest of a file's bytes, as manifests record it: 32 hexadecimal digits."""
    return blake2b(data, digest_size=ID_DIGITS // 2).hexdigest()
