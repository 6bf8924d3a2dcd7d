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
