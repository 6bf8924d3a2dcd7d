"""A pure function becomes a step that accounts for every record."""

from dataclasses import dataclass
from functools import partial

import apache_beam as beam
import pyarrow.compute as pc
import pytest
from apache_beam.testing.util import assert_that
from apache_beam.typehints import TypeCheckError

from schemas.document import DocumentBatch, document_id
from schemas.ledger import LedgerBatch, add_up, imbalances
from schemas.reject import Reason, RejectBatch
from schemas.sentence import SentenceBatch, sentence_id
from transforms.common.accounting import Result, rejects_of
from transforms.common.stage import MapBatches

TEXTS = ["Bondì.", "", "El gh'è minga.", "Mandi. Cemût?", ""]
HINTS = ["lij", "lij", "lmo", "fur", None]


def documents():
    return DocumentBatch.from_rows(
        {
            "document_id": document_id(None, f"{i}{text}"),
            "source": "p",
            "text": text,
            "language_hint": hint,
            "robots": "none",
        }
        for i, (text, hint) in enumerate(zip(TEXTS, HINTS, strict=True))
    )


def is_empty(batch):
    return pc.equal(batch.column("text"), "")


def empties_of(batch, stage):
    empty = [i for i, text in enumerate(batch.texts("text")) if not text]
    reasons = [Reason.EMPTY] * len(empty)
    return rejects_of(batch, empty, stage=stage, unit="document", reasons=reasons, variety="language_hint")


@dataclass(frozen=True)
class Shout:
    """A factory as rooms write them: a picklable dataclass."""

    mark: str

    def __call__(self):
        return partial(shout, mark=self.mark)


def shout(batch, mark):
    kept = batch.filter(pc.invert(is_empty(batch)))
    return Result(
        kept.replace(normalized=[text.upper() + mark for text in kept.texts("text")]), empties_of(batch, "shout")
    )


def split_words():
    return words_of


def words_of(batch):
    rows = [
        {
            "sentence_id": sentence_id(row["document_id"], place, place + 1),
            "document_id": row["document_id"],
            "position": place,
            "start": place,
            "end": place + 1,
            "text": word,
            "normalized": word,
            "language_hint": row["language_hint"],
            "source": row["source"],
            "robots": row["robots"],
        }
        for row in batch.rows()
        for place, word in enumerate(row["text"].split())
    ]
    return Result(SentenceBatch.from_rows(rows), empties_of(batch, "words"))


def shouting(**more):
    settings = {"stage": "shout", "unit": "document", "make_function": Shout("!"), "variety": "language_hint"}
    return MapBatches(**settings | {"given": DocumentBatch, "made": DocumentBatch} | more)


def run(stage, check_made, check_rejects, check_ledger):
    with beam.Pipeline() as pipeline:
        given = pipeline | beam.Create([0, 1]) | beam.Map(lambda _: documents()).with_output_types(DocumentBatch)
        outcome = given | stage
        assert_that(outcome.made, check_made, label="made")
        assert_that(outcome.rejects, check_rejects, label="rejects")
        assert_that(outcome.ledger, check_ledger, label="ledger")
    return pipeline


def test_what_goes_on_what_does_not_and_the_count():
    def check_made(batches):
        assert [batch.texts("normalized") for batch in batches] == [
            ["BONDÌ.!", "EL GH'È MINGA.!", "MANDI. CEMÛT?!"]
        ] * 2

    def check_rejects(batches):
        assert [row["reason"] for row in RejectBatch.concatenate(batches).rows()] == ["empty"] * 4

    def check_ledger(batches):
        ledger = add_up(batches)
        assert imbalances(ledger) == []
        found = {(row["variety"], row["outcome"]): row["count"] for row in ledger.rows()}
        assert found == {
            ("lij", "in"): 4,
            ("lij", "out"): 2,
            ("lij", "rejected"): 2,
            ("lmo", "in"): 2,
            ("lmo", "out"): 2,
            ("fur", "in"): 2,
            ("fur", "out"): 2,
            ("und", "in"): 2,
            ("und", "rejected"): 2,
        }

    run(shouting(), check_made, check_rejects, check_ledger)


def test_a_stage_that_makes_another_noun_counts_parents_and_children():
    stage = shouting(
        stage="words", make_function=split_words, made=SentenceBatch, parent="document_id", made_unit="sentence"
    )

    def check_made(batches):
        assert all(type(batch) is SentenceBatch for batch in batches)
        assert sum(len(batch) for batch in batches) == 2 * 6

    def check_rejects(batches):
        assert sum(len(batch) for batch in batches) == 4

    def check_ledger(batches):
        ledger = add_up(batches)
        assert imbalances(ledger) == []
        yielded = {row["variety"]: row["count"] for row in ledger.rows() if row["outcome"] == "yielded"}
        assert yielded == {"lij": 2, "lmo": 6, "fur": 4}
        assert {row["unit"] for row in ledger.rows() if row["outcome"] == "yielded"} == {"sentence"}

    run(stage, check_made, check_rejects, check_ledger)


def test_a_lost_record_shows_in_the_ledger():
    def lose():
        return lambda batch: Result(batch.take([0]), RejectBatch.empty())

    def check_ledger(batches):
        assert len(imbalances(add_up(batches))) == 4

    run(shouting(make_function=lose), lambda _: None, lambda _: None, check_ledger)


def test_outputs_have_types():
    outcome = (
        beam.Pipeline()
        | beam.Create([0])
        | beam.Map(lambda _: documents()).with_output_types(DocumentBatch)
        | shouting()
    )
    assert outcome.made.element_type is DocumentBatch
    assert outcome.rejects.element_type is RejectBatch
    assert outcome.ledger.element_type is LedgerBatch


def test_stages_that_do_not_fit_are_refused_when_the_graph_is_laid():
    pipeline = beam.Pipeline()
    given = pipeline | beam.Create([0]) | beam.Map(lambda _: SentenceBatch.empty()).with_output_types(SentenceBatch)
    with pytest.raises(TypeCheckError, match="DocumentBatch"):
        given | shouting()
