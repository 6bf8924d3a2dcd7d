"""Words and links of pairs, as several scores read them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from schemas.pair import PairBatch

_SENTENCE_END = frozenset(".!?…:«“\"'‘(")


class LinkedWords(NamedTuple):
    """An aligned pair.

    Attributes:
        source, target: its words.
        links: positions of the linked words.
        probabilities: one a link.
    """

    source: Sequence[str]
    target: Sequence[str]
    links: Sequence[tuple[int, int]]
    probabilities: Sequence[float | None]


def linked_words(pairs: PairBatch) -> Iterator[LinkedWords | None]:
    """Give words and links of every pair; None for pairs that were not aligned."""
    for source, target, links in zip(
        *(pairs.texts(n) for n in ("source_tokens", "target_tokens", "links")), strict=True
    ):
        if source is None or target is None or links is None:
            yield None
            continue
        yield LinkedWords(
            source,
            target,
            [(link["source"], link["target"]) for link in links],
            [link["probability"] for link in links],
        )


@lru_cache(maxsize=65536)
def has_letters(word: str) -> bool:
    """Is there a letter in the word?"""
    return any(c.isalpha() for c in word)


@lru_cache(maxsize=65536)
def is_content_word(word: str) -> bool:
    """Is this, by its length, a word of content? In alphabets with capitals four letters make one, elsewhere one does."""
    first = next((c for c in word if c.isalpha()), "")
    return bool(first) and (sum(c.isalpha() for c in word) >= 4 or first.upper() == first.lower())


def names_in(words: Sequence[str]) -> list[bool]:
    """Tell the words that look like names: a capital, or letters with digits, elsewhere than at a sentence's beginning.

    In scripts without capitals no word looks like a name.
    """
    out = []
    beginning = True
    for word in words:
        first = next((c for c in word if c.isalpha()), "")
        out.append(not beginning and (first.isupper() or any(c.isdigit() for c in word)))
        beginning = word[-1:] in _SENTENCE_END if not first else False
    return out


def share(part: float, whole: float) -> float | None:
    """Divide; None where there is nothing to divide by."""
    return part / whole if whole else None


def dice(first: Counter[str], second: Counter[str]) -> float | None:
    """Give how far two multisets agree: twice what is common by what there is; None when both are empty."""
    return share(2 * (first & second).total(), first.total() + second.total())
