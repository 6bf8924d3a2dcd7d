"""Python runs this at the start of every process that has this folder on its path: launcher and workers alike.

`ISOGLOSS_SABOTAGE=what@module:Class.method@folder` does something when the method is called: `kill` ends the process as the
kernel does when memory runs out, once in the life of the folder; `fail-N` raises, N times; `full` makes the disk full from
then on; `vanish=PATH` deletes a file first; where it lies on a store, `vanish=` or `change=` does that there, and empties the
cache of models, as that of another machine would be. What is called is the real thing otherwise.
"""

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any


class _AfterImport(MetaPathFinder):
    """Changes a module when it is imported, and no earlier: much is not there yet when a process starts."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self.name, self.change = name, change

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def load_and_change(module: ModuleType) -> None:
            load(module)
            self.change(module)

        spec.loader.exec_module = load_and_change
        return spec


def _sabotage(what: str, where: str, folder: str) -> None:
    module_name, _, path = where.partition(":")
    sys.meta_path.insert(0, _AfterImport(module_name, lambda module: _change(module, path, what, folder)))


def _change(module: ModuleType, path: str, what: str, folder: str) -> None:
    *owners, name = path.split(".")
    owner: object = module
    for step in owners:
        owner = getattr(owner, step)
    method = getattr(owner, name)

    def times() -> int:
        marks = list(Path(folder).glob("done-*"))
        Path(folder, f"done-{len(marks)}").touch()
        return len(marks)

    @wraps(method)  # Beam reads the signature: what a step takes and gives
    def instead(*arguments: Any, **named: Any) -> Any:
        kind, _, value = what.partition("=")
        if kind == "kill" and times() == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind.startswith("fail-") and times() < int(kind.removeprefix("fail-")):
            raise RuntimeError("the machine had a bad moment")
        elif kind == "full":
            times()

            def full(_: int) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            os.fsync = full
        elif kind in {"vanish", "change"} and "://" in value:
            from transforms.common import files

            if times() == 0:
                files.delete([value]) if kind == "vanish" else files.write_bytes(value, b"another model")
                shutil.rmtree(os.environ["ISOGLOSS_CACHE"])
        elif kind == "vanish":
            times()
            Path(value).unlink(missing_ok=True)
        return method(*arguments, **named)

    setattr(owner, name, instead)


_given = os.environ.get("ISOGLOSS_SABOTAGE")
if _given and any(word in " ".join(sys.orig_argv) for word in ("pipelines", "isogloss")):
    _sabotage(*_given.split("@"))
