"""sentence_transformers: equal to the library, the same bits in any company, and nothing downloaded or run unasked."""

import importlib.util
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import SettingsError
from transforms.embed import EmbedSettings, check_models, embed_lines

torch = pytest.importorskip("torch")
if importlib.util.find_spec("sentence_transformers") is None:
    pytest.skip("sentence_transformers is not installed", allow_module_level=True)
pytestmark = pytest.mark.models

from sentence_transformers import SentenceTransformer  # noqa: E402

from transforms.embed.backends.sentence_transformers import SentenceTransformersEncoder, folder_digest  # noqa: E402

_HERE = Path(__file__).parent
SENTENCES = runpy.run_path(str(_HERE / "laser_files.py"))["SENTENCES"]
TEXTS = [*SENTENCES, "", " ", "😀", "parola " * 200, "a"]
write_sentence_transformer = runpy.run_path(str(_HERE / "small_sentence_transformer.py"))["write_sentence_transformer"]
KINDS = {"plain": {}, "dense": {"dense": True}, "static": {"static": True}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: write_sentence_transformer(folder / name, SENTENCES, **options) for name, options in KINDS.items()}


def settings_of(model: Path | str, own: dict | None = None, **options) -> EmbedSettings:
    import msgspec

    values = {"encoders": ["sentence_transformers"], "device": "cpu"} | options
    values["sentence_transformers"] = {"model": str(model)} | (own or {})
    return msgspec.convert(values, EmbedSettings)


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_the_library_and_the_same_in_any_company(folders, kind):
    encoder = SentenceTransformersEncoder(settings_of(folders[kind]))
    ours = encoder.encode(TEXTS)
    theirs = SentenceTransformer(str(folders[kind]), device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert encoder.is_steady
    assert [encoder.encode([text]).tobytes() for text in TEXTS] == [row.tobytes() for row in ours]
    rough = SentenceTransformersEncoder(settings_of(folders[kind], precision="bfloat16"))
    assert ((rough.encode(SENTENCES) * ours[: len(SENTENCES)]).sum(axis=1) > 0.99).all()
    assert rough.name != encoder.name


def test_a_prompt_stands_before_every_text(folders):
    plain = SentenceTransformersEncoder(settings_of(folders["plain"]))
    asked = SentenceTransformersEncoder(settings_of(folders["plain"], {"prompt": "query: "}))
    expected = plain.encode([f"query: {text}" for text in SENTENCES])
    assert asked.encode(SENTENCES).tobytes() == expected.tobytes()
    assert asked.name != plain.name


def test_a_changed_file_is_another_encoder_and_a_read_me_is_not(folders, tmp_path):
    copy = shutil.copytree(folders["plain"], tmp_path / "copy")
    assert folder_digest(copy) == folder_digest(folders["plain"])
    (copy / "README.md").write_text("another", encoding="utf-8")
    assert folder_digest(copy) == folder_digest(folders["plain"])
    weights = next(copy.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert folder_digest(copy) != folder_digest(folders["plain"])


class Touching:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def broken(folder: Path, kind: str, trace: Path) -> None:
    weights = next(folder.glob("*.safetensors"))
    if kind == "truncated":
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    elif kind == "no weights":
        weights.unlink()
    elif kind == "hostile":
        weights.unlink()
        torch.save({"model": Touching(trace)}, folder / "pytorch_model.bin")
    elif kind == "modules no JSON":
        (folder / "modules.json").write_text("{", encoding="utf-8")
    elif kind == "own code":
        told = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        told[0]["type"] = "mine.Transformer"
        (folder / "mine.py").write_text(f"open({str(trace)!r}, 'w')\nclass Transformer: pass\n", encoding="utf-8")
        (folder / "modules.json").write_text(json.dumps(told), encoding="utf-8")
    elif kind == "no model":
        for name in ("modules.json", "config.json"):
            (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["truncated", "no weights", "hostile", "modules no JSON", "own code", "no model"])
def test_a_bad_folder_is_refused_and_nothing_in_it_runs(folders, tmp_path, kind):
    folder = shutil.copytree(folders["plain"], tmp_path / "model")
    broken(folder, kind, tmp_path / "executed")
    with pytest.raises(SettingsError, match="model") as told:
        check_models(settings_of(folder), ["lij"])
    assert told.value.path == "$.embed.sentence_transformers.model"
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("", "no model is named"),
        ("nowhere/to/be/found", "no folder"),
        ("LaBSE", "not downloaded unasked"),
        ("intfloat/multilingual-e5-small", "not downloaded unasked"),
    ],
)
def test_a_model_that_is_not_there_is_named_and_not_downloaded(model, expected):
    with pytest.raises(SettingsError, match=expected) as told:
        check_models(settings_of(model), ["lij"])
    assert told.value.path == "$.embed.sentence_transformers.model"


def test_int8_is_refused(folders):
    with pytest.raises(SettingsError, match="int8 is for LASER"):
        check_models(settings_of(folders["plain"], precision="int8"), ["lij"])


def test_weights_that_are_not_numbers_are_refused(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders["plain"], tmp_path / "model")
    weights = next(folder.glob("*.safetensors"))
    tensors = load_file(weights)
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    tensors[name][5:] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(SettingsError, match="not finite"):
        SentenceTransformersEncoder(settings_of(folder)).encode(SENTENCES)


def test_two_sides_share_a_cache(folders, tmp_path):
    kept = settings_of(folders["dense"], vector_cache=str(tmp_path / "kept"))
    plain = embed_lines(SENTENCES[:6], SENTENCES[6:], settings_of(folders["dense"]))
    for _ in range(2):
        again = embed_lines(SENTENCES[:6], SENTENCES[6:], kept)
        assert (again.a.tobytes(), again.b.tobytes()) == (plain.a.tobytes(), plain.b.tobytes())
    assert (again.found, again.made) == (len(SENTENCES), 0)


def test_pair_and_build_take_a_folder(folders, tmp_path, capsys):
    from pipelines.cli import main

    for name, lines in (("a", SENTENCES[:8:2]), ("b", SENTENCES[1:8:2])):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = ("--encoder", "sentence_transformers", "--model", str(folders["plain"]), "--set", "embed.device=cpu")
    assert main(["pair", *model, "--threshold", "-9", str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 0
    assert main(["pair", *model, str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]) == 0  # the program chooses
    capsys.readouterr()
