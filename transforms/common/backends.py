"""Backends, found by file name: `transforms/<room>/backends/<name>.py` is the backend `<name>`.

A backend file exports `BACKEND`, a class or function that makes it from its settings. It is imported when
it is chosen, so a model library is loaded only by those who use it.
"""

import pkgutil
from importlib import import_module
from typing import Any

from schemas.errors import SettingsError


def backend_names(room: str) -> list[str]:
    """List the backends of a room, such as `identify`, by name."""
    package = import_module(f"transforms.{room}.backends")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def load_backend(room: str, name: str) -> Any:
    """Import a backend by name and give its `BACKEND`.

    Raises:
        SettingsError: there is no such backend, or a library that it needs is not installed.
    """
    names = backend_names(room)
    if name not in names:
        raise SettingsError(f"no backend {name!r}", path=f"$.{room}", cure=f"Backends of {room}: {', '.join(names)}.")
    try:
        return import_module(f"transforms.{room}.backends.{name}").BACKEND
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"schemas", "transforms"}:
            raise
        raise SettingsError(
            f"backend {name!r} needs the library {error.name!r}, which is not installed",
            path=f"$.{room}",
            cure=f"pip install 'isogloss[{name.replace('_', '-')}]', or `make install-models` in a checkout.",
        ) from error
