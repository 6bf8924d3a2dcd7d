"""The linear model of character n-grams."""

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.identify import divide, identify_lines, train_identifier
from transforms.identify.linear import BUCKETS, LinearModel, features, train_linear
from transforms.identify.text import as_column, prepare_column

TEXTS = ["il gatto è sul tetto", "o gatto o l'é in sciô teito", "il gjat al è parsore", "", "gatto gatto gatto"]


def lines(texts):
    return prepare_column(as_column(texts), "letters-1")


def test_features_of_a_line_have_length_one():
    offsets, buckets, values = features(lines(TEXTS), np.ones(BUCKETS, dtype=np.float32))
    for row, text in enumerate(TEXTS):
        chosen = slice(offsets[row], offsets[row + 1])
        assert (values[chosen] ** 2).sum() == pytest.approx(1.0 if text else 0.0, abs=1e-5)
        assert len(set(buckets[chosen].tolist())) == offsets[row + 1] - offsets[row]


def test_training_agrees_with_scikit_learn(labelled):
    svm = pytest.importorskip("sklearn.svm")
    sparse = pytest.importorskip("scipy.sparse")
    read = lines([line.text for line in labelled])
    labels = sorted({line.tag for line in labelled})
    truth = np.array([labels.index(line.tag) for line in labelled])
    model = train_linear(read, truth, labels)
    offsets, buckets, values = features(read, model.idf)
    matrix = sparse.csr_matrix((values, buckets, offsets), shape=(len(labelled), BUCKETS))
    theirs = svm.LinearSVC(fit_intercept=False, tol=1e-6, max_iter=5000).fit(matrix, truth).predict(matrix)
    assert (model.scores(read).argmax(axis=1) == theirs).mean() >= 0.99


def test_a_trained_model_is_used_by_its_ending(labelled, plan, tmp_path):
    path = tmp_path / "small.ngrams"
    facts = train_identifier(divide(labelled, plan), path, plan)
    assert facts["test"]["accuracy"] >= 0.95
    answers = identify_lines(["il gatto va a scuola", "lis fantatis a van a scuele", ""], model=str(path))
    assert [answer.tag for answer in answers] == ["it", "fur", "und"]


def test_the_same_lines_give_the_same_bytes(labelled, plan, tmp_path):
    for name, many in (("a", labelled), ("b", labelled[::-1])):
        train_identifier(divide(many, plan), tmp_path / f"{name}.ngrams", plan)
    assert (tmp_path / "a.ngrams").read_bytes() == (tmp_path / "b.ngrams").read_bytes()


@pytest.mark.parametrize("left", [0, 10, 200, 5000, -1])
def test_a_model_cut_short_is_refused(labelled, tmp_path, left):
    whole, cut = tmp_path / "whole.ngrams", tmp_path / "cut.ngrams"
    LinearModel(["it", "lij"], np.ones(BUCKETS, np.float32), np.zeros((BUCKETS, 2))).save(whole)
    cut.write_bytes(whole.read_bytes()[:left])
    with pytest.raises(SettingsError, match=r"cut\.ngrams is no whole model of n-grams"):
        LinearModel.load(cut)


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(SettingsError, match="there is no model file"):
        identify_lines(["gatto"], model=str(tmp_path / "nothing.ngrams"))
