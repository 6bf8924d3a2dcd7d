"""LASER3's transformer, against torch's own layers with the same weights, and as a checkpoint.

That it equals fairseq itself is shown in test_laser_reference.py.
"""

import math
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.embed import EmbedSettings

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.models

WIDTH, HEADS, INNER, LAYERS = 16, 4, 24, 2


def options(**changes) -> dict:
    return {
        "encoder_embed_dim": WIDTH,
        "encoder_ffn_embed_dim": INNER,
        "encoder_attention_heads": HEADS,
        "encoder_layers": LAYERS,
        "encoder_normalize_before": True,
        "encoder_learned_pos": False,
        "activation_fn": "relu",
        "sentemb_criterion": "maxpool",
        "max_source_positions": 64,
        "prepend_bos": False,
        "left_pad_source": False,
    } | changes


def network(seed: int = 3, symbols: int = 50, **changes):
    from transforms.embed.backends._laser_model import LaserTransformer

    torch.manual_seed(seed)
    chosen = options(**changes)
    return LaserTransformer(chosen, symbols, final_norm=chosen["encoder_normalize_before"]).eval()


def slow_vector(model, ids: list[int], *, before: bool):
    """Embed one sentence by torch's own encoder layers, with positions counted one by one."""
    states = model.embed_tokens(torch.tensor([ids])) * math.sqrt(WIDTH)
    for place in range(len(ids)):
        for i in range(WIDTH // 2):
            angle = (place + 2) / 10000 ** (i / (WIDTH // 2 - 1))
            states[0, place, i] += math.sin(angle)
            states[0, place, i + WIDTH // 2] += math.cos(angle)
    for layer in model.layers:
        peer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, batch_first=True, norm_first=before).eval()
        projections = [layer.self_attn[name] for name in ("q_proj", "k_proj", "v_proj")]
        peer.self_attn.in_proj_weight.data = torch.cat([p.weight for p in projections])
        peer.self_attn.in_proj_bias.data = torch.cat([p.bias for p in projections])
        peer.self_attn.out_proj.load_state_dict(layer.self_attn["out_proj"].state_dict())
        peer.norm1.load_state_dict(layer.self_attn_layer_norm.state_dict())
        peer.norm2.load_state_dict(layer.final_layer_norm.state_dict())
        peer.linear1.load_state_dict(layer.fc1.state_dict())
        peer.linear2.load_state_dict(layer.fc2.state_dict())
        states = peer(states)
    if before:
        states = model.layer_norm(states)
    return states[0].amax(dim=0)


@pytest.mark.parametrize("before", [True, False])
def test_a_padded_batch_gives_what_torchs_layers_give_alone(before):
    model = network(encoder_normalize_before=before)
    sentences = [[7, 9, 30, 12, 2], [8, 41, 2], [2]]
    tokens = torch.full((3, 5), 1)
    for row, ids in enumerate(sentences):
        tokens[row, : len(ids)] = torch.tensor(ids)
    with torch.no_grad():
        ours = model(tokens, torch.tensor([5, 3, 1]))
        expected = torch.stack([slow_vector(model, ids, before=before) for ids in sentences])
    np.testing.assert_allclose(ours.numpy(), expected.numpy(), atol=1e-5)


def write_laser3(folder: Path, laser_folder: Path, **changes) -> Path:
    for kind in ("spm", "cvocab"):
        (folder / f"laser2.{kind}").write_bytes((laser_folder / f"laser2.{kind}").read_bytes())
    symbols = len((folder / "laser2.cvocab").read_text(encoding="utf-8").splitlines()) + 4 + 1
    weights = network(symbols=symbols).state_dict() | {
        "version": torch.tensor([3.0]),
        "embed_positions._float_tensor": torch.zeros(1),
    }
    path = folder / "laser3-lij_Latn.v1.pt"
    torch.save({"cfg": {"model": Namespace(**options(**changes))}, "model": weights}, path)
    return path


def test_a_checkpoint_with_a_namespace_is_loaded(tmp_path, laser_folder, sentences):
    pytest.importorskip("sacremoses")
    from transforms.embed.backends.laser import LaserEncoder

    path = write_laser3(tmp_path, laser_folder)
    encoder = LaserEncoder(EmbedSettings(encoders=("laser",), model=str(path), device="cpu"))
    vectors = encoder.encode(sentences)
    assert vectors.shape == (len(sentences), WIDTH)
    alone = np.vstack([encoder.encode([sentence]) for sentence in sentences])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    assert len(encoder.pieces("gatto " * 500)) <= 64


@pytest.mark.parametrize(
    "changes",
    [{"activation_fn": "swish"}, {"encoder_layers": 3}, {"sentemb_criterion": "mean"}, {"encoder_embed_dim": 20}],
)
def test_another_architecture_is_refused(tmp_path, laser_folder, changes):
    from transforms.embed.backends.laser import LaserEncoder

    path = write_laser3(tmp_path, laser_folder, **changes)
    with pytest.raises(SettingsError, match="no LASER2 or LASER3 checkpoint"):
        LaserEncoder(EmbedSettings(encoders=("laser",), model=str(path), device="cpu"))
