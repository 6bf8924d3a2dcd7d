"""Doors that open late: a room's heavy names are imported when somebody asks for them.

Whoever wants only a room's settings, or one plain function, must not wait for Beam or for a numeric library. A door
names what is heavy, and where it lives:

    __getattr__ = late(__name__, stage=("Score",), pairs=("score_batch", "score_pairs"))

A name that is also the name of a file of the room cannot be late: whoever imports the file would find the file.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any


def late(package: str, **homes: Sequence[str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a door.

    Args:
        package: the door's `__name__`.
        homes: names by the file of the room that they live in.

    Returns:
        A function that imports a name from its file; AttributeError for a name that no file has.
    """
    places = {name: home for home, names in homes.items() for name in names}
    both = places.keys() & homes.keys()
    if both:
        raise ValueError(f"{package}: names that are files too cannot be imported late: {', '.join(sorted(both))}")

    def give(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return give
