"""`torch`: the dense search with its products on a GPU, and with the bits of the search on the CPU.

The device multiplies tile by tile and keeps, for every row and column, the k best products so far. What comes within
their rounding error of the k-th best goes to the CPU as a pair of numbers; there its cosine is summed in the fixed
order of `kernels.cosine_of`, and only these cosines are kept and compared. So the device may round as it likes, within the
bound of a float32 product (TF32 is off).

Through the bus go both sides once and about k * (1 + log(tiles)) pairs a vector. Memory on the device: both sides and a
tile of 128 MiB. Not run on a GPU: its tests run it on torch's CPU.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from schemas.errors import SettingsError
from transforms.mine.kernels import enter_pairs

TILE_SOURCES = 4096
TILE_TARGETS = 8192

Lists = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


def search(sources: NDArray[np.float32], targets: NDArray[np.float32], lists: Lists, slack: float, device: str) -> None:
    """Find the nearest neighbours both ways.

    Args:
        sources: (n, dimension) unit rows.
        targets: (m, dimension), likewise.
        lists: indices and cosines of the sources' neighbours, then of the targets', all missing; written.
        slack: more than twice what a product can be off.
        device: as torch names it, such as `cuda`.

    Raises:
        SettingsError: there is no such device.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingsError(
            "torch finds no GPU here",
            path="$.mine.device",
            cure='Set mine.device = "cpu", or run on a machine with one.',
        )
    k = lists[0].shape[1]
    torch.backends.cuda.matmul.allow_tf32 = False
    with torch.inference_mode():
        there_sources, there_targets = (torch.from_numpy(side).to(device) for side in (sources, targets))
        best_sources = torch.full((len(sources), k), -torch.inf, device=device)
        best_targets = torch.full((len(targets), k), -torch.inf, device=device)
        for target_start in range(0, len(targets), TILE_TARGETS):
            columns = slice(target_start, target_start + TILE_TARGETS)
            for source_start in range(0, len(sources), TILE_SOURCES):
                rows = slice(source_start, source_start + TILE_SOURCES)
                tile = multiply(there_sources[rows], there_targets[columns])
                best_sources[rows] = _best(best_sources[rows], tile)
                best_targets[columns] = _best(best_targets[columns], tile.T)
                row_limits, column_limits = best_sources[rows, -1:] - slack, best_targets[columns, -1] - slack
                near = ((tile >= row_limits) | (tile >= column_limits)).nonzero().cpu().numpy()
                enter_pairs(sources, targets, near[:, 0] + source_start, near[:, 1] + target_start, *lists)


def multiply(sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Multiply two sides in float32."""
    return sources @ targets.T


def _best(best: torch.Tensor, products: torch.Tensor) -> torch.Tensor:
    """Give the k largest products of each row so far, falling."""
    k = best.shape[1]
    largest = products.topk(min(k, products.shape[1]), dim=1).values
    return torch.cat([best, largest], dim=1).topk(k, dim=1).values


BACKEND = search

__all__ = ["BACKEND", "search"]
