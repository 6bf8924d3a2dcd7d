"""`laser`: the encoders LASER2 and LASER3, run by batched code of our own, without fairseq.

The text is prepared by laser-encoders' tokenizer, whose steps and their order are part of the model. A text that
has more than `longest_text` pieces is cut there: the BiLSTM would go on at a cost that nobody wants, the transformer
has no positions beyond. Vectors get length 1.
"""

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import sentencepiece
import torch
from numpy.typing import NDArray
from torch import nn

from schemas.errors import SettingsError
from schemas.identity import content_digest
from transforms.common.blocks import normalize_rows
from transforms.embed.backends._laser_files import (
    LaserFiles,
    find_files,
    import_laser_encoders,
    load_checkpoint,
    read_vocabulary,
)
from transforms.embed.backends._laser_model import PAD, LaserLstm, LaserTransformer
from transforms.embed.backends._laser_names import PATH, concrete
from transforms.embed.backends._lstm import CpuLstm
from transforms.embed.backends._running import (
    Forward,
    Running,
    check_steady,
    device_and_precision,
    dtype_of,
    encode_ahead,
    refuse_not_finite,
)
from transforms.embed.settings import EmbedSettings

_BOS, _EOS, _UNKNOWN = 0, 2, 3
_LSTM_WAY = 2
"""Stands in the names of LASER2's vectors on a CPU; another number: their last bits have changed."""
_NO_WEIGHT = re.compile(
    r"version|embed_positions\._float_tensor|layers\.[0-9]+\.(in_proj|out_proj|fc1|fc2)_(weight|bias)"
)
"""Marks of fairseq's versions, the size-1 place holder of positions that are computed, and the copies of each layer's
weights that fairseq 0.12 fills anew whenever it loads a checkpoint."""


class LaserEncoder:
    """Embeds texts by one LASER model.

    Args:
        settings: model, device, precision, token budget.
        model: path or name, when another than that of the settings; see `model_for`.
        files: the model's files, when they are found already.

    Raises:
        SettingsError: files that are missing, damaged, hostile, or of another architecture; a GPU that is not there.
    """

    kind = "dense"

    def __init__(self, settings: EmbedSettings, model: str = "", files: LaserFiles | None = None) -> None:
        files = files or find_files(model or settings.model, settings.cache)
        self._device, self._precision = device_and_precision(settings)
        self._longest = settings.longest_text
        network, self._numbers, self._with_bos = _network(files)
        self._numbers |= {"<s>": _BOS, "<pad>": PAD, "</s>": _EOS, "<unk>": _UNKNOWN}
        self.dimension = int(network.dimension)
        is_lstm = isinstance(network, LaserLstm)
        self._scales_batches = _scales_batches(network, self._precision)
        if isinstance(network, LaserTransformer):
            self._longest = min(self._longest, network.longest - 2)
        self._running = Running(
            _placed(network, self._device, self._precision),
            dimension=self.dimension,
            device=self._device,
            tokens=settings.token_budget,
            pad=PAD,
            mixes=is_lstm and self._device.type == "cpu",
            rows_step=0 if self._device.type == "cuda" else 1,
        )
        self._tokenizer = _tokenizer(files)
        # Vectors differ between precisions, and in their last bits between kinds of devices.
        tokens = self._running.tokens if self._device.type == "cuda" or self._scales_batches else 0
        way = _LSTM_WAY if is_lstm and self._device.type == "cpu" else 1
        told = json.dumps([files.digest(), self._precision, tokens, self._longest, self._device.type, way])
        self.name = f"laser:{content_digest(told.encode())}"

    @staticmethod
    def model_for(settings: EmbedSettings, variety: str) -> str:
        """Give the name or path of the model that embeds a variety."""
        return concrete(settings.models.get(variety, settings.model), variety)

    @staticmethod
    def check(settings: EmbedSettings, model: str) -> None:
        """Find and read a model without making it ready: its weights are mapped, not copied.

        Cost: the download of a model that is named and not there yet; milliseconds otherwise.

        Raises:
            SettingsError: as when it is made.
        """
        device_and_precision(settings)
        files = find_files(model, settings.cache)
        with torch.device("meta"):
            network, _, _ = _network(files)
        if settings.vector_cache and _scales_batches(network, settings.precision):
            raise SettingsError(
                "vector_cache does not go with precision int8 of a LASER3 model, which scales a batch as a whole: "
                "a text's vector would depend on what it was first embedded with",
                path="$.embed.vector_cache",
                cure="Leave it empty, or use precision float32.",
            )
        _tokenizer(files)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: (texts, dimension) float32, rows of length 1.

        Raises:
            SettingsError: the model gives a vector with values that are not finite.
        """
        vectors = encode_ahead(texts, self._all_pieces, self.raw, self.dimension)
        refuse_not_finite(vectors, texts, self._precision, PATH)
        normalize_rows(vectors)
        return vectors

    def pieces(self, text: str) -> tuple[int, ...]:
        """Give the numbers of a text's pieces, as the network reads them."""
        words = self._tokenizer.tokenize(text).split()[: self._longest]
        begin = (_BOS,) if self._with_bos else ()
        return (*begin, *(self._numbers.get(word, _UNKNOWN) for word in words), _EOS)

    def _all_pieces(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return [self.pieces(text) for text in texts]

    def raw(self, pieces: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
        """Give the vectors as the network makes them, of any length: (texts, dimension) float32."""
        return self._running.vectors(pieces)

    @cached_property
    def is_steady(self) -> bool:
        """Does a text have the same vector, bit for bit, in any company?"""
        if self._scales_batches:
            return False
        numbers = sorted(number for number in self._numbers.values() if number > _UNKNOWN)[:97] or [_UNKNOWN]

        def probes(lengths: Sequence[int]) -> list[tuple[int, ...]]:
            return [
                (*(numbers[(7 * i + 3 * length + 5 * k) % len(numbers)] for i in range(length)), _EOS)
                for k, length in enumerate(lengths)
                if length < self._longest
            ]

        # Many short ones beside them: a product of a hundred rows may add up otherwise than one of ten.
        return check_steady(self.raw, probes((1, 2, 5, 6, 7, 12, 13, 19, 26)), probes((2, 3, 4) * 30))


def _scales_batches(network: nn.Module, precision: str) -> bool:
    """Does a vector depend on its batch? torch scales one as a whole in whole numbers; our own LSTM scales each row."""
    return precision == "int8" and isinstance(network, LaserTransformer)


def _placed(network: nn.Module, device: torch.device, precision: str) -> Forward:
    network = network.eval().to(device, dtype_of(precision))  # a checkpoint may hold weights of any precision
    forward: Forward = network
    if isinstance(network, LaserLstm) and device.type == "cpu" and precision in {"float32", "int8"}:
        forward = CpuLstm(network.embed_tokens, network.lstm, eight_bits=precision == "int8")
    elif precision == "int8":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces that this moves to another package
            forward = torch.ao.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    return forward


def _tokenizer(files: LaserFiles) -> Any:
    import_laser_encoders()
    from laser_encoders.laser_tokenizer import LaserTokenizer

    try:
        sentencepiece.SentencePieceProcessor(model_file=str(files.pieces))
    except (RuntimeError, OSError) as error:
        raise SettingsError(f"{str(files.pieces)!r} is no SentencePiece model", path=PATH) from error
    return LaserTokenizer(spm_model=files.pieces)


def _network(files: LaserFiles) -> tuple[Any, dict[str, int], bool]:
    """Build the network of a checkpoint: network, numbers of the pieces, whether a sentence begins with `<s>`."""
    state = load_checkpoint(files.checkpoint)
    try:
        return _lstm(state) if "params" in state else _transformer(state, files)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SettingsError(
            f"{str(files.checkpoint)!r} is no LASER2 or LASER3 checkpoint: {type(error).__name__}: {told}", path=PATH
        ) from error


def _lstm(state: Mapping[str, Any]) -> tuple[Any, dict[str, int], bool]:
    network = LaserLstm(**state["params"])
    network.load_state_dict(state["model"], assign=True)
    return network, dict(state["dictionary"]), False


def _transformer(state: Mapping[str, Any], files: LaserFiles) -> tuple[Any, dict[str, int], bool]:
    weights = dict(state["model"])
    options = vars(state["cfg"]["model"])
    if files.vocabulary is None:
        raise SettingsError(
            f"no vocabulary beside {str(files.checkpoint)!r}",
            path=PATH,
            cure=f"Put {files.checkpoint.with_suffix('.cvocab').name} or laser2.cvocab into its folder.",
        )
    numbers = read_vocabulary(files.vocabulary)
    final_norm = any(name in weights for name in ("encoder.layer_norm.weight", "layer_norm.weight"))
    if "decoder.version" in weights:
        weights = {
            name.removeprefix("encoder."): value for name, value in weights.items() if name.startswith("encoder.")
        }
    weights = {name: value for name, value in weights.items() if not _NO_WEIGHT.fullmatch(name)}
    # A checkpoint with a last norm was trained with one more symbol, `<mask>`.
    network = LaserTransformer(options, len(numbers) + final_norm, final_norm="layer_norm.weight" in weights)
    network.load_state_dict(weights, assign=True)
    return network, numbers, bool(options.get("prepend_bos", False))


BACKEND = LaserEncoder
