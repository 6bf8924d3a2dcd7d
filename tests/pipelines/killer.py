"""Run the command line in this process, and kill it (SIGKILL) at a write: `killer.py TEXT before|after ARGUMENTS...`.

The first file whose path holds TEXT is the one; `before` dies with nothing of it on disk, `after` just after
it has its name. Exit status 0 would mean that no such write came.
"""

import os
import signal
import sys

from pipelines.cli import main
from transforms.common import files

text, when, *arguments = sys.argv[1:]
whole = files.write_bytes


def write_and_die(path: str, data: bytes) -> None:
    if text in path:
        if when == "after":
            whole(path, data)
        os.kill(os.getpid(), signal.SIGKILL)
    whole(path, data)


files.write_bytes = write_and_die
sys.exit(main(arguments))
