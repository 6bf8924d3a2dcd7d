"""Deduplication: keys, clusters, and the stage against the plain function."""

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.identity import content_id
from schemas.ledger import add_up, imbalances
from schemas.sentence import SentenceBatch, sentence_id
from transforms.deduplicate import Deduplicate, DeduplicateSettings, annotate, deduplication_keys

TEXTS = [
    "O l’é bello!",
    "o l'é bello",
    "O lé bello",
    "Straße",
    "Strasse",
    "واش كاين؟",
    "واش كاين",
    "你欲去佗位？",
    "...",
    "3 euro",
    "4 euro",
]


def keys(*texts):
    return deduplication_keys(pa.array(texts, type=pa.string())).to_pylist()


def sentences(entries):
    """Make sentences from (document number, text, variety)."""
    rows = []
    for position, (number, text, variety) in enumerate(entries):
        document = content_id("document", str(number))
        rows.append(
            {
                "sentence_id": sentence_id(document, position, position + 1),
                "document_id": document,
                "position": position,
                "start": position,
                "end": position + 1,
                "text": text,
                "normalized": text,
                "variety": variety,
                "source": "test",
                "robots": "none",
            }
        )
    return SentenceBatch.from_rows(rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("O l’é bello!", "o l'é  BELLO"),
        ("Ça va ?", "Ça\u00a0va?"),
        ("«Bondì», o l’à dito.", '"Bondì" o l\'à dito'),
        ("e\u0301", "é"),
        ("co\u00adoperaçion", "cooperaçion"),
        ("你好，世界。", "你好 世界"),
    ],
)
def test_case_punctuation_white_space_and_invisible_characters_are_folded(one, other):
    assert keys(one) == keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "Strasse"),
        ("l’é", "lé"),
        ("perché", "perche"),
        ("3 maggio", "4 maggio"),
        ("10 %", "10 €"),
        ("10 %", "10"),
        ("می\u200cخواهم", "میخواهم"),
    ],
)
def test_spellings_numbers_and_signs_are_kept_apart(one, other):
    assert keys(one) != keys(other)


def test_punctuation_alone_is_its_own_key():
    assert keys("...", " ... ", "!", "") == ["...", "...", "!", ""]


def test_one_sentence_represents_its_cluster_and_it_has_the_smallest_id():
    found = annotate(sentences([(1, "O l’é bello!", "lij"), (2, "o l'é bello", "lij"), (3, "Bondì", "lij")])).rows()
    cluster = [row for row in found if row["cluster_size"] == 2]
    assert len(cluster) == 2
    assert len({row["cluster_id"] for row in cluster}) == 1
    assert [row["sentence_id"] for row in cluster if not row["is_duplicate"]] == [
        min(row["sentence_id"] for row in cluster)
    ]
    (alone,) = [row for row in found if row["cluster_size"] == 1]
    assert not alone["is_duplicate"]


def test_equal_sentences_of_two_varieties_are_two_clusters():
    found = annotate(sentences([(1, "La casa", "it"), (2, "La casa", "es"), (3, "La casa", None)])).rows()
    assert len({row["cluster_id"] for row in found}) == 3
    assert not any(row["is_duplicate"] for row in found)


def test_nothing_gives_nothing():
    assert len(annotate(SentenceBatch.empty())) == 0


entries = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(TEXTS), st.sampled_from(["lij", "it", None])), max_size=40
)


@given(entries)
def test_annotation_agrees_with_an_obvious_count(given_entries):
    found = annotate(sentences(given_entries)).rows()
    groups = {}
    for row in found:
        groups.setdefault((row["variety"], keys(row["normalized"])[0]), []).append(row)
    for members in groups.values():
        assert {row["cluster_size"] for row in members} == {len(members)}
        assert sum(not row["is_duplicate"] for row in members) == 1
        assert len({row["cluster_id"] for row in members}) == 1
    assert len({row["cluster_id"] for row in found}) == len(groups)


def built(batches, shards):
    """Build the stage on these batches."""
    pipeline = beam.Pipeline()
    outcome = (
        pipeline
        | beam.Create(batches, reshuffle=False).with_output_types(SentenceBatch)
        | Deduplicate(settings=DeduplicateSettings(shards=shards))
    )
    return pipeline, outcome


@settings(max_examples=4, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(TEXTS), st.sampled_from(["lij", None])), min_size=1, max_size=30
    ),
    st.integers(1, 7),
    st.integers(1, 5),
)
def test_the_stage_agrees_with_the_plain_function_for_any_cut(given_entries, size, shards):
    whole = sentences(given_entries)
    expected = {row["sentence_id"]: row for row in annotate(whole).rows()}
    pipeline, outcome = built(list(whole.pieces(size))[::-1], shards)

    def same(batches):
        found = [row for batch in batches for row in batch.rows()]
        assert len(found) == len(expected)
        assert {row["sentence_id"]: row for row in found} == expected

    def balanced(batches):
        total = add_up(batches)
        assert imbalances(total) == []
        assert sum(row["count"] for row in total.rows() if row["outcome"] == "in") == len(expected)

    assert_that(outcome.made, same, label="same")
    assert_that(outcome.ledger, balanced, label="balanced")
    assert_that(outcome.rejects, equal_to([]), label="no rejects")
    pipeline.run().wait_until_finish()
