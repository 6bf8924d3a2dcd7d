"""A worker process of the local runner: Beam's own worker, and it ends when its parent ends.

The runner holds the other end of this process's standard input. When the runner is gone, however it went,
the read below returns and the process ends: no worker writes on behind a run that was killed.
"""

import faulthandler
import os
import sys
import threading

_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA")


def thread_settings() -> dict[str, str]:
    """Give the environment that keeps numeric libraries at one thread in a process.

    Workers are processes: threads on top of them only fight for the cores. And a matrix product that is cut
    among threads may round differently, so one thread each keeps the bytes equal for any number of workers.
    It must be set before numpy is first imported.
    """
    return {f"{library}_NUM_THREADS": "1" for library in _LIBRARIES}


def main() -> None:
    """Run Beam's worker until the runner has no more work."""
    faulthandler.enable()
    threading.Thread(target=_end_with_parent, name="isogloss-parent", daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
