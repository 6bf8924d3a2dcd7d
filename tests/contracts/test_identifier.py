"""What every identifier keeps to, whatever model is behind it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.variety import IDENTIFIERS
from transforms.common.backends import backend_names, load_backend
from transforms.identify import Labelled, TrainingPlan, train_identifier
from transforms.identify.cascade import CascadeIdentifier
from transforms.identify.text import as_column

TEXTS = [
    "O gatto o l’é in sciô teito da casa.",
    "",
    "Il gatto è sul tetto.",
    "واش كاين شي حد فالدار؟",
    "你欲去佗位？",
    "e\u0301",
    "one\ntwo\u2028three",
    "x",
    "\x00",
    "a" * 100_000,
]
MODELS = {"fasttext": lambda folder: "embedded", "ngrams": lambda folder: train_small(folder / "small.ngrams")}
CASCADE = "cascade"


def train_small(path):
    words = {"it": "il gatto è sul tetto della casa", "lij": "o gatto o l'é in sciô teito da casa", "zh": "你欲去佗位"}
    lines = [Labelled(tag, f"{text[i:]} {text[:i]}", "train") for tag, text in words.items() for i in range(5)]
    train_identifier({"train": lines, "dev": [], "test": []}, path, TrainingPlan())
    return str(path)


def test_every_backend_is_tested():
    assert set(backend_names("identify")) == set(MODELS)


@pytest.fixture(scope="module", params=[*sorted(MODELS), CASCADE])
def identifier(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    if request.param == CASCADE:
        wide, narrow = (load_backend("identify", kind)(MODELS[kind](folder)) for kind in ("fasttext", "ngrams"))
        return CascadeIdentifier(wide, narrow)
    return load_backend("identify", request.param)(MODELS[request.param](folder))


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_a_description_is_that_of_the_loaded_model(kind, tmp_path):
    model = MODELS[kind](tmp_path)
    backend = load_backend("identify", kind)
    labels, scheme = backend.describe(model)
    loaded = backend(model)
    assert (labels, scheme) == (loaded.labels, loaded.scheme)
    assert scheme in IDENTIFIERS
    assert len(set(labels)) == len(labels)


def test_every_label_has_a_probability_and_they_add_up_to_one(identifier):
    found = identifier.identify(as_column(TEXTS))
    assert found.shape == (len(TEXTS), len(identifier.labels))
    assert found.dtype == np.float32
    assert np.all((found >= 0) & (found <= 1))
    told = found.any(axis=1)
    assert found[told].sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    assert told.tolist() == [text not in ("", "\x00") for text in TEXTS]


def test_an_empty_batch_is_ordinary(identifier):
    assert identifier.identify(as_column([])).shape == (0, len(identifier.labels))


def test_an_empty_text_has_no_label(identifier):
    found = identifier.identify(as_column(["", "Il gatto è sul tetto.", "\x00 \n"]))
    assert found.any(axis=1).tolist() == [False, True, False]


def test_a_slice_of_a_column_is_read_as_a_slice(identifier):
    whole = as_column(TEXTS)
    assert np.array_equal(identifier.identify(whole.slice(2, 4)), identifier.identify(whole)[2:6])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(TEXTS), st.text(max_size=20)), max_size=6))
def test_the_answer_does_not_depend_on_the_batch(identifier, texts):
    whole = identifier.identify(as_column(texts))
    for place, text in enumerate(texts):
        assert np.array_equal(identifier.identify(as_column([text]))[0], whole[place])
