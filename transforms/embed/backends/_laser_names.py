"""Which LASER model serves a language or a variety: by laser-encoders' lists, and by the registry of varieties.

The lists are read from laser-encoders' own file without importing the package, which would import torch.
"""

import difflib
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

from schemas.errors import SettingsError
from schemas.variety import fallbacks, find, registry

PATH = "$.embed.model"
BEST = "laser"
"""Stands for the best model of each variety."""


@cache
def language_lists() -> ModuleType:
    """Give laser-encoders' module of languages: LASER2_LANGUAGE, LASER3_LANGUAGE, SPM_LANGUAGE.

    Raises:
        SettingsError: laser-encoders is not installed.
    """
    package = importlib.util.find_spec("laser_encoders")
    if package is None or package.origin is None:
        raise SettingsError(
            "the lists of LASER's languages come with the library 'laser_encoders', which is not installed",
            path=PATH,
            cure="pip install 'isogloss[laser]', or `make install-models` in a checkout.",
        )
    spec = importlib.util.spec_from_file_location(
        "_isogloss_laser_languages", Path(package.origin).with_name("language_list.py")
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"laser_encoders at {package.origin} has no language_list.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model_of_variety(tag: str) -> str:
    """Give the model of a variety: LASER3's where its language or the nearest standard language has one, else LASER2.

    Args:
        tag: BCP 47 tag; empty or unknown: LASER2, which knows 93 languages.

    Example:
        >>> model_of_variety("lij"), model_of_variety("gsw")
        ('laser3:lij_Latn', 'laser2')
    """
    lists = language_lists()
    for known in fallbacks(tag) if tag else ():
        variety = registry().get(known)
        code = variety.laser if variety else None
        # Where both have a language, laser-encoders too takes LASER3.
        if code in lists.LASER3_LANGUAGE:
            return f"laser3:{code}"
        if code in lists.LASER2_LANGUAGE:
            return "laser2"
    return "laser2"


def concrete(model: str, variety: str = "") -> str:
    """Give the name of one model, or a path, for what a setting says.

    Args:
        model: `laser` (the variety's), `laser:<language>` (by name or code of laser-encoders' lists, or by tag or
            name of the registry), `laser2`, `laser3:<language>`, or a path.
        variety: BCP 47 tag of what will be embedded.

    Raises:
        SettingsError: no list has such a language.

    Example:
        >>> concrete("laser", "fur"), concrete("laser:swiss german"), concrete("laser:ligurian")
        ('laser3:fur_Latn', 'laser2', 'laser3:lij_Latn')
    """
    if model == BEST:
        return model_of_variety(variety)
    if not model.startswith("laser:"):
        return model
    language = model.removeprefix("laser:")
    lists = language_lists()
    if language in lists.LASER3_LANGUAGE:
        return f"laser3:{laser3_code(language)}"
    if language in lists.LASER2_LANGUAGE:
        return "laser2"
    known = find(language)
    if known is None:
        raise SettingsError(
            f"neither LASER nor the registry of varieties has a language {language!r}",
            path=PATH,
            cure=f"{_near(language, {**lists.LASER2_LANGUAGE, **lists.LASER3_LANGUAGE})}Or use laser, or laser2.",
        )
    return model_of_variety(known.tag)


def laser3_code(language: str) -> str:
    """Give the code of a LASER3 model, such as `lij_Latn`, by a name or code of laser-encoders' list.

    Raises:
        SettingsError: there is no such model, or there are several.
    """
    lists = language_lists()
    code = lists.LASER3_LANGUAGE.get(language)
    if code is None:
        near = _near(language, lists.LASER3_LANGUAGE, "laser3:")
        two = "LASER2 has it: use laser2. " if language in lists.LASER2_LANGUAGE else ""
        raise SettingsError(
            f"LASER3 has no language {language!r}",
            path=PATH,
            cure=f"{two}{near}Use a name or code of its list, such as laser3:lij_Latn.",
        )
    if isinstance(code, list):
        raise SettingsError(
            f"LASER3 has several models of {language!r}",
            path=PATH,
            cure=f"Choose one: {', '.join(f'laser3:{each}' for each in code)}.",
        )
    return str(code)


def laser3_files(language: str) -> tuple[str, str, str]:
    """Give the names of a LASER3 model's files: checkpoint, SentencePiece model, vocabulary.

    Raises:
        SettingsError: as in `laser3_code`.
    """
    code = laser3_code(language)
    stem = f"laser3-{code}.v1"
    if code in language_lists().SPM_LANGUAGE:
        return f"{stem}.pt", f"{stem}.spm", f"{stem}.cvocab"
    return f"{stem}.pt", "laser2.spm", "laser2.cvocab"


def _near(language: str, known: Mapping[str, object], prefix: str = "laser:") -> str:
    near = difflib.get_close_matches(language, known, n=3)
    return f"Do you mean {' or '.join(prefix + each for each in near)}? " if near else ""
