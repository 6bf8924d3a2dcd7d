"""Mine two matrices of vectors in memory."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from transforms.mine.documents import DocumentEvidence, SentenceDocuments
from transforms.mine.lexicon import MOST_PAIRS, Taught, teach
from transforms.mine.mapping import Mapped, teach_map
from transforms.mine.margin import mean_cosines
from transforms.mine.neighbours import BothWays, Vectors, nearest_both_ways
from transforms.mine.precision import LEAST_SURE, Curve, Side, planted_curve, read_curve
from transforms.mine.retrieval import BOTH, Candidates, Pairs, Prior, candidates_both_ways, ranks_of, retrieve
from transforms.mine.settings import MineSettings


class Mined(NamedTuple):
    """What was found between two sides.

    Attributes:
        pairs: what the retrieval gives, ordered by source, then target.
        is_kept: (pairs,) bool; does the margin reach the threshold?
        forward, backward: the best partner of each source and of each target, threshold or not.
        threshold: the smallest margin that is kept.
        probabilities: (pairs,) float64, that each pair is right; NaN where that is not known.
        curve: where they come from; None where there is none.
        ranks: (pairs, 2) int16, places of each pair's source and target among the other's neighbours (`ranks_of`).
    """

    pairs: Pairs
    is_kept: NDArray[np.bool_]
    forward: Candidates
    backward: Candidates
    threshold: float
    probabilities: NDArray[np.float64]
    curve: Curve | None
    ranks: NDArray[np.int16]

    @property
    def expected_right(self) -> float:
        """How many right pairs are kept, by their probabilities; 0 where nothing is known of them."""
        return float(self.probabilities[self.is_kept].sum()) if self.curve else 0.0

    @property
    def sure(self) -> NDArray[np.int64]:
        """Positions of pairs that can teach: each other's candidate, and more likely right than wrong."""
        if self.curve is None:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero((self.pairs.direction == BOTH) & (self.probabilities >= 0.5))


def mine_neighbours(
    found: BothWays, settings: MineSettings, encoder: str, documents: SentenceDocuments | None = None
) -> Mined:
    """Mine merged neighbourhoods.

    With documents it is done twice: the pairs that are each other's candidate and reach the threshold without
    documents tell which documents correspond, and what they tell is added to the margins.

    The threshold is the one that is set; or follows from the precision that is asked for, or from every kept pair
    being more likely right than wrong; or is the encoder's default, where pairs are too few to tell
    (`precision.LEAST_SURE`) or the retrieval is not 1-1.

    Args:
        found: neighbours of every source among all targets and of every target among all sources: k + 1 of them, where
            probabilities are wanted; the margin looks at k.
        settings: k, margin, retrieval, threshold, precision, calibration.
        encoder: name of the encoder; decides the default threshold.
        documents: in which documents the sentences stand; no prior when not given.
    """
    near = BothWays(*(side.first(settings.k) for side in found))
    means = (
        mean_cosines(near.forward, len(near.backward.indices)),
        mean_cosines(near.backward, len(near.forward.indices)),
    )
    mined = _decided(found, near, means, settings, encoder, None)
    if documents is None:
        return mined
    evidence = document_evidence(mined.forward, mined.backward, mined.threshold, documents)
    return _decided(found, near, means, settings, encoder, evidence.prior)


def _decided(
    found: BothWays,
    near: BothWays,
    means: tuple[NDArray[np.float64], NDArray[np.float64]],
    settings: MineSettings,
    encoder: str,
    prior: Prior | None,
) -> Mined:
    """Choose candidates, pairs and threshold."""
    forward, backward = candidates_both_ways(near, *means, settings.margin, prior)
    pairs = retrieve(forward, backward, settings.retrieval)
    curve = _curve(found, means, (forward, backward), pairs, settings, prior)
    probabilities = np.full(len(pairs.margin), np.nan) if curve is None else curve.at(pairs.margin)
    threshold = settings.threshold
    if threshold is None:
        threshold = (
            settings.threshold_for(encoder) if curve is None else curve.threshold(pairs.margin, settings.precision)
        )
    ranks = ranks_of(pairs, [near])
    return Mined(pairs, pairs.margin >= threshold, forward, backward, threshold, probabilities, curve, ranks)


def _curve(
    found: BothWays,
    means: tuple[NDArray[np.float64], NDArray[np.float64]],
    chosen: tuple[Candidates, Candidates],
    pairs: Pairs,
    settings: MineSettings,
    prior: Prior | None,
) -> Curve | None:
    if settings.calibration:
        return read_curve(settings.calibration)
    if settings.retrieval not in {"max", "intersect"} or found.forward.indices.shape[1] <= settings.k:
        return None
    swapped = None if prior is None else lambda own, others: prior(others, own)
    sides = (
        Side(found.forward, means[0], chosen[0], prior),
        Side(found.backward, means[1], chosen[1], swapped),
    )
    return planted_curve(pairs, *sides, settings.k, settings.margin)


def document_evidence(
    forward: Candidates, backward: Candidates, threshold: float, documents: SentenceDocuments
) -> DocumentEvidence:
    """Learn from sure pairs which documents correspond."""
    pairs = retrieve(forward, backward, "intersect")
    sure = pairs.take(pairs.margin >= threshold)
    return DocumentEvidence(documents, sure.source, sure.target)


def mine_vectors(
    source: Vectors,
    target: Vectors,
    settings: MineSettings | None = None,
    documents: SentenceDocuments | None = None,
) -> Pairs:
    """Mine two matrices of vectors.

    Args:
        source: (n, dimension) unit rows, float32 array or scipy CSR array; no duplicates, please.
        target: (m, dimension), of the same kind.
        settings: as in the configuration; the defaults when not given. Where it has no threshold, that of
            `ngram` is taken for sparse vectors, that of `laser` for dense ones.
        documents: in which documents the rows stand, where that is known; see `number_documents`.

    Returns:
        The pairs that are kept, ordered by source, then target.

    Raises:
        ValueError: the sides do not fit each other, or a value is not finite.
    """
    settings = settings or MineSettings()
    mined = mine_matrices(source, target, settings, documents)
    return mined.pairs.take(mined.is_kept)


def mine_matrices(
    source: Vectors, target: Vectors, settings: MineSettings, documents: SentenceDocuments | None = None
) -> Mined:
    """Do what `mine_vectors` does; gives all pairs, with probabilities and threshold."""
    found = nearest_both_ways(source, target, settings.k + 1)
    return mine_neighbours(found, settings, "ngram" if sparse.issparse(source) else "laser", documents)


def mine_texts(
    source: Vectors,
    target: Vectors,
    texts: tuple[Sequence[str], Sequence[str]],
    settings: MineSettings,
    documents: SentenceDocuments | None = None,
) -> Mined:
    """Mine twice: sure pairs of the first pass teach the second (`lexicon`, or `mapping` where vectors are dense).

    The second counts where it finds more.

    Args:
        source, target, settings, documents: as in `mine_vectors`.
        texts: of the rows of both sides.
    """
    first = mine_matrices(source, target, settings, documents)
    taught = teach_from(first, source, target, texts) if settings.second_pass else None
    if taught is None:
        return first
    second = mine_matrices(
        taught.fuse(source, texts[0], is_source=True),
        taught.fuse(target, texts[1], is_source=False),
        settings,
        documents,
    )
    return better(first, second)


def better(first: Mined, second: Mined) -> Mined:
    """Give the pass that is expected to keep more right pairs."""
    return second if second.expected_right > first.expected_right else first


def teach_from(
    first: Mined, source: Vectors, target: Vectors, texts: tuple[Sequence[str], Sequence[str]]
) -> Taught | Mapped | None:
    """Learn from the sure pairs of a first pass; None where they are too few, or a map makes nothing clearer.

    The pairs are taken in the order of their texts, so the order of the lines changes nothing.
    """
    sure = first.sure
    if len(sure) < LEAST_SURE:
        return None
    if len(sure) > MOST_PAIRS:
        sure = sure[np.argsort(-first.pairs.margin[sure], kind="stable")[:MOST_PAIRS]]
    both = [(texts[0][a], texts[1][b]) for a, b in zip(first.pairs.source[sure], first.pairs.target[sure], strict=True)]
    order = sorted(range(len(sure)), key=both.__getitem__)
    rows = sure[order]
    vectors = source[first.pairs.source[rows]], target[first.pairs.target[rows]]
    source_texts = [both[place][0] for place in order]
    if not sparse.issparse(source):
        return teach_map(*vectors, source_texts)
    return teach(*vectors, source_texts, [both[place][1] for place in order])
