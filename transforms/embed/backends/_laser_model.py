"""The two networks of LASER in plain torch: the BiLSTM of LASER2 and the transformer of LASER3.

Weights are those of the official checkpoints, under their names; fairseq is not needed. Both read a batch of
piece numbers padded on the right and give the maximum over the states of a sentence.

References: Artetxe & Schwenk, "Massively Multilingual Sentence Embeddings", TACL 2019 (BiLSTM); Heffernan,
Çelebi & Schwenk, "Bitext Mining Using Distilled Sentence Representations", 2022 (transformer).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

PAD = 1


def pooled(states: Tensor, lengths: Tensor) -> Tensor:
    """Take the maximum over each sentence's states.

    Args:
        states: (time, batch, width).
        lengths: (batch,) pieces of each sentence, on the device of the states.

    Returns:
        (batch, width).
    """
    past_end = torch.arange(len(states), device=states.device)[:, None] >= lengths[None, :]
    return states.masked_fill(past_end[:, :, None], float("-inf")).amax(dim=0)


class LaserLstm(nn.Module):
    """The BiLSTM encoder: `params` of the checkpoint are its arguments.

    The two directions of a layer run apart, on padded batches, which is exact: the forward direction sees the
    padding after the sentence's end only, and so does the backward one when each sentence is turned round within its
    own length. On a CPU `CpuLstm` runs its weights, but for half precision.
    """

    def __init__(  # the checkpoint's names, in its order
        self,
        num_embeddings: int,
        padding_idx: int,
        embed_dim: int = 320,
        hidden_size: int = 512,
        num_layers: int = 1,
        bidirectional: bool = False,
        left_pad: bool = True,
        padding_value: float = 0.0,
    ) -> None:
        super().__init__()
        del left_pad, padding_value  # They concern training.
        self.embed_tokens = nn.Embedding(num_embeddings, embed_dim, padding_idx=padding_idx)
        self.lstm = nn.LSTM(embed_dim, hidden_size, num_layers=num_layers, bidirectional=bidirectional)
        self.dimension = hidden_size * (2 if bidirectional else 1)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Embed a batch.

        Args:
            tokens: (batch, time) int64, padded on the right, longest sentence first.
            lengths: (batch,) int64 on the CPU.

        Returns:
            (batch, dimension).
        """
        states = self.embed_tokens(tokens.t())
        there = lengths.to(tokens.device)
        turned = turned_round(len(states), there)
        for layer in range(self.lstm.num_layers):
            directions = [self._run(states, f"l{layer}")]
            if self.lstm.bidirectional:
                backward = self._run(_gathered(states, turned), f"l{layer}_reverse")
                directions.append(_gathered(backward, turned))
            states = torch.cat(directions, dim=2)
        return pooled(states, there)

    def _run(self, states: Tensor, suffix: str) -> Tensor:
        weights = [getattr(self.lstm, f"{name}_{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        zeros = states.new_zeros(1, states.shape[1], self.lstm.hidden_size)
        return torch._VF.lstm(states, (zeros, zeros), weights, True, 1, 0.0, False, False, False)[0]  # type: ignore[no-any-return]  # noqa: SLF001


def turned_round(time: int, lengths: Tensor) -> Tensor:
    """Give for every place of a padded batch the place that it gets when each sentence is turned round.

    Args:
        time: places of the batch.
        lengths: (batch,) int64.

    Returns:
        (time, batch) int64; padding stays where it is. It is its own inverse.
    """
    places = torch.arange(time, device=lengths.device)[:, None]
    mirrored = lengths[None, :] - 1 - places
    return torch.where(mirrored >= 0, mirrored, places)


def _gathered(states: Tensor, places: Tensor) -> Tensor:
    return states.gather(0, places[:, :, None].expand(-1, -1, states.shape[2]))


def _accurate_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": nn.functional.gelu,
    "gelu_accurate": _accurate_gelu,
    "gelu_fast": _accurate_gelu,
    "tanh": torch.tanh,
}


class _Layer(nn.Module):
    def __init__(self, width: int, inner: int, heads: int, *, normalize_before: bool, activation: str) -> None:
        super().__init__()
        self.self_attn = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("q_proj", "k_proj", "v_proj", "out_proj")}
        )
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self.heads = heads
        self.normalize_before = normalize_before
        self.activation = _ACTIVATIONS[activation]

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.normalize_before:
            states = states + self._attend(self.self_attn_layer_norm(states), mask)
            return states + self._think(self.final_layer_norm(states))
        states = self.self_attn_layer_norm(states + self._attend(states, mask))
        return self.final_layer_norm(states + self._think(states))  # type: ignore[no-any-return]

    def _attend(self, states: Tensor, mask: Tensor) -> Tensor:
        batch, time, width = states.shape
        query, key, value = (
            self.self_attn[name](states).view(batch, time, self.heads, -1).transpose(1, 2)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.self_attn["out_proj"](attended.transpose(1, 2).reshape(batch, time, width))  # type: ignore[no-any-return]

    def _think(self, states: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(states)))  # type: ignore[no-any-return]


class LaserTransformer(nn.Module):
    """The transformer encoder.

    Args:
        options: `cfg.model` of the checkpoint, as a mapping.
        symbols: size of its dictionary.
        final_norm: does the checkpoint hold a last layer norm?

    Raises:
        KeyError, ValueError: an option is missing, or its value is not known here.
    """

    def __init__(self, options: Mapping[str, Any], symbols: int, *, final_norm: bool) -> None:
        super().__init__()
        width = int(options["encoder_embed_dim"])
        activation = options.get("activation_fn") or "relu"
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation_fn {activation!r}")
        criterion = options.get("sentemb_criterion") or "maxpool"
        if criterion not in {"maxpool", "cls"}:
            raise ValueError(f"sentemb_criterion {criterion!r}")
        before = bool(options.get("encoder_normalize_before", False))
        self.dimension = width
        self.first_state = criterion == "cls"
        self.scale = 1.0 if options.get("no_scale_embedding", False) else math.sqrt(width)
        self.embed_tokens = nn.Embedding(symbols, width, padding_idx=PAD)
        self.longest = int(options.get("max_source_positions") or 1024)
        self.embed_positions: nn.Module | None = None
        if not options.get("no_token_positional_embeddings", False):
            if options.get("encoder_learned_pos", False):
                self.embed_positions = nn.Embedding(self.longest + PAD + 1, width, padding_idx=PAD)
            else:
                self.embed_positions = _Sinusoids(self.longest + PAD + 1, width)
        self.layernorm_embedding = nn.LayerNorm(width) if options.get("layernorm_embedding", False) else None
        self.layers = nn.ModuleList(
            _Layer(
                width,
                int(options["encoder_ffn_embed_dim"]),
                int(options["encoder_attention_heads"]),
                normalize_before=before,
                activation=activation,
            )
            for _ in range(int(options["encoder_layers"]))
        )
        self.layer_norm = nn.LayerNorm(width) if final_norm or before else None

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Embed a batch: arguments and result as in `LaserLstm.forward`."""
        there = lengths.to(tokens.device)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        is_word = places[None, :] < there[:, None]
        states = self.scale * self.embed_tokens(tokens)
        if self.embed_positions is not None:
            # fairseq counts positions from the padding symbol's number + 1; padding has that number itself.
            states = states + self.embed_positions(torch.where(is_word, places + PAD + 1, PAD))
        if self.layernorm_embedding is not None:
            states = self.layernorm_embedding(states)
        # Always masked: without a mask another kernel would run, for a text whose batch has no padding.
        mask = is_word[:, None, None, :]
        for layer in self.layers:
            states = layer(states, mask)
        if self.layer_norm is not None:
            states = self.layer_norm(states)
        return states[:, 0] if self.first_state else pooled(states.transpose(0, 1), there)


class _Sinusoids(nn.Module):
    """Sine and cosine positions in the layout of tensor2tensor: all sines, then all cosines."""

    table: Tensor

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        half = width // 2
        rates = torch.exp(torch.arange(half, dtype=torch.float) * -(math.log(10000) / (half - 1)))
        angles = torch.arange(positions, dtype=torch.float)[:, None] * rates[None, :]
        table = torch.zeros(positions, width)
        table[:, :half] = torch.sin(angles)
        table[:, half : 2 * half] = torch.cos(angles)
        table[PAD] = 0
        self.register_buffer("table", table, persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        return self.table[positions]
