"""What every identifier keeps to, whatever model is behind it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.variety import IDENTIFIERS
from transforms.common.backends import backend_names, load_backend

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
MODELS = {"fasttext": "embedded"}


def test_every_backend_is_tested():
    assert set(backend_names("identify")) == set(MODELS)


@pytest.fixture(scope="module", params=sorted(MODELS))
def identifier(request):
    return load_backend("identify", request.param)(MODELS[request.param])


def test_a_description_is_that_of_the_loaded_model(identifier):
    labels, scheme = type(identifier).describe(MODELS["fasttext"])
    assert (labels, scheme) == (identifier.labels, identifier.scheme)
    assert scheme in IDENTIFIERS
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("k", [0, 1, 3])
def test_one_entry_a_text_best_label_first(identifier, k):
    found = identifier.identify(TEXTS, k)
    assert len(found) == len(TEXTS)
    assert found.offsets[0] == 0
    assert found.offsets[-1] == len(found.labels) == len(found.probabilities)
    assert found.labels.dtype == np.int32
    assert found.probabilities.dtype == np.float32
    for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True):
        probabilities = found.probabilities[start:end]
        assert np.all(np.diff(probabilities) <= 0)
        assert np.all((probabilities >= 0) & (probabilities <= 1))
        assert probabilities.sum() <= 1.005
        assert end - start <= (k or len(identifier.labels))
        assert len(set(found.labels[start:end].tolist())) == end - start


def test_an_empty_batch_is_ordinary(identifier):
    assert len(identifier.identify([], 3)) == 0


def test_an_empty_text_has_no_label(identifier):
    found = identifier.identify(["", "Il gatto è sul tetto.", ""], 1)
    assert np.diff(found.offsets).tolist() == [0, 1, 0]


def test_all_labels_add_up_to_one(identifier):
    found = identifier.identify(["Il gatto è sul tetto."], 0)
    assert len(found.labels) == len(identifier.labels)
    assert found.probabilities.sum() == pytest.approx(1.0, abs=0.005)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(TEXTS), st.text(max_size=20)), max_size=6))
def test_the_answer_does_not_depend_on_the_batch(identifier, texts):
    whole = identifier.identify(texts, 2)
    for place, text in enumerate(texts):
        alone = identifier.identify([text], 2)
        rows = slice(whole.offsets[place], whole.offsets[place + 1])
        assert whole.labels[rows].tolist() == alone.labels.tolist()
        assert whole.probabilities[rows].tolist() == alone.probabilities.tolist()
