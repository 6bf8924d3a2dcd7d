"""Weigh pairs by their documents: sentences of documents that correspond are likelier to say the same. Pure.

Which documents correspond is learned from the pairs that are sure without it, and from documents that are known to
correspond. With c(A, B) sure pairs between documents A and B, n(A) sure pairs of A in all, and pi(B) the share of
the other side's sentences that stand in B, the partner of a sentence of A is expected in B with the probability

    p(B | A) = e pi(B) + (1 - e) (c(A, B) + pi(B)) / (n(A) + 1)

a Dirichlet-multinomial prediction, mixed with chance. How far documents can be trusted at all, e, is what
makes the sure pairs likeliest, each predicted without itself (expectation maximization). Lift is the
logarithm of p over pi, mean of both directions; a pair never counts as evidence for itself or for a rival that one
of its sentences has. The prior of a pair is

    WEIGHT * (lift(A, B) - RIVAL * the largest lift that one of its two documents has with any)

so a pair of documents that belong together gains a little, a pair that leaves its documents loses much, and
where documents tell nothing (sentences that stand alone, shuffled corpora) the prior is next to nothing.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]

WEIGHT = 0.05
"""Ratio margin for a unit of log odds. On the documents of OLDI Seed of parts 36 to 67 (two thirds of either side
kept; Ligurian, Lombard, Friulian with Italian, Friulian with English): of .03, .05, .08, .1 and .15 that with no
loss of precision at the default threshold in any pair and the best F1."""

RIVAL = 0.8
"""Share of the best lift that is taken off. Chosen with `WEIGHT`: 1 only ever punishes, .7 costs precision."""

KNOWN_PAIRS = 4.0
"""A known pair of documents counts as much as this many sure pairs of sentences."""

LARGEST_KEY = 256
"""Documents that one key may join; a key of more (the home page, say) tells nothing and is left out."""

_BEST = 3
_STEPS = 30


class SentenceDocuments(NamedTuple):
    """In which document every sentence stands.

    Attributes:
        source: (n,) int64, number of each source sentence's document, from 0.
        target: (m,) int64, likewise.
        known: (p, 2) int64, numbers of source and target documents that are known to correspond; none twice.
    """

    source: Numbers
    target: Numbers
    known: Numbers


def number_documents(
    source: Sequence[str], target: Sequence[str], known: Iterable[tuple[str, str]] = ()
) -> SentenceDocuments:
    """Number the documents of two sides.

    Args:
        source: (n,) document id of every source sentence.
        target: (m,) likewise.
        known: pairs of documents that correspond, in any order and either way round; others do no harm.
    """
    sides, places = [], []
    for identifiers in (source, target):
        distinct, numbers = np.unique(np.asarray(identifiers, dtype=np.str_), return_inverse=True)
        sides.append(numbers.astype(np.int64).reshape(-1))
        places.append({identifier: number for number, identifier in enumerate(distinct.tolist())})
    found = set()
    for first, second in known:
        for a, b in ((first, second), (second, first)):
            if a in places[0] and b in places[1]:
                found.add((places[0][a], places[1][b]))
    return SentenceDocuments(sides[0], sides[1], np.array(sorted(found), dtype=np.int64).reshape(-1, 2))


class DocumentEvidence:
    """What sure pairs and known documents say about pairs of documents.

    Args:
        documents: where the sentences stand.
        sources, targets: (p,) int64, sure pairs of sentences, no sentence twice on its side.
    """

    def __init__(self, documents: SentenceDocuments, sources: Numbers, targets: Numbers) -> None:
        self._source, self._target = documents.source, documents.target
        self._sources_partner = _partners(len(documents.source), sources, targets)
        self._targets_partner = _partners(len(documents.target), targets, sources)
        self._source_share = _shares(documents.source)
        self._target_share = _shares(documents.target)
        a = np.concatenate([documents.source[sources], documents.known[:, 0]])
        b = np.concatenate([documents.target[targets], documents.known[:, 1]])
        weights = np.concatenate([np.ones(len(sources)), np.full(len(documents.known), KNOWN_PAIRS)])
        self._width = max(len(self._target_share), 1)
        self._cells, place = np.unique(a * self._width + b, return_inverse=True)
        self._counts: Values = np.bincount(place.reshape(-1), weights, minlength=len(self._cells)).astype(np.float64)
        self._source_totals: Values = np.bincount(a, weights, minlength=len(self._source_share)).astype(np.float64)
        self._target_totals: Values = np.bincount(b, weights, minlength=len(self._target_share)).astype(np.float64)
        self._chance = (1.0, 1.0)
        self._chance = self._learn_chance(sources, targets)
        a, b = self._cells // self._width, self._cells % self._width
        lift = self._lift(self._counts, self._source_totals[a], self._target_totals[b], a, b)
        self._source_rivals = _best(a, b, lift, len(self._source_share))
        self._target_rivals = _best(b, a, lift, len(self._target_share))

    @property
    def chance(self) -> tuple[float, float]:
        """How often the partner of a sentence stands where its document does not tell: of sources, of targets."""
        return self._chance

    def prior(self, sources: Numbers, targets: Numbers) -> Values:
        """Give the prior of pairs, in units of the ratio margin.

        Args:
            sources, targets: (p,) int64, indices of sentences.
        """
        a, b = self._source[sources], self._target[targets]
        own = self._lift_without(sources, targets, a, b)
        best = np.maximum(own, 0.0)
        for rival in self._source_rivals:
            others = rival[a]
            best = np.maximum(best, np.where(others >= 0, self._lift_without(sources, targets, a, others), 0.0))
        for rival in self._target_rivals:
            others = rival[b]
            best = np.maximum(best, np.where(others >= 0, self._lift_without(sources, targets, others, b), 0.0))
        return WEIGHT * (own - RIVAL * best)

    def documents(self, least_pairs: float = 2.0) -> Iterator[tuple[int, int, float]]:
        """Give the pairs of documents that are each other's best, with their lift, ordered by source.

        Args:
            least_pairs: fewest sure pairs (a known pair counts as `KNOWN_PAIRS`) that a pair of documents needs.
        """
        a, b = self._cells // self._width, self._cells % self._width
        mutual = (self._source_rivals[0][a] == b) & (self._target_rivals[0][b] == a) & (self._counts >= least_pairs)
        lift = self._lift(self._counts, self._source_totals[a], self._target_totals[b], a, b)
        for cell in np.flatnonzero(mutual & (lift > 0)):
            yield int(a[cell]), int(b[cell]), float(lift[cell])

    def _learn_chance(self, sources: Numbers, targets: Numbers) -> tuple[float, float]:
        a, b = self._source[sources], self._target[targets]
        counts = self._count(a, b) - 1
        learned = []
        for totals, shares in (
            (self._source_totals[a] - 1, self._target_share[b]),
            (self._target_totals[b] - 1, self._source_share[a]),
        ):
            told = (counts + shares) / (totals + 1)
            chance = 0.5
            for _ in range(_STEPS):
                # One pair each is counted as of chance and as told: few pairs prove neither.
                by_chance = chance * shares / (chance * shares + (1 - chance) * told)
                chance = (float(by_chance.sum()) + 1) / (len(told) + 2)
            learned.append(chance)
        return learned[0], learned[1]

    def _count(self, a: Numbers, b: Numbers) -> Values:
        """Give c(A, B)."""
        if len(self._cells) == 0:
            return np.zeros(len(a))
        wanted = a * self._width + b
        places = np.minimum(np.searchsorted(self._cells, wanted), len(self._cells) - 1)
        return np.where(self._cells[places] == wanted, self._counts[places], 0.0)

    def _lift(self, counts: Values, source_totals: Values, target_totals: Values, a: Numbers, b: Numbers) -> Values:
        by_source, by_target = self._chance
        source_share, target_share = self._source_share[a], self._target_share[b]
        forward = by_source + (1 - by_source) * (counts + target_share) / (source_totals + 1) / target_share
        backward = by_target + (1 - by_target) * (counts + source_share) / (target_totals + 1) / source_share
        lift: Values = (np.log(forward) + np.log(backward)) / 2
        return lift

    def _lift_without(self, sources: Numbers, targets: Numbers, a: Numbers, b: Numbers) -> Values:
        """Give the lift of documents without the sure pairs that these sentences are in."""
        counts, source_totals, target_totals = self._count(a, b), self._source_totals[a], self._target_totals[b]
        partner = self._sources_partner[sources]
        has = partner >= 0
        at_source, at_target = has & (self._source[sources] == a), has & (self._target[partner] == b)
        counts = counts - (at_source & at_target)
        source_totals, target_totals = source_totals - at_source, target_totals - at_target
        partner = self._targets_partner[targets]
        has = (partner >= 0) & (partner != sources)
        at_source, at_target = has & (self._source[partner] == a), has & (self._target[targets] == b)
        counts = counts - (at_source & at_target)
        return self._lift(counts, source_totals - at_source, target_totals - at_target, a, b)


def _partners(sentences: int, of: Numbers, partners: Numbers) -> Numbers:
    found = np.full(sentences, -1, dtype=np.int64)
    found[of] = partners
    return found


def _shares(documents: Numbers) -> Values:
    counted = np.bincount(documents)
    shares: Values = counted / max(counted.sum(), 1)
    return shares


def _best(of: Numbers, others: Numbers, lift: Values, documents: int) -> list[Numbers]:
    """Give the other documents with the largest lift: the first, second and third of every document; -1 for none."""
    order = np.lexsort((others, -lift, of))
    first = np.searchsorted(of[order], np.arange(documents))
    found = []
    for place in range(_BEST):
        best = np.full(documents, -1, dtype=np.int64)
        at = order[np.minimum(first + place, len(order) - 1)] if len(order) else np.zeros(documents, dtype=np.int64)
        if len(order):
            there = (first + place < len(order)) & (of[at] == np.arange(documents))
            best[there] = others[at[there]]
        found.append(best)
    return found


class Name(NamedTuple):
    """What a document is called, or calls its other versions.

    Attributes:
        key: a URL, or what a configured pattern takes out of the document's own.
        document_id: the document.
        is_own: is it the document's own name? Else it is one that the document declares for another version.
    """

    key: str
    document_id: str
    is_own: bool


def names_of(
    document_id: str,
    url: str | None,
    alternates: Sequence[dict[str, str]] | None,
    *,
    declared: bool,
    patterns: Sequence[str],
) -> Iterator[Name]:
    """Give the names by which a document finds others.

    Args:
        document_id, url, alternates: of the document.
        declared: use what the page declares (hreflang).
        patterns: regular expressions; documents from which one takes the same text correspond (the first group's,
            or the whole match).
    """
    if declared and url:
        yield Name(f"url {url}", document_id, True)
        for alternate in sorted({row["url"] for row in alternates or ()} - {url}):
            yield Name(f"url {alternate}", document_id, False)
    for number, pattern in enumerate(patterns):
        found = re.search(pattern, url or "")
        if found:
            key = found.group(1) if found.re.groups else found.group()
            yield Name(f"{number} {key}", document_id, True)
            yield Name(f"{number} {key}", document_id, False)


def correspondences(names: Collection[Name]) -> Iterator[tuple[str, str]]:
    """Give the pairs of documents that names with one key join: whose it is with who calls another version so.

    Args:
        names: all with the same key, in any order.
    """
    own = sorted({name.document_id for name in names if name.is_own})
    others = sorted({name.document_id for name in names if not name.is_own})
    if max(len(own), len(others)) > LARGEST_KEY:
        return
    pairs = {(min(a, b), max(a, b)) for a in own for b in others if a != b}
    yield from sorted(pairs)
