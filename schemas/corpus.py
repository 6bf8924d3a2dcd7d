"""Corpus row: a published pair. What a consumer of the Parquet sees.

The columns are those of the pair without its working copies (`*_normalized`), with every score.
"""

import pyarrow as pa

from schemas.pair import PAIR
from schemas.table import table

WORKING_COLUMNS = ("source_normalized", "target_normalized")
VERSION = 1


def corpus_table(pairs: pa.Schema) -> pa.Schema:
    """Make the schema of corpus rows from the schema of scored pairs.

    Args:
        pairs: the fixed columns of `schemas.pair.PAIR`, then any scores.
    """
    return table("corpus", VERSION, [spec for spec in pairs if spec.name not in WORKING_COLUMNS])


CORPUS = corpus_table(PAIR)
