"""Score a pair by how far its cosine stands out of both neighbourhoods.

Artetxe and Schwenk, "Margin-based Parallel Corpus Mining with Multilingual Sentence Embeddings", ACL 2019:
score(x, y) = f(cos(x, y), (m(x) + m(y)) / 2), where m is the mean cosine to the k nearest neighbours on the
other side. All in float64; the sums run from the nearest to the farthest neighbour.
"""

import numpy as np
from numpy.typing import NDArray

from transforms.mine.neighbours import MISSING, Neighbours
from transforms.mine.settings import MarginName

SMALLEST_MEAN = 1e-6
"""The ratio divides by no less. Where both neighbourhoods are this far away on average, or point away (dense
vectors only), a positive cosine gets a very large ratio and a negative one a very small: the order stays right."""


def mean_cosines(neighbours: Neighbours, others: int) -> NDArray[np.float64]:
    """Give m(x), the mean cosine of each vector to its k nearest neighbours.

    Where the other side has fewer than k vectors, the mean is over all that it has. A sparse vector that
    shares features with fewer than k vectors has further neighbours of cosine 0, and they count as such.

    Args:
        neighbours: (n, k), merged over all of the other side.
        others: vectors on the other side.

    Returns:
        (n,) float64; 0 where there is no other side.
    """
    rows, k = neighbours.cosines.shape
    sums = np.zeros(rows, dtype=np.float64)
    for place in range(k):
        sums += np.where(neighbours.indices[:, place] == MISSING, 0.0, neighbours.cosines[:, place].astype(np.float64))
    means: NDArray[np.float64] = sums / max(min(k, others), 1)
    return means


def margins(
    name: MarginName, cosines: NDArray[np.float32], source_means: NDArray[np.float64], target_means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score pairs.

    Args:
        name: ratio: cosine / mean (eq. 4); distance: cosine - mean (eq. 3); absolute: the cosine alone (eq. 2).
        cosines: cosine of each pair.
        source_means: m of each pair's source; broadcast against `cosines`.
        target_means: m of each pair's target, likewise.

    Returns:
        float64, of the shape of `cosines`. Swapping the sides changes no bit.
    """
    values = cosines.astype(np.float64)
    mean = (source_means + target_means) / 2
    if name == "absolute":
        return values
    if name == "distance":
        return values - mean
    return values / np.maximum(mean, SMALLEST_MEAN)


def ratio_unit(
    name: MarginName, source_means: NDArray[np.float64], target_means: NDArray[np.float64]
) -> NDArray[np.float64] | float:
    """Give what one unit of the ratio margin is in this margin: 1 for the ratio, the mean cosine for the others."""
    return 1.0 if name == "ratio" else np.maximum((source_means + target_means) / 2, SMALLEST_MEAN)
