"""SimAlign: links from the similarity of contextual word vectors (Jalili Sabet et al. 2020), many pairs a pass.

The links are those of simalign 0.4: the same pieces and layer, similarity (cos + 1) / 2, pieces or means over
words, extraction, and a link between two words where any of their pieces are linked. Beyond it: sentences that
are longer than the model reads go through it in overlapping windows, where simalign leaves their ends without
links; layers above the chosen one are not computed; every link has a probability.

On a CPU, BERT, RoBERTa and XLM-R run as `_packed` has them, without padding, and `precision = "int8"` lets them compute in
whole numbers. Other models, and a GPU, run as transformers has them; on a GPU in half precision by default.

Models are any that transformers' AutoModel loads: a folder, or a name that it finds in its cache or on its hub. Their
licences are their own. Cost: one forward pass over each distinct sentence.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers import logging as transformers_logging

from schemas.errors import SettingsError
from transforms.align.backends._packed import Packed
from transforms.align.extraction import METHODS
from transforms.align.interface import Link, WordPair
from transforms.align.settings import AlignSettings
from transforms.common.models import local_model

NAMES = {"bert": "bert-base-multilingual-cased", "xlmr": "xlm-roberta-base"}
"""Short names of models, as simalign has them."""

_CUT_MODELS = {"bert", "roberta", "xlm-roberta"}
"""Model types whose hidden states do not change when the layers above are left away, and that `_packed` knows."""

_DIGITS = 4
"""Digits of a probability: further ones depend on what else was in the batch."""

_PAIRS_AT_ONCE = 256
"""Pairs whose similarities are extracted in one go, at most; bounds memory."""


class _Sentence(NamedTuple):
    """Pieces of a sentence: their ids, and the word of each."""

    ids: list[int]
    words: NDArray[np.int64]


class SimAlign:
    """Aligner of record where a multilingual model is at hand.

    The method `softmax` is awesome-align's (Dou and Neubig 2021): cells whose softmax over the target and over the
    source are both above the threshold; one word may have several links, or none.

    Args:
        settings: model, method, layer, token_type, distortion, batch_tokens, device, precision.

    Raises:
        SettingsError: there is no such model, its files are broken, it has fewer layers, or it cannot be run in the
            precision that is asked for.
    """

    def __init__(self, settings: AlignSettings) -> None:
        self._settings = settings
        self._device = torch.device(_device(settings.device))
        self._tokenizer, self._model = _load(settings)
        config = self._model.config
        precision = _precision(settings, self._device.type, config)
        self._packed: Packed | None = None
        if self._device.type == "cpu" and _can_be_packed(config):
            self._packed = Packed(self._model, settings.layer, eight_bits=precision == "int8")
            self._model = None
        else:
            self._model.to(self._device)
            if precision == "float16":
                self._model.half()
        special = self._tokenizer.num_special_tokens_to_add()
        self._first, self._last = _specials(self._tokenizer)
        longest = min(int(self._tokenizer.model_max_length), int(getattr(config, "max_position_embeddings", 512)))
        if config.model_type in {"roberta", "xlm-roberta"}:
            longest = min(longest, int(config.max_position_embeddings) - 2)  # positions begin behind the padding's
        self._window = longest - special

    @staticmethod
    def check(settings: AlignSettings) -> None:
        """Refuse a model that is none, and a layer or precision that it does not have; raises SettingsError."""
        with _explained(settings):
            config = _configuration(settings)
        if settings.device != "auto":  # workers may have what the machine that launches has not
            _precision(settings, settings.device.partition(":")[0], config)

    def align(self, pairs: Sequence[WordPair]) -> list[list[Link]]:
        """Link the words of every pair; see `transforms.align.interface.Aligner`."""
        links: list[list[Link]] = [[] for _ in pairs]
        sentences: dict[tuple[str, ...], int] = {}
        sides = []
        for source, target in pairs:
            sides.append(tuple(sentences.setdefault(tuple(side), len(sentences)) for side in (source, target)))
        pieces = self._pieces(list(sentences))
        usable = [i for i, (s, t) in enumerate(sides) if len(pieces[s].ids) and len(pieces[t].ids)]
        usable.sort(key=lambda i: (len(pieces[sides[i][0]].ids), len(pieces[sides[i][1]].ids), i))
        vectors = self._vectors([pieces[i] for i in range(len(pieces))], {side for i in usable for side in sides[i]})
        for chunk in self._chunks(usable, sides, pieces):
            rows = [(vectors[s], vectors[t]) for s, t in (sides[i] for i in chunk)]
            words = [(pieces[s].words, pieces[t].words) for s, t in (sides[i] for i in chunk)]
            for i, found in zip(chunk, self._extract(rows, words), strict=True):
                links[i] = found
        return links

    def _pieces(self, sentences: Sequence[Sequence[str]]) -> list[_Sentence]:
        """Cut words into pieces, every distinct word once: pieces of a word do not depend on its neighbours."""
        vocabulary = sorted({word for sentence in sentences for word in sentence})
        cut = self._tokenizer(vocabulary, add_special_tokens=False)["input_ids"] if vocabulary else []
        ids = dict(zip(vocabulary, cut, strict=True))
        out = []
        for sentence in sentences:
            counts = [len(ids[word]) for word in sentence]
            out.append(
                _Sentence([i for word in sentence for i in ids[word]], np.repeat(np.arange(len(counts)), counts))
            )
        return out

    def _vectors(self, sentences: Sequence[_Sentence], wanted: set[int]) -> dict[int, torch.Tensor]:
        """Run the model over the sentences that are wanted; windows of long ones are put together again.

        Returns:
            By sentence: (units, dimension) float32 on the device; units are pieces or words, as `token_type` says.
        """
        windows = [
            (sentence, start, keep)
            for sentence in sorted(wanted)
            for start, keep in _windows(len(sentences[sentence].ids), self._window)
        ]
        windows.sort(key=lambda w: (min(len(sentences[w[0]].ids), self._window), w[0], w[1]))
        parts: dict[int, list[tuple[int, torch.Tensor]]] = {}
        for batch in _batches(
            windows, lambda w: min(len(sentences[w[0]].ids), self._window), self._settings.batch_tokens
        ):
            ids = [
                [*self._first, *sentences[sentence].ids[start : start + self._window], *self._last]
                for sentence, start, _ in batch
            ]
            encoded = self._packed(ids) if self._packed else self._padded(ids)
            for (sentence, start, (left, right)), hidden in zip(batch, encoded, strict=True):
                begin = len(self._first) + left - start
                parts.setdefault(sentence, []).append((left, hidden[begin : begin + right - left]))
        vectors = {}
        for sentence, found in parts.items():
            whole = torch.cat([part for _, part in sorted(found, key=lambda p: p[0])])
            vectors[sentence] = self._word_means(whole, sentences[sentence]) if self._by_word else whole
        return vectors

    def _padded(self, sentences: Sequence[Sequence[int]]) -> Iterator[torch.Tensor]:
        """Encode as transformers does; what lies beyond a sentence's end stays in its row."""
        width = max(len(row) for row in sentences)
        padding = self._tokenizer.pad_token_id or 0
        given = torch.tensor([[*row, *[padding] * (width - len(row))] for row in sentences], device=self._device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in sentences], device=self._device)
        with torch.inference_mode():
            hidden = self._model(input_ids=given, attention_mask=mask)["hidden_states"][self._settings.layer]
        yield from hidden.float()

    @property
    def _by_word(self) -> bool:
        return self._settings.token_type == "word"  # noqa: S105 -- a kind of token, not a password

    def _word_means(self, vectors: torch.Tensor, sentence: _Sentence) -> torch.Tensor:
        """Average the pieces of each word that has any."""
        present, place = np.unique(sentence.words, return_inverse=True)
        index = torch.as_tensor(place, device=self._device)
        sums = torch.zeros((len(present), vectors.shape[1]), device=self._device).index_add_(0, index, vectors)
        return sums / torch.bincount(index, minlength=len(present))[:, None]

    def _chunks(
        self, usable: Sequence[int], sides: Sequence[tuple[int, ...]], pieces: Sequence[_Sentence]
    ) -> Iterator[list[int]]:
        """Cut pairs of like lengths into chunks whose padded similarities stay small."""
        chunk: list[int] = []
        rows = columns = 0
        for i in usable:
            rows, columns = (max(a, len(pieces[s].ids)) for a, s in zip((rows, columns), sides[i], strict=True))
            if chunk and (len(chunk) == _PAIRS_AT_ONCE or (len(chunk) + 1) * rows * columns > 1 << 21):
                yield chunk
                chunk = []
                rows, columns = (len(pieces[s].ids) for s in sides[i])
            chunk.append(i)
        if chunk:
            yield chunk

    def _extract(
        self,
        vectors: Sequence[tuple[torch.Tensor, torch.Tensor]],
        words: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    ) -> list[list[Link]]:
        sources = np.array([len(source) for source, _ in vectors])
        targets = np.array([len(target) for _, target in vectors])
        source = torch.nn.utils.rnn.pad_sequence([s for s, _ in vectors], batch_first=True)
        target = torch.nn.utils.rnn.pad_sequence([t for _, t in vectors], batch_first=True)
        products = torch.bmm(source, target.transpose(1, 2))
        unit_source = torch.nn.functional.normalize(source, dim=2)
        unit_target = torch.nn.functional.normalize(target, dim=2)
        similar = ((torch.bmm(unit_source, unit_target.transpose(1, 2)) + 1.0) / 2.0).cpu().numpy()
        similar = _with_distortion(similar, sources, targets, self._settings.distortion)
        forward, backward = _softmaxes(products, sources, targets)
        probability = torch.sqrt(forward * backward).cpu().numpy()
        if self._settings.method == "softmax":
            linked = (torch.minimum(forward, backward) > self._settings.softmax_threshold).cpu().numpy()
        else:
            linked = METHODS[self._settings.method](similar, sources, targets)
        out: list[list[Link]] = []
        for i, (source_words, target_words) in enumerate(words):
            of_source = np.unique(source_words) if self._by_word else source_words
            of_target = np.unique(target_words) if self._by_word else target_words
            rows, columns = np.nonzero(linked[i])
            best: dict[tuple[int, int], float] = {}
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                cell = (int(of_source[row]), int(of_target[column]))
                best[cell] = max(best.get(cell, 0.0), round(float(probability[i, row, column]), _DIGITS))
            out.append([Link(*cell, best[cell]) for cell in sorted(best)])
        return out


BACKEND = SimAlign


def _with_distortion(
    similar: NDArray[np.float32], sources: NDArray[np.int64], targets: NDArray[np.int64], ratio: float
) -> NDArray[np.floating]:
    """Lower similarities by their squared distance from the diagonal, as simalign does (sides of one unit excepted)."""
    if not ratio:
        return similar
    rows = np.arange(similar.shape[1]) / np.maximum(sources - 1, 1)[:, None].astype(float)
    columns = np.arange(similar.shape[2]) / np.maximum(targets - 1, 1)[:, None].astype(float)
    weights = 1.0 - ((columns[:, None, :] - rows[:, :, None]) ** 2) * ratio
    weights[(sources < 2) | (targets < 2)] = 1.0
    return similar * weights  # type: ignore[no-any-return]


def _softmaxes(
    products: torch.Tensor, sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the softmax over the target and over the source (Dou and Neubig 2021, section 2.2); 0 beyond the words."""
    rows = torch.arange(products.shape[1])[None, :, None] >= torch.as_tensor(sources)[:, None, None]
    columns = torch.arange(products.shape[2])[None, None, :] >= torch.as_tensor(targets)[:, None, None]
    outside = (rows | columns).to(products.device)
    masked = products.masked_fill(outside, float("-inf"))
    forward, backward = (torch.softmax(masked, dim=side).masked_fill(outside, 0.0) for side in (2, 1))
    return forward, backward


def _windows(pieces: int, window: int) -> list[tuple[int, tuple[int, int]]]:
    """Cut a sentence into windows that overlap by half; each piece is read where it stands farthest from an edge.

    Returns:
        Where each window begins, and the range of pieces whose vectors are taken from it.
    """
    if pieces <= window:
        return [(0, (0, pieces))]
    step = window // 2
    starts = [*range(0, pieces - window, step), pieces - window]
    borders = [0, *((a + b + window) // 2 for a, b in pairwise(starts)), pieces]
    return [(start, (borders[i], borders[i + 1])) for i, start in enumerate(starts)]


def _batches(items: Sequence[Any], length: Any, tokens: int) -> Iterator[list[Any]]:
    """Cut items, ordered by length, into batches whose padded size stays within `tokens`."""
    batch: list[Any] = []
    for item in items:
        if batch and (len(batch) + 1) * length(item) > tokens:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _specials(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Give the ids that the tokenizer puts before and behind a sentence."""
    word = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    extra = len(whole) - len(word)
    if extra != 2:
        raise SettingsError(
            f"a model with one special token at each end was expected, this one has {extra} in all",
            path="$.align.model",
            cure="Take an encoder such as BERT or XLM-R.",
        )
    return whole[:1], whole[-1:]


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SettingsError("there is no GPU here", path="$.align.device", cure='Say device = "auto".')
    return name


def _precision(settings: AlignSettings, device: str, config: Any) -> str:
    """Give the precision that is meant, or refuse one that the device does not have."""
    if settings.precision == "auto":
        return "float16" if device == "cuda" else "float32"
    if settings.precision == "float16" and device == "cpu":
        raise SettingsError(
            "half precision is for a GPU, on a CPU it is slower than float32",
            path="$.align.precision",
            cure='Take precision = "int8", which is faster on a CPU, or "auto".',
        )
    able = device == "cpu" and _can_be_packed(config) and torch.backends.mkldnn.is_available()
    if settings.precision == "int8" and not able:
        raise SettingsError(
            f"a model of type {config.model_type!r} on {device!r} does not run in 8 bits",
            path="$.align.precision",
            cure='Take a BERT, RoBERTa or XLM-R on device = "cpu", or precision = "auto".',
        )
    return settings.precision


def _can_be_packed(config: Any) -> bool:
    # absolute positions: the older kinds of relative ones change attention
    return config.model_type in _CUT_MODELS and getattr(config, "position_embedding_type", "absolute") == "absolute"


def _configuration(settings: AlignSettings) -> Any:
    """Read the model's configuration and check the layer."""
    config = AutoConfig.from_pretrained(_name(settings), output_hidden_states=True)
    layers = int(getattr(config, "num_hidden_layers", 0))
    if settings.layer > layers:
        raise SettingsError(
            f"layer {settings.layer} is asked for, the model {settings.model!r} has {layers}",
            path="$.align.layer",
            cure=f"Choose 0 to {layers}.",
        )
    return config


def _load(settings: AlignSettings) -> tuple[Any, Any]:
    """Load tokenizer and model, the layers above the chosen one left away where that changes nothing."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()  # it would complain of the layers left away
    transformers_logging.disable_progress_bar()
    try:
        with _explained(settings):
            config = _configuration(settings)
            if config.model_type in _CUT_MODELS:
                config.num_hidden_layers = max(settings.layer, 1)
            model, told = AutoModel.from_pretrained(_name(settings), config=config, output_loading_info=True)
            tokenizer = AutoTokenizer.from_pretrained(_name(settings))
            _check_whole(model, told["missing_keys"], tokenizer)
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
    model.eval()
    return tokenizer, model


def _check_whole(model: Any, missing: Iterable[str], tokenizer: Any) -> None:
    """Refuse what transformers makes up: random weights for those that a file lacks, an empty vocabulary."""
    lacking = sorted(key for key in missing if not key.startswith("pooler."))
    if lacking:
        raise ValueError(f"its files lack {len(lacking)} of the weights, such as {lacking[0]}")
    pieces, rows = tokenizer.get_vocab(), model.get_input_embeddings().num_embeddings
    if len(pieces) <= len(set(tokenizer.all_special_ids)):
        raise ValueError("its tokenizer has no vocabulary")
    if max(pieces.values()) >= rows:
        raise ValueError(f"its tokenizer has pieces up to {max(pieces.values())}, the model {rows} vectors")


def _name(settings: AlignSettings) -> str:
    return NAMES.get(settings.model) or local_model(settings.model, setting="$.align.model")


@contextmanager
def _explained(settings: AlignSettings) -> Iterator[None]:
    """Turn what transformers raises for a model that is none into a SettingsError."""
    try:
        yield
    except SettingsError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SettingsError(
            f"{settings.model!r} gives no model: {first}",
            path="$.align.model",
            cure="Give bert, xlmr, the name of a Hugging Face model, or a folder with config.json, weights and tokenizer.",
        ) from error
