"""Names of LASER models: by laser-encoders' lists, and by the registry of varieties."""

import importlib.util
import subprocess
import sys

import pytest

from schemas.errors import SettingsError
from schemas.variety import registry

if importlib.util.find_spec("laser_encoders") is None:
    pytest.skip("laser_encoders is not installed", allow_module_level=True)
pytestmark = pytest.mark.models

from transforms.embed.backends._laser_names import (  # noqa: E402
    concrete,
    language_lists,
    laser3_code,
    laser3_files,
    model_of_variety,
)


@pytest.mark.parametrize(
    ("tag", "model"),
    [
        ("lij", "laser3:lij_Latn"),
        ("lmo", "laser3:lmo_Latn"),
        ("fur", "laser3:fur_Latn"),
        ("it", "laser2"),
        ("de", "laser2"),
        ("gsw", "laser2"),  # by its standard language, German
        ("arz", "laser2"),
        ("ary", "laser2"),
        ("nap", "laser2"),
        ("ks-Deva", "laser3:kas_Deva"),
        ("rm-sursilv", "laser2"),  # no list has Romansh
        ("und", "laser2"),
        ("", "laser2"),
    ],
)
def test_a_variety_gets_the_model_of_its_language_or_its_standard_language(tag, model):
    assert model_of_variety(tag) == model
    assert concrete("laser", tag) == model


def test_every_variety_gets_a_model_that_laser_encoders_lists():
    lists = language_lists()
    for tag, variety in registry().items():
        model = model_of_variety(tag)
        assert model == "laser2" or model.removeprefix("laser3:") in lists.LASER3_LANGUAGES_LIST
        if variety.laser in lists.LASER3_LANGUAGES_LIST:
            assert model == f"laser3:{variety.laser}"


def test_every_code_of_the_registry_is_in_a_list():
    lists = language_lists()
    known = {*lists.LASER2_LANGUAGE, *lists.LASER3_LANGUAGE}
    assert {variety.laser for variety in registry().values() if variety.laser} <= known


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("laser:ligurian", "laser3:lij_Latn"),
        ("laser:lij", "laser3:lij_Latn"),
        ("laser:lij_Latn", "laser3:lij_Latn"),
        ("laser:german", "laser2"),
        ("laser:gsw", "laser2"),  # the registry's
        ("laser:Zeneize", "laser3:lij_Latn"),
        ("laser2", "laser2"),
        ("laser3:lij_Latn", "laser3:lij_Latn"),
        ("models/own.pt", "models/own.pt"),
    ],
)
def test_a_name_says_which_model(name, model):
    if name == "laser:Zeneize":
        name = f"laser:{registry()['lij'].autonym}"
    assert concrete(name, "fur") == model


@pytest.mark.parametrize(
    ("name", "told", "cure"),
    [
        ("laser:klingon", "language 'klingon'", "laser2"),
        ("laser:ligurain", "language 'ligurain'", "laser:ligurian"),
        ("laser:kashmiri", "several models", "laser3:kas_Arab, laser3:kas_Deva"),
    ],
)
def test_a_language_that_nobody_knows_is_refused(name, told, cure):
    with pytest.raises(SettingsError, match=told) as error:
        concrete(name)
    assert error.value.path == "$.embed.model"
    assert cure in error.value.cure


def test_a_language_of_laser2_alone_is_told_apart():
    with pytest.raises(SettingsError, match="LASER3 has no language 'deu_Latn'") as error:
        laser3_code("deu_Latn")
    assert "use laser2" in error.value.cure


def test_some_languages_have_pieces_of_their_own():
    assert laser3_files("lij_Latn") == tuple(f"laser3-lij_Latn.v1.{kind}" for kind in ("pt", "spm", "cvocab"))
    assert laser3_files("bho_Deva") == ("laser3-bho_Deva.v1.pt", "laser2.spm", "laser2.cvocab")


def test_the_lists_are_read_without_importing_the_library():
    told = (
        "import sys; from transforms.embed.backends._laser_names import language_lists; language_lists();"
        "print('laser_encoders' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
