"""Runs a network on batches of numbered pieces: the device, the precision, and batches that leave no trace.

**A text's vector is a function of the text.** A matrix product rounds differently in another shape, so the last bits
of a vector could tell in whose company its text was embedded; then a vector that was kept could not stand in for one
that is made. So batches have shapes that follow from the length of their texts alone:

- a network that computes a row by the same sums whatever the other rows are (the BiLSTM on the CPU) takes texts of any
  lengths together, and some more of them, as it lays them end to end;
- every other batch holds texts of one padded length, the next multiple of 8, so that sums over pieces have as many
  terms for a text wherever it stands, and products have a multiple of 8 rows;
- on a GPU such a batch is also filled up to as many rows as its length always has, and on the CPU to a multiple of
  four where a network multiplies matrices whose rows are sentences.

`check_steady` looks whether a machine keeps this, before vectors are kept.

**On the CPU** batches run one beside the other, each on one thread: a step of a small batch is over before several
threads have shared it out. The bits do not depend on how many there are.
**On a GPU** one batch follows the other; their numbers are copied from pinned memory while the batch before is being
computed, and results are fetched two batches later. (This path was not run on a GPU.)
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from queue import Queue
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from schemas.errors import SettingsError
from transforms.embed.settings import EmbedSettings

Sequence_ = tuple[int, ...]
Forward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes (rows, time) int64 numbers, padded on the right, and (rows,) lengths on the CPU; gives (rows, dimension)."""
Item = TypeVar("Item")

CPU_TOKENS = 1_600
"""Pieces of a batch on the CPU: the states of a layer stay in the cache (benchmarks/bench_embed.py)."""
MIXED_TOKENS = 4_000
"""The same where texts of any lengths are taken together: a step of the BiLSTM wants some hundred rows."""
GPU_TOKENS = 12_000
STEP = 8
"""Padded lengths are multiples of it."""
_WINDOW = 4_096
"""Texts that are made into pieces while those before are embedded."""
_DTYPES = {"float32": torch.float32, "int8": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def device_and_precision(settings: EmbedSettings) -> tuple[torch.device, str]:
    """Say where a network runs, and in what precision.

    Raises:
        SettingsError: there is no such device here, or it does not compute in this precision.
    """
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise SettingsError("there is no GPU that torch can use", path="$.embed.device", cure="Use auto or cpu.")
    on_gpu = there and settings.device != "cpu" and settings.precision != "int8"
    precision = settings.precision
    if precision == "auto":
        precision = "float16" if on_gpu else "float32"
    if precision == "float16" and not on_gpu:
        raise SettingsError(
            "precision float16 needs a GPU", path="$.embed.precision", cure="Use auto, float32, bfloat16 or int8."
        )
    return torch.device("cuda" if on_gpu else "cpu"), precision


def dtype_of(precision: str) -> torch.dtype:
    """Give the type of a network's weights."""
    return _DTYPES[precision]


class Running:
    """Runs a network on sequences of pieces.

    Args:
        forward: the network.
        dimension: of its vectors.
        device: where it lies.
        tokens: most pieces of a batch, padding included; 0: what suits the device.
        pad: number of the padding.
        mixes: may a batch hold texts of any lengths (see above)?
        rows_step: a batch is filled up to a multiple of so many rows; 0: to those that its length always has.
    """

    def __init__(
        self,
        forward: Forward,
        *,
        dimension: int,
        device: torch.device,
        tokens: int,
        pad: int,
        mixes: bool,
        rows_step: int,
    ) -> None:
        self._forward = forward
        self._dimension = dimension
        self._device = device
        self._pad = pad
        self._mixes = mixes
        self._rows_step = rows_step
        self.tokens = tokens or (GPU_TOKENS if device.type == "cuda" else MIXED_TOKENS if mixes else CPU_TOKENS)

    def vectors(self, sequences: Sequence[Sequence_]) -> NDArray[np.float32]:
        """Give the network's vectors: (sequences, dimension) float32."""
        # Each distinct sequence once, longest first, then by its numbers: the batches follow from content alone.
        distinct = sorted(set(sequences), key=lambda sequence: (-len(sequence), sequence))
        rows = {sequence: row for row, sequence in enumerate(distinct)}
        made = np.zeros((len(distinct), self._dimension), dtype=np.float32)
        lengths = [len(sequence) for sequence in distinct]
        cut = batches(lengths, self.tokens) if self._mixes else even_batches(lengths, self.tokens)
        run = self._on_gpu if self._device.type == "cuda" else self._on_cpu
        for (begin, end), got in zip(cut, run([distinct[begin:end] for begin, end in cut]), strict=True):
            made[begin:end] = got
        return made[[rows[sequence] for sequence in sequences]]

    def _on_cpu(self, work: Sequence[Sequence[Sequence_]]) -> Iterator[NDArray[np.float32]]:
        pool = _pool()
        if pool is None or len(work) < 2:
            yield from map(self._one, work)
        else:
            yield from pool.map(self._one, work)

    def _one(self, sequences: Sequence[Sequence_]) -> NDArray[np.float32]:
        tokens, lengths = self._laid(sequences)
        with torch.inference_mode():
            return _fetched(len(sequences), self._forward(tokens, lengths))

    def _on_gpu(self, work: Sequence[Sequence[Sequence_]]) -> Iterator[NDArray[np.float32]]:
        pending: deque[tuple[int, torch.Tensor]] = deque()
        for sequences in work:
            tokens, lengths = self._laid(sequences)
            with torch.inference_mode():
                vectors = self._forward(tokens.pin_memory().to(self._device, non_blocking=True), lengths)
            pending.append((len(sequences), vectors))
            if len(pending) > 2:  # the GPU works on the next batches while the results of the last are fetched
                yield _fetched(*pending.popleft())
        while pending:
            yield _fetched(*pending.popleft())

    def _laid(self, sequences: Sequence[Sequence_]) -> tuple[torch.Tensor, torch.Tensor]:
        """Lay sequences, longest first, side by side: numbers and lengths."""
        longest = len(sequences[0])
        time = longest if self._mixes else padded(longest)
        step = self._rows_step or max(1, self.tokens // time)
        rows = -(-len(sequences) // step) * step
        numbers = np.full((rows, time), self._pad, dtype=np.int64)
        for row in range(rows):
            sequence = sequences[min(row, len(sequences) - 1)]
            numbers[row, : len(sequence)] = sequence
        lengths = [len(sequences[min(row, len(sequences) - 1)]) for row in range(rows)]
        return torch.from_numpy(numbers), torch.tensor(lengths)


def _fetched(rows: int, vectors: torch.Tensor) -> NDArray[np.float32]:
    fetched: NDArray[np.float32] = vectors[:rows].float().cpu().numpy()
    return fetched


def padded(length: int) -> int:
    """Give the length to which a sequence is padded.

    Example:
        >>> padded(8), padded(9)
        (8, 16)
    """
    return -(-length // STEP) * STEP


def batches(lengths: Sequence[int], tokens: int) -> list[tuple[int, int]]:
    """Cut sentences, longest first, into batches of about `tokens` pieces and about as large as each other.

    Example:
        >>> batches([9, 9, 4, 3], 20)
        [(0, 2), (2, 4)]
    """
    ends = np.cumsum(lengths)
    if not len(ends):
        return []
    wanted = -(-int(ends[-1]) // tokens)
    batch = (ends - lengths) * wanted // ends[-1]
    cuts = [0, *(np.flatnonzero(np.diff(batch)) + 1).tolist(), len(lengths)]
    return list(pairwise(cuts))


def even_batches(lengths: Sequence[int], tokens: int) -> list[tuple[int, int]]:
    """Cut sentences, longest first, into batches of one padded length and at most `tokens` pieces; at least one each.

    Example:
        >>> even_batches([9, 9, 9, 4, 3], 40)
        [(0, 2), (2, 3), (3, 5)]
    """
    cut = []
    begin = 0
    while begin < len(lengths):
        time = padded(lengths[begin])
        most = begin + max(1, tokens // time)
        end = begin
        while end < len(lengths) and end < most and padded(lengths[end]) == time:
            end += 1
        cut.append((begin, end))
        begin = end
    return cut


@cache
def _pool() -> ThreadPoolExecutor | None:
    """Give the process's threads that run batches, as many as torch would use in one; None where that is one.

    Each uses one thread for what it computes. torch keeps that number a thread and hands the last one that was set
    to threads that ask for the first time, so each asks before it sets, and the number is put back here.
    """
    threads = torch.get_num_threads()
    if threads < 2:
        return None
    pool = ThreadPoolExecutor(threads, thread_name_prefix="isogloss-embed")
    together = threading.Barrier(threads)

    def settle(_: int) -> None:
        torch.get_num_threads()
        torch.set_num_threads(1)
        together.wait()

    list(pool.map(settle, range(threads)))
    torch.set_num_threads(threads)
    return pool


def encode_ahead(
    texts: Sequence[str],
    pieces: Callable[[Sequence[str]], Sequence[Sequence_]],
    vectors: Callable[[Sequence[Sequence_]], NDArray[np.float32]],
    dimension: int,
) -> NDArray[np.float32]:
    """Embed texts, making pieces of the next while those before run.

    Args:
        texts: any number, in any order; each distinct one is embedded once.
        pieces: makes the pieces of texts.
        vectors: embeds pieces.
        dimension: of the vectors.

    Returns:
        (texts, dimension) float32, as `vectors` gives them.
    """
    distinct = sorted(set(texts), key=lambda text: (-len(text), text))
    made = np.zeros((len(distinct), dimension), dtype=np.float32)
    windows = range(0, len(distinct), _WINDOW)
    prepared = (pieces(distinct[begin : begin + _WINDOW]) for begin in windows)
    for begin, window in zip(windows, ahead(prepared) if len(windows) > 1 else prepared, strict=True):
        made[begin : begin + len(window)] = vectors(window)
    rows = {text: row for row, text in enumerate(distinct)}
    return made[[rows[text] for text in texts]]


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Give the items of an iterator, the next one being made in a thread meanwhile; what it raises is raised here."""
    waiting: Queue[tuple[bool, Item | BaseException | None]] = Queue(maxsize=1)
    closed = threading.Event()

    def make() -> None:
        try:
            for item in items:
                waiting.put((True, item))
                if closed.is_set():
                    return
            waiting.put((False, None))
        except BaseException as error:  # noqa: BLE001  # it is raised where the items are taken
            waiting.put((False, error))

    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    try:
        while True:
            is_item, value = waiting.get()
            if not is_item:
                if isinstance(value, BaseException):
                    raise value
                return
            yield value  # type: ignore[misc]
    finally:
        closed.set()
        while maker.is_alive():  # it may wait for room
            if not waiting.empty():
                waiting.get()
            maker.join(timeout=0.01)


def refuse_not_finite(vectors: NDArray[np.float32], texts: Sequence[str], precision: str, path: str) -> None:
    """Refuse vectors with values that are not finite.

    Args:
        vectors: (texts, dimension).
        texts: what was embedded.
        precision: of the network.
        path: of the setting that names the model.

    Raises:
        SettingsError: there is one; with the text that has it.
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if not len(bad):
        return
    text = texts[int(bad[0])]
    half = precision in {"float16", "bfloat16"}
    raise SettingsError(
        f"the model gives {len(bad):,} of {len(texts):,} texts a vector that is not finite, the first of them to "
        f"{text[:80]!r}",
        path="$.embed.precision" if half else path,
        cure="Use precision float32: half precision overflows in some models."
        if half
        else "Its weights are damaged: fetch the model again, or use another one.",
    )


def check_steady(
    vectors: Callable[[Sequence[Sequence_]], NDArray[np.float32]],
    pieces: Sequence[Sequence_],
    company: Sequence[Sequence_] = (),
) -> bool:
    """Does a sequence have the same vector alone as among others, bit for bit, on this machine?

    Args:
        vectors: embeds sequences.
        pieces: those that are embedded alone, too.
        company: others.
    """
    together = vectors([*pieces, *company])
    return all(vectors([each]).tobytes() == row.tobytes() for each, row in zip(pieces, together, strict=False))
