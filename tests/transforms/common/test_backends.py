"""Backends are found by file name and imported when chosen."""

import sys
import types

import pytest

from schemas.errors import SettingsError
from transforms.common.backends import backend_names, load_backend


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A room whose backends are real files: one good, one without its library, one with a typing error."""
    backends = tmp_path / "backends"
    backends.mkdir()
    (backends / "good.py").write_text("BACKEND = lambda settings: ('made', settings)\n")
    (backends / "heavy.py").write_text("import no_such_library\n")
    (backends / "broken.py").write_text("import transforms.common.no_such_file\n")
    (backends / "_helper.py").write_text("raise RuntimeError('is never imported')\n")
    name = "transforms.planted_room"
    for module_name, path in ((name, tmp_path), (f"{name}.backends", backends)):
        module = types.ModuleType(module_name)
        module.__path__ = [str(path)]
        monkeypatch.setitem(sys.modules, module_name, module)
    yield "planted_room"
    for loaded in [loaded for loaded in sys.modules if loaded.startswith(f"{name}.backends.")]:
        del sys.modules[loaded]


def test_backends_are_the_files_of_their_folder(room):
    assert backend_names(room) == ["broken", "good", "heavy"]


def test_a_backend_is_loaded_by_name(room):
    assert load_backend(room, "good")("settings") == ("made", "settings")


def test_an_unknown_backend_is_a_setting_to_mend(room):
    with pytest.raises(SettingsError, match="no backend 'goood'") as caught:
        load_backend(room, "goood")
    assert caught.value.path == "$.planted_room"
    assert "good" in caught.value.cure


def test_a_backend_without_its_library_is_a_setting_to_mend(room):
    with pytest.raises(SettingsError, match="needs the library 'no_such_library'"):
        load_backend(room, "heavy")


def test_a_broken_backend_is_a_bug_and_loud(room):
    with pytest.raises(ModuleNotFoundError):
        load_backend(room, "broken")


@pytest.mark.parametrize("name", ["embed", "identify", "align"])
def test_every_room_with_a_choice_of_model_has_backends(name):
    assert backend_names(name)
