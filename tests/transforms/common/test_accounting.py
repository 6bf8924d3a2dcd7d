"""Counting what goes in, out and away."""

from schemas.document import DocumentBatch, document_id
from schemas.ledger import LedgerBatch
from schemas.pair import PairBatch
from schemas.reject import EXCERPT_CHARACTERS, Reason, RejectBatch
from schemas.sentence import SentenceBatch, sentence_id
from transforms.common.accounting import ledger_entries, parent_entries, reject_entries, rejects_of


def documents(*hints):
    return DocumentBatch.from_rows(
        {
            "document_id": document_id(None, str(i)),
            "source": "prova",
            "url": f"https://example.org/{i}",
            "text": "ü" * (i * 150),
            "language_hint": hint,
            "robots": "none",
        }
        for i, hint in enumerate(hints)
    )


def sentences(*parents):
    return SentenceBatch.from_rows(
        {
            "sentence_id": sentence_id(parent, i, i + 1),
            "document_id": parent,
            "position": i,
            "start": i,
            "end": i + 1,
            "text": "a",
            "normalized": "a",
            "language_hint": hint,
            "source": "prova",
            "robots": "none",
        }
        for i, (parent, hint) in enumerate(parents)
    )


def counts(ledger):
    return {(row["variety"], row["outcome"], row["reason"]): row["count"] for row in ledger.rows()}


def test_rows_are_counted_by_variety_and_null_is_und():
    entries = ledger_entries("segment", "document", "in", documents("lij", None, "lij"), "language_hint")
    assert counts(entries) == {("lij", "in", ""): 2, ("und", "in", ""): 1}
    assert {(row["stage"], row["unit"]) for row in entries.rows()} == {("segment", "document")}


def test_without_a_column_all_are_und():
    assert counts(ledger_entries("read", "document", "out", documents("lij", "lmo"), "")) == {("und", "out", ""): 2}


def test_nothing_counts_nothing():
    assert ledger_entries("read", "document", "in", DocumentBatch.empty(), "language_hint") == LedgerBatch.empty()
    assert reject_entries(RejectBatch.empty()) == LedgerBatch.empty()
    assert parent_entries("segment", "document", SentenceBatch.empty(), "document_id", "") == LedgerBatch.empty()
    assert rejects_of(documents("lij"), [], stage="read", unit="document", reasons=[]) == RejectBatch.empty()


def test_the_variety_of_a_pair_is_both():
    assert (
        ledger_entries("mine", "pair", "in", PairBatch.empty(), "source_variety>target_variety") == LedgerBatch.empty()
    )
    batch = documents("lij", None)
    entries = ledger_entries("x", "pair", "in", batch, "language_hint>source")
    assert counts(entries) == {("lij>prova", "in", ""): 1, ("und>prova", "in", ""): 1}


def test_rejects_carry_what_is_known_of_the_record():
    batch = documents("lij", None, "lmo")
    rejects = rejects_of(
        batch,
        [2, 1],
        stage="segment",
        unit="document",
        reasons=[Reason.EMPTY, Reason.NO_LETTERS],
        details=["nothing in it", None],
        variety="language_hint",
        text="text",
    )
    first, second = rejects.rows()
    assert first["record_id"] == batch.texts("document_id")[2]
    assert (first["stage"], first["unit"], first["reason"], first["detail"]) == (
        "segment",
        "document",
        "empty",
        "nothing in it",
    )
    assert (first["variety"], second["variety"]) == ("lmo", "und")
    assert first["url"] == "https://example.org/2"
    assert first["excerpt"] == "ü" * EXCERPT_CHARACTERS
    assert second["excerpt"] == "ü" * 150


def test_rejects_are_counted_by_reason():
    batch = documents("lij", "lij", "lmo")
    reasons = [Reason.EMPTY, Reason.EMPTY, Reason.NOT_TEXT]
    rejects = rejects_of(batch, [0, 1, 2], stage="read", unit="document", reasons=reasons, variety="language_hint")
    assert counts(reject_entries(rejects)) == {("lij", "rejected", "empty"): 2, ("lmo", "rejected", "not_text"): 1}


def test_a_parent_is_counted_once_however_many_children_it_has():
    first, second = document_id(None, "a"), document_id(None, "b")
    made = sentences((first, "lij"), (first, "lij"), (second, None))
    entries = parent_entries("segment", "document", made, "document_id", "language_hint")
    assert counts(entries) == {("lij", "out", ""): 1, ("und", "out", ""): 1}
