"""The models of a configuration: which settings name one, and what pins them.

A room marks such a setting in its metadata (`extra=model_setting(...)`, see `transforms/common/models.py`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from pipelines.config import Configuration
from schemas.identity import content_digest
from transforms.common.models import BESIDE, checksums_of, is_remote, pinned


def model_settings(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Give the path of every setting that names a model, and what it says."""
    found: list[tuple[str, str]] = []

    def note(path: str, model: str, _: tuple[str, ...]) -> str:
        found.append((path, model))
        return model

    _changed(configuration, "$", note)
    yield from found


def with_pinned_models(configuration: Configuration) -> Configuration:
    """Give the configuration with the checksums of all models that lie elsewhere.

    So every worker runs what the launcher has seen, and another model is another fingerprint of the checkpoint. Models
    without checksums are fetched for it.

    Raises:
        SettingsError: a model that is not there, cannot be reached, or is another than its checksum says.
    """
    changed: Configuration = _changed(
        configuration, "$", lambda path, model, beside: pinned(model, beside=beside, setting=path)
    )
    return changed


def digest_of_local_models(configuration: Configuration, *sections: str) -> dict[str, str]:
    """Name the models that lie on this machine as an input, `models`; empty where these sections name none by path.

    Args:
        configuration: of the run.
        sections: such as `embed`.
    """
    found: list[tuple[str, dict[str, str]]] = []

    def note(path: str, model: str, beside: tuple[str, ...]) -> str:
        here = Path(model.partition("#sha256=")[0].removeprefix("file://")).expanduser()
        if path.split(".")[1] in sections and not is_remote(model) and here.exists():
            found.append((path, checksums_of(here, beside)))
        return model

    _changed(configuration, "$", note)
    return {"models": content_digest(msgspec.json.encode(found, order="deterministic"))} if found else {}


_Change = Callable[[str, str, tuple[str, ...]], str]


def _changed(struct: Any, path: str, change: _Change) -> Any:
    """Give a struct with `change(path, model, beside)` in the place of every model that it and those in it name."""
    values = {}
    for field in msgspec.structs.fields(struct):
        value, where = getattr(struct, field.name), f"{path}.{field.encode_name}"
        beside = _beside(field.type)
        if isinstance(value, msgspec.Struct):
            values[field.name] = _changed(value, where, change)
        elif isinstance(value, tuple) and value and all(isinstance(item, msgspec.Struct) for item in value):
            values[field.name] = tuple(_changed(item, f"{where}[{i}]", change) for i, item in enumerate(value))
        elif beside is None or not value:
            continue
        elif isinstance(value, dict):
            values[field.name] = {key: change(f"{where}.{key}", model, beside) for key, model in value.items()}
        elif isinstance(value, tuple):
            values[field.name] = tuple(change(f"{where}[{i}]", model, beside) for i, model in enumerate(value))
        else:
            values[field.name] = change(where, value, beside)
    return msgspec.structs.replace(struct, **values)


def _beside(kind: Any) -> tuple[str, ...] | None:
    """Give what lies beside the models that a setting of this type names; None where it names none."""
    for part in get_args(kind):
        if isinstance(part, msgspec.Meta):
            if part.extra and BESIDE in part.extra:
                return tuple(part.extra[BESIDE])
        elif (found := _beside(part)) is not None:
            return found
    return None
