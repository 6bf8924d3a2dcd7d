"""Model files are checked before fastText sees them."""

import struct

import pytest

from schemas.errors import SettingsError
from transforms.identify.backends.fasttext import FastTextIdentifier, guess_scheme
from transforms.identify.model_file import read_model_facts


def test_the_embedded_model_has_tags_as_labels():
    facts = read_model_facts("embedded")
    assert {"lij", "lmo", "fur", "it", "ary", "arz", "rm-sursilv", "oc-aranese"} <= set(facts.labels)
    assert facts.recipe == "letters-2"
    assert facts.path.stat().st_size <= 5_000_000


def test_labels_are_those_that_fasttext_gives(small_model):
    import fasttext.FastText

    model = fasttext.FastText._FastText(model_path=str(small_model))
    facts = read_model_facts(str(small_model))
    assert list(facts.labels) == [label.removeprefix("__label__") for label in model.labels]
    assert facts.dimension == model.get_dimension()


def test_a_missing_model_is_named():
    with pytest.raises(SettingsError, match=r"\$\.identify\.model: there is no model file 'lid\.bin'"):
        read_model_facts("lid.bin")


@pytest.mark.parametrize("left", [0, 3, 4, 60, 200, 5000, -1])
def test_a_model_cut_short_is_refused(small_model, tmp_path, left):
    path = tmp_path / "cut.bin"
    path.write_bytes(small_model.read_bytes()[:left])
    with pytest.raises(SettingsError, match=r"\$\.identify\.model: cut\.bin is no whole fastText model"):
        FastTextIdentifier(str(path))


def test_a_compressed_model_cut_short_is_refused(tmp_path):
    path = tmp_path / "cut.ftz"
    path.write_bytes(read_model_facts("embedded").path.read_bytes()[:-1])
    with pytest.raises(SettingsError, match=r"expected [\d,]+ bytes, got"):
        read_model_facts(str(path))


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "page.bin"
    path.write_bytes(b"<!doctype html>" * 100)
    with pytest.raises(SettingsError, match="first four bytes"):
        read_model_facts(str(path))


def test_word_vectors_are_refused(small_model, tmp_path):
    data = bytearray(small_model.read_bytes())
    data[8 + 7 * 4 : 8 + 8 * 4] = struct.pack("<i", 2)
    path = tmp_path / "vectors.bin"
    path.write_bytes(data)
    with pytest.raises(SettingsError, match="word vectors and no classifier"):
        read_model_facts(str(path))


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (["lij", "rm-sursilv", "it"], "isogloss"),
        (["als", "bh", "no", "en"], "lid.176"),
        (["lij_Latn", "cmn_Hani"], "glotlid"),
        (["zho_Hans", "ita_Latn"], "openlid"),
    ],
)
def test_the_scheme_of_labels_is_found(labels, scheme):
    assert guess_scheme(labels) == scheme


def test_labels_of_no_scheme_are_refused():
    with pytest.raises(SettingsError, match="knows none of the model's labels, such as spam, ham"):
        guess_scheme(["spam", "ham"])
