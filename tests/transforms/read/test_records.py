import bz2
import gzip
import io
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.document import document_id
from schemas.errors import SettingsError
from transforms.read import ReadSettings, Source
from transforms.read.records import LongLine, read_lines
from transforms.read.sources import read_stored
from transforms.read.streams import Unpacked
from transforms.read.tags import declared_tag


def read(data, path="proa", limits=None, **source):
    """Read bytes as a file of the source: (documents, rejects)."""
    configured = Source(name="proa", path="x", **source)
    chunks = list(
        read_stored(io.BytesIO(data), path, configured, ReadSettings(sources=(configured,), **(limits or {})))
    )
    documents = [row for chunk in chunks for row in chunk.documents.rows()]
    rejects = [row for chunk in chunks for row in chunk.rejects.rows()]
    assert sum(chunk.entered for chunk in chunks) == len(documents) + len(rejects)
    return documents, rejects


def texts(rows):
    return [row["text"] for row in rows]


def reasons(rows):
    return [row["reason"] for row in rows]


def test_every_line_is_a_document():
    documents, rejects = read("\ufeffBondì.\r\nCöse?\n\nScì".encode(), format="lines", variety="lij", licence="CC0 1.0")
    assert texts(documents) == ["Bondì.", "Cöse?", "Scì"]
    assert reasons(rejects) == ["empty"]
    first = documents[0]
    assert first["document_id"] == document_id(None, "Bondì.", first["source"], "lij")
    assert (first["source"], first["url"], first["language_hint"], first["licence"], first["robots"]) == (
        "proa",
        None,
        "lij",
        "CC0 1.0",
        "not_checked",
    )
    assert first["normalized"] is None


def test_a_line_with_invalid_utf8_is_lost_alone():
    documents, rejects = read(b"Bond\xc3\xac\nperch\xe9 no\nSc\xc3\xac\n", format="lines")
    assert texts(documents) == ["Bondì", "Scì"]
    assert reasons(rejects) == ["encoding_invalid"]
    assert "e9 20 6e 6f" in rejects[0]["detail"]
    assert rejects[0]["excerpt"] == "perch\ufffd no"


def test_another_charset_is_read_when_the_source_says_so():
    assert texts(read("perché\n".encode("latin-1"), format="lines", encoding="latin-1")[0]) == ["perché"]


def test_a_line_with_nul_is_no_text():
    documents, rejects = read(b"a\x00b\nBond\xc3\xac\n", format="lines")
    assert texts(documents) == ["Bondì"]
    assert reasons(rejects) == ["not_text"]


def test_a_line_of_ten_megabytes_is_rejected_and_the_next_one_read():
    data = b"prima\n" + b"x" * 10_000_000 + b"\ndoppo\n"
    documents, rejects = read(data, format="lines")
    assert texts(documents) == ["prima", "doppo"]
    assert reasons(rejects) == ["too_large"]
    assert "10000000 bytes" in rejects[0]["detail"]
    assert len(rejects[0]["excerpt"]) == 200


def test_a_long_line_is_never_held_whole():
    packed = bz2.compress(b"x" * 60_000_000 + b"\nfin\n")
    tracemalloc.start()
    lines = list(read_lines(Unpacked(io.BytesIO(packed)), 1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [line.size if isinstance(line, LongLine) else line for line in lines] == [60_000_000, b"fin"]
    assert peak < 20_000_000


@given(
    st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=12),
    st.integers(1, 40),
)
@settings(deadline=None)
def test_lines_are_those_of_split(lines, limit):
    data = b"\n".join(lines)
    expected = data.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    found = read_lines(Unpacked(io.BytesIO(data)), limit)
    assert [line.head if isinstance(line, LongLine) else line for line in found] == expected


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_truncated_file_keeps_its_whole_lines(pack):
    text = "".join(f"Riga numero {i} de sto papê\n" for i in range(20_000)).encode()
    packed = pack(text)
    documents, rejects = read(
        packed[: len(packed) * 3 // 4], path="folder/proa.txt.gz", format="lines", limits={"max_line_bytes": 100}
    )
    assert reasons(rejects) == ["container_truncated"]
    assert "proa.txt.gz" in rejects[0]["detail"]
    assert set(texts(documents)) < set(text.decode().splitlines())


def test_text_is_a_document_a_file():
    documents, _ = read(b"Prima riga.\r\nSegonda.\r\n\r\nFin.", format="text")
    assert texts(documents) == ["Prima riga.\nSegonda.\n\nFin."]


def test_text_is_a_document_a_paragraph_when_asked():
    documents, rejects = read(b"Un.\nDoi.\n\n \nTrei.\n\nQ\xe9.\n\nSinque.", format="text", unit="paragraph")
    assert texts(documents) == ["Un.\nDoi.", "Trei.", "Sinque."]
    assert reasons(rejects) == ["encoding_invalid"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"perch\xe9", "encoding_invalid"),
        (b"a\x00b", "not_text"),
        (b"a" * 5000, "too_large"),
        (b"a" * 150, "too_large"),
        (gzip.compress(b"a" * 99, mtime=0)[:-12], "container_truncated"),
    ],
)
def test_a_file_that_is_no_document_is_rejected_with_a_reason(data, reason):
    documents, rejects = read(data, format="text", limits={"max_document_characters": 100})
    assert (texts(documents), reasons(rejects)) == ([], [reason])


def test_utf16_text_is_read_by_its_mark():
    assert texts(read("Bondì".encode("utf-16"), format="text")[0]) == ["Bondì"]


def test_json_lines_carry_their_columns():
    row = {
        "text": "Bondì.",
        "url": "https://zena.example/1",
        "title": "Salûo",
        "language": "LIJ",
        "licence": "CC BY 4.0",
        "more": [1],
    }
    (document,), _ = read(json.dumps(row).encode() + b"\n\n", format="jsonl")
    assert document["document_id"] == document_id("https://zena.example/1", "Bondì.")
    assert (document["title"], document["language_hint"], document["licence"]) == ("Salûo", "lij", "CC BY 4.0")


def test_what_the_configuration_says_beats_what_the_file_says():
    row = {"body": "Bondì.", "language": "it", "licence": "CC BY 4.0"}
    (document,), _ = read(
        json.dumps(row).encode(), format="jsonl", text_column="body", variety="Ligurian", licence="CC0 1.0"
    )
    assert (document["language_hint"], document["licence"]) == ("lij", "CC0 1.0")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "record_malformed"),
        (b"[1]", "record_malformed"),
        (b"{}", "record_malformed"),
        (b'{"text": 3}', "record_malformed"),
        (b'{"text": ""}', "empty"),
        (b'{"text": "a\\u0000b"}', "not_text"),
        (b'{"text": "perch\xe9"}', "encoding_invalid"),
        (b'{"text": "' + b"a" * 400 + b'"}', "too_large"),
    ],
)
def test_a_line_that_is_no_record_is_rejected_with_a_reason(line, reason):
    documents, rejects = read(line + b'\n{"text": "Bondi"}', format="jsonl", limits={"max_document_characters": 300})
    assert (texts(documents), reasons(rejects)) == (["Bondi"], [reason])


def test_halves_of_surrogate_pairs_do_no_harm():
    documents, rejects = read(b'{"text": "a\\ud83d"}\n{"text": "\\ud83d\\ude00", "title": "ok"}', format="jsonl")
    assert texts(documents) == ["😀"]
    assert len(rejects) == 1


def parquet(columns, **more):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **more)
    return sink.getvalue()


def test_parquet_rows_are_documents():
    data = parquet(
        {"text": ["Bondì.", None, "Scì."], "url": ["https://zena.example/1", None, None], "n": [1, 2, 3]},
        row_group_size=1,
    )
    documents, rejects = read(data, format="parquet")
    assert texts(documents) == ["Bondì.", "Scì."]
    assert documents[0]["url"] == "https://zena.example/1"
    assert reasons(rejects) == ["record_malformed"]


def test_what_is_no_parquet_is_a_broken_container():
    assert reasons(read(b"PAR1 not really", format="parquet")[1]) == ["container_broken"]


def test_parquet_without_the_column_of_the_text_stops_with_the_cure():
    with pytest.raises(SettingsError, match="no column 'text'; the file has body"):
        read(parquet({"body": ["a"]}), format="parquet")


TMX = """<?xml version="1.0" encoding="UTF-8"?><tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en"><seg>Open the <bpt i="1">&lt;b&gt;</bpt>file<ept i="1">&lt;/b&gt;</ept></seg></tuv>
<tuv xml:lang="fur"><seg>Vierç il
  <hi>file</hi></seg></tuv></tu>
<tu><tuv xml:lang="sc"><seg>Aberi</seg></tuv><tuv xml:lang="it"><seg/></tuv></tu></body></tmx>""".encode()


def test_tmx_segments_are_documents_of_one_line_without_codes():
    documents, rejects = read(TMX, format="tmx")
    assert [(row["text"], row["language_hint"]) for row in documents] == [
        ("Open the file", "en"),
        ("Vierç il file", "fur"),
        ("Aberi", "sc"),
    ]
    assert reasons(rejects) == ["empty"]


def test_a_cut_tmx_keeps_the_segments_before_the_cut():
    documents, rejects = read(TMX[: TMX.index(b'<tuv xml:lang="sc')], format="tmx")
    assert texts(documents) == ["Open the file", "Vierç il file"]
    assert reasons(rejects) == ["container_broken"]


def test_entities_of_a_tmx_are_not_resolved():
    bomb = b'<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><tmx><body><tu><tuv xml:lang="en"><seg>x &b;</seg></tuv></tu></body></tmx>'
    documents, _ = read(bomb, format="tmx")
    assert "ha" not in "".join(texts(documents))


@pytest.mark.data
def test_a_real_tmx_is_read_whole(shared_data):
    path = next((shared_data / "mozilla-tmx" / "fur").rglob("*.tmx*"))
    documents, rejects = read(path.read_bytes(), format="tmx")
    assert {row["language_hint"] for row in documents} >= {"fur"}
    assert len(documents) > 1000
    assert set(reasons(rejects)) <= {"empty"}


@pytest.mark.parametrize(
    ("declared", "tag"),
    [
        ("it_IT", "it"),
        ("it_IT.UTF-8", "it"),
        ("FUR", "fur"),
        ("x-default", None),
        ("und", None),
        ("", None),
        (None, None),
        ("??", None),
        ("qaa-latn", "qaa-Latn"),
    ],
)
def test_declared_tags_are_read(declared, tag):
    assert declared_tag(declared) == tag


def test_a_line_that_is_the_same_in_two_varieties_is_a_document_of_each():
    ligurian, _ = read(b"Firefox\n", format="lines", variety="lij")
    italian, _ = read(b"Firefox\n", format="lines", variety="it")
    assert ligurian[0]["document_id"] != italian[0]["document_id"]
