"""A bad model stops the launch: nothing has run by then."""

import importlib.util
from pathlib import Path

import pytest

from pipelines.build import build
from pipelines.config import make_configuration
from pipelines.options import RunnerOptions
from pipelines.progress import Progress
from pipelines.run import Run
from schemas.errors import SettingsError

pytest.importorskip("torch")
if importlib.util.find_spec("laser_encoders") is None:
    pytest.skip("laser_encoders is not installed", allow_module_level=True)
pytestmark = pytest.mark.models


REFERENCE = Path(__file__).resolve().parents[1] / "transforms" / "embed" / "laser_reference"


class Touching:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def run_with(folder: Path, model: str, *, dry_run: bool = False) -> Run:
    values = {
        "corpus": {"name": "tiny", "output": str(folder / "out"), "varieties": ["lij", "it"]},
        "read": {"sources": [{"name": "lines", "path": str(folder / "*.txt"), "format": "text", "variety": "lij"}]},
        "embed": {"encoders": ["laser"], "model": model, "device": "cpu"},
    }
    return Run(
        configuration=make_configuration(values),
        options=RunnerOptions(),
        progress=Progress(quiet=True),
        dry_run=dry_run,
    )


@pytest.mark.parametrize("model", ["laser3:klingon", "laser:klingon", "missing.pt", "broken.pt"])
def test_a_bad_model_stops_the_launch_before_anything_runs(tmp_path, model):
    (tmp_path / "lines.txt").write_text("O gatto o mangia o ratto.\n", encoding="utf-8")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 and then nothing")
    (tmp_path / "broken.spm").write_bytes(b"")
    with pytest.raises(SettingsError) as told:
        build(run_with(tmp_path, str(tmp_path / model) if model.endswith(".pt") else model))
    assert told.value.path == "$.embed.model"
    assert not (tmp_path / "out").exists()


def pair(folder: Path, *options: str) -> int:
    from pipelines.cli import main

    (folder / "a.txt").write_text("O gatto o mangia o ratto.\nA l'é unn-a bella giornâ.\n", encoding="utf-8")
    (folder / "b.txt").write_text("Il gatto mangia il topo.\nÈ una bella giornata.\n", encoding="utf-8")
    return main(
        ["pair", "--encoder", "laser", "--threshold", "-9", *options, str(folder / "a.txt"), str(folder / "b.txt")]
    )


def test_pair_keeps_vectors_and_prints_the_same_with_them(tmp_path, capsys):
    options = ("--model", str(REFERENCE / "laser2.pt"), "--set", "embed.device=cpu")
    assert pair(tmp_path, *options) == 0
    plain = capsys.readouterr()
    assert pair(tmp_path, *options, "--vector-cache", str(tmp_path / "kept")) == 0
    filled = capsys.readouterr()
    assert pair(tmp_path, *options, "--vector-cache", str(tmp_path / "kept")) == 0
    found = capsys.readouterr()
    assert plain.out == filled.out == found.out != ""
    assert "0 texts from the cache, of 4 made" in filled.err
    assert "4 texts from the cache, of 0 made" in found.err


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("truncated", "cannot be read as a checkpoint"),
        ("hostile", "cannot be read as a checkpoint"),
        ("another architecture", "no LASER2 or LASER3 checkpoint"),
        ("not a number", "not finite"),
    ],
)
def test_pair_refuses_a_bad_checkpoint_with_status_2(tmp_path, capsys, damage, expected):
    torch = pytest.importorskip("torch")
    path = tmp_path / "laser2.pt"
    (tmp_path / "laser2.spm").write_bytes((REFERENCE / "laser2.spm").read_bytes())
    state = torch.load(REFERENCE / "laser2.pt", weights_only=True)
    if damage == "truncated":
        path.write_bytes((REFERENCE / "laser2.pt").read_bytes()[:3000])
    elif damage == "hostile":
        torch.save({"model": Touching(tmp_path / "executed")}, path)
    elif damage == "another architecture":
        torch.save({"bert.embeddings.word_embeddings.weight": torch.zeros(3, 4)}, path)
    else:
        state["model"]["embed_tokens.weight"][5:] = float("nan")
        torch.save(state, path)
    assert pair(tmp_path, "--model", str(path), "--set", "embed.device=cpu") == 2
    told = capsys.readouterr()
    assert expected in told.err
    assert "$.embed.model" in told.err
    assert told.out == ""
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("embed.precison=int8", "Do you mean 'precision'?"),
        ("embed.precision=int7", "$.embed.precision"),
        ("mine.k=3", "only settings of [embed]"),
    ],
)
def test_pair_refuses_settings_that_are_none(tmp_path, capsys, change, expected):
    assert pair(tmp_path, "--set", change) == 2
    assert expected in capsys.readouterr().err
