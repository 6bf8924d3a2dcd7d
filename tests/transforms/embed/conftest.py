"""Sentences, and a small encoder in the format of LASER."""

import runpy
from pathlib import Path

import numpy as np
import pytest

_MADE = runpy.run_path(str(Path(__file__).with_name("laser_files.py")))
SENTENCES, write_laser = _MADE["SENTENCES"], _MADE["write_laser"]


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    return SENTENCES


@pytest.fixture(scope="session")
def laser_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with laser2.pt, laser2.spm and laser2.cvocab, small."""
    pytest.importorskip("torch")
    pytest.importorskip("sentencepiece")
    return write_laser(tmp_path_factory.mktemp("laser"))


@pytest.fixture
def make_laser(tmp_path: Path):
    pytest.importorskip("torch")
    pytest.importorskip("sentencepiece")
    return lambda **sizes: write_laser(tmp_path, **sizes)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
