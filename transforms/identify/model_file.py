"""fastText model files: their layout, checked before a number of theirs is used.

The layout is that of fastText 0.9 (version 12): header, arguments, dictionary, input matrix, output matrix; the
matrices are float32, or product-quantized (Jegou et al. 2011) with the rows' norms quantized apart. `read_model_facts`
reads what is needed to know the labels and the right size of the file, `read_model` the numbers too.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.variety import LABEL_PREFIX
from transforms.common.models import local_model

MAGIC = 793712314
VERSION = 12
SETTING = "$.identify.model"
EMBEDDED = "embedded"
LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one versus all"}
_SUPERVISED = 3
_CENTROIDS = 256
_MAPPED_BYTES = 1 << 28
"""A larger matrix stays in the file, and the workers of one machine share it."""


@dataclass(frozen=True)
class ModelFacts:
    """What stands in a model file.

    Attributes:
        path: the file.
        labels: its labels, most frequent in training first, without `__label__`.
        words: words in its dictionary.
        dimension: length of its vectors.
        card: what stands in the JSON file beside it (`<model>.json`), empty when there is none.
    """

    path: Path
    labels: tuple[str, ...]
    words: int
    dimension: int
    card: dict[str, Any]

    @property
    def recipe(self) -> str:
        """Name of the text recipe that the model was trained with."""
        return str(self.card.get("recipe", "plain"))


def model_path(model: str) -> Path:
    """Give the file of a model's name, path or address; its card comes along."""
    if model == EMBEDDED:
        return Path(__file__).parent / "models" / "embedded.ftz"
    return Path(local_model(model, beside=("json",), setting=SETTING))


def read_model_facts(model: str) -> ModelFacts:
    """Read labels and card of a model, and check that its file is whole.

    Args:
        model: `embedded` or a path.

    Raises:
        SettingsError: there is no such file, it is no fastText classifier, or it is cut short.
    """
    path = model_path(model)
    if not path.is_file():
        raise SettingsError(
            f"there is no model file {model!r}",
            path=SETTING,
            cure="Give the path of a fastText model (.bin or .ftz), or `embedded`.",
        )
    try:
        with path.open("rb") as file:
            facts = _read(file, path)
    except (struct.error, EOFError, UnicodeDecodeError) as error:
        raise _broken(path, "it ends in the middle") from error
    return facts


def _broken(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path.name} is no whole fastText model: {why}",
        path=SETTING,
        cure="Fetch or train it again, and compare its checksum.",
    )


@dataclass(frozen=True)
class ModelNumbers:
    """The numbers of a model.

    Attributes:
        loss: one of `LOSSES`.
        shortest_ngram, longest_ngram, word_ngrams, buckets: how features are made.
        words: (bytes,) uint8: UTF-8 of the dictionary's words, end to end.
        word_offsets: (words + 1,) int64.
        label_counts: (labels,) int64: lines of each label in training.
        kept: (buckets,) int32: row of each bucket in a pruned model, -1 for none; empty where it is not pruned.
        has_ngrams: False where all buckets were pruned.
        rows: (words + buckets, d) float32, the input matrix; from the file itself where it is not quantized.
        output: (labels, d) float32.
    """

    loss: str
    shortest_ngram: int
    longest_ngram: int
    word_ngrams: int
    buckets: int
    words: NDArray[np.uint8]
    word_offsets: NDArray[np.int64]
    label_counts: NDArray[np.int64]
    kept: NDArray[np.int32]
    has_ngrams: bool
    rows: NDArray[np.float32]
    output: NDArray[np.float32]


def read_model(model: str) -> tuple[ModelFacts, ModelNumbers]:
    """Read all of a model.

    Args:
        model: `embedded` or a path.

    Raises:
        SettingsError: there is no such file, it is no fastText classifier, or it is cut short.
    """
    facts = read_model_facts(model)
    with facts.path.open("rb") as file:
        _take(file, "<ii")
        dimension, *_, word_ngrams, loss, _model, buckets, shortest, longest, _rate = _take(file, "<12i")
        _take(file, "<d")
        entries, words, _labels, _tokens, pruned = _take(file, "<iiiqq")
        names, counts = _entries(file, entries)
        if loss not in LOSSES:
            raise _broken(facts.path, f"it has the loss {loss}, expected one of {', '.join(map(str, LOSSES))}")
        kept = np.zeros(0, dtype=np.int32)
        if pruned > 0:
            pairs = np.frombuffer(file.read(pruned * 8), dtype="<i4").reshape(-1, 2)
            kept = np.full(buckets, -1, dtype=np.int32)
            kept[pairs[:, 0]] = pairs[:, 1]
        (quantized,) = _take(file, "<?")
        rows = _matrix(file, quantized=quantized)
        (quantized_output,) = _take(file, "<?")
        output = _matrix(file, quantized=quantized and quantized_output)
    if rows.shape[1] != dimension or output.shape != (len(facts.labels), dimension):
        raise _broken(facts.path, f"its matrices have the shapes {rows.shape} and {output.shape}")
    return facts, ModelNumbers(
        loss=LOSSES[loss],
        shortest_ngram=shortest,
        longest_ngram=longest,
        word_ngrams=word_ngrams,
        buckets=buckets,
        words=np.frombuffer(bytearray(b"".join(names[:words])), dtype=np.uint8),
        word_offsets=np.r_[0, np.cumsum([len(name) for name in names[:words]])].astype(np.int64),
        label_counts=np.array(counts[words:], dtype=np.int64),
        kept=kept,
        has_ngrams=pruned != 0,
        rows=rows,
        output=output,
    )


def _read(file: IO[bytes], path: Path) -> ModelFacts:
    magic, version = _take(file, "<ii")
    if magic != MAGIC:
        raise _broken(path, "its first four bytes are not fastText's")
    if version != VERSION:
        raise _broken(path, f"its format has version {version}, expected {VERSION}")
    dimension, *_, model, _buckets, _shortest, _longest, _rate = _take(file, "<12i")
    _take(file, "<d")
    if model != _SUPERVISED:
        raise SettingsError(
            f"{path.name} holds word vectors and no classifier", path=SETTING, cure="Give a supervised model."
        )
    entries, words, labels, _tokens, pruned = _take(file, "<iiiqq")
    names, _counts = _entries(file, entries)
    file.seek(max(pruned, 0) * 8, 1)
    (quantized,) = _take(file, "<?")
    _skip_matrix(file, quantized=quantized)
    (quantized_output,) = _take(file, "<?")
    _skip_matrix(file, quantized=quantized and quantized_output)
    here, size = file.tell(), path.stat().st_size
    if here != size:
        raise _broken(path, f"expected {here:,} bytes, got {size:,}")
    card_path = path.with_suffix(".json")
    card = json.loads(card_path.read_text(encoding="utf-8")) if card_path.is_file() else {}
    found = tuple(name.decode("utf-8", "replace").removeprefix(LABEL_PREFIX) for name in names[words : words + labels])
    return ModelFacts(path=path, labels=found, words=words, dimension=dimension, card=card)


def _take(file: IO[bytes], layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _entries(file: IO[bytes], entries: int) -> tuple[list[bytes], list[int]]:
    names: list[bytes] = []
    counts: list[int] = []
    tail = struct.calcsize("<qb")
    block = b""
    start = 0
    while len(names) < entries:
        end = block.find(b"\0", start)
        if end < 0 or end + 1 + tail > len(block):
            more = file.read(1 << 20)
            if not more:
                raise EOFError
            block, start = block[start:] + more, 0
            continue
        names.append(block[start:end])
        counts.append(int.from_bytes(block[end + 1 : end + 9], "little", signed=True))
        start = end + 1 + tail
    file.seek(start - len(block), 1)
    return names, counts


def _skip_matrix(file: IO[bytes], *, quantized: bool) -> None:
    if not quantized:
        rows, columns = _take(file, "<qq")
        file.seek(rows * columns * 4, 1)
        return
    normed, rows, _columns, codes = _take(file, "<?qqi")
    file.seek(codes, 1)
    _skip_quantizer(file)
    if normed:
        file.seek(rows, 1)
        _skip_quantizer(file)


def _skip_quantizer(file: IO[bytes]) -> None:
    dimension, *_ = _take(file, "<4i")
    file.seek(dimension * _CENTROIDS * 4, 1)


def _matrix(file: IO[bytes], *, quantized: bool) -> NDArray[np.float32]:
    if not quantized:
        rows, columns = _take(file, "<qq")
        if rows * columns * 4 < _MAPPED_BYTES:
            return np.frombuffer(bytearray(file.read(rows * columns * 4)), dtype="<f4").reshape(rows, columns)
        matrix = np.memmap(file, dtype="<f4", mode="r", offset=file.tell(), shape=(rows, columns))
        file.seek(rows * columns * 4, 1)
        return matrix
    normed, rows, columns, size = _take(file, "<?qqi")
    codes = np.frombuffer(file.read(size), dtype=np.uint8).reshape(rows, -1)
    pieces = _quantizer(file)
    vectors = np.concatenate([piece[codes[:, m]] for m, piece in enumerate(pieces)], axis=1)
    if normed:
        norms = np.frombuffer(file.read(rows), dtype=np.uint8)
        vectors *= _quantizer(file)[0][norms]
    return np.ascontiguousarray(vectors[:, :columns])


def _quantizer(file: IO[bytes]) -> list[NDArray[np.float32]]:
    """Give the centroids of each piece of a vector: (256, length of the piece)."""
    dimension, pieces, length, last = _take(file, "<4i")
    flat = np.frombuffer(file.read(dimension * _CENTROIDS * 4), dtype="<f4")
    whole = (pieces - 1) * _CENTROIDS * length
    parts = list(flat[:whole].reshape(pieces - 1, _CENTROIDS, length))
    return [*parts, flat[whole:].reshape(_CENTROIDS, last)]
