"""Pairs: fixed columns first, scores behind them in the order of their names."""

import pyarrow as pa
import pytest

from schemas.corpus import WORKING_COLUMNS, CorpusBatch
from schemas.pair import PAIR, PairBatch, pair_id
from schemas.score import is_score, score_field

SOURCE = "a" * 32
TARGET = "b" * 32
LENGTH = score_field("length_ratio", "Shorter length over longer.", range="0 to 1", better="higher")
COPY = score_field("copy", "Is one side a copy of the other?", range="0 to 1", better="neither", version=2)


def row(**more):
    sides = {
        f"{side}_{name}": value
        for side, identifier, tag, text in (("source", SOURCE, "lij", "Bondì"), ("target", TARGET, "it", "Buongiorno"))
        for name, value in (
            ("id", identifier),
            ("document_id", identifier),
            ("variety", tag),
            ("text", text),
            ("normalized", text),
            ("robots", "none"),
        )
    }
    return {"pair_id": pair_id(SOURCE, TARGET), "direction": "both"} | sides | more


@pytest.fixture
def pairs():
    return PairBatch.from_rows([row(cosine=0.5), row(cosine=None)])


def test_source_and_target_are_not_interchangeable():
    assert pair_id(SOURCE, TARGET) != pair_id(TARGET, SOURCE)


def test_scores_stand_behind_in_the_order_of_their_names(pairs):
    scored = pairs.with_scores([LENGTH], {"length_ratio": pa.array([0.5, None], pa.float32())})
    scored = scored.with_scores([COPY], {"copy": pa.array([0.0, 1.0], pa.float32())})
    assert scored.data.schema.names == [*PAIR.names, "copy", "length_ratio"]
    assert scored.texts("length_ratio") == [0.5, None]
    assert scored.data.schema.metadata == PAIR.metadata


def test_the_order_of_scoring_does_not_matter(pairs):
    columns = {"copy": pa.array([0.0, 1.0], pa.float32()), "length_ratio": pa.array([0.5, None], pa.float32())}
    together = pairs.with_scores([LENGTH, COPY], columns)
    apart = pairs.with_scores([LENGTH], columns).with_scores([COPY], columns)
    assert together == apart


def test_a_score_measured_again_replaces_itself(pairs):
    first = pairs.with_scores([COPY], {"copy": pa.array([0.0, 0.0], pa.float32())})
    again = first.with_scores([COPY], {"copy": pa.array([1.0, 1.0], pa.float32())})
    assert again.texts("copy") == [1.0, 1.0]


def test_a_column_that_is_no_score_is_refused(pairs):
    with pytest.raises(TypeError):
        PairBatch(pairs.data.append_column("colour", pa.array(["red", "blue"])))


def test_a_score_declares_range_direction_and_version():
    assert is_score(COPY)
    assert COPY.nullable
    assert {b"range", b"better", b"meaning", b"score", b"score_version"} <= set(COPY.metadata)
    assert COPY.metadata[b"score_version"] == b"2"
    assert not is_score(PAIR.field("pair_id"))


def test_joined_batches_keep_their_scores(pairs):
    scored = pairs.with_scores([COPY], {"copy": pa.array([0.0, 1.0], pa.float32())})
    joined = PairBatch.concatenate([scored, scored])
    assert joined.texts("copy") == [0.0, 1.0, 0.0, 1.0]
    assert is_score(joined.data.schema.field("copy"))


def test_batches_with_other_scores_do_not_join(pairs):
    scored = pairs.with_scores([COPY], {"copy": pa.array([0.0, 1.0], pa.float32())})
    with pytest.raises(pa.ArrowInvalid):
        PairBatch.concatenate([pairs, scored])


def test_corpus_rows_are_pairs_without_working_columns(pairs):
    scored = pairs.with_scores([COPY], {"copy": pa.array([0.0, 1.0], pa.float32())})
    corpus = CorpusBatch.from_pairs(scored)
    assert corpus.data.schema.names == [name for name in scored.data.schema.names if name not in WORKING_COLUMNS]
    assert corpus.texts("source_text") == ["Bondì", "Bondì"]
    assert corpus.data.schema.metadata[b"isogloss.table"] == b"corpus"
