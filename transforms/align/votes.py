"""Several aligners on the same pairs: every one votes on every link, and calibrated votes are added up.

`aligner = "association+eflomal"` names them. The first whose probabilities are calibrated is the measure: its odds that a
link is right are where the sum begins. What the vote of another is worth is learned from the run's own pairs,
without links by hand: with q the measure's probability of a cell (a source and a target word), and c what the other
says of it (no link, a link, a link of such a probability),

    worth(c) = log( P(c | right) / P(c | wrong) ),   P(c | right) = sum of q over cells with c / sum of q over all cells,

and P(c | wrong) with 1 - q in place of q. The odds of a link are those of the measure times exp(trust * worth), for every
other aligner. Votes of two aligners that read the same words are not independent, so they are trusted less than
wholly. Where no aligner is calibrated, the share of the aligners that give a cell stands for q, and all votes are learned.

Aligners that learn do so from all pairs first; the worth of votes is learned from up to 2,000 of them, evenly taken, at
one place. Cost: that of all aligners, and little more. With `symmetrization` each aligner that has two directions is told
how to join them, but for the measure, all of whose links are weighed. `threshold` is the least probability of a link.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from transforms.align.calibration import CALIBRATIONS, log_odds
from transforms.align.interface import Aligner, Link, TrainedAligner, WordPair
from transforms.align.settings import AlignSettings
from transforms.common.backends import load_backend

TRUST = 0.3
"""How much of a vote's worth counts: chosen on the even sentences of the gold sets, see docs/align.md.

Between .3 and 1 the error rate hardly differs; the probabilities of the links are nearest to the truth at .3.
"""

UNSEEN = 0.003
"""Probability of a cell that the measure does not mention, one of a few hundred in a pair."""

_SAMPLE = 2000
"""Pairs that the worth of votes is learned from, at most."""

_EVIDENCE = 20.0
"""Links for which a vote is taken as worth nothing before any was seen: few pairs teach little."""

_EDGES = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
"""Probabilities that part the classes of votes."""

_NONE, _BARE = 0, len(_EDGES) + 2
CLASSES = _BARE + 1
"""Votes: no link; a link by the class of its probability; a link without one."""

_LOWEST_THRESHOLD = 0.02
_DIGITS = 6


class Votes:
    """Several aligners as one.

    Args:
        settings: `aligner` names them, joined by +; those of all of them; threshold.

    Raises:
        SettingsError: as `check`.
    """

    def __init__(self, settings: AlignSettings) -> None:
        self._threshold = settings.threshold
        self._names = _names(settings)
        self._measure = next((k for k, name in enumerate(self._names) if name in CALIBRATIONS), None)
        self._aligners: list[Aligner] = [
            load_backend("align", name)(_own(settings, name, k == self._measure)) for k, name in enumerate(self._names)
        ]
        self._worth: NDArray[np.float64] | None = None

    @staticmethod
    def check(settings: AlignSettings) -> None:
        """Refuse what any of the aligners refuses, and one aligner twice; raises SettingsError."""
        for name in _names(settings):
            load_backend("align", name).check(_own(settings, name, False))

    def align(self, pairs: Sequence[WordPair]) -> list[list[Link]]:
        """Link the words of every pair; see `transforms.align.interface.Aligner`."""
        if self._worth is None:
            other = Votes.__new__(Votes)
            other.__dict__.update(self.__dict__)
            other.load(self.train(pairs))
            return other.align(pairs)
        cells, classes, measured = self._vote(pairs)
        odds = log_odds(measured)
        for k, worth in enumerate(self._worth):
            odds += TRUST * worth[classes[k]]
        probabilities = np.round(1.0 / (1.0 + np.exp(-odds)), _DIGITS)
        links: list[list[Link]] = [[] for _ in pairs]
        kept = np.flatnonzero(probabilities >= self._threshold)
        places = (column.tolist() for column in (*_places(cells[kept]), probabilities[kept]))
        for p, i, j, probability in zip(*places, strict=True):
            links[p].append(Link(i, j, probability))
        return links

    def train(self, pairs: Sequence[WordPair]) -> bytes:
        """Let those learn that do, then learn what votes are worth; gives a line of JSON and what each learned behind it."""
        parts = [aligner.train(pairs) if isinstance(aligner, TrainedAligner) else b"" for aligner in self._aligners]
        self._load_parts(parts)
        usable = [pair for pair in pairs if pair[0] and pair[1]]
        sample = [usable[i * len(usable) // min(len(usable), _SAMPLE)] for i in range(min(len(usable), _SAMPLE))]
        _, classes, measured = self._vote(sample)
        worth = worth_of_votes(classes, measured, sum(len(source) * len(target) for source, target in sample))
        if self._measure is not None:
            worth[self._measure] = 0.0  # its odds are counted as they are
        about = {"aligners": self._names, "bytes": [len(part) for part in parts], "worth": worth.tolist()}
        return b"\n".join([json.dumps(about).encode(), b"".join(parts)])

    def load(self, learned: bytes) -> None:
        """Take what `train` gave."""
        line, _, rest = learned.partition(b"\n")
        about: dict[str, Any] = json.loads(line)
        ends = np.cumsum(about["bytes"]).tolist()
        self._load_parts([rest[end - size : end] for end, size in zip(ends, about["bytes"], strict=True)])
        self._worth = np.array(about["worth"])

    def _load_parts(self, parts: Sequence[bytes]) -> None:
        for aligner, part in zip(self._aligners, parts, strict=True):
            if isinstance(aligner, TrainedAligner):
                aligner.load(part)

    def _vote(self, pairs: Sequence[WordPair]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Ask everyone; gives the cells that anyone links, in order, the class of every vote, and the measure's q."""
        found = [_laid_out(aligner.align(pairs)) for aligner in self._aligners]
        cells = np.unique(np.concatenate([keys for keys, _ in found]))
        classes = np.full((len(found), len(cells)), _NONE)
        values = np.full(classes.shape, np.nan)
        for k, (keys, probabilities) in enumerate(found):
            places = np.searchsorted(cells, keys)
            values[k, places] = probabilities
            own = 1 + np.searchsorted(_EDGES, np.nan_to_num(probabilities), side="right")
            classes[k, places] = np.where(np.isnan(probabilities), _BARE, own)
        if self._measure is None:
            return cells, classes, (np.count_nonzero(classes, axis=0) + 0.5) / (len(found) + 1.0)
        measured = values[self._measure]
        return cells, classes, np.where(np.isnan(measured), UNSEEN, measured)


def worth_of_votes(classes: NDArray[np.integer], measured: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Learn what every vote of every aligner is worth, in log odds.

    Args:
        classes: (aligners, cells) vote of each aligner on each cell that any of them links.
        measured: (cells,) probability that the cell is right.
        size: cells in all, those that nobody links among them.

    Returns:
        (aligners, CLASSES).
    """
    silent = max(size - len(measured), 0)
    right = float(measured.sum() + silent * UNSEEN)
    wrong = float((1.0 - measured).sum() + silent * (1.0 - UNSEEN))
    worth = np.zeros((len(classes), CLASSES))
    if not size:
        return worth
    for k, votes in enumerate(classes):
        of_right = np.bincount(votes, weights=measured, minlength=CLASSES)
        of_wrong = np.bincount(votes, weights=1.0 - measured, minlength=CLASSES)
        of_right[_NONE] += silent * UNSEEN
        of_wrong[_NONE] += silent * (1.0 - UNSEEN)
        share = (of_right + of_wrong) / size
        likely = (of_right + _EVIDENCE * share) / (right + _EVIDENCE)
        unlikely = (of_wrong + _EVIDENCE * share) / (wrong + _EVIDENCE)
        cast = share > 0
        worth[k, cast] = np.log(likely[cast] / unlikely[cast])
    return worth


def _names(settings: AlignSettings) -> list[str]:
    names = settings.aligner.split("+")
    if len(set(names)) < len(names):
        raise SettingsError(
            f"{settings.aligner!r} names an aligner twice", path="$.align.aligner", cure="Name each once."
        )
    return names


def _own(settings: AlignSettings, name: str, measure: bool) -> AlignSettings:
    if not measure:
        return msgspec.structs.replace(settings, aligner=name)
    return msgspec.structs.replace(settings, aligner=name, threshold=_LOWEST_THRESHOLD, symmetrization="threshold")


def _laid_out(links: Sequence[Sequence[Link]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the cells of links as sorted whole numbers, and their probabilities: nan where there is none."""
    flat = [(p, *link) for p, of_pair in enumerate(links) for link in of_pair]
    columns = list(zip(*flat, strict=True)) or [(), (), (), ()]
    pair, source, target = (np.array(column, dtype=np.int64) for column in columns[:3])
    return (pair << 32) | (source << 16) | target, np.array(columns[3], dtype=np.float64)


def _places(cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    return cells >> 32, (cells >> 16) & 0xFFFF, cells & 0xFFFF
