"""A text in Latin letters, as a key for encoders."""

import numpy as np
import pytest

pytest.importorskip("anyascii")
pytestmark = pytest.mark.models

from transforms.embed import EmbedSettings, embed_lines  # noqa: E402
from transforms.embed.views import ViewingEncoder, ngram_view, romanize  # noqa: E402

CYRILLIC = [
    "Сва људска бића рађају се слободна и једнака у достојанству и правима.",
    "Нико не сме бити држан у ропству.",
    "Свако има право на живот, слободу и безбедност личности.",
    "Сви су пред законом једнаки.",
]
LATIN = [
    "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima.",
    "Niko ne sme biti držan u ropstvu.",
    "Svako ima pravo na život, slobodu i bezbednost ličnosti.",
    "Svi su pred zakonom jednaki.",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Perché? Æ", "perche? ae"), ("ЖИВОТ", "zhivot"), ("", ""), ("ABC 12", "abc 12"), ("القاهرة", "lqhrh")],
)
def test_a_text_is_written_in_ascii(text, expected):
    got = romanize(text)
    assert got.isascii()
    assert got == expected


def test_words_that_change_stand_beside_those_that_are_written():
    assert ngram_view(["Perché no?"], "kept") == ["Perché no?"]
    assert ngram_view(["Perché no?"], "romanized") == ["perche no?"]
    assert ngram_view(["Perché No?"], "both") == ["Perché No? perche"]


@pytest.mark.parametrize("script", ["romanized", "both"])
def test_ngrams_find_the_same_words_in_two_scripts(script):
    def cosines(settings: EmbedSettings) -> np.ndarray:
        sides = embed_lines(CYRILLIC, LATIN, settings)
        return (sides.a @ sides.b.T).toarray()

    kept = cosines(EmbedSettings())
    view = cosines(EmbedSettings(script=script))
    assert (np.argmax(view, axis=1) == np.arange(4)).all()
    assert np.diag(view).min() > 0.3 > np.diag(kept).max()


class Counting:
    """Vectors of lengths of words: a dense encoder of nothing much."""

    name, kind, dimension, is_steady = "counting:1", "dense", 4, True

    def encode(self, texts):
        made = np.array(
            [[len(text), text.count(" ") + 1, sum(map(ord, text)) % 97, 1] for text in texts], dtype=np.float32
        )
        made = made.reshape(-1, 4)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_a_dense_vector_of_both_is_their_mean():
    both = ViewingEncoder(Counting(), "both")
    latin = ViewingEncoder(Counting(), "romanized")
    plain = Counting().encode(CYRILLIC).astype(np.float64)
    keys = Counting().encode([romanize(text) for text in CYRILLIC]).astype(np.float64)
    np.testing.assert_allclose(latin.encode(CYRILLIC), keys, atol=1e-6)
    mean = plain + keys
    np.testing.assert_allclose(both.encode(CYRILLIC), mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-3)
    assert len({both.name, latin.name, Counting.name}) == 3
    assert both.encode([]).shape == (0, 4)
