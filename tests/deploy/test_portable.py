"""The walk by a job service that knows nothing of us: Beam's own, with LOOPBACK. A check of pickling and of processes."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import LOOPBACK, free_port
from small import configure

from pipelines.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def job_service(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    with (tmp_path / "service.log").open("wb") as log:
        service = subprocess.Popen([sys.executable, "-m", module, "--port", str(port)], stdout=log, stderr=log)
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with socket.socket() as client:
                    if client.connect_ex((LOOPBACK, port)) == 0:
                        break
            yield f"localhost:{port}"
        finally:
            service.kill()
            service.wait()


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_job_service_makes_the_same_bytes(job_service: str, local: Path, tmp_path: Path):
    configuration = tmp_path / "small.toml"
    configuration.write_text(configure(tmp_path / "out", local / "0.jsonl"), encoding="utf-8")
    flags = ("--runner=PortableRunner", f"--job_endpoint={job_service}", "--environment_type=LOOPBACK")
    assert main(["build", str(configuration), "--quiet", "--", *flags]) == 0
    for checkpoint in ("documents", "sentences", "vectors", "pairs", "corpus"):
        assert content(tmp_path / "out" / checkpoint) == content(local / "out" / checkpoint)


def test_two_processes_make_the_same_bytes(local: Path, tmp_path: Path):
    configuration = tmp_path / "small.toml"
    configuration.write_text(configure(tmp_path / "out", local / "0.jsonl"), encoding="utf-8")
    assert main(["build", str(configuration), "--quiet", "--workers", "2"]) == 0
    for checkpoint in ("documents", "sentences", "vectors", "pairs", "corpus"):
        assert content(tmp_path / "out" / checkpoint) == content(local / "out" / checkpoint)
