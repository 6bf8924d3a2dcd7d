"""Read one file of a source into batches of documents, and count. Pure but for the file.

Neither ids nor rows depend on the file's name or on the place of a record in it, so the same records in one
file or in seven make the same documents. Only what is said of a damaged file names it.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO, Any, NamedTuple

from schemas.document import DocumentBatch, document_id
from schemas.errors import RecordError, SettingsError
from schemas.identity import content_id
from schemas.page import PageBatch, page_id
from schemas.reject import EXCERPT_CHARACTERS, Reason, RejectBatch
from schemas.table import BATCH_ROWS, UNDETERMINED
from transforms.common import files
from transforms.read.extract import licence_of, read_content_type
from transforms.read.inputs import Input, format_of
from transforms.read.pages import STAGE, ExtractPages
from transforms.read.records import (
    BadRecord,
    Record,
    json_records,
    line_records,
    parquet_records,
    text_records,
    tmx_records,
)
from transforms.read.settings import Format, ReadSettings, Source
from transforms.read.streams import Unpacked
from transforms.read.tags import declared_tag
from transforms.read.warc import Fetched, Refused, read_archive

_PAGES = 64
_BYTES = 16_000_000
"""Most pages, and about the most bytes, that are held before they are handed on."""


class Chunk(NamedTuple):
    """Some of what a file holds.

    Attributes:
        documents: made of its records.
        rejects: for the records that are none.
        unit: what the records are: page, document.
        entered: records that were seen.
        variety: that the configuration declares for them; `und` for none.
    """

    documents: DocumentBatch
    rejects: RejectBatch
    unit: str
    entered: int
    variety: str


def read_input(file: Input, settings: ReadSettings) -> Iterator[Chunk]:
    """Read a file as its source says; nothing is loaded whole but a page, a text that is one document, a row group.

    Raises:
        SettingsError: a Parquet file without the configured column of the text.
    """
    source = next(source for source in settings.sources if source.name == file.source)
    with files.open_stored(file.path) as stored:
        yield from read_stored(stored, file.path, source, settings)


def read_stored(stored: IO[bytes], path: str, source: Source, settings: ReadSettings) -> Iterator[Chunk]:
    """Read an opened file; `path` tells its format where the source does not, and names it where it is damaged."""
    kind = format_of(source, path)
    name = path.rsplit("/", 1)[-1]
    if kind == "warc":
        yield from _read_pages(read_archive(Unpacked(stored), name, settings.max_page_bytes), source, settings)
    elif kind == "html":
        yield from _read_pages(_html_file(Unpacked(stored), name, settings.max_page_bytes), source, settings)
    else:
        yield from _read_records(_records(kind, stored, path, source, settings), source, settings)


def _html_file(file: Unpacked, name: str, limit: int) -> Iterator[Fetched | Refused]:
    body = file.read(limit + 1)
    if file.damage:
        yield Refused(reason=_damage(file), detail=_damage_detail(file, name), content=name.encode())
    elif len(body) > limit:
        yield Refused(reason=Reason.TOO_LARGE, detail=f"more than {limit} bytes", content=body[:65536])
    else:
        yield Fetched(url=None, body=body)


def _damage(file: Unpacked) -> Reason:
    return Reason.CONTAINER_TRUNCATED if file.damage == "truncated" else Reason.CONTAINER_BROKEN


def _damage_detail(file: Unpacked, name: str) -> str:
    return f"{name}: the compression is {file.damage} at byte {file.offset}"


def _read_pages(found: Iterable[Fetched | Refused], source: Source, settings: ReadSettings) -> Iterator[Chunk]:
    extract = ExtractPages(settings=settings)
    variety = _variety(source)
    pages: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    size_bytes = 0

    def chunk() -> Chunk:
        result = extract(PageBatch.from_rows(pages))
        refused = RejectBatch.concatenate([result.rejects, RejectBatch.from_rows(rejects)])
        return Chunk(result.made, refused, "page", len(pages) + len(rejects), variety or UNDETERMINED)

    for record in found:
        if isinstance(record, Refused):
            identifier = content_id("page", record.url, record.content)
            reject = _reject("page", identifier, source, variety, (record.reason, record.detail))
            rejects.append(reject | {"url": _sound(record.url)})
        else:
            pages.append(_page(record, source, variety))
            size_bytes += len(record.body)
        if len(pages) >= _PAGES or size_bytes >= _BYTES or len(rejects) >= BATCH_ROWS:
            yield chunk()
            pages, rejects, size_bytes = [], [], 0
    if pages or rejects:
        yield chunk()


def _page(record: Fetched, source: Source, variety: str | None) -> dict[str, Any]:
    media_type, charset = read_content_type(record.content_type)
    declared = licence_of(record.licence) or record.licence if record.licence else None
    url = _sound(record.url)
    return {
        "page_id": page_id(url, record.body),
        "source": source.name,
        "url": url,
        "status": record.status,
        "content_type": media_type or None,
        "charset": charset,
        "content_language": record.content_language,
        "body": record.body,
        "language_hint": variety,
        "licence": source.licence or declared,
        "robots": record.robots,
    }


def _records(
    kind: Format, stored: IO[bytes], path: str, source: Source, settings: ReadSettings
) -> Iterator[Record | BadRecord]:
    name = path.rsplit("/", 1)[-1]
    if kind == "parquet":
        try:
            for rows in parquet_records(stored, source):
                yield from rows
        except ValueError as error:
            raise SettingsError(f"{path}: {error}", cure=f"Set text_column of the source {source.name!r}.") from error
        except RecordError as error:
            yield BadRecord(reason=error.reason, detail=f"{name}: {error.detail}", content=name.encode())
        return
    file = Unpacked(stored)
    limit = settings.max_line_bytes
    try:
        if kind == "lines":
            yield from line_records(file, source, limit)
        elif kind == "jsonl":
            yield from json_records(file, source, limit)
        elif kind == "tmx":
            yield from tmx_records(file)
        else:
            yield from text_records(file, source, limit, settings.max_document_characters)
    except RecordError as error:
        if not file.damage:
            yield BadRecord(reason=error.reason, detail=f"{name}: {error.detail}", content=name.encode())
    if file.damage:
        yield BadRecord(reason=_damage(file), detail=_damage_detail(file, name), content=name.encode())


def _read_records(found: Iterator[Record | BadRecord], source: Source, settings: ReadSettings) -> Iterator[Chunk]:
    variety = _variety(source)
    documents: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    characters = entered = 0

    def chunk() -> Chunk:
        made, refused = DocumentBatch.from_rows(documents), RejectBatch.from_rows(rejects)
        return Chunk(made, refused, "document", entered, variety or UNDETERMINED)

    with closing(found):  # type: ignore[type-var]
        for record in found:
            entered += 1
            bad = record if isinstance(record, BadRecord) else _refuse(record, settings.max_document_characters)
            if bad is None and isinstance(record, Record):
                documents.append(_document(record, source, variety))
                characters += len(record.text)
            elif bad is not None:
                rejects.append(_bad(bad, record, source, variety))
            if len(documents) >= BATCH_ROWS or len(rejects) >= BATCH_ROWS or characters >= _BYTES:
                yield chunk()
                documents, rejects, characters, entered = [], [], 0, 0
    if entered:
        yield chunk()


def _refuse(record: Record, limit: int) -> BadRecord | None:
    text = record.text
    if not text or text.isspace():
        return BadRecord(reason=Reason.EMPTY, detail="nothing but white space")
    if len(text) > limit:
        detail = f"{len(text)} characters, expected at most {limit}"
        return BadRecord(reason=Reason.TOO_LARGE, detail=detail, content=_beginning(text))
    if "\0" in text:
        return BadRecord(reason=Reason.NOT_TEXT, detail="a NUL in the text", content=_beginning(text))
    if _sound(text) != text:
        return BadRecord(reason=Reason.ENCODING_INVALID, detail="half of a surrogate pair", content=_beginning(text))
    return None


def _document(record: Record, source: Source, variety: str | None) -> dict[str, Any]:
    url = _sound(record.url)
    return {
        "document_id": document_id(url, record.text, source.name, variety or record.language),
        "source": source.name,
        "url": url,
        "title": _sound(record.title),
        "text": record.text,
        "language_hint": variety or record.language,
        "licence": source.licence or _sound(record.licence),
        "robots": "not_checked",
    }


def _bad(bad: BadRecord, record: Record | BadRecord, source: Source, variety: str | None) -> dict[str, Any]:
    reject = _reject("document", content_id("record", bad.content), source, variety, (bad.reason, bad.detail))
    # NUL would end the excerpt for many a reader.
    reject["excerpt"] = bad.content.decode("utf-8", "replace").replace("\0", "\ufffd")[:EXCERPT_CHARACTERS]
    if isinstance(record, Record):
        reject["url"] = _sound(record.url)
        reject["record_id"] = content_id("document", record.url, record.text)
    return reject


def _reject(unit: str, identifier: str, source: Source, variety: str | None, why: tuple[Reason, str]) -> dict[str, Any]:
    reason, detail = why
    return {
        "stage": STAGE,
        "unit": unit,
        "record_id": identifier,
        "variety": variety or UNDETERMINED,
        "reason": str(reason),
        "detail": detail,
        "source": source.name,
    }


def _variety(source: Source) -> str | None:
    return (declared_tag(source.variety) or source.variety) if source.variety else None


def _beginning(text: str) -> bytes:
    return text[:EXCERPT_CHARACTERS].encode("utf-8", "replace")


def _sound(text: str | None) -> str | None:
    """Give the text with halves of surrogate pairs replaced: UTF-8 cannot hold them."""
    return text.encode("utf-8", "replace").decode("utf-8") if text is not None else None
