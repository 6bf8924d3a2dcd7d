"""Read records from files of text: paragraphs, lines, JSON lines, Parquet rows, TMX segments. Pure, without Beam.

The record is what an error costs: a line with invalid UTF-8 is rejected alone, and so is a paragraph, or a
file where the file is the unit. Line ends belong to the file, not to the text: they become newlines.
"""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from schemas.errors import RecordError
from schemas.reject import Reason
from transforms.read.charset import mark_of
from transforms.read.settings import Source
from transforms.read.streams import Unpacked
from transforms.read.tags import declared_tag

_CHUNK_BYTES = 1 << 20
_EXCERPT_BYTES = 800


class Record(NamedTuple):
    """A document to be."""

    text: str
    url: str | None = None
    title: str | None = None
    language: str | None = None
    licence: str | None = None


@dataclass(frozen=True, kw_only=True)
class BadRecord:
    """A record that cannot be used."""

    reason: Reason
    detail: str
    content: bytes = b""
    """Its beginning, for its id and the excerpt."""


class LongLine(NamedTuple):
    """A line over the limit: its beginning, and its length in bytes."""

    head: bytes
    size: int


def read_lines(file: Unpacked, limit: int) -> Iterator[bytes | LongLine]:
    """Read the lines of a file, without their ends (LF or CRLF); a last line needs none.

    Args:
        file: the bytes.
        limit: longest line in bytes; a longer one is skipped as it is read, and given as `LongLine`.
    """
    rest = b""
    skipped: LongLine | None = None
    while data := file.read(_CHUNK_BYTES):
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if skipped is not None:
                yield LongLine(skipped.head, skipped.size + len(line))
                skipped = None
            else:
                yield _limited(line.removesuffix(b"\r"), limit)
        if skipped is not None:
            skipped, rest = LongLine(skipped.head, skipped.size + len(rest)), b""
        elif len(rest) > limit:
            skipped, rest = LongLine(rest[:_EXCERPT_BYTES], len(rest)), b""
    if file.damage:
        return  # the last line is not whole
    if skipped is not None:
        yield skipped
    elif rest:
        yield _limited(rest.removesuffix(b"\r"), limit)


def _limited(line: bytes, limit: int) -> bytes | LongLine:
    return line if len(line) <= limit else LongLine(line[:_EXCERPT_BYTES], len(line))


def line_records(file: Unpacked, source: Source, limit: int) -> Iterator[Record | BadRecord]:
    """Make a record of every line. An empty line is a record too: it is rejected as empty."""
    encoding = codecs.lookup(source.encoding).name
    for line in _without_mark(read_lines(file, limit)):
        yield _decoded(line, encoding, limit)


def json_records(file: Unpacked, source: Source, limit: int) -> Iterator[Record | BadRecord]:
    """Make a record of every line of JSON; lines of white space are none."""
    decoder = msgspec.json.Decoder()
    encoding = codecs.lookup(source.encoding).name
    for line in _without_mark(read_lines(file, limit)):
        if isinstance(line, bytes) and not line.strip():
            continue
        decoded = _decoded(line, encoding, limit)
        if isinstance(decoded, BadRecord):
            yield decoded
            continue
        try:
            values = decoder.decode(decoded.text)
        except msgspec.DecodeError as error:
            yield BadRecord(reason=Reason.RECORD_MALFORMED, detail=f"no JSON: {error}", content=_bytes(line))
            continue
        if not isinstance(values, dict):
            detail = f"expected a JSON object, came {type(values).__name__}"
            yield BadRecord(reason=Reason.RECORD_MALFORMED, detail=detail, content=_bytes(line))
            continue
        yield row_record(values, source)


def row_record(values: dict[str, Any], source: Source) -> Record | BadRecord:
    """Make a record of a row of JSON or Parquet."""
    text = values.get(source.text_column)
    if not isinstance(text, str):
        came = "nothing" if text is None else type(text).__name__
        detail = f"expected text in {source.text_column!r}, came {came}"
        return BadRecord(
            reason=Reason.RECORD_MALFORMED,
            detail=detail,
            content=repr(sorted(values.items(), key=str)).encode("utf-8", "replace"),
        )
    url, title, language, licence = (
        _optional(values.get(name))
        for name in (source.url_column, source.title_column, source.language_column, source.licence_column)
    )
    return Record(text.replace("\r\n", "\n"), url, title, declared_tag(language), licence)


def text_records(file: Unpacked, source: Source, limit: int, max_characters: int) -> Iterator[Record | BadRecord]:
    """Make a record of the file, or of each of its paragraphs."""
    if source.unit == "file":
        record = _file_record(file, source, max_characters)
        if not file.damage:
            yield record
        return
    encoding = codecs.lookup(source.encoding).name
    paragraph: list[bytes | LongLine] = []
    for line in _without_mark(read_lines(file, limit)):
        if isinstance(line, LongLine) or line.strip():
            paragraph.append(line)
        elif paragraph:
            yield _paragraph(paragraph, encoding, limit)
            paragraph = []
    if paragraph and not file.damage:
        yield _paragraph(paragraph, encoding, limit)


def _paragraph(lines: list[bytes | LongLine], encoding: str, limit: int) -> Record | BadRecord:
    for line in lines:
        if isinstance(line, LongLine):
            return _decoded(line, encoding, limit)
    return _decoded(b"\n".join(line for line in lines if isinstance(line, bytes)), encoding, limit)


def _file_record(file: Unpacked, source: Source, max_characters: int) -> Record | BadRecord:
    most = 4 * max_characters + 4
    data = file.read(most + 1)
    if len(data) > most:
        detail = (
            f'more than {max_characters} characters; read it with unit = "paragraph", or raise max_document_characters'
        )
        return BadRecord(reason=Reason.TOO_LARGE, detail=detail, content=data[:_EXCERPT_BYTES])
    mark = mark_of(data)
    encoding, skipped = mark or (source.encoding, 0)
    decoded = _decoded(data[skipped:], encoding, most)
    if isinstance(decoded, BadRecord):
        return decoded
    return Record(decoded.text.replace("\r\n", "\n").replace("\r", "\n"))


def _without_mark(lines: Iterable[bytes | LongLine]) -> Iterator[bytes | LongLine]:
    for number, line in enumerate(lines):
        yield line.removeprefix(codecs.BOM_UTF8) if number == 0 and isinstance(line, bytes) else line


def _decoded(line: bytes | LongLine, encoding: str, limit: int) -> Record | BadRecord:
    if isinstance(line, LongLine):
        detail = f"a line of {line.size} bytes, expected at most {limit}"
        return BadRecord(reason=Reason.TOO_LARGE, detail=detail, content=line.head)
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError as error:
        wrong = " ".join(f"{byte:02x}" for byte in line[error.start : error.start + 4])
        detail = f"not {encoding}: {wrong} at byte {error.start}; set the source's encoding if it is another one"
        return BadRecord(reason=Reason.ENCODING_INVALID, detail=detail, content=line[:_EXCERPT_BYTES])
    if "\0" in text:
        return BadRecord(reason=Reason.NOT_TEXT, detail="a NUL in the text", content=line[:_EXCERPT_BYTES])
    return Record(text)


def parquet_records(file: Any, source: Source) -> Iterator[list[Record | BadRecord]]:
    """Make records of the rows of a Parquet file, a list for every few thousand rows.

    Args:
        file: an opened file that can seek.
        source: names the columns.

    Raises:
        RecordError: container_broken, when the file cannot be read (on).
        ValueError: it has no column of the text's name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
        there = set(opened.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise RecordError(Reason.CONTAINER_BROKEN, f"no Parquet: {error}") from error
    if source.text_column not in there:
        raise ValueError(f"there is no column {source.text_column!r}; the file has {', '.join(sorted(there))}")
    names = (source.text_column, source.url_column, source.title_column, source.language_column, source.licence_column)
    columns = [name for name in dict.fromkeys(names) if name in there]
    batches = opened.iter_batches(batch_size=2048, columns=columns)
    while True:
        try:
            batch = next(batches, None)
            rows = batch.to_pylist() if batch is not None else None
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise RecordError(Reason.CONTAINER_BROKEN, f"the Parquet file is damaged: {error}") from error
        if rows is None:
            return
        yield [row_record(row, source) for row in rows]


_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = {"bpt", "ept", "ph", "it", "ut"}
"""Elements of TMX that hold codes of the original format, no text."""


def tmx_records(file: Unpacked) -> Iterator[Record | BadRecord]:
    """Make a record of every segment of a TMX file, in one line, with the language that it declares.

    Raises:
        RecordError: container_broken, when the XML is damaged.
    """
    from lxml import etree

    try:
        for _, unit in etree.iterparse(file, events=("end",), tag="{*}tuv", resolve_entities=False, no_network=True):
            language = unit.get(_XML_LANGUAGE) or unit.get("lang")
            segment = unit.find("{*}seg")
            text = " ".join(_segment_text(segment).split()) if segment is not None else ""
            yield Record(text, language=declared_tag(language))
            unit.clear()
            # What was read is let go, or the whole file would stay in memory.
            while unit.getprevious() is not None:
                del unit.getparent()[0]
            while unit.getparent() is not None and unit.getparent().getprevious() is not None:
                del unit.getparent().getparent()[0]
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RecordError(Reason.CONTAINER_BROKEN, f"no sound XML: {error}") from error


def _segment_text(element: Any) -> str:
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and child.tag.rpartition("}")[2] not in _CODES:
            parts.append(_segment_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _optional(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _bytes(line: bytes | LongLine) -> bytes:
    return line[:_EXCERPT_BYTES] if isinstance(line, bytes) else line.head
