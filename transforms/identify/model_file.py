"""fastText model files, checked before the library sees them: it ends the process on a broken one.

The layout is that of fastText 0.9 (version 12): header, arguments, dictionary, input matrix, output matrix.
Only what is needed to know the labels and the right size of the file is read.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from schemas.errors import SettingsError
from schemas.variety import LABEL_PREFIX

MAGIC = 793712314
VERSION = 12
SETTING = "$.identify.model"
EMBEDDED = "embedded"
_SUPERVISED = 3
_CENTROIDS = 256


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
    """Give the file of a model's name or path."""
    return Path(__file__).parent / "models" / "embedded.ftz" if model == EMBEDDED else Path(model)


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
    names = _entries(file, entries)
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
    found = tuple(name.removeprefix(LABEL_PREFIX) for name in names[words : words + labels])
    return ModelFacts(path=path, labels=found, words=words, dimension=dimension, card=card)


def _take(file: IO[bytes], layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _entries(file: IO[bytes], entries: int) -> list[str]:
    names: list[str] = []
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
        names.append(block[start:end].decode("utf-8", "replace"))
        start = end + 1 + tail
    file.seek(start - len(block), 1)
    return names


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
