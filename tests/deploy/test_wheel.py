"""The wheel, in an environment of its own, run from another directory: what users and containers have."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from small import configure

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).resolve().parents[2]
PARTS = ("schemas", "transforms", "pipelines", "pyproject.toml", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of a copy of the sources, and install it where nothing else of ours is."""
    pytest.importorskip("build", reason="make install-dev")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        if (PROJECT / part).is_dir():
            shutil.copytree(PROJECT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / part, source)
    readme = PROJECT / "README.md"
    (source / "README.md").write_text(readme.read_text() if readme.exists() else "isogloss\n")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True, cwd=folder)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    wheel = next(folder.glob("*.whl"))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, cwd=folder)
    # What it depends on is taken from here by its folder alone, so that no editable install of ours comes along.
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(paths) + "\n")
    return folder / "venv" / "bin"


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=280)


def test_the_wheel_is_what_is_imported(environment: Path, tmp_path: Path):
    code = "import pipelines, schemas, transforms; print(pipelines.__file__, schemas.__file__, transforms.__file__)"
    done = run(environment / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(environment.parent)) for path in done.stdout.split())


def test_the_installed_command_makes_the_same_corpus_from_another_directory(
    environment: Path, tmp_path: Path, local: Path
):
    (tmp_path / "small.toml").write_text(configure("out", local / "0.jsonl"), encoding="utf-8")
    done = run(environment / "isogloss", "build", "small.toml", "--quiet", "--workers", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    here, there = tmp_path / "out" / "corpus", local / "out" / "corpus"
    ours = {path.relative_to(here): path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert ours == {path.relative_to(there): path.read_bytes() for path in there.rglob("*") if path.is_file()}
