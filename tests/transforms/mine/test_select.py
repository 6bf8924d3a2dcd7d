"""Selection keeps one sentence a cluster, of a wanted variety, probable enough, and says why it rejects."""

import pytest

from schemas.sentence import SentenceBatch
from transforms.mine import MineSettings, SelectSentences


def sentences(*rows):
    """Sentences of (text, variety, probability, is_duplicate)."""
    return SentenceBatch.from_rows(
        [
            {
                "sentence_id": f"{number:032x}",
                "document_id": "d",
                "position": number,
                "start": 0,
                "end": len(text),
                "text": text,
                "normalized": text,
                "variety": variety,
                "variety_probability": probability,
                "is_duplicate": duplicate,
                "source": "prove",
                "robots": "allowed",
            }
            for number, (text, variety, probability, duplicate) in enumerate(rows)
        ]
    )


GIVEN = [
    ("O gatto o dorme.", "lij", 0.9, False),
    ("O gatto o dorme.", "lij", 0.9, True),
    ("Il gatto dorme.", "it", 0.8, False),
    ("El gatt el dorma.", "lmo", 0.7, False),
    ("?", "und", 0.2, False),
    ("Ah!", None, None, None),
    ("Sì.", "it", 0.3, False),
]


def test_every_reason_is_told_and_nothing_is_lost():
    batch = sentences(*GIVEN)
    result = SelectSentences(MineSettings(minimum_probability=0.5), ("lij", "it"))(batch)
    assert result.made.texts("text") == ["O gatto o dorme.", "Il gatto dorme."]
    assert len(result.made) + len(result.rejects) == len(batch)
    assert [(row["record_id"][-1], row["reason"], row["variety"]) for row in result.rejects.rows()] == [
        ("1", "duplicate", "lij"),
        ("3", "variety_not_wanted", "lmo"),
        ("4", "variety_undetermined", "und"),
        ("5", "variety_undetermined", "und"),
        ("6", "variety_uncertain", "it"),
    ]
    row = result.rejects.rows()[-1]
    assert (row["score"], row["limit"], row["excerpt"], row["stage"], row["unit"]) == (
        "variety_probability",
        0.5,
        "Sì.",
        "select",
        "sentence",
    )
    assert row["value"] == pytest.approx(0.3)
    assert result.rejects.rows()[0]["score"] is None


def test_the_limit_itself_is_enough():
    batch = sentences(("O mâ o l'é bleu.", "lij", 0.7, False))
    assert len(SelectSentences(MineSettings(minimum_probability=0.7), ["lij"])(batch).made) == 1


def test_a_variety_without_probability_passes_only_without_a_limit():
    batch = sentences(("O mâ.", "lij", None, False))
    assert len(SelectSentences(MineSettings(minimum_probability=0.0), ["lij"])(batch).made) == 1
    assert len(SelectSentences(MineSettings(minimum_probability=0.1), ["lij"])(batch).made) == 0


def test_an_empty_batch_is_ordinary():
    result = SelectSentences(MineSettings(), ["lij"])(SentenceBatch.empty())
    assert (len(result.made), len(result.rejects)) == (0, 0)
