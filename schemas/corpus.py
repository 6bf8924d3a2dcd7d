"""Corpus row: a published pair. What a consumer of the Parquet sees.

The columns are those of the pair without its working copies (`*_normalized`), with every score.
"""

import pyarrow as pa

from schemas.pair import PAIR, PairBatch
from schemas.score import is_score
from schemas.table import Batch, table

WORKING_COLUMNS = ("source_normalized", "target_normalized")
VERSION = 1


def corpus_table(pairs: pa.Schema) -> pa.Schema:
    """Make the schema of corpus rows from the schema of scored pairs.

    Args:
        pairs: the fixed columns of `schemas.pair.PAIR`, then any scores.
    """
    return table("corpus", VERSION, [spec for spec in pairs if spec.name not in WORKING_COLUMNS])


CORPUS = corpus_table(PAIR)


class CorpusBatch(Batch):
    """Corpus rows; score columns may stand behind the fixed ones."""

    SCHEMA = CORPUS
    ID = "pair_id"
    __slots__ = ()

    @classmethod
    def fits(cls, schema: pa.Schema) -> bool:
        """Are the first fields the corpus row's, and all further ones scores?"""
        fixed = len(CORPUS)
        return (
            len(schema) >= fixed
            and all(schema.field(i).equals(CORPUS.field(i)) for i in range(fixed))
            and all(is_score(schema.field(i)) for i in range(fixed, len(schema)))
        )

    @classmethod
    def from_pairs(cls, pairs: PairBatch) -> "CorpusBatch":
        """Make corpus rows of scored pairs: all columns but the working ones."""
        schema = corpus_table(pairs.data.schema)
        arrays = [pairs.column(name) for name in schema.names]
        return cls(pa.RecordBatch.from_arrays(arrays, schema=schema))
