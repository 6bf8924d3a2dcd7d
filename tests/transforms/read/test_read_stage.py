import gzip
import json

import apache_beam as beam
import msgspec
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that

from schemas.document import DocumentBatch
from schemas.errors import SettingsError
from schemas.ledger import imbalances
from schemas.reject import RejectBatch
from transforms.common.shards import AddUpLedger
from transforms.read import Read, ReadSettings, Source, list_inputs
from transforms.read.sources import read_input

PAGE = "<html lang='lij'><head><link rel='canonical' href='https://zena.example/{0}'></head><body><p>Paggina numero {0}, con quarche parolla.</p></body></html>"


def run(settings, check):
    with Pipeline() as pipeline:
        out = pipeline | Read(settings=settings)
        ledger = out.ledger | AddUpLedger()

        def balanced(batches):
            assert imbalances(batches[0]) == []

        assert_that(ledger, balanced, label="ledger")
        parts = (
            (out.made | "M" >> beam.Map(lambda batch: ("made", batch.rows())).with_output_types(tuple)),
            (out.rejects | "R" >> beam.Map(lambda batch: ("rejects", batch.rows())).with_output_types(tuple)),
        )

        def checked(found):
            made = [row for kind, rows in found if kind == "made" for row in rows]
            rejects = [row for kind, rows in found if kind == "rejects" for row in rows]
            check(
                sorted(made, key=lambda row: row["document_id"]),
                sorted(rejects, key=lambda row: (row["record_id"], row["reason"])),
            )

        assert_that(parts | beam.Flatten(), checked, label="rows")


def write(folder, shards):
    """Write the same records in so many files."""
    lines = [json.dumps({"text": f"Riga {i}.", "url": f"https://zena.example/{i % 3}"}) for i in range(14)]
    lines[5] = "{broken"
    for shard in range(shards):
        part = "".join(f"{line}\n" for line in lines[shard::shards])
        (folder / f"part-{shard}.jsonl.gz").write_bytes(gzip.compress(part.encode()))


def test_the_same_records_in_one_file_or_in_seven_make_the_same_rows(tmp_path):
    seen = []
    for shards in (1, 7):
        folder = tmp_path / str(shards)
        folder.mkdir()
        write(folder, shards)
        settings = ReadSettings(sources=(Source(name="proa", path=str(folder), variety="lij"),))
        chunks = [chunk for file in list_inputs(settings) for chunk in read_input(file, settings)]
        made = [row for chunk in chunks for row in chunk.documents.rows()]
        rejects = [row for chunk in chunks for row in chunk.rejects.rows()]
        seen.append((sorted(made, key=str), sorted(rejects, key=str)))
    assert seen[0] == seen[1]
    assert (len(seen[0][0]), len(seen[0][1])) == (13, 1)


def test_several_sources_of_several_formats(tmp_path):
    pages = tmp_path / "pages" / "deep"
    pages.mkdir(parents=True)
    for i in range(3):
        (pages / f"{i}.html").write_text(PAGE.format(i), encoding="utf-8")
    (pages / "empty.html").write_bytes(b"")
    (pages / "notes.json").write_text("{}")
    (tmp_path / "side.txt").write_text("Un.\nDoi.\n", encoding="utf-8")
    settings = ReadSettings(
        sources=(
            Source(name="pages", path=str(tmp_path / "pages"), format="html", licence="CC BY 4.0"),
            Source(name="side", path=str(tmp_path / "*.txt"), format="lines", variety="fur"),
        )
    )

    def check(made, rejects):
        assert {(row["source"], row["url"], row["language_hint"]) for row in made} == {
            *(("pages", f"https://zena.example/{i}", "lij") for i in range(3)),
            ("side", None, "fur"),
        }
        assert [(row["unit"], row["reason"], row["source"]) for row in rejects] == [("page", "empty", "pages")]

    run(settings, check)
    assert [(file.source, file.path.rsplit("/", 1)[-1]) for file in list_inputs(settings)] == [
        ("pages", "0.html"),
        ("pages", "1.html"),
        ("pages", "2.html"),
        ("pages", "empty.html"),
        ("side", "side.txt"),
    ]
    assert all(file.modified > 0 for file in list_inputs(settings))


@pytest.mark.parametrize(
    ("make", "path", "match"),
    [
        (lambda folder: Source(name="a", path=str(folder / "none*.txt")), "$.read.sources[0].path", "no file matches"),
        (lambda folder: Source(name="a", path=str(folder / "a.xyz")), "$.read.sources[0].format", "tells no format"),
        (lambda folder: Source(name="a", path=str(folder)), "$.read.sources[0].path", "no file in"),
    ],
)
def test_a_source_without_files_to_read_is_refused_before_the_launch(tmp_path, make, path, match):
    (tmp_path / "a.xyz").write_text("a")
    with pytest.raises(SettingsError, match=match) as caught:
        list_inputs(ReadSettings(sources=(make(tmp_path),)))
    assert caught.value.path == path
    assert caught.value.cure


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"sources": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]}, "stands twice"),
        ({"sources": [{"name": "a", "path": "x", "encoding": "nope"}]}, r"no charset 'nope'.*\$\.sources\[0\]"),
        ({"sources": [{"name": "a", "path": "x", "format": "docx"}]}, "format"),
        ({"sources": [{"name": "a", "path": "x", "colour": 1}]}, "colour"),
    ],
)
def test_wrong_settings_are_refused_with_their_path(values, match):
    with pytest.raises(msgspec.ValidationError, match=match):
        msgspec.convert(values, ReadSettings)


def test_rows_are_of_the_nouns_that_the_stage_declares():
    with Pipeline() as pipeline:
        out = pipeline | Read(settings=ReadSettings())
        assert out.made.element_type is DocumentBatch
        assert out.rejects.element_type is RejectBatch
