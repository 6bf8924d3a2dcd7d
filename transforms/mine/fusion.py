"""Fuse the margins of several encoders: what one space finds is scored in all of them. Pure but for reading blocks.

A pair is a candidate when it is among the k nearest of either sentence in any of the spaces. Its cosine is computed
in every space, and set against the neighbourhoods of that space (`margin.py`). Margins of different encoders are not of
one scale, so each is measured by how far the encoder's default threshold lies from where a margin says nothing
(1 for the ratio, 0 for the others):

    fused(x, y) = base + unit * sum of w(e) * (margin(e, x, y) - base) / (threshold(e) - base)

with weights w(e) that sum to 1 and the unit of the encoder whose threshold lies farthest, whose default threshold is
then that of the fused margin too. The weights are set, or learned: pairs that are each other's best and reach the
threshold (by equal weights, or by one space alone where that is sure of more) are taken as right, what else their
sentences might have been paired with as wrong, and a logistic regression says which space tells them apart; then again,
with the weights that it found.

All sums run over candidates in the order of their sentences, so the result is the same bits for any cut into blocks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from transforms.common.blocks import SPARSE, VectorBlock, read_dense, read_sparse
from transforms.mine.documents import SentenceDocuments
from transforms.mine.kernels import cosine_of
from transforms.mine.margin import margins, mean_cosines, ratio_unit
from transforms.mine.mining import Mined, document_evidence
from transforms.mine.neighbours import MISSING, BothWays, Neighbours, Vectors, nearest_both_ways
from transforms.mine.precision import read_curve
from transforms.mine.retrieval import Candidates, Prior, ranks_of, retrieve
from transforms.mine.settings import MarginName, MineSettings, default_threshold

LEAST_SURE = 30
"""Sure pairs, below which the weights are not learned: each space counts the same."""

_CLIPPED = (-4.0, 8.0)
_ROUNDS = 3
_STEPS = 25

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Space:
    """One encoder's view of two sides.

    Attributes:
        encoder: its name, such as `ngram`, with or without a digest.
        near: the k nearest neighbours of every sentence, merged over all of the other side.
        cosines: gives the (p,) float32 cosines of pairs: (sources, targets), (p,) int64 each.
    """

    encoder: str
    near: BothWays
    cosines: Callable[[Numbers, Numbers], NDArray[np.float32]]


class Fused(NamedTuple):
    """Candidate pairs with their fused margins, ordered by source, then target.

    Attributes:
        sources, targets: (p,) int64.
        cosines: (p,) float32, in the space that gives the unit.
        margins: (p,) float64.
        weights: of each space.
        threshold: the default threshold of the fused margin.
        units: (p,) float64 or 1: a unit of the ratio margin, in this margin.
    """

    sources: Numbers
    targets: Numbers
    cosines: NDArray[np.float32]
    margins: Values
    weights: dict[str, float]
    threshold: float
    units: Values | float


def fuse(spaces: Sequence[Space], margin: MarginName, weights: Mapping[str, float]) -> Fused:
    """Score the candidates of all spaces in all spaces.

    Args:
        spaces: of the same two sides, two or more; their order tells nothing.
        margin: which margin.
        weights: by name of the encoder, not negative, one more than 0; none: learned.

    Raises:
        SettingsError: no default threshold is known for an encoder and this margin, so its scale is not known.
    """
    spaces = sorted(spaces, key=lambda space: space.encoder)
    names = [_name(space.encoder) for space in spaces]
    base = 1.0 if margin == "ratio" else 0.0
    scales = [default_threshold(name, margin) - base for name in names]
    reference = int(np.argmax(scales))
    sources, targets = candidate_pairs([space.near for space in spaces])
    told, cosines, means = [], [], []
    for space, scale in zip(spaces, scales, strict=True):
        found = space.cosines(sources, targets)
        source_means = mean_cosines(space.near.forward, len(space.near.backward.indices))[sources]
        target_means = mean_cosines(space.near.backward, len(space.near.forward.indices))[targets]
        told.append((margins(margin, found, source_means, target_means) - base) / scale)
        cosines.append(found)
        means.append((source_means, target_means))
    shares = fixed_weights(names, weights) if weights else learned_weights(told, sources, targets)
    return Fused(
        sources,
        targets,
        cosines[reference],
        base + scales[reference] * _weighted(told, shares),
        dict(zip(names, shares, strict=True)),
        default_threshold(names[reference], margin),
        ratio_unit(margin, *means[reference]),
    )


def candidate_pairs(near: Sequence[BothWays]) -> tuple[Numbers, Numbers]:
    """Give the pairs that are neighbours in any space and direction: sources, targets, ordered, no pair twice."""
    width = max(len(near[0].backward.indices), 1)
    keys = []
    for space in near:
        for neighbours, is_forward in ((space.forward, True), (space.backward, False)):
            own, others = _listed(neighbours)
            keys.append(own * width + others if is_forward else others * width + own)
    distinct = np.unique(np.concatenate(keys))
    return distinct // width, distinct % width


def _listed(neighbours: Neighbours) -> tuple[Numbers, Numbers]:
    rows, k = neighbours.indices.shape
    own = np.repeat(np.arange(rows, dtype=np.int64), k)
    others = neighbours.indices.reshape(-1)
    there = others != MISSING
    return own[there], others[there]


def fixed_weights(names: Sequence[str], weights: Mapping[str, float]) -> list[float]:
    """Give the weights of the settings, so that they sum to 1; a space that is not named has none."""
    total = sum(weights.get(name, 0.0) for name in names)
    return [weights.get(name, 0.0) / total for name in names] if total > 0 else [1.0 / len(names)] * len(names)


def learned_weights(told: Sequence[Values], sources: Numbers, targets: Numbers) -> list[float]:
    """Learn the weights of spaces from the pairs that they are sure of together.

    Args:
        told: (p,) float64 of each space: how far each candidate's margin is above nothing; 1: at the threshold.
        sources, targets: (p,) int64, the candidates, ordered.

    Returns:
        A weight a space; they sum to 1. Rounded to thousandths, so that the last bits of a machine's logarithm
        do not decide about pairs.
    """
    equal = [1.0 / len(told)] * len(told)
    starts = [equal] + [[float(place == alone) for place in range(len(told))] for alone in range(len(told))]
    sure = max((_sure(told, shares, sources, targets) for shares in starts), key=np.count_nonzero)
    shares = equal
    for _ in range(_ROUNDS):
        if np.count_nonzero(sure) < LEAST_SURE:
            return equal
        rival = (np.isin(sources, sources[sure]) | np.isin(targets, targets[sure])) & ~sure
        chosen = sure | rival
        features = np.array([np.clip(values[chosen], *_CLIPPED) for values in told] + [np.ones(int(chosen.sum()))])
        learned = np.maximum(_logistic(features, sure[chosen].astype(np.float64))[:-1], 0.0)
        if learned.sum() <= 0:
            return equal
        rounded = np.round(learned / learned.sum(), 3)
        shares = [float(share) for share in rounded / rounded.sum()]
        sure = _sure(told, shares, sources, targets)
    return shares


def _sure(told: Sequence[Values], shares: Sequence[float], sources: Numbers, targets: Numbers) -> NDArray[np.bool_]:
    """Say which candidates are the best of both their sentences and reach the threshold."""
    fused = _weighted(told, shares)
    return _is_best(sources, fused) & _is_best(targets, fused) & (fused >= 1)


def _weighted(told: Sequence[Values], shares: Sequence[float]) -> Values:
    fused = np.zeros(len(told[0]), dtype=np.float64)
    for share, values in zip(shares, told, strict=True):
        fused += share * values
    return fused


def _is_best(own: Numbers, values: Values) -> NDArray[np.bool_]:
    """Say of each candidate whether no other one of its sentence has a larger value."""
    best = np.full(int(own.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(best, own, values)
    is_best: NDArray[np.bool_] = values == best[own]
    return is_best


def _logistic(features: Values, is_right: Values) -> Values:
    """Fit a logistic regression by Newton's method, with a ridge of 1 on all but the constant (the last row)."""
    ridge = np.diag([1.0] * (len(features) - 1) + [1e-6])
    weights = np.zeros(len(features))
    for _ in range(_STEPS):
        # Sums by numpy's own order, not by BLAS, whose order may follow the number of threads.
        logits = (weights[:, None] * features).sum(axis=0)
        expected = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        slope = (features * (is_right - expected)).sum(axis=1) - ridge @ weights
        curvature = (features[:, None] * features[None] * (expected * (1 - expected))).sum(axis=2) + ridge
        step = np.linalg.solve(curvature, slope)
        weights = weights + step
        if abs(step).max() < 1e-9:
            break
    return weights


def fused_candidates(fused: Fused, sides: tuple[int, int], prior: Prior | None = None) -> tuple[Candidates, Candidates]:
    """Choose the best partner by fused margin of every sentence: of sources, of targets.

    Args:
        fused: the candidates.
        sides: sentences of the source, of the target.
        prior: what is added to the margins, in units of the ratio margin.
    """
    priors = np.zeros(len(fused.sources))
    if prior is not None:
        priors = prior(fused.sources, fused.targets) * fused.units
    values = fused.margins + priors
    return (
        _best_of(fused.sources, fused.targets, fused.cosines, values, priors, sides[0]),
        _best_of(fused.targets, fused.sources, fused.cosines, values, priors, sides[1]),
    )


def _best_of(
    own: Numbers, others: Numbers, cosines: NDArray[np.float32], values: Values, priors: Values, rows: int
) -> Candidates:
    order = np.lexsort((others, -values, own))
    first = order[np.flatnonzero(np.diff(own[order], prepend=-1))]
    best = Candidates(
        np.full(rows, MISSING, dtype=np.int64),
        np.zeros(rows, dtype=np.float32),
        np.full(rows, -np.inf, dtype=np.float64),
        np.zeros(rows, dtype=np.float64),
    )
    at = own[first]
    best.partners[at], best.cosines[at] = others[first], cosines[first]
    best.margins[at], best.priors[at] = values[first], priors[first]
    return best


def mine_fused(spaces: Sequence[Space], settings: MineSettings, documents: SentenceDocuments | None = None) -> Mined:
    """Mine two sides by the fused margins of several spaces: what `mine_neighbours` does for one.

    Args:
        spaces: of the same two sides.
        settings: margin, retrieval, threshold, weights, calibration.
        documents: in which documents the sentences stand; no prior when not given.

    Raises:
        SettingsError: as in `fuse`.
    """
    fused = fuse(spaces, settings.margin, settings.weights)
    near = [space.near for space in spaces]
    mined = _decided(fused, near, settings, None)
    if documents is None:
        return mined
    evidence = document_evidence(mined.forward, mined.backward, mined.threshold, documents)
    return _decided(fused, near, settings, evidence.prior)


def _decided(fused: Fused, near: Sequence[BothWays], settings: MineSettings, prior: Prior | None) -> Mined:
    sides = (len(near[0].forward.indices), len(near[0].backward.indices))
    forward, backward = fused_candidates(fused, sides, prior)
    pairs = retrieve(forward, backward, settings.retrieval)
    # Wrong pairs are planted in one space (`precision.py`); for fused margins there are judged pairs, or the default.
    curve = read_curve(settings.calibration) if settings.calibration else None
    probabilities = np.full(len(pairs.margin), np.nan) if curve is None else curve.at(pairs.margin)
    threshold = settings.threshold
    if threshold is None:
        threshold = fused.threshold if curve is None else curve.threshold(pairs.margin, settings.precision)
    ranks = ranks_of(pairs, near)
    return Mined(pairs, pairs.margin >= threshold, forward, backward, threshold, probabilities, curve, ranks)


def mine_matrices_fused(
    sides: Mapping[str, tuple[Vectors, Vectors]], settings: MineSettings, documents: SentenceDocuments | None = None
) -> Mined:
    """Mine two sides by the fused margins of several encoders, in memory.

    Args:
        sides: vectors of source and target by name of the encoder, such as `ngram`; rows of all are the same sentences.
        settings, documents: as in `mine_fused`.

    Raises:
        ValueError: the sides do not fit each other.
        SettingsError: as in `fuse`.
    """
    shapes = {(source.shape[0], target.shape[0]) for source, target in sides.values()}
    if len(shapes) != 1:
        raise ValueError(f"expected the same numbers of rows in every space, got {sorted(shapes)}")
    spaces = [
        Space(name, nearest_both_ways(source, target, settings.k), _in_memory(source, target))
        for name, (source, target) in sides.items()
    ]
    return mine_fused(spaces, settings, documents)


def _in_memory(source: Vectors, target: Vectors) -> Callable[[Numbers, Numbers], NDArray[np.float32]]:
    return lambda sources, targets: pair_cosines(source, target, sources, targets)


def pair_cosines(source: Vectors, target: Vectors, sources: Numbers, targets: Numbers) -> NDArray[np.float32]:
    """Give the cosines of pairs, to the bit as the search gives them.

    Args:
        source, target: unit rows, both dense or both sparse.
        sources, targets: (p,) rows.
    """
    found = np.empty(len(sources), dtype=np.float32)
    if sparse.issparse(source):
        _sparse_cosines(
            source.indptr, source.indices, source.data, target.indptr, target.indices, target.data,
            sources, targets, found,
        )  # fmt: skip
    else:
        _dense_cosines(source, target, sources, targets, found)
    return found


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _dense_cosines(source: Any, target: Any, sources: Any, targets: Any, found: Any) -> None:
    for pair in range(len(sources)):
        found[pair] = cosine_of(source[sources[pair]], target[targets[pair]])


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _sparse_cosines(
    source_starts: Any, source_features: Any, source_values: Any,
    target_starts: Any, target_features: Any, target_values: Any,
    sources: Any, targets: Any, found: Any,
) -> None:  # fmt: skip
    """Walk two rows of rising features together; the products are summed in the order of the features."""
    for pair in range(len(sources)):
        a, a_end = source_starts[sources[pair]], source_starts[sources[pair] + 1]
        b, b_end = target_starts[targets[pair]], target_starts[targets[pair] + 1]
        total = np.float32(0)
        while a < a_end and b < b_end:
            first, second = source_features[a], target_features[b]
            if first == second:
                total += source_values[a] * target_values[b]
            a += first <= second
            b += second <= first
        found[pair] = total


def block_cosines(
    source: Sequence[VectorBlock], target: Sequence[VectorBlock], sources: Numbers, targets: Numbers
) -> NDArray[np.float32]:
    """Give the cosines of pairs whose vectors lie in blocks.

    Memory: the vectors of two blocks. Every pair of blocks that has a pair is read once more.

    Args:
        source, target: blocks of either side, by rising number.
        sources, targets: (p,) sentences, counted through the blocks of their side.
    """
    found = np.empty(len(sources), dtype=np.float32)
    source_cuts, target_cuts = _cuts(source), _cuts(target)
    source_places = np.searchsorted(source_cuts, sources, side="right") - 1
    target_places = np.searchsorted(target_cuts, targets, side="right") - 1
    for source_place in np.unique(source_places):
        of_source = np.flatnonzero(source_places == source_place)
        source_vectors = _vectors(source[source_place])
        for target_place in np.unique(target_places[of_source]):
            chosen = of_source[target_places[of_source] == target_place]
            found[chosen] = pair_cosines(
                source_vectors,
                _vectors(target[target_place]),
                sources[chosen] - source_cuts[source_place],
                targets[chosen] - target_cuts[target_place],
            )
    return found


def _cuts(blocks: Sequence[VectorBlock]) -> Numbers:
    return np.concatenate([[0], np.cumsum([block.rows for block in blocks])[:-1]]).astype(np.int64)


def _vectors(block: VectorBlock) -> Vectors:
    return read_sparse(block) if block.kind == SPARSE else read_dense(block)


def _name(encoder: str) -> str:
    return encoder.partition(":")[0]
