"""The BiLSTM of LASER2 on a CPU, over sentences laid end to end: nothing is padded.

Time step by time step, the pieces of a batch are the rows of one matrix, longest sentence first; a step is the first so
many rows of the step before. What the inputs say to the gates is one large product for many steps together, what the
hidden states say is one product a step, and all else is one compiled pass over the gates, still in the cache. Sentences
that are over drop out of the forward direction and come into the backward one, so no product has a row too many.

**A row has the same bits in any company.** oneDNN's products with weights that were packed once add up a row the same
way whatever rows stand beside it, and for any number of them. (OpenBLAS does not: a row's sum depends on its place.)

With `eight_bits` weights are whole numbers of 8 bits and rows of 7, each row with a scale of its own. Their sums are exact, so
that the same holds, and a machine without oneDNN gets the same numbers from products of floats.

Equations: those of torch.nn.LSTM, gates in its order (input, forget, cell, output).
"""
# ruff: noqa: ANN001, ANN202  # of compiled functions; numba reads their types from their first call
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Floats = NDArray[np.float32]

_ROWS = 512
"""Rows that the inputs' product has at least, where there are as many (of 128, 256 and 512 the fastest)."""
_SMALLEST = 1e-12
_HALF_RANGE = 63.0
"""A row of 7 bits is laid out over -63 to 63. (Of 8 bits, products would overflow on an x86 CPU without VNNI.)"""
_ZERO = 64

# tanh(x) = x p(x^2) / q(x^2) for |x| <= 9, and +-1 beyond: fitted for the least relative error, which is 2.1e-8 before
# rounding; in float32 no value is farther off than 3.7e-7. Polynomials and a division are what a compiler makes wide.
_P = tuple(
    np.float32(value)
    for value in (0.9999999797079349, 0.1338105220546372, 0.0034956187046923, 2.0609549864335e-05, 1.3355243291067e-08)
)
_Q = tuple(
    np.float32(value) for value in (1.0, 0.4671436788107224, 0.0258771009627475, 0.0003285683268842, 7.776810410645e-07)
)
_ONE, _HALF, _REACH = np.float32(1), np.float32(0.5), np.float32(9)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
_inlined = numba.njit(inline="always", error_model="numpy")


@_inlined
def _tanh(x):
    near = min(max(x, -_REACH), _REACH)
    s = near * near
    p = (((_P[4] * s + _P[3]) * s + _P[2]) * s + _P[1]) * s + _P[0]
    q = (((_Q[4] * s + _Q[3]) * s + _Q[2]) * s + _Q[1]) * s + _Q[0]
    told = min(max(near * p / q, -_ONE), _ONE)
    return told if x == x else x  # noqa: PLR0124  # what is no number stays none


@_inlined
def _sigmoid(x):
    return _HALF * _tanh(_HALF * x) + _HALF


@_compiled
def _step(seen, seen_scales, recalled, recalled_scales, bias, cell, hidden, states, column):
    """Make a step: new cells and hidden states, in place; the latter into `states` too, from a column on.

    Args:
        seen, recalled: (rows, 4 * width) what the inputs and what the hidden states say to the gates, divided by
        seen_scales, recalled_scales: (rows,).
        bias: (4 * width,).
        cell, hidden: (rows, width).
        states: (rows, width or more).
        column: where the direction's states begin.
    """
    rows, width = cell.shape
    for row in range(rows):
        a, b = seen_scales[row], recalled_scales[row]
        for i in range(width):
            let_in = _sigmoid(a * seen[row, i] + b * recalled[row, i] + bias[i])
            j = width + i
            kept = _sigmoid(a * seen[row, j] + b * recalled[row, j] + bias[j])
            j = 2 * width + i
            new = _tanh(a * seen[row, j] + b * recalled[row, j] + bias[j])
            j = 3 * width + i
            let_out = _sigmoid(a * seen[row, j] + b * recalled[row, j] + bias[j])
            held = kept * cell[row, i] + let_in * new
            cell[row, i] = held
            told = let_out * _tanh(held)
            hidden[row, i] = told
            states[row, column + i] = told


@_compiled
def _whole(rows, made, scales):
    """Round rows to whole numbers of 7 bits around `_ZERO`; write them and the scale of each.

    The scale of a row with a value that is not finite is not a number.
    """
    for row in range(rows.shape[0]):
        largest, nothing = np.float32(_SMALLEST), np.float32(0)
        for i in range(rows.shape[1]):
            largest = max(largest, abs(rows[row, i]))
            nothing += rows[row, i] * np.float32(0)
        scales[row] = largest / np.float32(_HALF_RANGE) + nothing
        inverse = np.float32(_HALF_RANGE) / largest
        for i in range(rows.shape[1]):
            made[row, i] = np.uint8(np.int32(rows[row, i] * inverse + np.float32(_ZERO + 0.5)))


class Steps(NamedTuple):
    """How the pieces of a batch lie end to end.

    Attributes:
        offsets: (time + 1,) int64: the pieces of a step are the rows from its offset to the next.
    """

    offsets: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """How many sentences there are: each has a first piece."""
        return int(self.offsets[1])

    def counts(self) -> list[int]:
        """Give how many sentences each step has."""
        counts: list[int] = np.diff(self.offsets).tolist()
        return counts

    def runs(self, *, backward: bool) -> Iterator[list[int]]:
        """Give the steps in the order of a direction, so many at once that their inputs make a large product."""
        steps = range(len(self.offsets) - 1)
        counts = self.counts()
        run: list[int] = []
        rows = 0
        for step in reversed(steps) if backward else steps:
            run.append(step)
            rows += counts[step]
            if rows >= _ROWS:
                yield run
                run, rows = [], 0
        if run:
            yield run


def steps_of(lengths: NDArray[np.int64]) -> Steps:
    """Lay sentences end to end.

    Args:
        lengths: (rows,) pieces of each, the longest first.

    Example:
        >>> steps_of(np.array([3, 1])).offsets.tolist()
        [0, 2, 3, 4]
    """
    counts = np.searchsorted(-lengths, -np.arange(lengths[0]), side="left")
    return Steps(np.concatenate([[0], np.cumsum(counts)]))


class _Product:
    """Rows times weights."""

    def __init__(self, weight: Tensor) -> None:
        # Packed for batches of some rows; for a single one oneDNN would choose other sums.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS) if has_onednn() else None  # noqa: SLF001
        self._weight = weight if self._packed is None else None

    def __call__(self, rows: Tensor) -> tuple[Floats, Floats]:
        """Give the product and what each of its rows has to be multiplied by."""
        if self._packed is None:
            made = functional.linear(rows, self._weight)
        else:
            made = torch.ops.mkldnn._linear_pointwise(rows, self._packed, None, "none", [], "")  # noqa: SLF001
        return made.numpy(), np.ones(len(rows), dtype=np.float32)


class _EightBits:
    """The same in whole numbers."""

    def __init__(self, weight: Tensor) -> None:
        self._scales = (weight.abs().amax(dim=1) / 127.0).clamp_min(_SMALLEST)
        whole = (weight / self._scales[:, None]).round().clamp(-127, 127)
        self._packed = torch.ops.onednn.qlinear_prepack(whole.to(torch.int8), None) if has_onednn() else None
        self._weight = whole if self._packed is None else None

    def __call__(self, rows: Tensor) -> tuple[Floats, Floats]:
        """As `_Product` has it."""
        whole = torch.empty(rows.shape, dtype=torch.uint8)
        scales = np.empty(len(rows), dtype=np.float32)
        _whole(rows.numpy(), whole.numpy(), scales)
        if self._packed is None:  # sums below 2^24 of whole numbers are exact in float32, in any order
            made = functional.linear(whole.float() - _ZERO, self._weight) * self._scales
        else:
            made = torch.ops.onednn.qlinear_pointwise(
                whole, 1.0, _ZERO, self._packed, self._scales, None, None, 1.0, 0, torch.float32, "none", [], ""
            )
        return made.numpy(), scales


def has_onednn() -> bool:
    """Has this PyTorch oneDNN's products with packed weights?"""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _Direction:
    """One direction of a layer."""

    def __init__(self, lstm: nn.LSTM, suffix: str, make: Any) -> None:
        weights = {name: getattr(lstm, f"{name}_{suffix}").detach() for name in ("weight_ih", "weight_hh")}
        self._see, self._recall = make(weights["weight_ih"]), make(weights["weight_hh"])
        self._bias = (getattr(lstm, f"bias_ih_{suffix}") + getattr(lstm, f"bias_hh_{suffix}")).detach().numpy()
        self._backward = suffix.endswith("_reverse")

    def __call__(self, rows: Tensor, steps: Steps, states: Floats) -> None:
        """Run over the rows of a batch; write the hidden states into its columns of (pieces, width or twice that)."""
        width = len(self._bias) // 4
        hidden, cell = torch.zeros(steps.rows, width), np.zeros((steps.rows, width), dtype=np.float32)
        offsets = steps.offsets.tolist()
        for run in steps.runs(backward=self._backward):
            first, last = min(run[0], run[-1]), max(run[0], run[-1])
            start = offsets[first]
            seen, seen_scales = self._see(rows[start : offsets[last + 1]])
            for step in run:
                begin, end = offsets[step], offsets[step + 1]
                now = end - begin
                recalled, recalled_scales = self._recall(hidden[:now])
                _step(
                    seen[begin - start : end - start],
                    seen_scales[begin - start : end - start],
                    recalled,
                    recalled_scales[:now],
                    self._bias,
                    cell[:now],
                    hidden[:now].numpy(),
                    states[begin:end],
                    width if self._backward else 0,
                )


class CpuLstm:
    """The encoder.

    Args:
        embed_tokens: vectors of the pieces.
        lstm: the network whose weights it has, float32.
        eight_bits: compute in whole numbers.
    """

    def __init__(self, embed_tokens: nn.Embedding, lstm: nn.LSTM, *, eight_bits: bool = False) -> None:
        self._pieces = embed_tokens.weight.detach()
        self._width = lstm.hidden_size
        endings = ("", "_reverse") if lstm.bidirectional else ("",)
        make = _EightBits if eight_bits else _Product
        self._layers = [
            [_Direction(lstm, f"l{layer}{ending}", make) for ending in endings] for layer in range(lstm.num_layers)
        ]

    def __call__(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Embed a batch.

        Args:
            tokens: (batch, time) int64, padded on the right, longest sentence first.
            lengths: (batch,) int64.

        Returns:
            (batch, dimension): the maximum over the states of each sentence.
        """
        steps = steps_of(lengths.numpy())
        there = torch.arange(tokens.shape[1])[:, None] < lengths[None, :]
        rows = self._pieces[tokens.t()[there]]
        for directions in self._layers:
            states = torch.empty(len(rows), self._width * len(directions))
            for direction in directions:
                direction(rows, steps, states.numpy())
            rows = states
        return torch.from_numpy(_largest(rows.numpy(), steps))


def _largest(rows: Floats, steps: Steps) -> Floats:
    made = np.full((steps.rows, rows.shape[1]), -np.inf, dtype=np.float32)
    for begin, count in zip(steps.offsets, steps.counts(), strict=False):
        np.maximum(made[:count], rows[begin : begin + count], out=made[:count])
    return made
