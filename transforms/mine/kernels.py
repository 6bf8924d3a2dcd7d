"""The compiled loops of the search: exact cosines, screens, and the lists of the best. Arrays in, arrays written."""

from typing import Any

import numpy as np
from numba import njit

STEP = 64
"""Values that a scan looks at before it asks whether any is of interest."""

_WEIGHT_BITS = 15
_LARGEST_WEIGHT = (1 << _WEIGHT_BITS) - 1
POSTING_ROWS = 1 << (32 - _WEIGHT_BITS)
"""Most rows whose postings are laid out together: what two rows share stays in a core's cache, two bytes each."""


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def insert(indices: Any, cosines: Any, row: int, index: int, cosine: Any) -> None:
    """Put a neighbour behind those that are as near: indices come rising, so the smaller index stays before."""
    place = indices.shape[1] - 1
    while place > 0 and cosine > cosines[row, place - 1]:
        indices[row, place] = indices[row, place - 1]
        cosines[row, place] = cosines[row, place - 1]
        place -= 1
    indices[row, place] = index
    cosines[row, place] = cosine


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def cosine_of(first: Any, second: Any) -> Any:
    """Sum the products in eight lanes of float64, then the lanes in order; round to float32."""
    a = b = c = d = e = f = g = h = 0.0  # scalars, not an array: they stay in one register
    whole = first.shape[0] // 8 * 8
    for start in range(0, whole, 8):
        x, y = first[start : start + 8], second[start : start + 8]
        a += np.float64(x[0]) * np.float64(y[0])
        b += np.float64(x[1]) * np.float64(y[1])
        c += np.float64(x[2]) * np.float64(y[2])
        d += np.float64(x[3]) * np.float64(y[3])
        e += np.float64(x[4]) * np.float64(y[4])
        f += np.float64(x[5]) * np.float64(y[5])
        g += np.float64(x[6]) * np.float64(y[6])
        h += np.float64(x[7]) * np.float64(y[7])
    total = a + b + c + d + e + f + g + h
    for place in range(whole, first.shape[0]):
        total += np.float64(first[place]) * np.float64(second[place])
    return np.float32(total)


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def any_above(values: Any, row_limit: Any, limits: Any) -> bool:
    """Is a value of interest to its row or its column?

    Takes slices and has no branch inside: only so is it vectorized (0.06 ns a value instead of 1).
    """
    hits = 0
    for place in range(values.shape[0]):
        hits += values[place] > min(row_limit, limits[place])
    return hits > 0


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def any_over(values: Any, limit: Any) -> bool:
    """Is a value more than a limit? As `any_above`, without limits of columns."""
    hits = 0
    for place in range(values.shape[0]):
        hits += values[place] > limit
    return hits > 0


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def scan_rows(
    tile: Any, sources: Any, targets: Any, source_start: int, target_start: int, slack: Any, first: int, behind: int,
    indices: Any, cosines: Any,
) -> None:  # fmt: skip
    """Enter what is good enough for the rows `first` to `behind` of a tile: the sources' neighbours.

    Targets come rising, so `>` against the k-th best leaves the smaller index in place where cosines are equal.
    The limit is the k-th best less the slack of the screen.
    """
    last = indices.shape[1] - 1
    columns = tile.shape[1]
    for row in range(first, behind):
        source = source_start + row
        limit = cosines[source, last] - slack
        values = tile[row]
        for start in range(0, columns, STEP):
            stop = min(start + STEP, columns)
            if not any_over(values[start:stop], limit):
                continue
            for column in range(start, stop):
                if values[column] > limit:
                    cosine = cosine_of(sources[source], targets[target_start + column])
                    if cosine > cosines[source, last]:
                        insert(indices, cosines, source, target_start + column, cosine)
                        limit = cosines[source, last] - slack


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def scan_columns(
    tile: Any, sources: Any, targets: Any, source_start: int, target_start: int, slack: Any, first: int, behind: int,
    indices: Any, cosines: Any,
) -> None:  # fmt: skip
    """Enter what is good enough for the columns `first` to `behind` of a tile: the targets' neighbours."""
    last = indices.shape[1] - 1
    limits = cosines[target_start : target_start + tile.shape[1], last] - slack
    for row in range(tile.shape[0]):
        source = source_start + row
        values = tile[row]
        for start in range(first, behind, STEP):
            stop = min(start + STEP, behind)
            if not any_above(values[start:stop], np.float32(np.inf), limits[start:stop]):
                continue
            for column in range(start, stop):
                target = target_start + column
                if values[column] > limits[column]:
                    cosine = cosine_of(sources[source], targets[target])
                    if cosine > cosines[target, last]:
                        insert(indices, cosines, target, source, cosine)
                        limits[column] = cosines[target, last] - slack


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def scan_sparse(
    source_starts: Any, source_features: Any, source_values: Any,
    feature_starts: Any, posting_targets: Any, posting_values: Any, columns: int, target_start: int,
    source_indices: Any, source_cosines: Any, target_indices: Any, target_cosines: Any,
) -> None:  # fmt: skip
    """Sum each source's products with all targets, feature by feature; enter what is good enough."""
    last = source_indices.shape[1] - 1
    nothing = np.float32(0)  # sentences that share no feature are no neighbours
    limits = np.maximum(target_cosines[target_start : target_start + columns, last], nothing)
    sums = np.zeros(columns, dtype=np.float32)
    for source in range(source_starts.shape[0] - 1):
        sums[:] = 0
        for place in range(source_starts[source], source_starts[source + 1]):
            feature = source_features[place]
            weight = source_values[place]
            for posting in range(feature_starts[feature], feature_starts[feature + 1]):
                sums[posting_targets[posting]] += weight * posting_values[posting]
        row_limit = max(source_cosines[source, last], nothing)
        for start in range(0, columns, STEP):
            stop = min(start + STEP, columns)
            if not any_above(sums[start:stop], row_limit, limits[start:stop]):
                continue
            for column in range(start, stop):
                value = sums[column]
                if value > row_limit:
                    insert(source_indices, source_cosines, source, target_start + column, value)
                    row_limit = max(source_cosines[source, last], nothing)
                if value > limits[column]:
                    insert(target_indices, target_cosines, target_start + column, source, value)
                    limits[column] = max(target_cosines[target_start + column, last], nothing)


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def sparse_cosine(spread: Any, features: Any, values: Any) -> Any:
    """Sum the products feature by feature, as `scan_sparse` does: a feature that is not shared adds nothing."""
    total = np.float32(0)
    for place in range(features.shape[0]):
        total += spread[features[place]] * values[place]
    return total


@njit(nogil=True, cache=True, fastmath=True)  # pragma: no cover - compiled
def _loose_dot(first: Any, second: Any) -> Any:
    """Sum products in any order: for bounds only."""
    total = np.float32(0)
    for place in range(first.shape[0]):
        total += first[place] * second[place]
    return total


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def raise_floors(
    starts: Any, features: Any, values: Any, other_starts: Any, other_features: Any, other_values: Any,
    found: Any, k: int, dimension: int, floors: Any,
) -> None:  # fmt: skip
    """Raise each vector's floor to the k-th best exact cosine among some that were found for it."""
    spread = np.zeros(dimension, dtype=np.float32)
    exact = np.empty(found.shape[1], dtype=np.float32)
    for row in range(found.shape[0]):
        if found[row, k - 1] < 0:
            continue
        begin, end = starts[row], starts[row + 1]
        for place in range(begin, end):
            spread[features[place]] = values[place]
        exact[:] = 0
        for place in range(found.shape[1]):
            other = found[row, place]
            if other >= 0:
                first, last = other_starts[other], other_starts[other + 1]
                exact[place] = sparse_cosine(spread, other_features[first:last], other_values[first:last])
        for place in range(begin, end):
            spread[features[place]] = 0
        floors[row] = max(floors[row], np.sort(exact)[-k])


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def scan_bounds(
    bounds: Any, source_start: int, target_start: int,
    source_starts: Any, source_features: Any, source_values: Any,
    target_starts: Any, target_features: Any, target_values: Any,
    rare_starts: Any, rare_features: Any, rare_values: Any,
    feature_starts: Any, posting_targets: Any, posting_values: Any,
    source_corrections: Any, target_corrections: Any, slack: Any, source_floors: Any, target_floors: Any, spread: Any,
    source_indices: Any, source_cosines: Any, target_indices: Any, target_cosines: Any,
) -> None:  # fmt: skip
    """Add the rare features to bounds of the frequent ones; what may be good enough is computed exactly.

    Args:
        bounds: (sources, targets) of a tile, coarse bounds of the frequent features' part; overwritten.
        source_start, target_start: where the tile stands.
        source_starts and so on: the whole vectors, CSR.
        rare_starts and so on: the sources' rare features, CSR; the tile's targets' as postings (CSC).
        source_corrections, target_corrections: products of their rows turn a coarse bound into a fine one.
        slack: more than all bounds and cosines can be off by rounding.
        source_floors, target_floors: a neighbour below is of no interest.
        spread: (dimension,) zeros; so again afterwards.
    """
    last = source_indices.shape[1] - 1
    rows, columns = bounds.shape
    limits = np.maximum(
        target_cosines[target_start : target_start + columns, last], target_floors[target_start : target_start + columns]
    ) - slack  # fmt: skip
    for row in range(rows):
        source = source_start + row
        sums = bounds[row]
        for place in range(rare_starts[source], rare_starts[source + 1]):
            feature, weight = rare_features[place], rare_values[place]
            for posting in range(feature_starts[feature], feature_starts[feature + 1]):
                sums[posting_targets[posting]] += weight * posting_values[posting]
        row_limit = max(source_cosines[source, last], source_floors[source]) - slack
        begin, end = source_starts[source], source_starts[source + 1]
        is_spread = False
        for start in range(0, columns, STEP):
            stop = min(start + STEP, columns)
            if not any_above(sums[start:stop], row_limit, limits[start:stop]):
                continue
            for column in range(start, stop):
                limit = min(row_limit, limits[column])
                target = target_start + column
                if sums[column] <= limit or (
                    sums[column] + _loose_dot(source_corrections[source], target_corrections[target]) <= limit
                ):
                    continue
                if not is_spread:
                    for place in range(begin, end):
                        spread[source_features[place]] = source_values[place]
                    is_spread = True
                first, behind = target_starts[target], target_starts[target + 1]
                value = sparse_cosine(spread, target_features[first:behind], target_values[first:behind])
                if value <= 0:  # sentences that share no feature are no neighbours
                    continue
                if value > source_cosines[source, last]:
                    insert(source_indices, source_cosines, source, target, value)
                    row_limit = max(source_cosines[source, last], source_floors[source]) - slack
                if value > target_cosines[target, last]:
                    insert(target_indices, target_cosines, target, source, value)
                    limits[column] = max(target_cosines[target, last], target_floors[target]) - slack
        if is_spread:
            for place in range(begin, end):
                spread[source_features[place]] = 0


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def enter(indices: Any, cosines: Any, row: int, index: int, cosine: Any) -> None:
    """Enter a neighbour that comes in any order, if it is good enough: nearest first, then by index."""
    place = indices.shape[1] - 1
    if cosine < cosines[row, place] or (cosine == cosines[row, place] and index > indices[row, place]):
        return
    while place > 0 and (
        cosine > cosines[row, place - 1] or (cosine == cosines[row, place - 1] and index < indices[row, place - 1])
    ):
        indices[row, place] = indices[row, place - 1]
        cosines[row, place] = cosines[row, place - 1]
        place -= 1
    indices[row, place] = index
    cosines[row, place] = cosine


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def pack_postings(
    starts: Any, features: Any, values: Any, first: int, behind: int, wanted: Any, feature_starts: Any, postings: Any
) -> None:
    """Lay out which rows have a feature, and how much of it, in one number a posting: row, then weight.

    Args:
        starts, features, values: CSR.
        first, behind: rows that are laid out, at most `POSTING_ROWS`; counted from 0.
        wanted: (dimension,) features that are laid out.
        feature_starts: (dimension + 1,) where each feature's postings start; written.
        postings: uint32, as many as there are values in these rows, or more; written.
    """
    feature_starts[:] = 0
    for place in range(starts[first], starts[behind]):
        if wanted[features[place]]:
            feature_starts[features[place] + 1] += 1
    for feature in range(feature_starts.shape[0] - 1):
        feature_starts[feature + 1] += feature_starts[feature]
    for row in range(first, behind):
        for place in range(starts[row], starts[row + 1]):
            feature = features[place]
            if wanted[feature]:
                postings[feature_starts[feature]] = ((row - first) << _WEIGHT_BITS) | rough_weight(values[place])
                feature_starts[feature] += 1
    for feature in range(feature_starts.shape[0] - 1, 0, -1):
        feature_starts[feature] = feature_starts[feature - 1]
    feature_starts[0] = 0


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def rough_weight(value: Any) -> Any:
    """Give a weight from 0 to 1 as a whole number of `_WEIGHT_BITS` bits, rounded up: none becomes nothing."""
    return min(np.int64(np.ceil(np.float64(value) * _LARGEST_WEIGHT)), _LARGEST_WEIGHT)


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def seek_candidates(
    starts: Any, features: Any, values: Any, feature_starts: Any, postings: Any, offset: int, shared: Any, likely: Any
) -> None:
    """Keep the rows of a chunk that share most of each row's rare features.

    What two rows share is summed in whole numbers, so neither the order of features nor the cut into chunks changes
    it, and two passes over short lists of small numbers are all that it takes.

    Args:
        starts, features, values: of the rows that ask, CSR, the features that each may use.
        feature_starts, postings: of the chunk (`pack_postings`).
        offset: number of the chunk's first row.
        shared: (rows of the chunk,) uint16 zeros; so again afterwards.
        likely: (n, candidates) keys of the best so far, a heap with the least in front; -1: none. Written. The more is
            shared, and the smaller the row's number, the larger is its key.
    """
    for row in range(starts.shape[0] - 1):
        for place in range(starts[row], starts[row + 1]):
            weight = np.uint32(rough_weight(values[place]))
            for posting in range(feature_starts[features[place]], feature_starts[features[place] + 1]):
                entry = postings[posting]
                # At least 1: what is shared at all counts. 32,767 for rows of length 1, and one more a feature.
                product = (weight * (entry & np.uint32(_LARGEST_WEIGHT))) >> np.uint32(_WEIGHT_BITS)
                shared[entry >> np.uint32(_WEIGHT_BITS)] += np.uint16(product + np.uint32(1))
        best = likely[row]
        least = max(best[0] >> 32, 1)
        for place in range(starts[row], starts[row + 1]):
            for posting in range(feature_starts[features[place]], feature_starts[features[place] + 1]):
                other = postings[posting] >> np.uint32(_WEIGHT_BITS)
                value = np.int64(shared[other])
                if value == 0:
                    continue
                shared[other] = 0
                if value >= least:
                    key = (value << 32) | (0xFFFFFFFF - (offset + np.int64(other)))
                    if key > best[0]:
                        _replace_least(best, key)
                        least = max(best[0] >> 32, 1)


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def _replace_least(heap: Any, key: int) -> None:
    place, child = 0, 1
    while child < heap.shape[0]:
        if child + 1 < heap.shape[0] and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        place, child = child, 2 * child + 1
    heap[place] = key


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def choose_classes(starts: Any, features: Any, lengths: Any, classes: Any, budget: int, last_classes: Any) -> None:
    """Say up to which class each row may use features: while their postings are at most the budget, or the first of all."""
    costs = np.empty(64, dtype=np.int64)
    for row in range(starts.shape[0] - 1):
        costs[:] = 0
        for place in range(starts[row], starts[row + 1]):
            costs[classes[features[place]]] += lengths[features[place]]
        chosen, cost = 0, costs[0]
        while chosen < 63 and (cost == 0 or cost + costs[chosen + 1] <= budget):
            chosen += 1
            cost += costs[chosen]
        last_classes[row] = chosen


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def enter_candidates(
    starts: Any, features: Any, values: Any, other_starts: Any, other_features: Any, other_values: Any,
    spread: Any, offset: int, likely: Any, indices: Any, cosines: Any,
) -> None:  # fmt: skip
    """Compute the cosines of the candidates that stand in a chunk and enter them.

    Args:
        starts, features, values: the rows that ask, CSR.
        other_starts, other_features, other_values: the chunk, CSR. Sums are taken in the order in which its features
            stand, whatever their numbers.
        spread: (dimension,) zeros; so again afterwards.
        offset: number of the chunk's first row.
        likely: (n, candidates) numbers of rows, -1: none.
        indices, cosines: (n, k) the neighbours; written.
    """
    rows = other_starts.shape[0] - 1
    for row in range(starts.shape[0] - 1):
        begin, end = starts[row], starts[row + 1]
        is_spread = False
        for candidate in likely[row]:
            if candidate < offset or candidate >= offset + rows:
                continue
            if not is_spread:
                for place in range(begin, end):
                    spread[features[place]] = values[place]
                is_spread = True
            first, behind = other_starts[candidate - offset], other_starts[candidate - offset + 1]
            cosine = sparse_cosine(spread, other_features[first:behind], other_values[first:behind])
            if cosine > 0:  # sentences that share no feature are no neighbours
                enter(indices, cosines, row, candidate, cosine)
        if is_spread:
            for place in range(begin, end):
                spread[features[place]] = 0


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def enter_returned(indices: Any, cosines: Any, other_indices: Any, other_cosines: Any) -> None:
    """Enter each row as a neighbour of those that are its neighbours, where they had not found it.

    Args:
        indices, cosines: (n, k) neighbours of one side, -1: none; written.
        other_indices, other_cosines: (m, k) neighbours of the other side.
    """
    for other in range(other_indices.shape[0]):
        for place in range(other_indices.shape[1]):
            row = other_indices[other, place]
            if row >= 0 and not (indices[row] == other).any():
                enter(indices, cosines, row, other, other_cosines[other, place])


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def enter_pairs(
    sources: Any, targets: Any, rows: Any, columns: Any,
    source_indices: Any, source_cosines: Any, target_indices: Any, target_cosines: Any,
) -> None:  # fmt: skip
    """Compute the cosines of dense pairs, each of which comes once, and enter them on both sides."""
    for pair in range(rows.shape[0]):
        source, target = rows[pair], columns[pair]
        cosine = cosine_of(sources[source], targets[target])
        enter(source_indices, source_cosines, source, target, cosine)
        enter(target_indices, target_cosines, target, source, cosine)


@njit(nogil=True, cache=True)  # pragma: no cover - compiled
def scan_cell(
    products: Any, own: Any, others: Any, rows: Any, there: Any, offset: int, slack: Any, indices: Any, cosines: Any
) -> None:
    """Enter what is good enough among the products of some rows and a cell's vectors.

    Args:
        products: (rows, there), a screen.
        own, others: all vectors of both sides.
        rows, there: which of them were multiplied.
        offset: what is added to the numbers of the others.
        slack: more than twice what a product can be off.
        indices, cosines: (n, k) the neighbours; written.
    """
    last = indices.shape[1] - 1
    for number in range(rows.shape[0]):
        row = rows[number]
        values = products[number]
        limit = cosines[row, last] - slack
        for start in range(0, values.shape[0], STEP):
            stop = min(start + STEP, values.shape[0])
            if not any_over(values[start:stop], limit):
                continue
            for place in range(start, stop):
                if values[place] > limit:
                    enter(indices, cosines, row, offset + there[place], cosine_of(own[row], others[there[place]]))
                    limit = cosines[row, last] - slack
