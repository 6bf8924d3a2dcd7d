"""Words of a text as found."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.variety import registry
from transforms.align import spans, tokenize

REAL = [(tag, text) for tag, variety in registry().items() for text in variety.samples]
LETTERS = st.sampled_from("aeèlL'’‘-·.,!?\"« »0٣९ßñ\u0301\u0327\u064b\u093fمन我們がгі\u200d\u200c\u00ad👍🏽\n\t_@/:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L'ægua a l'é freida.", ["L'", "ægua", "a", "l'", "é", "freida", "."]),
        ("d’ottobre, dell’ægua", ["d’", "ottobre", ",", "dell’", "ægua"]),
        ("Sto chì o l'é produto ancon", ["Sto", "chì", "o", "l'", "é", "produto", "ancon"]),
        ("que's hè, que'u", ["que", "'s", "hè", ",", "que", "'u"]),
        ("Jo isch's don't", ["Jo", "isch", "'s", "don", "'t"]),
        ("un po' 'na vòtta", ["un", "po'", "'na", "vòtta"]),
        ("de' Medici", ["de'", "Medici"]),
        ("d'l'aqua", ["d'", "l'", "aqua"]),
        ("l' acqua", ["l'", "acqua"]),
        ("O'Connor п'ять", ["O'Connor", "п'ять"]),
        ("I media 'cjalts' a àn", ["I", "media", "'", "cjalts", "'", "a", "àn"]),
        ("‘ciao’", ["‘", "ciao", "’"]),
        ("''bene''", ["''", "bene", "''"]),
    ],
)
def test_apostrophes_go_with_the_shortened_word(text, words):
    assert tokenize(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1.234,5 alle 10:30", ["1.234,5", "alle", "10:30"]),
        ("٣٫١٤ درهم", ["٣٫١٤", "درهم"]),
        ("1914-18", ["1914", "-", "18"]),
        ("nel 1999.", ["nel", "1999", "."]),
        ("-4,5 °C", ["-", "4,5", "°", "C"]),
        ("300 a.C.", ["300", "a.C."]),
    ],
)
def test_numbers_keep_their_separators(text, words):
    assert tokenize(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("台灣話，我講", ["台", "灣", "話", "，", "我", "講"]),
        ("tâi-gí", ["tâi-gí"]),
        ("col·legi pe-a", ["col·legi", "pe-a"]),
        ("والكتاب، كتابٌ؟", ["والكتاب", "،", "كتابٌ", "؟"]),
        ("हिन्दी में।", ["हिन्दी", "में", "।"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("👍🏽 🇮🇹🇫🇷 👨\u200d👩\u200d👧", ["👍🏽", "🇮🇹", "🇫🇷", "👨\u200d👩\u200d👧"]),
        (
            "vanni in sciô https://lij.wikipedia.org/wiki/Zena.",
            ["vanni", "in", "sciô", "https://lij.wikipedia.org/wiki/Zena", "."],
        ),
        ("e...", ["e", "..."]),
        ("", []),
        (" \t\u200b", []),
    ],
)
def test_scripts(text, words):
    assert tokenize(text) == words


@pytest.mark.parametrize(("tag", "text"), REAL, ids=[f"{tag}-{i}" for i, (tag, _) in enumerate(REAL)])
def test_nothing_of_a_real_sentence_is_lost(tag, text):
    assert "".join(tokenize(text)) == "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


@given(st.text() | st.text(LETTERS))
def test_tokens_stand_in_the_text_in_order_and_leave_out_only_what_is_invisible(text):
    tokens = tokenize(text)
    end = 0
    for token, (start, stop) in zip(tokens, spans(text, tokens), strict=True):
        assert token
        assert text[start:stop] == token
        assert all(_is_invisible(c) for c in text[end:start]), text[end:start]
        end = stop
    assert all(_is_invisible(c) for c in text[end:])


@given(st.text(LETTERS))
def test_a_mark_is_never_parted_from_what_it_stands_on(text):
    tokens = tokenize(text)
    for start, _ in spans(text, tokens):
        before = text[start - 1] if start else " "
        assert not unicodedata.category(text[start]).startswith("M") or _is_invisible(before)


def test_spans_refuse_tokens_of_another_text():
    with pytest.raises(ValueError, match="substring"):
        spans("ciao", ["bongiorno"])


def _is_invisible(c):
    return c.isspace() or unicodedata.category(c) in {"Cc", "Cf", "Cs"}
