"""Mine two matrices of vectors in memory."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from transforms.mine.documents import DocumentEvidence, SentenceDocuments
from transforms.mine.margin import mean_cosines
from transforms.mine.neighbours import BothWays, Vectors, nearest_both_ways
from transforms.mine.retrieval import Candidates, Pairs, candidates_both_ways, retrieve
from transforms.mine.settings import MineSettings


class Mined(NamedTuple):
    """What was found between two sides.

    Attributes:
        pairs: what the retrieval gives, ordered by source, then target.
        is_kept: (pairs,) bool; does the margin reach the threshold?
        forward, backward: the best partner of each source and of each target, threshold or not.
        threshold: the smallest margin that is kept.
    """

    pairs: Pairs
    is_kept: NDArray[np.bool_]
    forward: Candidates
    backward: Candidates
    threshold: float


def mine_neighbours(
    found: BothWays, settings: MineSettings, encoder: str, documents: SentenceDocuments | None = None
) -> Mined:
    """Mine merged neighbourhoods.

    With documents it is done twice: the pairs that are each other's candidate and reach the threshold without
    documents tell which documents correspond, and what they tell is added to the margins.

    Args:
        found: neighbours of every source among all targets and of every target among all sources.
        settings: k (that of the neighbours), margin, retrieval, threshold.
        encoder: name of the encoder; decides the default threshold.
        documents: in which documents the sentences stand; no prior when not given.
    """
    threshold = settings.threshold_for(encoder)
    source_means = mean_cosines(found.forward, len(found.backward.indices))
    target_means = mean_cosines(found.backward, len(found.forward.indices))
    forward, backward = candidates_both_ways(found, source_means, target_means, settings.margin)
    if documents is not None:
        evidence = document_evidence(forward, backward, threshold, documents)
        forward, backward = candidates_both_ways(found, source_means, target_means, settings.margin, evidence.prior)
    pairs = retrieve(forward, backward, settings.retrieval)
    return Mined(pairs, pairs.margin >= threshold, forward, backward, threshold)


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
    found = nearest_both_ways(source, target, settings.k)
    mined = mine_neighbours(found, settings, "ngram" if sparse.issparse(source) else "laser", documents)
    return mined.pairs.take(mined.is_kept)
