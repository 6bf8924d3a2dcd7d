"""What is predicted without fastText is what fastText predicts."""

import os
import subprocess
import sys

import numpy as np
import pytest

from transforms.identify.fit import FRESH_MEMORY
from transforms.identify.model_file import read_model
from transforms.identify.predictor import Predictor
from transforms.identify.text import as_column, prepare_column

FRESH = os.environ | FRESH_MEMORY
"""See transforms/identify/fit.py."""
EPSILON = 1e-5
"""What fastText adds to every probability for the sake of its logarithms."""
TEXTS = [
    "O gatto o l'é in sciô teito da casa", "il gatto è sul tetto", "x", "واش كاين شي حد فالدار", "你欲去佗位",
    "d chatz isch uf em dach vom huus", "__label__it il gatto", "</s> gatto", "jo no soi mai stât", "gatto gatto gatto",
    "ein sehrlangeswortdasinkeinenspeicherpasstundtrotzdemgelesenwird " * 3,
]  # fmt: skip
TRAIN = """
import sys, fasttext
lines, out, loss, words, shortest, longest, kind = sys.argv[1:]
model = fasttext.train_supervised(
    lines, dim=8, epoch=5, lr=0.1, minn=int(shortest), maxn=int(longest), bucket=2000, minCount=1, loss=loss,
    wordNgrams=int(words), thread=1, verbose=0,
)
if kind != "dense":
    model.quantize(lines, qnorm=kind != "plain", dsub=2, cutoff=300 if kind == "pruned" else 0)
model.save_model(out)
"""


def by_fasttext(path, texts, labels):
    from fasttext.FastText import _FastText

    found, values = _FastText(model_path=str(path)).f.multilinePredict(
        [text + "\n" for text in texts], -1, 0.0, "strict"
    )
    place = {"__label__" + label: column for column, label in enumerate(labels)}
    made = np.zeros((len(texts), len(labels)))
    for row, (names, probabilities) in enumerate(zip(found, values, strict=True)):
        made[row, [place[name] for name in names]] = probabilities
    return made


@pytest.mark.parametrize(
    ("loss", "words", "shortest", "longest", "kind"),
    [
        ("softmax", 1, 1, 4, "dense"),
        ("softmax", 3, 2, 3, "dense"),
        ("softmax", 1, 0, 0, "dense"),
        ("hs", 1, 2, 4, "dense"),
        ("ova", 2, 1, 3, "dense"),
        ("ns", 1, 1, 3, "dense"),
        ("softmax", 2, 1, 3, "pruned"),
        ("hs", 1, 1, 3, "quantized"),
        ("softmax", 1, 1, 3, "plain"),
    ],
)
def test_probabilities_are_those_of_fasttext(labelled, tmp_path, loss, words, shortest, longest, kind):
    lines, path = tmp_path / "lines.txt", tmp_path / ("model.bin" if kind == "dense" else "model.ftz")
    many = [f"__label__{line.tag} {line.text.casefold()} {n}" for n, line in enumerate(labelled * 2)]
    lines.write_text("\n".join(many) + "\n", encoding="utf-8")
    arguments = [str(lines), str(path), loss, str(words), str(shortest), str(longest), kind]
    subprocess.run([sys.executable, "-c", TRAIN, *arguments], check=True, capture_output=True, env=FRESH)
    facts, numbers = read_model(str(path))
    predictor = Predictor(numbers)
    prepared = prepare_column(as_column(TEXTS), "plain")
    found = predictor.judged(prepared)
    wanted = by_fasttext(path, prepared.texts(), facts.labels)
    if loss == "hs":  # the constant is added at every turn of the tree: its trace is bounded, not known
        assert np.abs(found - wanted).max() <= 8 * EPSILON
    else:
        assert np.abs(found - (wanted - EPSILON)).max() <= 1e-5
    whole = predictor.probabilities(prepared, np.ones(len(TEXTS), dtype=np.float32))
    assert whole.sum(axis=1) == pytest.approx(1.0, abs=1e-4)


def test_the_embedded_model_predicts_as_fasttext_does():
    facts, numbers = read_model("embedded")
    prepared = prepare_column(as_column(TEXTS), facts.recipe)
    wanted = by_fasttext(facts.path, prepared.texts(), facts.labels)
    assert np.abs(Predictor(numbers).judged(prepared) - (wanted - EPSILON)).max() <= 1e-5


def test_a_remembered_word_counts_as_a_new_one():
    facts, numbers = read_model("embedded")
    prepared = prepare_column(as_column(TEXTS), facts.recipe)
    predictor = Predictor(numbers)
    first = predictor.judged(prepared)
    assert np.array_equal(first, predictor.judged(prepared))


def test_a_sharper_line_is_surer():
    _, numbers = read_model("embedded")
    prepared = prepare_column(as_column(["il gatto è sul tetto"] * 3), "letters-1")
    found = Predictor(numbers).probabilities(prepared, np.array([0.5, 1.0, 2.0], dtype=np.float32))
    assert np.all(np.diff(found.max(axis=1)) > 0)
    flat = found[1] ** 0.5
    assert found[0] == pytest.approx(flat / flat.sum(), abs=1e-5)
