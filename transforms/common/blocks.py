"""Vector blocks: what embedding hands to mining. A work item is a reference, so vectors never travel.

A block holds the sentences of one variety whose ids fall in one range, ordered by id, and their vectors in the
same order. The number of blocks of a variety follows from its number of sentences, and a row's block from
its id, so blocks are the same for any cut of the input.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from schemas.sentence import SentenceBatch
from schemas.vector import SPARSE_VECTOR, dense_vector_table
from transforms.common import files

DENSE = "dense"
SPARSE = "sparse"
_LARGEST_INT32 = 2**31 - 1


class VectorBlock(NamedTuple):
    """A block of one variety, as work items carry it.

    Attributes:
        folder: folder of the vectors checkpoint.
        variety: BCP 47 tag.
        number: block number within the variety: ids of block n are all smaller than those of block n + 1.
        rows: sentences in it.
        kind: `dense` or `sparse`.
        dimension: values of a dense vector; number of features of the sparse space.
        sentences: path below the folder: Parquet of sentence rows ordered by `sentence_id`.
        vectors: path below the folder: Arrow IPC file, same order and rows.
        encoder: name and digest of the model.
    """

    folder: str
    variety: str
    number: int
    rows: int
    kind: str
    dimension: int
    sentences: str
    vectors: str
    encoder: str


def block_count(sentences: int, block_rows: int) -> int:
    """Give the number of blocks of a variety with this many sentences: at least one."""
    return max(1, -(-sentences // block_rows))


def block_paths(variety: str, number: int, blocks: int) -> tuple[str, str]:
    """Give the paths of a block's sentences and vectors below the folder of the checkpoint."""
    name = f"{variety}/part-{number:05d}-of-{blocks:05d}"
    return f"{name}.parquet", f"{name}.arrow"


def read_sentences(block: VectorBlock) -> SentenceBatch:
    """Read the block's sentences, ordered by id.

    Raises:
        ValueError: the file has another number of rows than the block says.
    """
    rows = SentenceBatch.from_table(files.read_parquet(_path(block, block.sentences)))
    _check_rows(block, len(rows), block.sentences)
    return rows


def read_sentence_column(block: VectorBlock, name: str) -> list[Any]:
    """Read one column of the block's sentences, ordered by id.

    Raises:
        ValueError: the file has another number of rows than the block says.
    """
    values: list[Any] = files.read_parquet(_path(block, block.sentences), [name]).column(name).to_pylist()
    _check_rows(block, len(values), block.sentences)
    return values


def write_sentences(block: VectorBlock, sentences: SentenceBatch) -> None:
    """Write the block's sentences, which must be ordered by id."""
    _check_rows(block, len(sentences), block.sentences)
    files.write_parquet(_path(block, block.sentences), pa.Table.from_batches([sentences.data]))


def read_dense(block: VectorBlock) -> NDArray[np.float32]:
    """Read dense vectors.

    Returns:
        (rows, dimension) float32, every row of length 1: they are stored as float16, whose rounding is undone
        by normalizing again. A row of zeros stays one.

    Raises:
        ValueError: the file does not hold what the block says.
    """
    rows = _read(block, DENSE, dense_vector_table(block.dimension))
    stored = rows.column("vector")
    # `flatten` honours the offset; the values are a view of the mapped file until `astype` copies them.
    halves = stored.flatten().to_numpy(zero_copy_only=True).reshape(len(rows), block.dimension)
    return _restored(halves)


def as_stored(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Give dense vectors as they come back from a block: rounded to float16, rows of length 1."""
    return _restored(vectors.astype(np.float16))


def _restored(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = halves.astype(np.float32)
    normalize_rows(vectors)
    return vectors


def write_dense(block: VectorBlock, identifiers: pa.Array, vectors: NDArray[np.floating]) -> None:
    """Write dense vectors as float16.

    Args:
        block: where, how many, of what dimension.
        identifiers: (rows,) sentence ids.
        vectors: (rows, dimension), every row of length 1; finite.

    Raises:
        ValueError: another shape, or a value that is not finite.
    """
    if vectors.shape != (block.rows, block.dimension):
        raise ValueError(
            f"{block.vectors}: expected vectors of shape {(block.rows, block.dimension)}, got {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError(f"{block.vectors}: a vector has a value that is not finite")
    halves = np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1)
    column = pa.FixedSizeListArray.from_arrays(pa.array(halves), block.dimension)
    _write(block, [identifiers, column], dense_vector_table(block.dimension))


def read_sparse(block: VectorBlock) -> scipy.sparse.csr_array:
    """Read sparse vectors.

    Returns:
        (rows, dimension) float32 CSR matrix, rows of length 1, indices rising within a row.

    Raises:
        ValueError: the file does not hold what the block says.
    """
    rows = _read(block, SPARSE, SPARSE_VECTOR)
    indices, values = rows.column("indices"), rows.column("values")
    starts = indices.offsets.to_numpy().astype(np.int32)
    # Copies: sparse products of other libraries want arrays that they could write to.
    return scipy.sparse.csr_array(
        (
            values.flatten().to_numpy().copy(),
            indices.flatten().to_numpy().copy(),
            starts - starts[0] if len(starts) else starts,
        ),
        shape=(len(rows), block.dimension),
    )


def write_sparse(block: VectorBlock, identifiers: pa.Array, vectors: scipy.sparse.csr_array) -> None:
    """Write sparse vectors.

    Args:
        block: where, how many, of what dimension.
        identifiers: (rows,) sentence ids.
        vectors: (rows, dimension) CSR matrix, rows of length 1, indices rising within a row.

    Raises:
        ValueError: another shape, a value that is not finite, or more than 2**31 - 1 values in the block.
    """
    if vectors.shape != (block.rows, block.dimension):
        raise ValueError(
            f"{block.vectors}: expected vectors of shape {(block.rows, block.dimension)}, got {vectors.shape}"
        )
    if vectors.nnz > _LARGEST_INT32:
        raise ValueError(
            f"{block.vectors}: {vectors.nnz} values are more than one block can hold; lower embed.block_rows"
        )
    if not np.isfinite(vectors.data).all():
        raise ValueError(f"{block.vectors}: a vector has a value that is not finite")
    starts = pa.array(vectors.indptr.astype(np.int32))
    columns = [
        identifiers,
        pa.ListArray.from_arrays(starts, pa.array(vectors.indices.astype(np.int32))),
        pa.ListArray.from_arrays(starts, pa.array(vectors.data.astype(np.float32))),
    ]
    _write(block, columns, SPARSE_VECTOR)


def normalize_rows(vectors: NDArray[np.float32]) -> None:
    """Give every row length 1, in place; a row of zeros stays one."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[lengths == 0] = 1
    vectors /= lengths[:, None]


def _path(block: VectorBlock, path: str) -> str:
    return files.join(block.folder, *path.split("/"))


def _check_rows(block: VectorBlock, rows: int, path: str) -> None:
    if rows != block.rows:
        raise ValueError(f"{path}: expected {block.rows} rows of {block.variety} in block {block.number}, got {rows}")


def _read(block: VectorBlock, kind: str, schema: pa.Schema) -> pa.RecordBatch:
    if block.kind != kind:
        raise ValueError(f"{block.vectors}: expected {kind} vectors, the block has {block.kind} ones")
    path = _path(block, block.vectors)
    source = pa.memory_map(path) if files.is_local(path) else pa.BufferReader(files.read_bytes(path))
    with pa.ipc.open_file(source) as reader:
        if reader.num_record_batches != 1 or not reader.schema.equals(schema):
            raise ValueError(
                f"{block.vectors}: expected {schema.names} of dimension {block.dimension}, got {reader.schema}"
            )
        rows = reader.get_batch(0)
    _check_rows(block, rows.num_rows, block.vectors)
    return rows


def _write(block: VectorBlock, columns: list[pa.Array], schema: pa.Schema) -> None:
    sink = pa.BufferOutputStream()
    # Not compressed: a compressed file could not be mapped.
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    files.write_bytes(_path(block, block.vectors), sink.getvalue().to_pybytes())
