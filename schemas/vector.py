"""Vector: a sentence in an encoder's space. Dense and sparse vectors are two tables.

A block holds the vectors of one variety whose sentence ids fall in one range, ordered by sentence id.
"""

import pyarrow as pa

from schemas.table import field, table


def dense_vector_table(dimension: int) -> pa.Schema:
    """Make the schema of dense vectors of this dimension."""
    return table(
        "dense_vector",
        1,
        [
            field("sentence_id", pa.string(), "The sentence."),
            field("vector", pa.list_(pa.float16(), dimension), "Its vector, length 1."),
        ],
    )


SPARSE_VECTOR = table(
    "sparse_vector",
    1,
    [
        field("sentence_id", pa.string(), "The sentence."),
        field("indices", pa.list_(pa.int32()), "Features that are not zero, rising."),
        field("values", pa.list_(pa.float32()), "Their weights; the whole has length 1."),
    ],
)
