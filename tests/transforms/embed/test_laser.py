"""LASER: equal to laser_encoders on the same weights, safe with files that are broken or hostile."""

import importlib.util
import logging
import pickle
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.common.blocks import as_stored
from transforms.embed import EmbedSettings, embed_lines

torch = pytest.importorskip("torch")
if importlib.util.find_spec("laser_encoders") is None:
    pytest.skip("laser_encoders is not installed", allow_module_level=True)
pytestmark = pytest.mark.models

from transforms.embed.backends import _laser_files as laser_files  # noqa: E402
from transforms.embed.backends._laser_model import pooled, turned_round  # noqa: E402
from transforms.embed.backends._running import batches  # noqa: E402
from transforms.embed.backends.laser import LaserEncoder  # noqa: E402


def encoder_of(folder: Path, **options) -> LaserEncoder:
    return LaserEncoder(EmbedSettings(encoders=("laser",), model=str(folder / "laser2.pt"), device="cpu", **options))


def peer_of(folder: Path, **options):
    laser_files.import_laser_encoders()
    from laser_encoders.models import SentenceEncoder

    return SentenceEncoder(
        str(folder / "laser2.pt"), spm_model=str(folder / "laser2.spm"), cpu=True, max_tokens=12000, **options
    )


def normalized(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_are_those_of_laser_encoders(laser_folder, sentences):
    theirs = peer_of(laser_folder)(sentences)
    np.testing.assert_allclose(encoder_of(laser_folder).encode(sentences), normalized(theirs), atol=1e-5)


def test_vectors_are_those_of_laser_encoders_at_the_size_of_laser2(make_laser, sentences):
    folder = make_laser(embed_dim=320, hidden_size=512, num_layers=5, symbols=50004)
    theirs = peer_of(folder)(sentences)
    ours = encoder_of(folder).encode(sentences)
    assert ours.shape == (len(sentences), 1024)
    np.testing.assert_allclose(ours, normalized(theirs), atol=1e-5)
    assert encoder_of(folder).encode(sentences[3:4]).tobytes() == ours[3].tobytes()
    exact = (ours * encoder_of(folder, precision="int8").encode(sentences)).sum(axis=1)
    assert exact.min() >= 0.99


def test_awkward_texts_are_those_of_laser_encoders(laser_folder):
    texts = ["", " ", "😀", "a", "ЖЖЖ 漢字", "x\u200by\x00z", "« Perché? » – «No…»", "  two   spaces ", "A\u2028B"]
    theirs = peer_of(laser_folder)(texts)
    np.testing.assert_allclose(encoder_of(laser_folder).encode(texts), normalized(theirs), atol=1e-5)


def test_no_texts_give_no_vectors(laser_folder):
    assert encoder_of(laser_folder).encode([]).shape == (0, 24)


def test_another_order_gives_the_same_bits(laser_folder, sentences, rng):
    encoder = encoder_of(laser_folder, token_budget=64)
    texts = sentences + sentences[:3]
    order = rng.permutation(len(texts))
    assert encoder.encode([texts[i] for i in order]).tobytes() == encoder.encode(texts)[order].tobytes()


@pytest.mark.parametrize("budget", [64, 200, 12000])
def test_the_budget_changes_no_vector_beyond_rounding(laser_folder, sentences, budget):
    whole = encoder_of(laser_folder).encode(sentences)
    np.testing.assert_allclose(encoder_of(laser_folder, token_budget=budget).encode(sentences), whole, atol=1e-6)


def test_a_long_text_is_cut(laser_folder):
    encoder = encoder_of(laser_folder, longest_text=20)
    assert len(encoder.pieces("gatto nero " * 1000)) == 21
    same = encoder.encode(["gatto nero " * 100, "gatto nero " * 1000])
    np.testing.assert_array_equal(same[0], same[1])


def test_batches_keep_to_the_budget():
    assert batches([9, 9, 4, 3], 20) == [(0, 2), (2, 4)]
    assert batches([50, 3, 3], 20) == [(0, 1), (1, 3)]
    assert batches([], 20) == []


def test_turning_round_twice_changes_nothing():
    lengths = torch.tensor([5, 3, 1])
    places = turned_round(5, lengths)
    np.testing.assert_array_equal(places[:, 1].numpy(), [2, 1, 0, 3, 4])
    states = torch.arange(5)[:, None].expand(5, 3)
    np.testing.assert_array_equal(states.gather(0, places).gather(0, places), states)


def test_pooling_looks_at_no_padding():
    states = torch.tensor([[[-1.0]], [[-2.0]], [[7.0]]])
    assert pooled(states, torch.tensor([2])).item() == -1


def test_importing_laser_encoders_leaves_fairseq_and_the_log_alone():
    laser_files.import_laser_encoders()
    assert "fairseq" not in sys.modules
    assert not any(getattr(handler, "stream", None) is sys.stdout for handler in logging.getLogger().handlers)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def broken(folder: Path, tmp_path: Path, kind: str) -> Path:
    whole = (folder / "laser2.pt").read_bytes()
    path = tmp_path / "laser2.pt"
    (tmp_path / "laser2.spm").write_bytes((folder / "laser2.spm").read_bytes())
    state = torch.load(folder / "laser2.pt", weights_only=True)
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not a checkpoint", encoding="utf-8")
    elif kind == "hostile":
        torch.save(state | {"extra": Hostile(tmp_path / "executed")}, path)
    elif kind == "hostile pickle":
        path.write_bytes(pickle.dumps(Hostile(tmp_path / "executed")))
    elif kind == "no mapping":
        torch.save([1, 2], path)
    elif kind == "another architecture":
        torch.save({"model": {"linear.weight": torch.zeros(2, 2)}}, path)
    elif kind == "other sizes":
        torch.save(state | {"params": state["params"] | {"hidden_size": 13}}, path)
    elif kind == "broken pieces":
        path.write_bytes(whole)
        (tmp_path / "laser2.spm").write_bytes(b"nothing")
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "empty",
        "text",
        "hostile",
        "hostile pickle",
        "no mapping",
        "another architecture",
        "other sizes",
        "broken pieces",
    ],
)
def test_a_bad_checkpoint_is_refused_and_nothing_in_it_runs(laser_folder, tmp_path, kind):
    path = broken(laser_folder, tmp_path, kind)
    with pytest.raises(SettingsError, match="laser2") as told:
        LaserEncoder(EmbedSettings(encoders=("laser",), model=str(path), device="cpu"))
    assert told.value.path == "$.embed.model"
    assert not (tmp_path / "executed").exists()


def test_a_missing_checkpoint_or_pieces_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="no file"):
        LaserEncoder(EmbedSettings(model=str(tmp_path / "laser2.pt")))
    (tmp_path / "x.pt").write_bytes(b"")
    with pytest.raises(SettingsError, match="no SentencePiece model"):
        LaserEncoder(EmbedSettings(model=str(tmp_path / "x.pt")))


def test_languages_that_laser3_does_not_have_are_refused():
    with pytest.raises(SettingsError, match="no language 'gsw'"):
        laser_files.find_files("laser3:gsw")
    with pytest.raises(SettingsError, match="several models"):
        laser_files.find_files("laser3:kashmiri")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(laser_folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(laser_folder))) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def test_a_model_is_downloaded_once_and_its_checksum_kept(server, tmp_path, laser_folder, sentences):
    files = laser_files.find_files("laser2", str(tmp_path), server)
    assert files.checkpoint.read_bytes() == (laser_folder / "laser2.pt").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        name for each in ("pt", "spm", "cvocab") for name in (f"laser2.{each}", f"laser2.{each}.sha256.json")
    )
    again = laser_files.find_files("laser2", str(tmp_path), "http://127.0.0.1:1")
    settings = EmbedSettings(encoders=("laser",), device="cpu", cache=str(tmp_path))
    assert again == files
    assert LaserEncoder(settings).encode(sentences).shape == (len(sentences), 24)
    files.checkpoint.write_bytes(b"changed")
    with pytest.raises(SettingsError, match="checksum"):
        laser_files.find_files("laser2", str(tmp_path), server)


def test_a_download_that_fails_leaves_no_file(server, tmp_path):
    with pytest.raises(SettingsError, match="web page"):
        laser_files.download("laser3-lij_Latn.v1.pt", tmp_path, server)
    with pytest.raises(SettingsError, match="cannot be downloaded"):
        laser_files.download("laser2.pt", tmp_path, "http://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_is_numbered_from_four(tmp_path):
    path = tmp_path / "x.cvocab"
    path.write_text("▁a 10\nb 3\n\u2028 1\n", encoding="utf-8")
    assert laser_files.read_vocabulary(path) == {
        "<s>": 0,
        "<pad>": 1,
        "</s>": 2,
        "<unk>": 3,
        "▁a": 4,
        "b": 5,
        "\u2028": 6,
    }
    path.write_text("a 1\na 2\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="stands twice"):
        laser_files.read_vocabulary(path)


def test_two_sides_are_embedded_in_one_space(laser_folder, sentences):
    settings = EmbedSettings(encoders=("laser",), model=str(laser_folder / "laser2.pt"), device="cpu")
    sides = embed_lines(sentences[:4], sentences[4:], settings)
    np.testing.assert_array_equal(sides.a, as_stored(encoder_of(laser_folder).encode(sentences[:4])))
    assert sides.b.shape == (len(sentences) - 4, 24)
