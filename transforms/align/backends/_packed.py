"""The lower layers of a BERT, RoBERTa or XLM-R over sentences laid end to end: nothing is padded.

transformers' own classes want a rectangle: sentences padded to the longest. Here all pieces of a batch are the rows of one
matrix, so every product is a large one, query, key and value are one product in place of three, and only attention
looks at sentences, those of one length together. The layers above the one that is asked for do not exist. On a CPU the
products are nearly all of the time.

With `eight_bits` the weights are whole numbers of 8 bits and the rows of 7, each row with a scale of its own (dynamic
quantization, by oneDNN's products, which PyTorch has on a CPU): twice as fast on an x86 CPU, other links for some words (docs/align.md says how many). Sums of
whole numbers are exact, and a row's scale is its own, so neighbours in the batch do not change what a row is rounded to.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch.nn import functional

_ROWS = 512
"""Rows that go through the feed-forward part at once: its inner rows, four times as wide, stay in the cache."""

_SMALLEST = 1e-12


class Packed:
    """A model's embeddings and first layers.

    Args:
        model: a BertModel, RobertaModel or XLMRobertaModel.
        layers: how many of its layers; 0: the embeddings alone.
        eight_bits: whether products are of whole numbers.
    """

    def __init__(self, model: Any, layers: int, *, eight_bits: bool = False) -> None:
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        # RoBERTa counts positions from behind the padding's; every piece is of the first kind
        first = embeddings.position_embeddings.padding_idx
        places = embeddings.position_embeddings.weight.detach()[0 if first is None else first + 1 :]
        self._places = places + embeddings.token_type_embeddings.weight.detach()[0]
        self._norm = _Norm(embeddings.LayerNorm)
        make = _EightBits if eight_bits else _Product
        self._layers = [_Layer(layer, make) for layer in model.encoder.layer[:layers]]

    @torch.inference_mode()
    def __call__(self, sentences: Sequence[Sequence[int]]) -> Iterator[torch.Tensor]:
        """Encode sentences, ordered by length; gives the vectors of each, (pieces, dimension) float32, in order.

        Args:
            sentences: ids of pieces, those at the ends of a sentence included.
        """
        lengths = [len(sentence) for sentence in sentences]
        ids = torch.tensor([i for sentence in sentences for i in sentence])
        places = torch.cat([torch.arange(length) for length in lengths])
        rows = self._norm(self._words[ids] + self._places[places])
        groups = [(length, len(list(found))) for length, found in groupby(lengths)]
        for layer in self._layers:
            rows = layer(rows, groups)
        yield from rows.split(lengths)


class _Norm:
    def __init__(self, norm: Any) -> None:
        self._norm = norm

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        norm = self._norm
        return functional.layer_norm(rows, norm.normalized_shape, norm.weight.detach(), norm.bias.detach(), norm.eps)


class _Product:
    """Rows times weights, plus a bias."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, lowest: float) -> None:  # noqa: ARG002 -- for whole numbers
        self._weight = weight
        self._bias = bias

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return functional.linear(rows, self._weight, self._bias)


class _EightBits:
    """The same in whole numbers.

    A row is laid out over 0 to 127, from its least value to its greatest; each column of weights over -127 to 127. (With
    eight bits on both sides, instructions that x86 CPUs without VNNI have would overflow.)

    Args:
        weight: (out, in).
        bias: (out,).
        lowest: what a row's least value is at most, as a share of its greatest: -1, or nearer to 0 behind an
            activation, whose values are hardly negative.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, lowest: float) -> None:
        self._scales = (weight.abs().amax(dim=1) / 127.0).clamp_min(_SMALLEST)
        whole = (weight / self._scales[:, None]).round().clamp(-127, 127).to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, None)
        self._bias = bias
        self._lowest = lowest
        self._step = (1.0 - lowest) / 127.0
        self._zero = round(-lowest / self._step)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        least, greatest = torch.aminmax(rows, dim=1, keepdim=True)
        scale = torch.maximum(greatest, least / self._lowest).clamp_min_(_SMALLEST)
        whole = torch.mul(rows, 1.0 / (self._step * scale)).add_(self._zero + 0.5).to(torch.uint8)
        made = torch.ops.onednn.qlinear_pointwise(
            whole, self._step, self._zero, self._packed, self._scales, None, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return torch.addcmul(self._bias, made, scale)


class _Layer:
    def __init__(self, layer: Any, make: Callable[[torch.Tensor, torch.Tensor, float], Any]) -> None:
        own, out = layer.attention.self, layer.attention.output
        parts = (own.query, own.key, own.value)
        self._looked_up = make(
            torch.cat([part.weight.detach() for part in parts]), torch.cat([part.bias.detach() for part in parts]), -1.0
        )
        self._heads = own.num_attention_heads
        self._gathered = make(out.dense.weight.detach(), out.dense.bias.detach(), -1.0)
        self._gathered_norm = _Norm(out.LayerNorm)
        inner = layer.intermediate
        self._inner = make(inner.dense.weight.detach(), inner.dense.bias.detach(), -1.0)
        self._activation = inner.intermediate_act_fn
        self._outer = make(layer.output.dense.weight.detach(), layer.output.dense.bias.detach(), -0.25)
        self._outer_norm = _Norm(layer.output.LayerNorm)

    def __call__(self, rows: torch.Tensor, groups: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Run the layer over rows that are `groups` of (length, number of sentences)."""
        asked = self._looked_up(rows)
        gathered = torch.empty_like(rows)
        begin = 0
        for length, number in groups:
            end = begin + length * number
            # (number, length, 3, heads, size) -> three of (number, heads, length, size)
            query, key, value = asked[begin:end].view(number, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            seen = functional.scaled_dot_product_attention(query, key, value)
            gathered[begin:end] = seen.transpose(1, 2).reshape(length * number, -1)
            begin = end
        out = torch.empty_like(rows)
        for part in range(0, len(rows), _ROWS):
            piece = slice(part, part + _ROWS)
            between = self._gathered_norm(self._gathered(gathered[piece]).add_(rows[piece]))
            inner = self._activation(self._inner(between))
            out[piece] = self._outer_norm(self._outer(inner).add_(between))
        return out
