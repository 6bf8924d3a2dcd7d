"""What a model reads of a text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError
from transforms.identify.text import MOST_CHARACTERS, as_column, prepare_column, prepare_texts


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("L’é 25 æse, sciâ Baciccia! https://lij.wikipedia.org/x", "l'é æse sciâ baciccia"),
        ("eth Aran ei ua val deth Pirenèu·", "eth aran ei ua val deth pirenèu"),
        ("col·laboracion", "col·laboracion"),
        ("é", "é"),
        ("می‌خواهم ۲۵", "می‌خواهم"),
        ("हिन्दी में लिखा है।", "हिन्दी में लिखा है"),
        ("واش كاين شي حد؟", "واش كاين شي حد"),
        ("你欲去佗位？", "你欲去佗位"),
        ("one\ttwo\r\nthree\x00four", "one two three four"),
        ("mail@example.org", ""),
        ("12:30 – 14:00 😀", ""),
        ("", ""),
    ],
)
def test_letters(text, read):
    assert prepare_texts([text], "letters-1") == [read]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("你欲去佗位？好", "你欲 欲去 去佗 佗位 好"),
        ("去Taipei食𠀀飯", "去 taipei 食𠀀 𠀀飯"),
        ("東京へ行く", "東京 へ 行 く"),
        ("O gatto", "o gatto"),
    ],
)
def test_letters_in_pairs(text, read):
    assert prepare_texts([text], "letters-2") == [read]
    assert prepare_texts([read], "letters-2") == [read]


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8))
def test_letters_of_a_batch_are_those_of_each_text(texts):
    assert prepare_texts(texts, "letters-1") == [prepare_texts([text], "letters-1")[0] for text in texts]


RECIPES = st.sampled_from(["plain", "letters-1", "letters-2"])


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8), RECIPES)
def test_every_text_becomes_one_line(texts, recipe):
    lines = prepare_texts(texts, recipe)
    assert len(lines) == len(texts)
    assert not any("\n" in line for line in lines)


AWKWARD = st.one_of(
    st.text(max_size=12),
    st.text(
        alphabet=st.sampled_from("aWwé·‧'’-–Σςßİ@/.: \n\t\u00a0\u200c\u0301\u0328\u0653\u094d\u093c가가\u1e9b你𠀀😀𝒜Ⱥ"),
        max_size=14,
    ),
    st.sampled_from(
        ["WWW.a.b c", "wwww.x y", "http://x y", "a//b", "e\u0301a", "q\u0307\u0323", "-·a·-", "١٢", "x" * 2100]
    ),
)


@settings(deadline=None)  # the first call makes the table of code points and may compile
@given(st.lists(AWKWARD, max_size=8), RECIPES)
def test_a_column_is_prepared_as_its_texts(texts, recipe):
    assert prepare_column(as_column(texts), recipe).texts() == prepare_texts(texts, recipe)


def test_lone_surrogates_are_no_characters():
    assert as_column(["a\ud800b"]).to_pylist() == ["a?b"]


def test_very_long_texts_are_cut():
    assert len(prepare_texts(["a b " * 3_000_000], "letters-1")[0]) <= MOST_CHARACTERS


def test_an_unknown_recipe_stops_the_launch():
    with pytest.raises(SettingsError, match=r"recipe 'letters-9'"):
        prepare_texts([], "letters-9")
