"""Mending a splitter's cuts: what holds for any variety with letter case."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.segment.repair import mend
from transforms.segment.splitting import split_sentences


def mended(*pieces: str) -> list[str]:
    line = "".join(pieces)
    cuts, at = [], 0
    for piece in pieces:
        cuts.append((at, at + len(piece)))
        at += len(piece)
    return [line[start:end].strip() for start, end in mend(line, cuts)]


def test_a_sentence_does_not_begin_with_a_small_letter_after_a_full_stop():
    assert mended("En monæe do 100 a.", "C. ", "ca. ", "O l'é lì.") == ["En monæe do 100 a.C. ca.", "O l'é lì."]


def test_a_sentence_may_begin_with_a_small_letter_after_a_question():
    assert mended("Cosse ti veu? ", "ninte.") == ["Cosse ti veu?", "ninte."]


def test_an_initial_ends_no_sentence():
    assert mended("L'é Edward G. ", "Robinson.") == ["L'é Edward G. Robinson."]


def test_closing_marks_belong_to_what_they_close():
    assert mended("«O l'é lì. ", "» A l'é sciâ.") == ["«O l'é lì. »", "A l'é sciâ."]
    assert mended("Dut al finìs. ", "”” Dopo al torne.") == ["Dut al finìs. ””", "Dopo al torne."]


def test_a_quotation_that_is_never_closed_keeps_no_sentences_together():
    assert mended("L’è “ndada innanz per tanti mes. El film l’è cumpars dopu.") == [
        "L’è “ndada innanz per tanti mes.",
        "El film l’è cumpars dopu.",
    ]


@pytest.mark.parametrize(
    "text", ["Il prof. Rossi parla.", "El sig. Bianchi al ven.", "Am 3. Oktober war es.", "U.S. Army"]
)
def test_an_abbreviation_before_a_capital_ends_no_sentence(text: str):
    assert mended(text) == [text]


def test_a_year_can_end_a_sentence():
    assert mended("I è mòrt del 1995. Poi vegne lü.") == ["I è mòrt del 1995.", "Poi vegne lü."]


@given(st.text(alphabet="aAèÈ .!?…\"'”’»(),;:1\u0645\u4f60", max_size=60), st.sets(st.integers(1, 59), max_size=6))
def test_every_character_stays_in_exactly_one_piece(line: str, at: set[int]):
    edges = [0, *sorted(bound for bound in at if bound < len(line)), len(line)]
    cuts = list(itertools.pairwise(edges))
    assert "".join(line[start:end] for start, end in mend(line, cuts)) == line


@given(st.text(alphabet="aA. \n“”", max_size=80))
def test_sentences_hold_all_that_is_not_white_space(text: str):
    kept = "".join(text[start:end] for start, end in split_sentences(text, "lij"))
    assert "".join(kept.split()) == "".join(text.split())
