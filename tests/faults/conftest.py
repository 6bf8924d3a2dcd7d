"""Lets these tests share the stores and the small corpus of `tests/stores`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stores"))
