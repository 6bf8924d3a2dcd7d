"""What a person sees while a pipeline runs: a live table in a terminal, plain lines elsewhere, nothing with --quiet.

The figures are the counters of `transforms.common.metrics`; they inform, the ledger is what counts.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

import psutil
from rich.console import Console
from rich.live import Live
from rich.table import Table

PLAIN_INTERVAL_S = 5.0
"""Seconds between two plain lines."""
_REFRESHES_PER_S = 4
_MEMORY_INTERVAL_S = 0.25
_REJECTS = "rejects"
_MEBIBYTE = 1 << 20


@dataclass
class StageProgress:
    """What one stage has done so far.

    Attributes:
        records: by unit, such as `{"sentences": 1200}`.
        rejects: records that it rejected.
        started_s, changed_s: clock of its first and its latest count.
    """

    started_s: float
    changed_s: float
    records: dict[str, int] = field(default_factory=dict)
    rejects: int = 0

    @property
    def seconds(self) -> float:
        """Seconds between its first and its latest count."""
        return self.changed_s - self.started_s

    @property
    def rate(self) -> float | None:
        """Records a second, of its first unit; None before there is a second to speak of."""
        if not self.records or self.seconds < 1:
            return None
        return next(iter(self.records.values())) / self.seconds


class Progress:
    """Shows counters as they grow.

    Args:
        quiet: show nothing; counts and memory are still taken.
        stream: where to; stderr when not given.
        interval_s: seconds between two plain lines.
        clock: gives seconds.

    Example:
        >>> progress = Progress(quiet=True)
        >>> with progress.running("prepare"):
        ...     progress.update({"segment-documents": 12})
        >>> progress.counters
        {'segment-documents': 12}
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        interval_s: float = PLAIN_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters: dict[str, int] = {}
        self.stages: dict[str, StageProgress] = {}
        self.peak_memory_mb = 0.0
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._interval_s = interval_s
        self._clock = clock
        self._name = ""
        self._started_s = 0.0
        self._shown_s = 0.0
        self._lock = threading.Lock()

    def note(self, text: str) -> None:
        """Say something once."""
        if not self._quiet:
            print(text, file=self._stream, flush=True)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Show the run of this name while the block lasts; its counters start from zero."""
        with self._lock:
            self.counters, self.stages = {}, {}
            self._name, self._started_s = name, self._clock()
            self._shown_s = self._started_s
        ended = "failed"
        try:
            with self._watched_memory(), self._live():
                yield
            ended = "done"
        finally:
            self.note(f"{name}: {ended} in {_seconds(self._clock() - self._started_s)}{self._summary()}")

    def update(self, counters: Mapping[str, int]) -> None:
        """Take the counters as they are now: `<stage>-<unit>` and `<stage>-rejects`, counted from the run's start.

        A counter never falls: a report that comes late does not undo a newer one.
        """
        now = self._clock()
        with self._lock:
            for name in sorted(counters):
                value = max(counters[name], self.counters.get(name, 0))
                stage, _, unit = name.rpartition("-")
                shown = self.stages.setdefault(stage, StageProgress(now, now))
                if value != self.counters.get(name):
                    shown.changed_s = now
                self.counters[name] = value
                if unit == _REJECTS:
                    shown.rejects = value
                else:
                    shown.records[unit] = value
            due = (
                not self._quiet and not self._is_terminal() and self.stages and now - self._shown_s >= self._interval_s
            )
            if due:
                self._shown_s = now
        if due:
            self.note(f"{self._name}: {_seconds(now - self._started_s)}{self._summary()}")

    def table(self) -> Table:
        """Draw the stages as a table."""
        elapsed = _seconds(self._clock() - self._started_s)
        table = Table(title=f"{self._name}  {elapsed}", title_justify="left", box=None, pad_edge=False)
        for heading in ("stage", "records", "rejects", "per second", "seconds"):
            table.add_column(heading, justify="left" if heading == "stage" else "right")
        with self._lock:
            for stage, shown in self.stages.items():
                rate = shown.rate
                table.add_row(
                    stage,
                    ", ".join(f"{number:,} {unit}" for unit, number in shown.records.items()),
                    f"{shown.rejects:,}" if shown.rejects else "",
                    f"{rate:,.0f}" if rate is not None else "",
                    f"{shown.seconds:,.1f}",
                )
        return table

    def _summary(self) -> str:
        with self._lock:
            parts = []
            for stage, shown in self.stages.items():
                records = ", ".join(f"{number:,} {unit}" for unit, number in shown.records.items())
                rejects = f", {shown.rejects:,} rejected" if shown.rejects else ""
                rate = f" ({shown.rate:,.0f}/s)" if shown.rate is not None else ""
                parts.append(f"{stage} {records}{rejects}{rate}")
        return f"; {'; '.join(parts)}" if parts else ""

    def _is_terminal(self) -> bool:
        return self._stream.isatty()

    @contextmanager
    def _live(self) -> Iterator[None]:
        if self._quiet or not self._is_terminal():
            yield
            return
        console = Console(file=self._stream)
        with Live(get_renderable=self.table, console=console, refresh_per_second=_REFRESHES_PER_S, transient=True):
            yield

    @contextmanager
    def _watched_memory(self) -> Iterator[None]:
        stop = threading.Event()

        def watch() -> None:
            self.peak_memory_mb = max(self.peak_memory_mb, memory_of_tree_mb())
            while not stop.wait(_MEMORY_INTERVAL_S):
                self.peak_memory_mb = max(self.peak_memory_mb, memory_of_tree_mb())

        watcher = threading.Thread(target=watch, name="isogloss-memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()


def memory_of_tree_mb() -> float:
    """Give the resident memory of this process and all below it, in MiB; pages that they share count for each."""
    total = 0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total / _MEBIBYTE


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
