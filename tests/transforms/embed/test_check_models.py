"""A model that cannot be used is found before anything runs, and nothing in it is run."""

import importlib.util
import io
import pickle
import zipfile
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from transforms.embed import EmbedSettings, check_models
from transforms.embed.encoders import Encoders

torch = pytest.importorskip("torch")
if importlib.util.find_spec("laser_encoders") is None:
    pytest.skip("laser_encoders is not installed", allow_module_level=True)
pytestmark = pytest.mark.models

REFERENCE = Path(__file__).with_name("laser_reference")
CHECKPOINTS = sorted(path.name for path in REFERENCE.glob("*.pt"))


def settings_of(model: Path | str, **options) -> EmbedSettings:
    return EmbedSettings(encoders=("laser",), model=str(model), device="cpu", **options)


def test_the_ngram_encoder_has_nothing_to_check():
    check_models(EmbedSettings(model="no such file"), ["lij", "it"])


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_good_checkpoint_passes(name):
    check_models(settings_of(REFERENCE / name), ["lij", "it"])


def test_a_model_of_one_variety_is_checked_under_its_own_path(tmp_path):
    settings = settings_of(REFERENCE / "laser2.pt", models={"lij": str(tmp_path / "none.pt")})
    check_models(settings, ["it"])
    with pytest.raises(SettingsError, match="no file") as told:
        check_models(settings, ["it", "lij"])
    assert told.value.path == "$.embed.models.lij"


@pytest.mark.parametrize(("tag", "cure"), [("xyz", "isogloss varieties"), ("Ligurian", "Write lij")])
def test_models_are_named_by_tags(tag, cure):
    with pytest.raises(SettingsError, match="not the tag of a variety") as told:
        check_models(settings_of("laser2", models={tag: "laser2"}), [])
    assert told.value.path == f"$.embed.models.{tag}"
    assert cure in told.value.cure


def test_a_gpu_that_is_not_there_is_found():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(SettingsError, match="no GPU"):
        check_models(EmbedSettings(encoders=("laser",), model=str(REFERENCE / "laser2.pt"), device="cuda"), ["it"])


class RunsCode:
    """Pickled as a call of `os.system`, as the textbook attack has it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        import os

        return (os.system, (self.command,))


class RunsMore(RunsCode):
    """Pickled as a call of `exec`."""

    def __reduce__(self):
        return (exec, (f"import os; os.system({self.command!r})",))


def zipped(payload: bytes) -> bytes:
    """A checkpoint in today's format, whose pickle is the payload."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return buffer.getvalue()


def hostile_files(command: str) -> dict[str, bytes]:
    plain, nested, more = RunsCode(command), {"params": {}, "model": RunsCode(command)}, RunsMore(command)
    legacy = io.BytesIO()
    torch.save({"model": more}, legacy, _use_new_zipfile_serialization=False)
    return {
        "bare": pickle.dumps(plain, protocol=2),
        "zip": zipped(pickle.dumps(nested, protocol=2)),
        "zip of today's protocol": zipped(pickle.dumps(more)),
        "before zip": legacy.getvalue(),
        "global by name": zipped(
            b"cposix\nsystem\nX" + len(command).to_bytes(4, "little") + command.encode() + b"\x85R."
        ),
    }


@pytest.mark.parametrize("kind", ["bare", "zip", "zip of today's protocol", "before zip", "global by name"])
def test_a_hostile_checkpoint_is_refused_and_runs_nothing(tmp_path, kind):
    trace = tmp_path / "trace"
    command = f"touch {trace}"
    payload = hostile_files(command)[kind]
    if kind == "bare":  # the trap works: whoever unpickles it is caught
        pickle.loads(payload)
        assert trace.exists()
        trace.unlink()
    path = tmp_path / "laser2.pt"
    path.write_bytes(payload)
    (tmp_path / "laser2.spm").write_bytes((REFERENCE / "laser2.spm").read_bytes())
    for attempt in (check_models, lambda settings, tags: Encoders(settings, "laser").of(tags[0])):
        with pytest.raises(SettingsError, match="cannot be read as a checkpoint") as told:
            attempt(settings_of(path), ["it"])
        assert told.value.path == "$.embed.model"
    assert not trace.exists()


@pytest.mark.parametrize("name", ["laser2.pt", "laser3-maxpool.pt", "laser3-decoder.pt"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path, name, share):
    whole = (REFERENCE / name).read_bytes()
    for kind in ("spm", "cvocab"):
        (tmp_path / f"laser2.{kind}").write_bytes((REFERENCE / f"laser2.{kind}").read_bytes())
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SettingsError) as told:
        check_models(settings_of(tmp_path / name), ["it"])
    assert told.value.path == "$.embed.model"


def test_a_checkpoint_of_another_encoder_is_refused(tmp_path):
    (tmp_path / "bert.spm").write_bytes((REFERENCE / "laser2.spm").read_bytes())
    torch.save({"bert.embeddings.word_embeddings.weight": torch.zeros(3, 4)}, tmp_path / "bert.pt")
    with pytest.raises(SettingsError, match="no LASER2 or LASER3 checkpoint"):
        check_models(settings_of(tmp_path / "bert.pt"), ["it"])


def test_encoders_are_loaded_once_and_few_are_kept(monkeypatch):
    loaded = []

    class Counting:
        def __init__(self, settings, model):
            loaded.append(model)

        @staticmethod
        def model_for(settings, variety):
            return settings.models.get(variety, settings.model)

    monkeypatch.setattr("transforms.embed.encoders.load_backend", lambda room, name: Counting)
    models = {tag: f"own-{tag}" for tag in ("lij", "lmo", "fur")}
    encoders = Encoders(EmbedSettings(encoders=("laser",), model="all", models=models), "laser")
    first = encoders.of("it")
    assert encoders.of("de") is first
    for tag in ("lij", "lmo", "lij", "fur"):
        encoders.of(tag)
    assert loaded == ["all", "own-lij", "own-lmo", "own-fur"]
    assert encoders.of("it") is not first
