"""What every encoder must do, over every backend."""

import runpy
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from schemas.errors import SettingsError
from transforms.common.backends import backend_names, load_backend
from transforms.embed import EmbedSettings, Encoder, NgramSettings

TEXTS = [
    "A Zena o l’é un nomme che se sente ancon.",
    "",
    "Il Duomo di Milano è grande.",
    "El Domm de Milan l'è grand.",
    " \t ",
    "القاهرة عاصمة مصر",
    "😀",
    "यह एक छोटा वाक्य है",
    "parola " * 3000,
    "El Domm de Milan l'è grand.",
]


def _ngram(_: pytest.FixtureRequest) -> Encoder:
    from transforms.embed.backends.ngram import fit

    return fit(TEXTS, NgramSettings(minimum_sentences=1))


def _laser(request: pytest.FixtureRequest) -> Encoder:
    if any(find_spec(name) is None for name in ("torch", "sentencepiece", "laser_encoders")):
        pytest.skip("needs the libraries of LASER")
    from transforms.embed.backends.laser import LaserEncoder

    maker = Path(__file__).parents[1] / "transforms" / "embed" / "laser_files.py"
    folder = runpy.run_path(str(maker))["write_laser"](request.getfixturevalue("tmp_path_factory").mktemp("laser"))
    return LaserEncoder(EmbedSettings(encoders=("laser",), model=str(folder / "laser2.pt"), device="cpu"))


def _sentence_transformers(request: pytest.FixtureRequest) -> Encoder:
    if any(find_spec(name) is None for name in ("torch", "sentence_transformers")):
        pytest.skip("needs the library sentence_transformers")
    from transforms.embed import SentenceTransformersSettings
    from transforms.embed.backends.sentence_transformers import SentenceTransformersEncoder

    maker = Path(__file__).parents[1] / "transforms" / "embed" / "small_sentence_transformer.py"
    folder = request.getfixturevalue("tmp_path_factory").mktemp("model") / "small"
    runpy.run_path(str(maker))["write_sentence_transformer"](folder, TEXTS[:4])
    own = SentenceTransformersSettings(model=str(folder))
    return SentenceTransformersEncoder(
        EmbedSettings(encoders=("sentence_transformers",), sentence_transformers=own, device="cpu")
    )


MAKERS: dict[str, Callable[[pytest.FixtureRequest], Encoder]] = {
    "ngram": _ngram,
    "laser": _laser,
    "sentence_transformers": _sentence_transformers,
}


@pytest.fixture(
    scope="module",
    params=["ngram", *(pytest.param(name, marks=pytest.mark.models) for name in ("laser", "sentence_transformers"))],
)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return MAKERS[request.param](request)


def rows(vectors) -> np.ndarray:
    return vectors.toarray() if scipy.sparse.issparse(vectors) else vectors


def test_every_backend_is_under_contract():
    assert set(backend_names("embed")) == set(MAKERS)


def test_a_text_has_one_vector_of_length_one_or_zero(encoder):
    vectors = rows(encoder.encode(TEXTS))
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    readable = [bool(text.strip()) for text in TEXTS]
    np.testing.assert_allclose(lengths[readable], 1, atol=1e-5)
    assert np.isfinite(vectors).all()


def test_kind_and_type_agree(encoder):
    vectors = encoder.encode(TEXTS)
    assert encoder.kind == ("sparse" if scipy.sparse.issparse(vectors) else "dense")


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_equal_texts_have_equal_vectors(encoder):
    vectors = rows(encoder.encode(TEXTS))
    assert vectors[3].tobytes() == vectors[9].tobytes()


def test_another_order_gives_the_same_bits(encoder):
    order = np.random.default_rng(5).permutation(len(TEXTS))
    shuffled = rows(encoder.encode([TEXTS[i] for i in order]))
    assert shuffled.tobytes() == rows(encoder.encode(TEXTS))[order].tobytes()


def test_the_input_is_left_alone(encoder):
    texts = list(TEXTS)
    encoder.encode(texts)
    assert texts == TEXTS


def test_the_name_tells_backend_and_digest(encoder):
    backend, _, digest = encoder.name.partition(":")
    assert backend in MAKERS
    assert len(digest) == 32


def test_an_unknown_backend_is_refused_with_the_names_that_there_are():
    with pytest.raises(SettingsError, match="no backend 'word2vec'") as told:
        load_backend("embed", "word2vec")
    assert "ngram" in told.value.cure
