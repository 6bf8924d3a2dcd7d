"""The local runner: processes, options, deaths, errors, counters.

Work for other processes is made inside functions, so that it travels by value: workers do not import tests.
"""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apache_beam as beam
import grpc
import psutil
import pytest
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer
from apache_beam.runners.worker.channel_factory import GRPCChannelFactory
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints import TypeCheckError

from pipelines.options import parse_beam_flags
from pipelines.progress import Progress
from pipelines.runner import (
    _SERVER_OPTIONS,
    LocalRunner,
    PipelineError,
    RunnerOptions,
    _DataChannel,
    _Groups,
    _WorkerLog,
    explained,
    run_pipeline,
    stage_seconds,
)
from schemas.errors import SettingsError
from schemas.pair import PairBatch
from schemas.sentence import SentenceBatch
from transforms.common import coders as coders
from transforms.common.shards import WriteShards


def failing_at(number, error):
    def fail(value):
        if value == number:
            raise error
        return value

    return fail


def numbers_through(function):
    def build(pipeline):
        pipeline | "make" >> beam.Create(range(20)) | "work" >> beam.Map(function)

    return build


def worker_processes():
    return [
        child for child in psutil.Process().children(recursive=True) if "pipelines.worker" in " ".join(child.cmdline())
    ]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """One run with two workers that writes down what they saw."""
    folder = tmp_path_factory.mktemp("seen")

    def look(number, folder=str(folder)):
        import os
        from pathlib import Path

        import pyarrow as pa
        from apache_beam.io.filesystems import FileSystems
        from apache_beam.options.pipeline_options import S3Options, StandardOptions

        from transforms.common.metrics import count

        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        count("identify", "sentences", 10)
        options = FileSystems._pipeline_options
        endpoint = options.view_as(S3Options).s3_endpoint_url
        streaming = options.view_as(StandardOptions).streaming
        memory = f"{os.environ['MALLOC_ARENA_MAX']} {pa.default_memory_pool().backend_name}"
        seen = "\t".join([str(os.getpid()), str(endpoint), str(streaming), memory, os.environ["OMP_NUM_THREADS"]])
        Path(folder, str(number)).write_text(seen)

    progress = Progress(quiet=True)
    updates = []
    update = progress.update
    progress.update = lambda counters: (updates.append(dict(counters)), update(counters))
    options = parse_beam_flags(["--s3_endpoint_url=http://localhost:9/"], workers=2)
    result = run_pipeline(numbers_through(look), options, progress, name="look")
    seen = [tuple(path.read_text().split("\t")) for path in sorted(folder.iterdir())]
    return result, seen, updates, progress


def test_two_workers_are_two_processes(two_processes):
    _, seen, _, _ = two_processes
    processes = {int(pid) for pid, *_ in seen}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_pipeline_options_reach_the_workers(two_processes):
    _, seen, _, _ = two_processes
    assert {endpoint for _, endpoint, *_ in seen} == {"http://localhost:9/"}


def test_numeric_libraries_have_one_thread_in_a_worker(two_processes):
    _, seen, _, _ = two_processes
    assert {threads for *_, threads in seen} == {"1"}


def test_workers_give_memory_back(two_processes):
    _, seen, _, _ = two_processes
    assert {memory for *_, memory, _ in seen} == {"1 system"}


def test_counters_of_all_workers_add_up(two_processes):
    result, _, _, progress = two_processes
    assert result.counters == {"identify-sentences": 200}
    assert progress.counters == {"identify-sentences": 200}


def test_counters_of_workers_are_seen_while_they_run(two_processes):
    _, _, updates, _ = two_processes
    seen = [update.get("identify-sentences", 0) for update in updates]
    assert any(0 < number < 200 for number in seen)


def test_time_is_attributed_to_the_step(two_processes):
    result, _, _, _ = two_processes
    # 20 elements of 0.1 s; Beam samples every 200 ms at most.
    assert 1.0 < result.stage_seconds["work"] < 20 * result.seconds


def test_memory_of_the_workers_counts(two_processes):
    result, _, _, _ = two_processes
    assert result.peak_memory_mb > 2 * 50  # a Python process with Beam has more than 50 MiB


def test_no_worker_outlives_its_run(two_processes):
    assert two_processes[0].is_finished
    assert worker_processes() == []


def process_of_each(folder):
    """Work that writes down which process did it: what it is handed is a copy, so it cannot tell otherwise."""

    def write(number):
        import os
        from pathlib import Path

        Path(folder, str(number)).write_text(str(os.getpid()))

    return write


def test_one_worker_runs_in_this_process(tmp_path):
    run_pipeline(numbers_through(process_of_each(str(tmp_path))), RunnerOptions())
    assert [path.read_text() for path in tmp_path.iterdir()] == [str(os.getpid())] * 20


def test_counters_of_this_process_are_seen_while_it_runs(tmp_path):
    shown = tmp_path / "shown"
    updates = []

    def show(counters):
        updates.append(dict(counters))
        shown.touch()

    def work(number, shown=str(shown)):
        import time
        from pathlib import Path

        from transforms.common.metrics import count

        count("identify", "sentences", 1)
        until = time.monotonic() + 10
        # The eleventh record waits until the progress has seen the others.
        while number == 10 and time.monotonic() < until and not Path(shown).exists():
            pass

    with beam.Pipeline(runner=LocalRunner(update=show)) as pipeline:
        pipeline | beam.Create(range(20), reshuffle=False) | beam.Map(work)
    assert updates[0] == {"identify-sentences": 11}
    assert updates[-1] == {"identify-sentences": 20}


def test_a_killed_worker_is_an_error_that_names_the_cause():
    def die(number):
        import os
        import signal

        if number == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    started = time.monotonic()
    with pytest.raises(PipelineError, match=r"was killed by SIGKILL .*memory.* while it ran .*work"):
        run_pipeline(numbers_through(die), RunnerOptions(workers=2))
    assert time.monotonic() - started < 20
    assert worker_processes() == []


def test_nobody_waits_for_the_other_workers_of_one_that_died(tmp_path):
    def die_or_idle(_, folder=str(tmp_path)):
        import os
        import threading
        import time
        from pathlib import Path

        try:
            Path(folder, "first").touch(exist_ok=False)
        except FileExistsError:
            Path(folder, "second").touch()
            threading.Event().wait(60)
        until = time.monotonic() + 10
        while not Path(folder, "second").exists() and time.monotonic() < until:
            pass
        os._exit(3)

    started = time.monotonic()
    with pytest.raises(PipelineError, match="ended with status 3"):
        run_pipeline(numbers_through(die_or_idle), RunnerOptions(workers=2))
    assert (tmp_path / "second").exists()
    assert time.monotonic() - started < 20


def test_an_error_in_a_worker_process_says_what_and_where():
    with pytest.raises(PipelineError) as caught:
        run_pipeline(numbers_through(failing_at(7, ValueError("expected a letter"))), RunnerOptions(workers=2))
    assert caught.value.message == "ValueError: expected a letter [while running 'work']"
    assert caught.value.details.startswith("Traceback")
    assert "During handling" not in caught.value.details


def test_an_error_in_this_process_says_what_and_where():
    with pytest.raises(PipelineError) as caught:
        run_pipeline(numbers_through(failing_at(7, ValueError("expected a letter"))), RunnerOptions())
    assert caught.value.message == "ValueError: expected a letter [while running 'work']"
    assert "in fail" in caught.value.details


def test_a_refused_setting_stays_one_through_this_process():
    error = SettingsError("no such model", "$.embed.model", "give a path")
    with pytest.raises(SettingsError) as caught:
        run_pipeline(numbers_through(failing_at(7, error)), RunnerOptions())
    assert str(caught.value) == "$.embed.model: no such model\n  give a path"


def test_a_refused_setting_stays_one_through_its_text():
    text = "Traceback (most recent call last):\n  ...\nschemas.errors.SettingsError: $.embed.model: no such model [while running 'embed']\n  give a path\n"
    assert isinstance(explained(RuntimeError(text)), SettingsError)
    assert str(explained(RuntimeError(text))) == "$.embed.model: no such model\n  give a path"


def test_an_interrupt_stays_one():
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(numbers_through(failing_at(7, KeyboardInterrupt())), RunnerOptions())


def test_an_interrupt_ends_the_workers(tmp_path):
    def idle(number, folder=str(tmp_path)):
        import threading
        from pathlib import Path

        Path(folder, str(number)).touch()
        threading.Event().wait(60)

    def interrupt_when_working():
        while not any(tmp_path.iterdir()):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt_when_working, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            run_pipeline(numbers_through(idle), RunnerOptions(workers=2))
    finally:
        signal.signal(signal.SIGINT, previous)
    assert worker_processes() == []


def test_a_graph_that_hands_pairs_to_a_stage_of_sentences_is_refused(tmp_path: Path):
    def build(pipeline):
        pairs = pipeline | beam.Create([PairBatch.empty()]).with_output_types(PairBatch)
        pairs | WriteShards(noun=SentenceBatch, folder=str(tmp_path), shards=1, by="sentence_id", order=["sentence_id"])

    with pytest.raises(TypeCheckError):
        run_pipeline(build, RunnerOptions())


def test_an_unfinished_graph_has_no_stage_seconds():
    assert stage_seconds([]) == {}


def test_another_runner_is_handed_the_pipeline(tmp_path):
    result = run_pipeline(numbers_through(process_of_each(str(tmp_path))), RunnerOptions(runner="FnApiRunner"))
    assert len(list(tmp_path.iterdir())) == 20
    assert result.is_finished


@pytest.mark.slow
def test_a_worker_that_logs_nothing_keeps_its_connection():
    """It looks every 20 s whether the connection stands; gRPC's servers end it at the fourth or fifth look."""
    server = grpc.server(ThreadPoolExecutor(2), options=_SERVER_OPTIONS)
    port = server.add_insecure_port("localhost:0")
    beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(_WorkerLog(), server)
    server.start()

    def silence():
        threading.Event().wait(130)
        yield from ()

    with GRPCChannelFactory.insecure_channel(f"localhost:{port}") as channel:
        assert list(beam_fn_api_pb2_grpc.BeamFnLoggingStub(channel).Logging(silence())) == []
    server.stop(0)


def test_groups_go_to_workers_in_pieces_that_together_are_those_of_beam(monkeypatch):
    one, window = beam.coders.coders.BytesCoder(), beam.coders.coders.GlobalWindowCoder()
    value, group = (beam.coders.coders.TupleCoder([one, last]) for last in (one, beam.coders.coders.IterableCoder(one)))
    before, after = (beam.coders.coders.WindowedValueCoder(coder, window) for coder in (value, group))
    whole = GroupingBuffer(before, after, Windowing(GlobalWindows()))
    pieces = _Groups(GroupingBuffer(before, after, Windowing(GlobalWindows())))
    for number in range(300):
        element = GlobalWindows.windowed_value((b"%d" % (number % 7), b"x" * number))
        for buffer in (whole, pieces):
            buffer.append(before.get_impl().encode_nested(element))
    monkeypatch.setattr("pipelines.runner._PIECE", 10_000)
    expected = whole.partition(2)
    parts = pieces.partition(2)
    assert [len(part) for part in parts] == [2, 2]  # groups of some 6,400 bytes: two and two, two and one
    assert [b"".join(part) for part in parts] == [b"".join(part) for part in expected]
    assert pieces.partition(2) is parts
    assert not pieces._table


def test_no_groups_are_no_pieces():
    one, window = beam.coders.coders.BytesCoder(), beam.coders.coders.GlobalWindowCoder()
    coder = beam.coders.coders.WindowedValueCoder(beam.coders.coders.TupleCoder([one, one]), window)
    assert _Groups(GroupingBuffer(coder, coder, Windowing(GlobalWindows()))).partition(3) == [[], [], []]


def test_input_waits_whole_and_in_order_for_a_worker_that_reads_late():
    # Beam sends all input before the bundle starts, so nothing may block; and some 300 MB are more than its queues hold.
    channel = _DataChannel()
    pieces = [bytes([number]) * 3_000_000 for number in range(100)]
    stream = channel.output_stream("bundle", "step")
    for piece in pieces:
        stream.write(piece)
    stream.write(b"")
    stream.close()
    came = []
    for message in channel._write_outputs():
        came += message.data
        if came[-1].is_last:
            break
    assert [part.data for part in came[:-1]] == pieces
    assert {(part.instruction_id, part.transform_id) for part in came} == {("bundle", "step")}


def test_a_piece_that_no_message_holds_is_an_error(monkeypatch):
    monkeypatch.setattr("pipelines.runner._LARGEST_PIECE", 1000)
    stream = _DataChannel().output_stream("bundle", "step")
    with pytest.raises(PipelineError, match="more workers"):
        stream.write(bytes(1001))
