"""Batches travel between workers as Arrow IPC."""

import pickle

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that

from schemas.document import DocumentBatch, document_id
from schemas.ledger import LedgerBatch
from schemas.pair import PairBatch
from schemas.score import score_field
from schemas.table import BATCH_ROWS
from transforms.common.coders import BatchCoder, encode_batch


def documents(number):
    rows = (
        {"document_id": document_id(None, str(i)), "source": "prova", "text": f"O l'é o numero {i}.", "robots": "none"}
        for i in range(number)
    )
    return DocumentBatch.from_rows(rows)


@pytest.mark.parametrize("rows", [0, 1, 100])
def test_a_batch_comes_back_as_it_went(rows):
    coder = BatchCoder(DocumentBatch)
    back = coder.decode(coder.encode(documents(rows)))
    assert back == documents(rows)
    assert back.data.schema.equals(documents(rows).data.schema, check_metadata=True)


def test_score_columns_travel_with_what_they_mean():
    spec = score_field("copy", "Is it a copy?", range="0 to 1", better="neither")
    pairs = PairBatch.empty().with_scores([spec], {"copy": pa.array([], pa.float32())})
    coder = BatchCoder(PairBatch)
    assert coder.decode(coder.encode(pairs)).data.schema.field("copy").metadata == spec.metadata


def test_a_slice_does_not_carry_its_parent():
    whole = documents(BATCH_ROWS)
    piece = next(whole.pieces(5))
    assert len(encode_batch(piece)) < len(encode_batch(whole)) / 50
    assert BatchCoder(DocumentBatch).estimate_size(piece) < whole.data.nbytes / 50


def test_the_schema_does_not_travel_with_every_batch():
    assert len(encode_batch(documents(1))) < len(DocumentBatch.SCHEMA.serialize())


def test_a_schema_of_its_own_travels():
    spec = score_field("copy", "Is it a copy?", range="0 to 1", better="neither")
    pairs = PairBatch.empty().with_scores([spec], {"copy": pa.array([], pa.float32())})
    assert len(encode_batch(pairs)) > len(PairBatch.SCHEMA.serialize()) > len(encode_batch(PairBatch.empty()))


def test_what_is_not_the_noun_is_refused_on_arrival():
    with pytest.raises(TypeError, match="LedgerBatch"):
        BatchCoder(LedgerBatch).decode(encode_batch(documents(1)))


def test_a_coder_is_known_by_its_noun():
    assert BatchCoder(DocumentBatch) == BatchCoder(DocumentBatch)
    assert BatchCoder(DocumentBatch) != BatchCoder(LedgerBatch)
    assert len({BatchCoder(DocumentBatch), BatchCoder(DocumentBatch)}) == 1
    assert pickle.loads(pickle.dumps(BatchCoder(DocumentBatch))) == BatchCoder(DocumentBatch)


@pytest.mark.parametrize("noun", [DocumentBatch, LedgerBatch, PairBatch])
def test_beam_finds_the_coder_of_a_noun(noun):
    assert beam.coders.registry.get_coder(noun) == BatchCoder(noun)


def test_batches_are_values_of_a_shuffle():
    with beam.Pipeline() as pipeline:
        grouped = (
            pipeline
            | beam.Create([("a", 2), ("a", 3), ("b", 1)])
            | beam.Map(lambda item: (item[0], documents(item[1]))).with_output_types(tuple[str, DocumentBatch])
            | beam.GroupByKey()
            | beam.Map(lambda item: (item[0], sorted(len(batch) for batch in item[1])))
        )

        def check(found):
            assert sorted(found) == [("a", [2, 3]), ("b", [1])]

        assert_that(grouped, check)
