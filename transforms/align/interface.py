"""What an aligner is: word lists of sentence pairs in, links between the words out."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

WordPair = tuple[Sequence[str], Sequence[str]]
"""The words of a source sentence and of its target."""


class Link(NamedTuple):
    """Two words that translate each other.

    Attributes:
        source: position of the word in the source sentence, counted from 0.
        target: position of the word in the target sentence, counted from 0.
        probability: 0 to 1; None where the aligner gives none.
    """

    source: int
    target: int
    probability: float | None = None


class AlignedPair(NamedTuple):
    """A sentence pair with its words and the links between them.

    Attributes:
        source_tokens, target_tokens: the words, in the order of the text.
        links: ordered by source, then target; empty when nothing is linked or a side has no words.
    """

    source_tokens: list[str]
    target_tokens: list[str]
    links: list[Link]


@runtime_checkable
class Aligner(Protocol):
    """Links the words of sentence pairs.

    A backend is made from `AlignSettings`, and has a static method `check(settings)` that raises SettingsError
    for what the settings' types cannot refuse: it is called before a run is launched.
    """

    def align(self, pairs: Sequence[WordPair]) -> list[list[Link]]:
        """Link the words of every pair.

        Args:
            pairs: words of both sides; no pairs, and a side without words, are ordinary.

        Returns:
            One list of links a pair, in order; links ordered by source, then target, none twice.

        Raises:
            RecordError: a pair cannot be aligned (its reason says why); no other pair is to blame.
        """
        ...


@runtime_checkable
class TrainedAligner(Aligner, Protocol):
    """An aligner that learns from the run's own pairs before it links them.

    `align` of one that has learned nothing yet learns from the pairs that it is given.
    """

    def train(self, pairs: Sequence[WordPair]) -> bytes:
        """Learn from pairs.

        Args:
            pairs: in an order that follows from their content: sums of floating-point numbers are taken in it.

        Returns:
            What was learned, as the bytes of a file; `load` takes them.
        """
        ...

    def load(self, learned: bytes) -> None:
        """Take what was learned before, in place of what is known now."""
        ...


@runtime_checkable
class SpreadAligner(TrainedAligner, Protocol):
    """A trained aligner whose learning can be spread: rounds of counting in parts, and of improving at one place.

    What it hands over are bytes, for files. The sum of counts must not depend on the order of its parts.
    """

    def begin(self, pairs: Sequence[WordPair], part: int) -> tuple[bytes, bytes, Iterator[bytes]]:
        """Lay out what stays the same, the first state, and the pairs in parts of so many."""
        ...

    def rounds(self) -> int:
        """Give the number of rounds."""
        ...

    def count(self, problem: bytes, state: bytes, part: bytes, turn: int) -> bytes:
        """Count in one part, in round `turn` from 0."""
        ...

    def add(self, counts: Sequence[bytes]) -> bytes:
        """Add counts up."""
        ...

    def improve(self, problem: bytes, counts: bytes, turn: int) -> bytes:
        """Make the state after a round of the counts of all parts."""
        ...

    def finish(self, problem: bytes, state: bytes) -> bytes:
        """Give what `train` gives."""
        ...
