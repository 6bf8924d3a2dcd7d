import time

import pytest
import sentencex
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.segment import split_sentences
from transforms.segment.splitting import _MAY_END


def sentences(text, variety=None):
    return [text[start:end] for start, end in split_sentences(text, variety)]


@given(st.text(alphabet=st.one_of(st.sampled_from("aB. !?\n\r\t«»\"'()。؟।1\ud83d😀"), st.characters()), max_size=80))
@settings(max_examples=300, deadline=None)
def test_every_character_but_white_space_is_in_exactly_one_sentence(text):
    spans = split_sentences(text, "lij")
    at = 0
    for start, end in spans:
        assert text[at:start].strip() == ""
        assert start < end
        assert text[start:end].strip() == text[start:end]
        assert "\n" not in text[start:end]
        at = end
    assert text[at:].strip() == ""


@pytest.mark.parametrize(
    ("variety", "text", "expected"),
    [
        (
            "lij",
            "Bondì a tutti. Sciâ Maria a l'é chì! Cöse l'à dito?",
            ["Bondì a tutti.", "Sciâ Maria a l'é chì!", "Cöse l'à dito?"],
        ),
        ("lmo", "El dott. Bianchi l'è rivaa. L'è tardi.", ["El dott. Bianchi l'è rivaa.", "L'è tardi."]),
        ("fur", "O soi lât a Udin. E tu?", ["O soi lât a Udin.", "E tu?"]),
        ("gsw", "Mir gönd am 3. Mai. Chunnsch au?", ["Mir gönd am 3. Mai.", "Chunnsch au?"]),
        ("arz", "عامل إيه؟ أنا كويس.", ["عامل إيه؟", "أنا كويس."]),
        ("yue", "我去香港。你呢？", ["我去香港。", "你呢？"]),
        ("bho", "हम जात बानी। तू?", ["हम जात बानी।", "तू?"]),
        (None, "One. Two.", ["One.", "Two."]),
        ("x-unknown", "One. Two.", ["One.", "Two."]),
    ],
)
def test_the_rules_are_those_of_the_variety_or_its_standard_language(variety, text, expected):
    assert sentences(text, variety) == expected


def test_a_newline_always_ends_a_sentence():
    assert sentences("Tittolo sensa ponto\nA primma fraze\n\n a segonda ", "lij") == [
        "Tittolo sensa ponto",
        "A primma fraze",
        "a segonda",
    ]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t \n"])
def test_no_text_has_no_sentence(text):
    assert split_sentences(text, "it") == []


def test_a_long_line_is_split_in_time_that_grows_with_its_length():
    text = "A l'é coscì. " * 40_000
    started = time.perf_counter()
    spans = split_sentences(text, "lij")
    assert time.perf_counter() - started < 30  # in one piece it would be minutes
    assert len(spans) == 40_000


def test_a_cut_between_windows_is_no_sentence_end():
    sentence = "Parolla " + "parolla " * 30 + "finia."
    text = " ".join([sentence] * 60)
    assert set(sentences(text, "lij")) == {sentence}


def test_a_line_without_any_end_is_one_sentence():
    assert split_sentences("a" * 50_000) == [(0, 50_000)]


@pytest.mark.data
def test_lines_that_are_not_looked_into_are_one_sentence_for_sentencex_too(shared_data):
    """The quick look before sentencex costs no split: on 6,193 lines each, it differs on none."""
    for language, name in (("it", "lij_Latn"), ("it", "fur_Latn"), ("en", "eng_Latn")):
        for line in (shared_data / "oldi-seed" / "seed" / name).read_text(encoding="utf-8").splitlines():
            if line and not _MAY_END.search(line, 0, len(line.rstrip()) - 1):
                assert sentencex.segment(language, line) == [line]
