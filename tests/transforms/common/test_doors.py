"""Doors: every name that they promise is there, and what is heavy waits until it is asked for."""

import subprocess
import sys
from importlib import import_module

import pytest

from transforms.common.doors import late

ROOMS = (
    "align",
    "crawl",
    "deduplicate",
    "embed",
    "identify",
    "mine",
    "normalize",
    "publish",
    "read",
    "score",
    "segment",
)


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_gives_every_name_that_it_promises(room):
    door = import_module(f"transforms.{room}")
    for name in door.__all__:
        assert getattr(door, name).__class__.__name__ != "module", name


def test_a_name_that_no_file_has_is_an_attribute_error():
    give = late("transforms.segment", stage=("Segment",))
    assert give("Segment") is import_module("transforms.segment.stage").Segment
    with pytest.raises(AttributeError, match=r"transforms\.segment.*Sgement"):
        give("Sgement")


def test_a_name_that_is_a_file_too_is_refused():
    with pytest.raises(ValueError, match="decide"):
        late("transforms.publish", decide=("decide",))


@pytest.mark.parametrize(
    ("names", "heavy"),
    [
        ("pipelines.cli pipelines.filters pipelines.tools", ("apache_beam", "numpy", "pyarrow", "torch")),
        ("transforms.align.settings transforms.read transforms.crawl transforms.publish.settings", ("torch", "numba")),
        ("transforms.segment transforms.align transforms.deduplicate transforms.normalize", ("apache_beam", "torch")),
    ],
)
def test_what_is_heavy_waits(project, names, heavy):
    program = f"import sys, {', '.join(names.split())}\nprint([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
