import itertools

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.document import DocumentBatch, document_id
from schemas.ledger import imbalances
from schemas.reject import RejectBatch
from schemas.sentence import SentenceBatch, sentence_id
from transforms.common.edits import edit_lists, no_edits
from transforms.common.shards import AddUpLedger
from transforms.segment import Segment, SegmentSettings
from transforms.segment.batches import SegmentDocuments


def documents(*texts, hint="lij", normalized=None, edits=None):
    batch = DocumentBatch.from_rows(
        {
            "document_id": document_id(None, text),
            "source": "proa",
            "url": f"https://zena.example/{i}",
            "text": text,
            "normalized": (normalized or texts)[i],
            "language_hint": hint,
            "licence": "CC-BY-4.0",
            "robots": "allowed",
        }
        for i, text in enumerate(texts)
    )
    return batch.replace(edits=edit_lists([no_edits() if edits is None else edits[i] for i in range(len(texts))]))


def test_sentences_carry_their_span_and_where_they_come_from():
    batch = documents("A l'é bella. Scì!\nE chì?")
    made = SegmentDocuments()(batch).made
    assert made.texts("text") == ["A l'é bella.", "Scì!", "E chì?"]
    assert made.texts("normalized") == made.texts("text")
    assert made.texts("position") == [0, 1, 2]
    assert list(zip(made.texts("start"), made.texts("end"), strict=True)) == [(0, 12), (13, 17), (18, 24)]
    row = made.rows()[1]
    document = batch.rows()[0]
    assert row["sentence_id"] == sentence_id(document["document_id"], 13, 17)
    for name in ("document_id", "source", "url", "licence", "robots", "language_hint"):
        assert row[name] == document[name]
    assert row["variety"] is None


def test_spans_point_into_the_text_as_found():
    found = "l'e\u0300 bella.\u00a0\u00a0Sc\u00adi\u0300!"
    normalized = "l'è bella. Scì!"
    edits = [[[2, 4, 2, 3], [11, 13, 10, 11], [15, 16, 13, 13], [16, 18, 13, 14]]]
    made = SegmentDocuments()(documents(found, normalized=[normalized], edits=edits)).made
    assert made.texts("normalized") == ["l'è bella.", "Scì!"]
    assert made.texts("text") == ["l'e\u0300 bella.", "Sc\u00adi\u0300!"]
    for row in made.rows():
        assert found[row["start"] : row["end"]] == row["text"]


def test_two_sentences_never_share_an_edit():
    made = SegmentDocuments()(documents("XXXX Fin.", normalized=["Un. Doî. Fin."], edits=[[[0, 4, 0, 8]]])).made
    assert made.texts("text") == ["XXXX", "Fin."]
    assert made.texts("normalized") == ["Un. Doî.", "Fin."]


def test_a_document_that_was_never_normalized_is_read_as_found():
    batch = DocumentBatch.from_rows(
        [{"document_id": document_id(None, "Scì. No."), "source": "p", "text": "Scì. No.", "robots": "none"}]
    )
    assert SegmentDocuments()(batch).made.texts("normalized") == ["Scì.", "No."]


@pytest.mark.parametrize(
    ("text", "settings_", "reason", "left"),
    [
        ("Cöse? 123 – 456.\nScì.", SegmentSettings(), "no_letters", 2),
        ("a " * 30 + "\nScì.", SegmentSettings(max_characters=20), "sentence_too_long", 1),
        ("A.\nA primma fraze.", SegmentSettings(min_letters=3), "sentence_too_short", 1),
    ],
)
def test_single_sentences_are_rejected_and_the_document_goes_on(text, settings_, reason, left):
    result = SegmentDocuments(settings=settings_)(documents(text))
    assert [(r["unit"], r["reason"]) for r in result.rejects.rows()] == [("sentence", reason)]
    assert len(result.made) == left


def test_positions_count_rejected_sentences_too():
    assert SegmentDocuments()(documents("Un.\n***\nDoî.")).made.texts("position") == [0, 2]


def test_nothing_is_rejected_for_letters_when_none_are_asked_for():
    result = SegmentDocuments(settings=SegmentSettings(min_letters=0))(documents("12 : 30"))
    assert result.made.texts("text") == ["12 : 30"]


@pytest.mark.parametrize(("text", "reasons"), [("", ["empty"]), (" \n ", ["empty"]), ("***\n123", ["no_letters"] * 3)])
def test_a_document_without_any_sentence_is_rejected(text, reasons):
    result = SegmentDocuments()(documents(text))
    assert len(result.made) == 0
    assert result.rejects.texts("reason") == reasons
    assert result.rejects.texts("unit")[-1] == "document"


def test_an_empty_batch_is_answered_with_nothing():
    result = SegmentDocuments()(DocumentBatch.empty())
    assert (len(result.made), len(result.rejects)) == (0, 0)


@given(st.text(alphabet="aè'. !?\n12«»-", max_size=60))
@settings(deadline=None)
def test_every_letter_is_in_exactly_one_sentence_or_reject(text):
    result = SegmentDocuments(settings=SegmentSettings(max_characters=12))(documents(text))
    refused = [row["excerpt"] for row in result.rejects.rows() if row["unit"] == "sentence"]
    letters = sorted(letter for piece in result.made.texts("text") + refused for letter in piece if letter.isalpha())
    assert letters == sorted(letter for letter in text if letter.isalpha())
    spans = list(zip(result.made.texts("start"), result.made.texts("end"), strict=True))
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


@given(st.lists(st.text(alphabet="aè. \n1", max_size=20), max_size=6), st.integers(1, 5))
@settings(deadline=None)
def test_the_cut_into_batches_makes_no_difference(texts, rows):
    batch = documents(*dict.fromkeys(texts))
    whole = SegmentDocuments()(batch)
    cut = [SegmentDocuments()(piece) for piece in batch.pieces(rows)]
    assert SentenceBatch.concatenate([r.made for r in cut]).rows() == whole.made.rows()
    assert RejectBatch.concatenate([r.rejects for r in cut]).rows() == whole.rejects.rows()


def test_documents_and_sentences_are_accounted_for():
    with Pipeline() as pipeline:
        out = (
            pipeline
            | beam.Create([documents("A l'é bella. 12.", "***", ""), documents("Scì. No.", hint=None)])
            | Segment()
        )

        def balanced(ledgers):
            assert imbalances(ledgers[0]) == []
            counts = {(r["unit"], r["variety"], r["outcome"], r["reason"]): r["count"] for r in ledgers[0].rows()}
            assert counts == {
                ("document", "lij", "in", ""): 3,
                ("document", "lij", "out", ""): 1,
                ("document", "lij", "rejected", "no_letters"): 1,
                ("document", "lij", "rejected", "empty"): 1,
                ("document", "und", "in", ""): 1,
                ("document", "und", "out", ""): 1,
                ("sentence", "lij", "in", ""): 3,
                ("sentence", "lij", "yielded", ""): 1,
                ("sentence", "lij", "out", ""): 1,
                ("sentence", "lij", "rejected", "no_letters"): 2,
                ("sentence", "und", "in", ""): 2,
                ("sentence", "und", "yielded", ""): 2,
                ("sentence", "und", "out", ""): 2,
            }

        assert_that(out.ledger | AddUpLedger(), balanced)
