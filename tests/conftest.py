"""Fixtures that every floor's tests share."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Several helpers of numeric libraries in every test process would fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from apache_beam.options.pipeline_options import StandardOptions

# Beam's own default tries to start Prism, and downloads it.
StandardOptions.DEFAULT_RUNNER = "FnApiRunner"

PROJECT = Path(__file__).resolve().parents[1]
_SHARED_DATA = PROJECT.parent / "shared" / "data"
_FLOORS = PROJECT / "tests" / "quality" / "floors.json"


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The large data sets beside the project; a test that needs them carries the marker `data`."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("the data sets are not beside the project (../shared/data)")
    return _SHARED_DATA


@pytest.fixture(scope="session")
def floor() -> Callable[[str], float]:
    """Look up a quality floor by name: `assert accuracy >= floor("identify.accuracy.lij")`.

    Floors stand in tests/quality/floors.json and only rise.
    """
    floors = json.loads(_FLOORS.read_text(encoding="utf-8"))

    def look_up(name: str) -> float:
        if name not in floors:
            raise KeyError(f"no floor {name!r} in tests/quality/floors.json; measured something new? add it there")
        return float(floors[name])

    return look_up
