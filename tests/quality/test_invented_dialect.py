"""The maker of dialects with known links."""

import runpy
from pathlib import Path

from schemas.variety import registry
from transforms.align import tokenize

invented = runpy.run_path(str(Path(__file__).with_name("invented_dialect.py")))
SENTENCES = [tokenize(text) for tag in ("it", "de") for text in registry()[tag].samples]


def test_links_lie_inside_and_a_word_says_at_most_two():
    for language in ("it", "de"):
        pairs, gold = invented["invented_pairs"](SENTENCES, language)
        assert len(pairs) == len(SENTENCES) > 0
        for (dialect, standard), (sure, possible) in zip(pairs, gold, strict=True):
            assert sure == possible
            assert all(0 <= i < len(dialect) and 0 <= j < len(standard) for i, j in sure)
            said = [j for _, j in sure]
            assert len(said) == len(set(said))
            assert all(sum(i == k for i, _ in sure) <= 2 for k in range(len(dialect)))


def test_a_word_is_said_the_same_wherever_it_stands_and_marks_stay():
    assert invented["dialect_word"]("strada", "it") == invented["dialect_word"]("strada", "it")
    assert invented["dialect_word"]("...", "it") == "..."
    assert invented["invent"](SENTENCES[0], "it") == invented["invent"](SENTENCES[0], "it")


def test_regular_sounds():
    words = ["amico", "prato", "fuoco", "nazione"]
    changed = [invented["dialect_word"](word, "it") for word in words]
    assert changed != words
    assert all(word for word in changed)
