"""What all tables share: documented fields, versions, and the batch that carries rows.

A batch is a thin, typed coat over an Arrow RecordBatch. Its class is its noun (`SentenceBatch`), so a
graph that hands sentences to a stage of pairs is refused when it is built.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 8192
"""Most rows in a batch."""

UNDETERMINED = "und"
"""BCP 47 tag of text whose variety is not known."""


def field(
    name: str, kind: pa.DataType, meaning: str, *, unit: str | None = None, nullable: bool = False, **more: str
) -> pa.Field:
    """Make a field whose metadata says what it means.

    Args:
        name: the column's name.
        kind: its Arrow type.
        meaning: one sentence, for a consumer of the Parquet.
        unit: unit of the values, where they have one (`characters`, `bytes`).
        nullable: whether "unknown" is a possible value (it is then null, never a sentinel).
        more: further metadata, such as `range` and `better` of a score.
    """
    metadata = {"meaning": meaning} | ({"unit": unit} if unit else {}) | more
    return pa.field(name, _as_parquet_names_it(kind), nullable=nullable, metadata=metadata)


def _as_parquet_names_it(kind: pa.DataType) -> pa.DataType:
    """Call the values of a list `element`, as Parquet does, so that a table read back is the same, byte for byte."""
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_name("element"), kind.list_size)
    return pa.list_(kind.value_field.with_name("element")) if pa.types.is_list(kind) else kind


def table(name: str, version: int, fields: Sequence[pa.Field]) -> pa.Schema:
    """Make the schema of a table; its metadata carries the table's name and version."""
    return pa.schema(fields, metadata={"isogloss.table": name, "isogloss.version": str(version)})


class Batch:
    """Rows of one noun. Subclasses set `SCHEMA`.

    Args:
        data: rows whose schema equals `SCHEMA` (names, types, order, nullability).

    Raises:
        TypeError: the schema is another one.
    """

    SCHEMA: ClassVar[pa.Schema]
    ID: ClassVar[str] = ""
    """Name of the id column; empty where the noun has none."""

    __slots__ = ("__weakref__", "data")

    def __init__(self, data: pa.RecordBatch) -> None:
        if not self.fits(data.schema):
            raise TypeError(f"{type(self).__name__} expected {self.SCHEMA.names}, got {data.schema}")
        self.data = data

    @classmethod
    def fits(cls, schema: pa.Schema) -> bool:
        """Is this the schema of the noun?"""
        return bool(schema.equals(cls.SCHEMA))

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Make a batch from mappings; a missing nullable value becomes null."""
        rows = list(rows)
        columns = [
            pa.array([row[name] if not nullable else row.get(name) for row in rows], type=kind)
            for name, kind, nullable in ((f.name, f.type, f.nullable) for f in cls.SCHEMA)
        ]
        return cls(pa.RecordBatch.from_arrays(columns, schema=cls.SCHEMA))

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> Self:
        """Make a batch from a column per field: Arrow arrays, numpy arrays or lists, cast to the field's type.

        A nullable field that is missing becomes null in every row.
        """
        rows = len(next(iter(columns.values()))) if columns else 0
        unknown = set(columns) - set(cls.SCHEMA.names)
        if unknown:
            raise TypeError(f"{cls.__name__} has no field {sorted(unknown)}")
        arrays = []
        for spec in cls.SCHEMA:
            values = columns.get(spec.name)
            if values is None:
                if not spec.nullable:
                    raise TypeError(f"{cls.__name__}.{spec.name} is required")
                array = pa.nulls(rows, spec.type)
            elif isinstance(values, pa.ChunkedArray):
                array = _one_chunk(values).cast(spec.type)
            elif isinstance(values, pa.Array):
                array = values if values.type == spec.type else values.cast(spec.type)
            else:
                array = pa.array(values, type=spec.type)
            arrays.append(array)
        return cls(pa.RecordBatch.from_arrays(arrays, schema=cls.SCHEMA))

    @classmethod
    def empty(cls) -> Self:
        """Make a batch of no rows."""
        return cls(pa.RecordBatch.from_pylist([], schema=cls.SCHEMA))

    @classmethod
    def concatenate(cls, batches: Sequence["Batch"]) -> Self:
        """Join batches of this noun, in order, into one of any size."""
        if not batches:
            return cls.empty()
        if len(batches) == 1:
            return cls(batches[0].data)
        return cls.from_table(pa.Table.from_batches([b.data for b in batches]))

    @classmethod
    def from_table(cls, rows: pa.Table) -> Self:
        """Make one batch, of any size, from an Arrow table of the noun's schema."""
        joined = rows.combine_chunks().to_batches()
        if not joined:
            return cls(pa.RecordBatch.from_pylist([], schema=rows.schema))
        return cls(joined[0] if len(joined) == 1 else _joined(joined))

    def pieces(self, rows: int = BATCH_ROWS, together: str = "") -> Iterator[Self]:
        """Cut into batches of at most `rows` rows, in order; no rows give no batch.

        Args:
            rows: most rows of a batch.
            together: column; neighbouring rows with one value stay in one batch. Of a run of more than `rows` rows
                each `rows` are a batch, from its first row on, so that the cuts do not depend on what stands before it.
        """
        if not together:
            for start in range(0, len(self), rows):
                yield type(self)(self.data.slice(start, rows))
            return
        start = end = 0
        for first, last in itertools.pairwise(self.runs(together)):
            for place in range(first, last, rows):
                following = min(place + rows, last)
                if following - start > rows or place > first:
                    yield type(self)(self.data.slice(start, end - start))
                    start = place
                end = following
        if end > start:
            yield type(self)(self.data.slice(start, end - start))

    def runs(self, name: str) -> list[int]:
        """Give where each run of rows with one value in the column `name` begins, and the number of rows at the end."""
        if len(self) == 0:
            return [0]
        values = self.column(name)
        differs = pc.not_equal(values.slice(1), values.slice(0, len(values) - 1))
        return [0, *(np.flatnonzero(differs.to_numpy(zero_copy_only=False)) + 1).tolist(), len(values)]

    def take(self, indices: Any) -> Self:
        """Give the rows at these positions, in this order."""
        return type(self)(self.data.take(pa.array(indices, type=pa.int64())))

    def filter(self, mask: Any) -> Self:
        """Give the rows whose mask is true."""
        return type(self)(self.data.filter(mask if isinstance(mask, pa.Array) else pa.array(mask, type=pa.bool_())))

    def replace(self, **columns: Any) -> Self:
        """Give the batch with these columns replaced (cast to the field's type)."""
        data = self.data
        for name, values in columns.items():
            spec = data.schema.field(name)
            array = values.cast(spec.type) if isinstance(values, pa.Array) else pa.array(values, type=spec.type)
            data = data.set_column(data.schema.get_field_index(name), spec, array)
        return type(self)(data.replace_schema_metadata(self.data.schema.metadata))

    def column(self, name: str) -> pa.Array:
        """Give one column."""
        return self.data.column(self.data.schema.get_field_index(name))

    def texts(self, name: str) -> list[Any]:
        """Give one column as Python values."""
        return self.column(name).to_pylist()  # type: ignore[no-any-return]

    def rows(self) -> list[dict[str, Any]]:
        """Give the rows as dictionaries."""
        return self.data.to_pylist()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.data.equals(other.data)  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows)"


def _one_chunk(values: pa.ChunkedArray) -> pa.Array:
    joined = values.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        return pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], type=values.type)
    return joined


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    columns = [pa.concat_arrays([b.column(i) for b in batches]) for i in range(batches[0].num_columns)]
    return pa.RecordBatch.from_arrays(columns, schema=batches[0].schema)
