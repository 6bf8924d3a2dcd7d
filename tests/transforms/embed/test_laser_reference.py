"""LASER2 and LASER3 against fairseq itself: checkpoints that its classes wrote, vectors that it gave.

laser_reference/ was made once by make_laser3_fixture.py; made_with.json says with which versions.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.embed import EmbedSettings
from transforms.embed.vector_cache import cached

torch = pytest.importorskip("torch")
if importlib.util.find_spec("laser_encoders") is None:
    pytest.skip("laser_encoders is not installed", allow_module_level=True)
pytestmark = pytest.mark.models

from transforms.embed.backends.laser import LaserEncoder  # noqa: E402

FOLDER = Path(__file__).with_name("laser_reference")
CHECKPOINTS = sorted(path.stem for path in FOLDER.glob("*.pt"))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return json.loads((FOLDER / "sentences.json").read_text(encoding="utf-8"))


def encoder_of(name: str, **options) -> LaserEncoder:
    return LaserEncoder(EmbedSettings(encoders=("laser",), model=str(FOLDER / f"{name}.pt"), device="cpu", **options))


def test_the_fixture_has_a_checkpoint_of_each_kind():
    kinds = ("cls", "decoder", "maxpool", "postnorm", "postnorm-last")
    assert ["laser2", *(f"laser3-{kind}" for kind in kinds)] == CHECKPOINTS


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("budget", [40, 300, 12000])
def test_vectors_are_those_of_fairseq(name, budget, texts):
    theirs = np.load(FOLDER / f"{name}.npy")
    encoder = encoder_of(name, token_budget=budget)
    raw = encoder.raw([encoder.pieces(text) for text in texts])
    np.testing.assert_allclose(raw, theirs, atol=1e-5)
    lengths = np.linalg.norm(theirs.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(texts), theirs / lengths, atol=1e-5)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_text_has_the_same_bits_alone_and_in_any_company(name, texts):
    encoder = encoder_of(name)
    whole = encoder.encode(texts)
    assert encoder.is_steady
    assert [encoder.encode([text]).tobytes() for text in texts] == [row.tobytes() for row in whole]
    assert encoder_of(name, token_budget=64).encode(texts[::2]).tobytes() == whole[::2].tobytes()


def test_vectors_of_whole_numbers_are_kept_where_they_are_steady(tmp_path, texts):
    def settings(name: str) -> EmbedSettings:
        return EmbedSettings(
            model=str(FOLDER / f"{name}.pt"), device="cpu", precision="int8", vector_cache=str(tmp_path)
        )

    assert encoder_of("laser2", precision="int8").is_steady
    assert not encoder_of("laser3-maxpool", precision="int8").is_steady
    LaserEncoder.check(settings("laser2"), settings("laser2").model)
    with pytest.raises(SettingsError, match="scales a batch as a whole") as told:
        LaserEncoder.check(settings("laser3-maxpool"), settings("laser3-maxpool").model)
    assert told.value.path == "$.embed.vector_cache"
    plain = encoder_of("laser2", precision="int8").encode(texts)
    for _ in range(2):  # an empty cache, then a full one
        kept = cached(encoder_of("laser2", precision="int8"), str(tmp_path))
        assert kept.encode(texts).tobytes() == plain.astype(np.float16).astype(np.float32).tobytes()


@pytest.mark.parametrize("name", ["laser2", "laser3-maxpool"])
def test_half_precision_is_near_and_finite(name, texts):
    exact = encoder_of(name).encode(texts)
    rough = encoder_of(name, precision="bfloat16").encode(texts)
    assert ((exact * rough).sum(axis=1) > 0.99).all()


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_sentences_of_the_reference_are_told_apart(name, texts):
    """Were all vectors alike, equality would say little."""
    theirs = np.load(FOLDER / f"{name}.npy")
    distances = abs(theirs[:, None] - theirs[None]).max(axis=2)
    assert distances[~np.eye(len(texts), dtype=bool)].min() > 1e-3
