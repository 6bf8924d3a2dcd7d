import csv
import json
import unicodedata

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.common.edits import replay
from transforms.normalize.clean import is_clean, normalize_text
from transforms.normalize.settings import NormalizeSettings

# Letters, marks and debris that meet in real text: accents apart, no-break spaces, mojibake, joiners, Hangul, emoji.
AWKWARD = "aàâéñœ’'ʼ «»Ãâ€Â©£\u00a0\u00ad\u200b\u200c\u200d\u0300\u0301\u0323\u0327 \t\n\r\x0b\x85\x00\x1b[1mعربيनि한\u1100\u1161😀&;amp#egrv\ufeff\u2028\u3000"
texts = st.text(alphabet=st.one_of(st.sampled_from(AWKWARD), st.characters()), max_size=60)


@given(texts)
@settings(max_examples=300, deadline=None)
def test_replaying_the_edits_gives_the_normalized_text(text):
    normalized, edits = normalize_text(text)
    assert replay(text, normalized, edits) == normalized


@given(texts)
@settings(max_examples=300, deadline=None)
def test_edits_are_in_order_and_apart_and_change_something(text):
    normalized, edits = normalize_text(text)
    found_end = normalized_end = 0
    for start, end, left, right in edits.tolist():
        assert found_end <= start <= end <= len(text)
        assert normalized_end <= left <= right <= len(normalized)
        assert (start, left) != (end, right)
        assert text[found_end:start] == normalized[normalized_end:left]
        found_end, normalized_end = end, right
    assert text[found_end:] == normalized[normalized_end:]


@given(texts)
@settings(max_examples=300, deadline=None)
def test_normalizing_twice_changes_nothing_more(text):
    normalized, _ = normalize_text(text)
    again, edits = normalize_text(normalized)
    assert again == normalized
    assert len(edits) == 0


@given(texts)
@settings(max_examples=300, deadline=None)
def test_what_counts_as_clean_is_left_as_it_is(text):
    if is_clean(text):
        assert normalize_text(text)[0] == text


@given(texts)
@settings(max_examples=200, deadline=None)
def test_the_result_is_composed_and_free_of_surrogates(text):
    normalized, _ = normalize_text(text)
    assert unicodedata.is_normalized("NFC", normalized)
    normalized.encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "A-o l’é de lungo ’na bella gioxiâ.",
        "Il fûc al è un fenomen “naturâl” – o «no».",
        "A bateri i hann cominçad d’incœ a œuv.",
        "Je nach Ort: ſtraße, ﬁn, ʻokina, ʼn, c'h, c’h",
        "على السلامة، شنوة الأحوال؟",
        "می‌خواهم",  # ZWNJ is spelling in Persian
        "क्‍ष न्‌",  # and both joiners are in Devanagari
        "👩‍👩‍👧 e 🏳️‍🌈",
        "tâi-oân ê oē, chhēng-chhái",
        "Dat is de Plattdüütsche Spraak.",
    ],
)
def test_orthography_is_never_touched(text):
    assert normalize_text(unicodedata.normalize("NFC", text))[0] == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("perchÃ© no", "perché no"),
        ("lâ€™Ã¨ cosci", "l’è cosci"),
        ("citt&agrave; &amp; borghi", "città & borghi"),
        ("&egrave; <b>", "&egrave; <b>"),
        ("Zena\u00a0a l'e\u0300\tbella", "Zena a l'è bella"),
        ("gio\u00adxia", "gioxia"),
        ("\ufeffBondì\u200b a\u200f tutti", "Bondì a tutti"),
        ("un\u200cdoi", "undoi"),
        ("prima\r\nsegonda\rtersa\u2028quarta", "prima\nsegonda\ntersa\nquarta"),
        ("  in çimma \n\n  a l'arco  ", "in çimma\n\na l'arco"),
        ("\x1b[1mneigro\x1b[0m", "neigro"),
        ("a\x00b\x07", "ab"),
        ("mezo \ud83d", "mezo \ufffd"),
        ("\ud83d\ude00", "😀"),
        ("\u1112\u1161\u11ab", "한"),
        ("", ""),
        ("\u00a0\u200b", ""),
    ],
)
def test_what_is_broken_is_repaired(found, expected):
    normalized, edits = normalize_text(found)
    assert normalized == expected
    assert replay(found, normalized, edits) == expected


def test_unassigned_and_private_code_points_are_kept():
    assert normalize_text("a\u0378\ue000\U000e0fff")[0] == "a\u0378\ue000\U000e0fff"


def test_apostrophes_become_plain_only_on_demand_and_only_beside_letters():
    plain = NormalizeSettings(apostrophes="plain")
    assert normalize_text("l’è ’na cösa", plain)[0] == "l'è 'na cösa"
    assert normalize_text("5’ 30’’", plain)[0] == "5’ 30’’"
    assert normalize_text("l’è")[0] == "l’è"


def test_mojibake_and_entities_can_be_left_alone():
    off = NormalizeSettings(mojibake=False, entities=False)
    assert normalize_text("perchÃ© &egrave;", off)[0] == "perchÃ© &egrave;"


def test_an_edit_is_as_small_as_its_repair():
    _, edits = normalize_text("Vegni perchÃ© l'e\u0300 tardi")
    assert edits.tolist() == [[11, 13, 11, 12], [16, 18, 15, 16]]


@pytest.mark.data
def test_what_ftfy_repairs_is_repaired(shared_data):
    """Every repair of ftfy's own cases is reached: the quick look before ftfy hides none of them."""
    cases = 0
    for file in sorted((shared_data / "normalization" / "ftfy" / "test-cases").glob("*.json")):
        for case in json.loads(file.read_text(encoding="utf-8")):
            found, repaired = case["original"], ftfy.fix_encoding(case["original"])
            assert normalize_text(found)[0] == normalize_text(repaired)[0], case["label"]
            if case["expect"] == "pass":
                expected = case.get("fixed-encoding", case["fixed"])
                assert normalize_text(found)[0] == normalize_text(expected)[0], case["label"]
            cases += 1
    assert cases == 161


@pytest.mark.data
def test_composition_is_that_of_unicode(shared_data):
    """Rows whose code points this Python's Unicode knows; spaces are made plain by design."""
    rows = 0
    with (shared_data / "normalization" / "unicode" / "normalization_test.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            source, nfc = ("".join(chr(int(code, 16)) for code in row[name].split()) for name in ("source", "nfc"))
            if any(unicodedata.category(letter) in {"Cn", "Zs"} for letter in source):
                continue
            assert normalize_text(f"1{source}1")[0] == f"1{nfc}1", row["source"]
            rows += 1
    assert rows > 19_000
