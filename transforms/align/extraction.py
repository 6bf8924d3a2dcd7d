"""From similarities, or from links in two directions, to links: pure functions.

inter, itermax and mwmf are those of SimAlign (Jalili Sabet et al. 2020, section 2.2); the symmetrizations are
those of phrase-based translation (Och and Ney 2003; Koehn et al. 2005). All take many sentence pairs at once,
padded to one shape, or sets of links of one pair.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Similarities = NDArray[np.floating]
Links = NDArray[np.bool_]
Method = Literal["inter", "itermax", "mwmf"]
Cell = tuple[int, int]

ITERMAX_ALPHA = 0.9
ITERMAX_SMALLEST = 3
"""itermax stops at its first round where a side has fewer words."""


def inter(similarities: Similarities, sources: NDArray[np.integer], targets: NDArray[np.integer]) -> Links:
    """Link what is each other's best. The first of equally good ones counts.

    Args:
        similarities: (n, s, t), padded.
        sources, targets: (n,) words of each side of each pair; what lies beyond is padding.

    Returns:
        (n, s, t) bool.
    """
    inside = _inside(similarities, sources, targets)
    return _mutual(np.where(inside, similarities, -np.inf)) & inside


def itermax(similarities: Similarities, sources: NDArray[np.integer], targets: NDArray[np.integer]) -> Links:
    """Link what is each other's best, then once more among what is left: two rounds, alpha 0.9.

    In the second round, cells whose row and column are both linked are out, and those with one of them linked count
    0.9 times. Nothing is added where one side is linked throughout, or shorter than three words.

    Args:
        similarities: (n, s, t), padded, not negative.
        sources, targets: (n,) words of each side.

    Returns:
        (n, s, t) bool.
    """
    inside = _inside(similarities, sources, targets)
    first: Links = inter(similarities, sources, targets)
    free_rows: Links = ~np.any(first, axis=2) & np.any(inside, axis=2)
    free_columns: Links = ~np.any(first, axis=1) & np.any(inside, axis=1)
    again = (
        (np.minimum(sources, targets) >= ITERMAX_SMALLEST) & np.any(free_rows, axis=-1) & np.any(free_columns, axis=-1)
    )[:, None, None]
    both = free_rows[:, :, None] & free_columns[:, None, :]
    either = free_rows[:, :, None] | free_columns[:, None, :]
    # the weights are doubles, as SimAlign's are: a single-precision product could order two cells otherwise
    weights = np.where(both, 1.0, np.where(either, ITERMAX_ALPHA, 0.0))
    second = _mutual(np.where(inside, similarities * weights, -np.inf)) & either & inside & again
    return np.asarray(first | second, dtype=np.bool_)


def mwmf(similarities: Similarities, sources: NDArray[np.integer], targets: NDArray[np.integer]) -> Links:
    """Link by the matching of greatest total similarity: each word at most once, the shorter side throughout.

    An assignment solver finds it (SimAlign asks a general graph matching; the total is the same).

    Args:
        similarities: (n, s, t), padded.
        sources, targets: (n,) words of each side.

    Returns:
        (n, s, t) bool.
    """
    links = np.zeros(similarities.shape, dtype=np.bool_)
    for i, (rows, columns) in enumerate(zip(sources, targets, strict=True)):
        chosen = linear_sum_assignment(similarities[i, :rows, :columns], maximize=True)
        links[i][chosen] = True
    return links


METHODS: dict[Method, Callable[[Similarities, NDArray[np.integer], NDArray[np.integer]], Links]] = {
    "inter": inter,
    "itermax": itermax,
    "mwmf": mwmf,
}


def intersection(forward: Iterable[Cell], backward: Iterable[Cell]) -> set[Cell]:
    """Keep the links that both directions have."""
    return set(forward) & set(backward)


def union(forward: Iterable[Cell], backward: Iterable[Cell]) -> set[Cell]:
    """Keep the links that either direction has."""
    return set(forward) | set(backward)


def grow_diag_final_and(forward: Iterable[Cell], backward: Iterable[Cell]) -> set[Cell]:
    """Begin with the intersection, grow into the union, and add links between words that are both free.

    Grow: while something is added, take from the union the neighbours of links (diagonal ones too) that have a
    word without a link. Final-and: take from each direction the links whose words both have none. Links are
    looked at in rising order, so the result does not depend on the order in which they are given.
    """
    ahead, back = set(forward), set(backward)
    links = ahead & back
    every = ahead | back
    rows, columns = {i for i, _ in links}, {j for _, j in links}

    def add(cell: Cell) -> None:
        links.add(cell)
        rows.add(cell[0])
        columns.add(cell[1])

    grown = True
    while grown:
        grown = False
        for i, j in sorted(links):
            for near in _NEIGHBOURS:
                cell = (i + near[0], j + near[1])
                if cell in every and cell not in links and (cell[0] not in rows or cell[1] not in columns):
                    add(cell)
                    grown = True
    for direction in (ahead, back):
        for i, j in sorted(direction):
            if i not in rows and j not in columns:
                add((i, j))
    return links


_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))

SYMMETRIZATIONS: dict[str, Callable[[Iterable[Cell], Iterable[Cell]], set[Cell]]] = {
    "intersection": intersection,
    "union": union,
    "grow-diag-final-and": grow_diag_final_and,
}


def _inside(similarities: Similarities, sources: NDArray[np.integer], targets: NDArray[np.integer]) -> Links:
    _, rows, columns = similarities.shape
    return (np.arange(rows) < sources[:, None])[:, :, None] & (np.arange(columns) < targets[:, None])[:, None, :]


def _mutual(values: Similarities) -> Links:
    """Mark the cells that are the first greatest of their row and of their column."""
    if 0 in values.shape:
        return np.zeros(values.shape, dtype=np.bool_)
    rows = np.arange(values.shape[1])[None, :, None] == values.argmax(axis=1)[:, None, :]
    columns = np.arange(values.shape[2])[None, None, :] == values.argmax(axis=2)[:, :, None]
    return np.asarray(rows & columns, dtype=np.bool_)
