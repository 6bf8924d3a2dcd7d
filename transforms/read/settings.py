"""Settings of read: the `[read]` section of the configuration, and each of its `[[read.sources]]`."""

import codecs
from typing import Annotated, Literal

import msgspec

Format = Literal["auto", "warc", "html", "text", "lines", "jsonl", "parquet", "tmx"]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of one format, with what is known of their text."""

    name: Annotated[str, msgspec.Meta(min_length=1, description="Name, as every row will carry it.")]
    path: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            description="File, folder or glob, on any store. Of a folder the files are read whose suffix the format knows.",
        ),
    ]
    format: Annotated[
        Format,
        msgspec.Meta(
            description="auto: by suffix. warc: WARC and ARC. html: a page a file. text: running text. "
            "lines: every line is a document of its own, such as a side of a parallel corpus. jsonl, parquet: "
            "a row a document. tmx: every segment is a document of one line. All but parquet also as .gz or .bz2."
        ),
    ] = "auto"
    variety: Annotated[
        Annotated[str, msgspec.Meta(min_length=1)] | None,
        msgspec.Meta(description="Variety of the text, a BCP 47 tag or alias; beats what files declare."),
    ] = None
    licence: Annotated[
        Annotated[str, msgspec.Meta(min_length=1)] | None,
        msgspec.Meta(description="Licence of the text; beats what files declare."),
    ] = None
    unit: Annotated[
        Literal["file", "paragraph"],
        msgspec.Meta(description="text: a document is the whole file, or what stands between blank lines."),
    ] = "file"
    encoding: Annotated[
        str, msgspec.Meta(description="text, lines, jsonl: charset of the files; a byte order mark beats it.")
    ] = "utf-8"
    text_column: Annotated[str, msgspec.Meta(min_length=1, description="jsonl, parquet: column of the text.")] = "text"
    url_column: Annotated[str, msgspec.Meta(description="jsonl, parquet: column of the URL, where there is one.")] = (
        "url"
    )
    title_column: Annotated[
        str, msgspec.Meta(description="jsonl, parquet: column of the title, where there is one.")
    ] = "title"
    language_column: Annotated[
        str, msgspec.Meta(description="jsonl, parquet: column of the language tag, where there is one.")
    ] = "language"
    licence_column: Annotated[
        str, msgspec.Meta(description="jsonl, parquet: column of the licence, where there is one.")
    ] = "licence"

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"encoding: there is no charset {self.encoding!r}") from None
        if self.encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")) and self.format in {
            "lines",
            "jsonl",
        }:
            raise ValueError("encoding: files of lines must be UTF-8 or of one byte a character; convert them first")


class ReadSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the text comes from, and limits."""

    sources: Annotated[tuple[Source, ...], msgspec.Meta(description="What is read.")] = ()
    max_document_characters: Annotated[
        int, msgspec.Meta(ge=1, description="Longest document, in code points; longer ones are rejected.")
    ] = 1_000_000
    max_line_bytes: Annotated[
        int,
        msgspec.Meta(
            ge=1, description="Longest line of text, lines and jsonl files, in bytes; longer ones are rejected."
        ),
    ] = 4_000_000
    max_page_bytes: Annotated[
        int, msgspec.Meta(ge=1, description="Largest page, in bytes after decompression; larger ones are rejected.")
    ] = 10_000_000
    favour: Annotated[
        Literal["recall", "balance", "precision"],
        msgspec.Meta(description="What the extraction of main text does when unsure: keep more, or leave out more."),
    ] = "balance"
    tables: Annotated[bool, msgspec.Meta(description="Keep the text of tables.")] = True

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sources: the name {twice[0]!r} stands twice; every source needs its own")
