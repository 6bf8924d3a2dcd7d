"""Blocks of vectors: what is written is read, and nothing else passes."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from schemas.sentence import SentenceBatch
from transforms.common.blocks import (
    VectorBlock,
    block_count,
    block_paths,
    normalize_rows,
    read_dense,
    read_sentence_column,
    read_sentences,
    read_sparse,
    write_dense,
    write_sentences,
    write_sparse,
)

WIDTH = 6


def block_in(folder, rows: int, kind: str, dimension: int = WIDTH) -> VectorBlock:
    return VectorBlock(str(folder), "lij", 0, rows, kind, dimension, "lij/0.parquet", "lij/0.arrow", "test:0")


def names(rows: int) -> pa.Array:
    return pa.array([f"{row:04d}" for row in range(rows)])


def unit_rows(rng, rows: int, width: int = WIDTH) -> np.ndarray:
    vectors = rng.normal(size=(rows, width)).astype(np.float32)
    normalize_rows(vectors)
    return vectors


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize(("sentences", "rows", "blocks"), [(0, 4, 1), (1, 4, 1), (4, 4, 1), (5, 4, 2), (12, 4, 3)])
def test_there_are_as_many_blocks_as_are_needed(sentences, rows, blocks):
    assert block_count(sentences, rows) == blocks


def test_paths_name_the_variety_and_the_part():
    assert block_paths("gsw", 3, 12) == ("gsw/part-00003-of-00012.parquet", "gsw/part-00003-of-00012.arrow")


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_dense_vectors_come_back_as_half_precision_keeps_them(tmp_path, rng, rows):
    vectors = unit_rows(rng, rows)
    block = block_in(tmp_path, rows, "dense")
    write_dense(block, names(rows), vectors)
    read = read_dense(block)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, vectors, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(read, axis=1), np.ones(rows), atol=1e-6)
    expected = vectors.astype(np.float16).astype(np.float32)
    normalize_rows(expected)
    assert read.tobytes() == expected.tobytes()


def test_a_dense_row_of_zeros_stays_one(tmp_path):
    block = block_in(tmp_path, 2, "dense")
    write_dense(block, names(2), np.array([[0] * WIDTH, [1] + [0] * (WIDTH - 1)], dtype=np.float32))
    np.testing.assert_array_equal(read_dense(block)[0], 0)


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_sparse_vectors_come_back_to_the_bit(tmp_path, rng, rows):
    dense = np.where(rng.random((rows, WIDTH)) < 0.5, rng.random((rows, WIDTH)), 0).astype(np.float32)
    vectors = sparse.csr_array(dense)
    block = block_in(tmp_path, rows, "sparse")
    write_sparse(block, names(rows), vectors)
    read = read_sparse(block)
    assert read.shape == (rows, WIDTH)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read.toarray(), dense)
    assert read.has_sorted_indices
    read.data[:] = 0  # arrays of its own, not the mapped file
    np.testing.assert_array_equal(read_sparse(block).toarray(), dense)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused(tmp_path, rng, bad):
    vectors = unit_rows(rng, 3)
    vectors[1, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        write_dense(block_in(tmp_path, 3, "dense"), names(3), vectors)
    with pytest.raises(ValueError, match="not finite"):
        write_sparse(block_in(tmp_path, 3, "sparse"), names(3), sparse.csr_array(vectors))
    assert not (tmp_path / "lij").exists()


@pytest.mark.parametrize("shape", [(2, WIDTH), (4, WIDTH), (3, WIDTH + 1)])
def test_another_shape_is_refused(tmp_path, shape):
    vectors = np.ones(shape, dtype=np.float32)
    with pytest.raises(ValueError, match="expected vectors of shape"):
        write_dense(block_in(tmp_path, 3, "dense"), names(3), vectors)
    with pytest.raises(ValueError, match="expected vectors of shape"):
        write_sparse(block_in(tmp_path, 3, "sparse"), names(3), sparse.csr_array(vectors))


def test_a_block_of_another_kind_dimension_or_length_is_refused(tmp_path, rng):
    block = block_in(tmp_path, 3, "dense")
    write_dense(block, names(3), unit_rows(rng, 3))
    with pytest.raises(ValueError, match="expected sparse vectors"):
        read_sparse(block)
    with pytest.raises(ValueError, match="of dimension 7"):
        read_dense(block._replace(dimension=7))
    with pytest.raises(ValueError, match="expected 4 rows of lij in block 0, got 3"):
        read_dense(block._replace(rows=4))
    with pytest.raises(ValueError, match="expected"):
        read_sparse(block._replace(kind="sparse"))


def sentences(texts: list[str]) -> SentenceBatch:
    return SentenceBatch.from_rows(
        [
            {
                "sentence_id": f"{row:04d}",
                "document_id": "d",
                "position": row,
                "start": 0,
                "end": len(text),
                "text": text,
                "normalized": text.lower(),
                "variety": "lij",
                "variety_probability": 0.9,
                "source": "test",
                "robots": "not_checked",
            }
            for row, text in enumerate(texts)
        ]
    )


def test_sentences_come_back_whole_and_by_column(tmp_path):
    batch = sentences(["O mâ o l’é grande.", "Sci.", "القاهرة"])
    block = block_in(tmp_path, 3, "dense")
    write_sentences(block, batch)
    assert read_sentences(block) == batch
    assert read_sentence_column(block, "text") == batch.texts("text")
    for read in (read_sentences, lambda other: read_sentence_column(other, "text")):
        with pytest.raises(ValueError, match="expected 2 rows"):
            read(block._replace(rows=2))
    with pytest.raises(ValueError, match="expected 4 rows"):
        write_sentences(block._replace(rows=4), batch)


@pytest.mark.parametrize("width", [16, 24, 300, 1023, 1024])
def test_the_length_of_a_row_depends_on_no_other_row_and_no_address(rng, width):
    """Blocks are cut at any size, and files are mapped at any address: neither may show in the bits."""
    vectors = rng.normal(size=(61, width)).astype(np.float32)
    whole = vectors.copy()
    normalize_rows(whole)
    for size in (1, 2, 3, 5, 20):
        for begin in range(0, len(vectors) - size, 7):
            part = vectors[begin : begin + size].copy()
            normalize_rows(part)
            assert part.tobytes() == whole[begin : begin + size].tobytes()
    for shift in (4, 8, 12, 20, 36):
        buffer = np.zeros(vectors.nbytes + 64, dtype=np.uint8)
        moved = buffer[shift : shift + vectors.nbytes].view(np.float32).reshape(vectors.shape)
        moved[:] = vectors
        normalize_rows(moved)
        assert moved.tobytes() == whole.tobytes()
