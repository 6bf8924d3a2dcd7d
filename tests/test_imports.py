"""Who may import whom: the contracts hold, and a planted violation of each is reported.

The contracts stand in pyproject.toml; what import-linter cannot say is said here, on the syntax trees.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

FLOORS = ("schemas", "transforms", "pipelines")
SCHEMAS_MAY_IMPORT = {"pyarrow", "msgspec", "numpy", "schemas"}
NO_CLOCK_NO_NETWORK = {
    *("asyncio", "datetime", "ftplib", "http", "random", "secrets", "smtplib", "socket", "socketserver", "ssl"),
    *("subprocess", "time", "urllib", "uuid"),
}
MODEL_LIBRARIES = (
    "torch",
    "transformers",
    "simalign",
    "laser_encoders",
    "sentencepiece",
    "fasttext",
    "sentence_transformers",
)
SEEDED = {"BitGenerator", "Generator", "PCG64", "Philox", "SeedSequence", "default_rng"}


# What import-linter checks --------------------------------------------------------------------------------


def lint(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    chosen = [word for contract in contracts for word in ("--contract", contract)]
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-logo", *chosen],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(project, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for floor in FLOORS:
        shutil.copytree(
            project / floor,
            folder / floor,
            ignore=lambda place, names: [n for n in names if _is_no_source(Path(place, n))],
        )
    shutil.copy(project / "pyproject.toml", folder)
    return folder


def _is_no_source(path: Path) -> bool:
    return path.name == "__pycache__" or (path.is_file() and path.suffix != ".py")


def test_all_contracts_are_kept(project):
    result = lint(project)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("contract", "place", "line"),
    [
        ("floors", "transforms/align/planted.py", "import pipelines.options"),
        ("floors", "schemas/planted.py", "from transforms.common import files"),
        ("rooms", "transforms/align/planted.py", "from transforms.score import settings"),
        ("rooms", "transforms/common/planted.py", "from transforms.score import settings"),
        ("rooms", "transforms/planted/__init__.py", ""),
        ("beam", "transforms/align/planted.py", "import apache_beam as beam"),
        ("beam", "schemas/planted.py", "from apache_beam.io.filesystems import FileSystems"),
        ("models", "transforms/align/planted.py", "def late():\n    import torch\n"),
        ("models", "pipelines/planted.py", "import fasttext"),
        ("network", "transforms/read/planted.py", "import aiohttp"),
        ("network", "pipelines/planted.py", "from http.client import HTTPConnection"),
        ("clock", "transforms/mine/planted.py", "from datetime import datetime"),
        ("clock", "schemas/planted.py", "import random"),
        ("clock", "transforms/common/planted.py", "import time"),
    ],
)
def test_a_planted_violation_is_reported(copy, contract, place, line):
    planted = copy / place
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(line, encoding="utf-8")
    try:
        result = lint(copy, contract)
    finally:
        planted.unlink()
        if planted.name == "__init__.py":
            shutil.rmtree(planted.parent)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 broken" in result.stdout
    assert "planted" in result.stdout


# What syntax trees tell -----------------------------------------------------------------------------------


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for floor in FLOORS:
        for path in sorted((folder / floor).rglob("*.py")):
            yield path.relative_to(folder), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Give every imported name in full: `urllib.request`, `apache_beam`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def deferred_annotations_beside_beam(path: Path, tree: ast.Module) -> bool:
    names = list(imported(tree))
    return "__future__.annotations" in names and any(_is_below(name, "apache_beam") for name in names)


def foreign_import_in_schemas(path: Path, tree: ast.Module) -> bool:
    if path.parts[0] != "schemas":
        return False
    roots = {name.partition(".")[0] for name in imported(tree)}
    return any(
        root in NO_CLOCK_NO_NETWORK or not (root in sys.stdlib_module_names or root in SCHEMAS_MAY_IMPORT)
        for root in roots
    )


def url_opened_outside_crawl(path: Path, tree: ast.Module) -> bool:
    if path.parts[:2] == ("transforms", "crawl") or path == Path("transforms/common/artifacts.py"):
        return False
    return any(_is_below(name, "urllib.request") or _is_below(name, "urllib3") for name in imported(tree))


def unseeded_random_numbers(path: Path, tree: ast.Module) -> bool:
    """`numpy.random` without a seed, or numpy's global generator, or Beam's random keys of our own making."""
    if path.parts[0] == "pipelines" or path.parts[:2] == ("transforms", "crawl"):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "random":
            if node.attr not in SEEDED:
                return True
        elif isinstance(node, ast.Call) and not node.args and not node.keywords:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "default_rng":
                return True
    return False


def salted_hash(path: Path, tree: ast.Module) -> bool:
    """`hash()` differs between processes; it has no place outside `__hash__`."""
    allowed = {
        call
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__hash__"
        for call in ast.walk(node)
    }
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "hash"
        and node not in allowed
        for node in ast.walk(tree)
    )


def _is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


RULES = [
    deferred_annotations_beside_beam,
    foreign_import_in_schemas,
    url_opened_outside_crawl,
    unseeded_random_numbers,
    salted_hash,
]


@pytest.mark.parametrize("rule", RULES)
def test_no_file_breaks_the_rule(project, rule):
    assert [str(path) for path, tree in sources(project) if rule(path, tree)] == []


@pytest.mark.parametrize(
    ("rule", "place", "code"),
    [
        (
            deferred_annotations_beside_beam,
            "transforms/x/stage.py",
            "from __future__ import annotations\nimport apache_beam as beam",
        ),
        (foreign_import_in_schemas, "schemas/x.py", "import polars"),
        (foreign_import_in_schemas, "schemas/x.py", "from time import monotonic"),
        (foreign_import_in_schemas, "schemas/x.py", "def f():\n    import urllib.request"),
        (url_opened_outside_crawl, "transforms/read/x.py", "from urllib.request import urlopen"),
        (url_opened_outside_crawl, "pipelines/x.py", "from urllib import request"),
        (unseeded_random_numbers, "transforms/mine/x.py", "import numpy as np\nnp.random.rand(3)"),
        (unseeded_random_numbers, "transforms/mine/x.py", "from numpy.random import default_rng\ndefault_rng()"),
        (salted_hash, "transforms/mine/x.py", "bucket = hash(text) % 8"),
    ],
)
def test_a_file_that_breaks_the_rule_is_found(rule, place, code):
    assert rule(Path(place), ast.parse(code))


@pytest.mark.parametrize(
    ("rule", "place", "code"),
    [
        (
            deferred_annotations_beside_beam,
            "transforms/x/pure.py",
            "from __future__ import annotations\nimport pyarrow",
        ),
        (
            foreign_import_in_schemas,
            "schemas/x.py",
            "import tomllib\nfrom schemas.table import Batch\nimport numpy as np",
        ),
        (url_opened_outside_crawl, "transforms/read/x.py", "from urllib.parse import urljoin"),
        (url_opened_outside_crawl, "transforms/crawl/x.py", "import urllib.request"),
        (unseeded_random_numbers, "transforms/mine/x.py", "np.random.default_rng(int(content_id('seed'), 16))"),
        (salted_hash, "transforms/mine/x.py", "class A:\n    def __hash__(self):\n        return hash(self.name)"),
    ],
)
def test_a_file_that_keeps_the_rule_passes(rule, place, code):
    assert not rule(Path(place), ast.parse(code))


def test_every_imported_library_is_declared(project):
    """What only comes along with another library may stay away with its next version."""
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {
        re.split(r"[\[<>=~! ]", requirement)[0].lower().replace("-", "_")
        for requirements in (settings["dependencies"], *settings["optional-dependencies"].values())
        for requirement in requirements
    }
    distributions = packages_distributions()
    undeclared = set()
    for path, tree in sources(project):
        for name in imported(tree):
            package = name.partition(".")[0]
            if package in sys.stdlib_module_names or package in FLOORS:
                continue
            names = {distribution.lower().replace("-", "_") for distribution in distributions.get(package, [package])}
            if not names & declared:
                undeclared.add((package, str(path)))
    assert undeclared == set()


def test_doors_do_not_load_model_libraries(project):
    """Whoever only wants the settings, or a light stage, must not pay for torch."""
    rooms = [path.parent.name for path in sorted((project / "transforms").glob("*/__init__.py"))]
    program = (
        "import importlib, sys\n"
        f"for room in {rooms!r}:\n"
        "    importlib.import_module(f'transforms.{room}')\n"
        f"    print(room, *(name for name in {MODEL_LIBRARIES!r} if name in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    loaded = {line.split()[0]: set(line.split()[1:]) for line in result.stdout.splitlines()}
    assert set(loaded) == set(rooms)
    assert loaded == {room: set() for room in rooms}
