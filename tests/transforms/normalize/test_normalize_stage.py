import apache_beam as beam
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that

from schemas.document import DocumentBatch, document_id
from schemas.ledger import imbalances
from transforms.common.shards import AddUpLedger
from transforms.normalize import Normalize, NormalizeSettings, found_span, replay
from transforms.normalize.batches import NormalizeDocuments

TEXTS = ["Zena a l'e\u0300\u00a0bella.", "O seu o l'é ciæo.", "", "\u200b", "perchÃ© no?\r\nScì."]


def documents():
    return DocumentBatch.from_rows(
        {
            "document_id": document_id(None, text),
            "source": "proa",
            "text": text,
            "language_hint": "lij" if i % 2 else None,
            "robots": "none",
        }
        for i, text in enumerate(TEXTS)
    )


def test_the_text_as_found_stays_and_the_edits_lead_to_the_normalized_one():
    result = NormalizeDocuments()(documents())
    assert result.made.texts("text") == TEXTS
    assert result.made.texts("normalized") == ["Zena a l'è bella.", "O seu o l'é ciæo.", "", "", "perché no?\nScì."]
    for row in result.made.rows():
        edits = [(e["start"], e["end"], e["normalized_start"], e["normalized_end"]) for e in row["edits"]]
        assert replay(row["text"], row["normalized"], edits) == row["normalized"]
    first = [tuple(edit.values()) for edit in result.made.texts("edits")[0]]
    start, end = found_span(first, [7, 11], [10, 17])
    assert [TEXTS[0][a:b] for a, b in zip(start, end, strict=True)] == ["l'e\u0300", "bella."]


def test_an_empty_batch_is_answered_with_an_empty_batch():
    assert len(NormalizeDocuments()(DocumentBatch.empty()).made) == 0


def test_the_stage_gives_every_document_and_the_ledger_adds_up():
    with Pipeline() as pipeline:
        out = pipeline | beam.Create([documents()]) | Normalize(settings=NormalizeSettings())

        def made(batches):
            assert DocumentBatch.concatenate(batches).texts("normalized")[4] == "perché no?\nScì."

        def balanced(ledgers):
            assert imbalances(ledgers[0]) == []
            counts = {(r["variety"], r["outcome"]): r["count"] for r in ledgers[0].rows()}
            assert counts == {("lij", "in"): 2, ("und", "in"): 3, ("lij", "out"): 2, ("und", "out"): 3}

        assert_that(out.made, made, label="made")
        assert_that(out.ledger | AddUpLedger(), balanced, label="ledger")
