"""The progress that a person sees; time is a list of numbers."""

import io

import pytest
from rich.console import Console

from pipelines.progress import Progress, memory_of_tree_mb


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def drawn(progress):
    console = Console(file=io.StringIO(), width=100)
    console.print(progress.table())
    return console.file.getvalue()


def test_plain_lines_come_every_few_seconds_and_at_the_end():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream=stream, interval_s=5, clock=clock)
    with progress.running("prepare"):
        progress.update({"segment-documents": 10})
        clock.now += 4
        progress.update({"segment-documents": 50})
        clock.now += 2
        progress.update({"segment-documents": 60, "segment-rejects": 2, "identify-sentences": 1234})
    assert stream.getvalue().splitlines() == [
        "prepare: 6.0 s; segment 60 documents, 2 rejected (10/s); identify 1,234 sentences",
        "prepare: done in 6.0 s; segment 60 documents, 2 rejected (10/s); identify 1,234 sentences",
    ]


def test_quiet_shows_nothing_and_counts_all_the_same():
    stream = io.StringIO()
    progress = Progress(quiet=True, stream=stream)
    with progress.running("mine"):
        progress.update({"mine-pairs": 3})
        progress.note("something")
    assert stream.getvalue() == ""
    assert progress.counters == {"mine-pairs": 3}


def test_the_table_has_a_row_a_stage():
    clock = Clock()
    progress = Progress(quiet=True, clock=clock)
    with progress.running("prepare"):
        progress.update({"identify-sentences": 0})
        clock.now += 10
        progress.update({"identify-sentences": 12_000, "identify-rejects": 7})
        table = drawn(progress)
    row = next(line for line in table.splitlines() if line.startswith("identify"))
    assert row.split() == ["identify", "12,000", "sentences", "7", "1,200", "10.0"]
    assert "prepare  10.0 s" in table


def test_a_terminal_gets_a_live_table():
    stream = Terminal()
    progress = Progress(stream=stream)
    with progress.running("prepare"):
        progress.update({"identify-sentences": 12_000})
    assert "12,000 sentences" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].endswith("identify 12,000 sentences")


def test_a_late_report_does_not_turn_a_counter_back():
    progress = Progress(quiet=True)
    with progress.running("prepare"):
        progress.update({"identify-sentences": 5})
        progress.update({"identify-sentences": 3})
    assert progress.counters == {"identify-sentences": 5}


def test_every_run_starts_from_zero():
    progress = Progress(quiet=True)
    with progress.running("prepare"):
        progress.update({"identify-sentences": 5})
    with progress.running("mine"):
        assert progress.counters == {}


def test_a_run_that_fails_is_said_to():
    stream = io.StringIO()
    progress = Progress(stream=stream)
    with pytest.raises(ValueError, match="no"), progress.running("mine"):
        raise ValueError("no")
    assert stream.getvalue().startswith("mine: failed in ")


def test_a_stage_whose_name_has_a_hyphen_is_one_stage():
    progress = Progress(quiet=True)
    with progress.running("x"):
        progress.update({"train-identifier-lines": 5})
        assert list(progress.stages) == ["train-identifier"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0 s"), (59.4, "59.4 s"), (61, "1 min 01 s"), (3_700, "1 h 01 min")]
)
def test_times_read_well(seconds, shown):
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream=stream, clock=clock)
    with progress.running("x"):
        clock.now += seconds
    assert stream.getvalue() == f"x: done in {shown}\n"


def test_memory_is_taken_while_it_runs():
    progress = Progress(quiet=True)
    with progress.running("x"):
        held = bytearray(64 << 20)
        held[::4096] = b"x" * len(held[::4096])
    assert progress.peak_memory_mb > 64
    assert memory_of_tree_mb() > 10
