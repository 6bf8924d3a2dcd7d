"""The local runner: Beam's FnApiRunner, mended where a user would be hurt, and the running of a pipeline.

What Beam's own local runners do otherwise (2.77): DirectRunner downloads Prism; FnApiRunner forgets the
options on the way to its worker processes, loses input of worker processes on a busy machine (`_DataChannel`), waits
for ever for a worker that was killed, ends only when the slowest of its workers has ended although another has failed,
and shows counters at the end only.
"""

import itertools
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.metrics import monitoring_infos
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, WorkerOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import (
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2,
    endpoints_pb2,
)
from apache_beam.runners.job.utils import dict_to_struct
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    BeamFnControlServicer,
    ControlConnection,
    EmbeddedWorkerHandler,
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.worker.data_plane import _GrpcDataChannel
from apache_beam.runners.worker.log_handler import LOGENTRY_TO_LOG_LEVEL_MAP
from apache_beam.utils import thread_pool_executor
from apache_beam.utils.byte_limited_queue import ByteLimitedQueue
from google.protobuf import json_format, text_format

from pipelines.memory import give_back_memory, memory_settings
from pipelines.options import RunnerOptions
from pipelines.progress import Progress
from pipelines.worker import thread_settings
from schemas.errors import IsoglossError, SettingsError
from transforms.common.metrics import NAMESPACE

__all__ = ["LocalRunner", "PipelineError", "RunResult", "RunnerOptions", "explained", "run_pipeline", "stage_seconds"]

_LOGGER = logging.getLogger("isogloss.worker")
_POLL_S = 0.5
_GRACE_S = 30.0
"""Seconds that a worker has for its teardown when all work is done."""
_LOST_S = 5.0
"""Seconds that a worker process has to end when its connection has ended."""
_STDERR_LINES = 8
_PIECE = 4 << 20
"""Bytes of groups that go to a worker at once, where a single group has not more."""
_LARGEST_PIECE = (2 << 30) - 1000
"""Bytes that a message of the data connection holds, less what names it."""
_SERVER_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Workers look every 20 s whether a silent connection stands. Unless told so, gRPC takes that for an attack after a
    # minute and ends it; the worker then waits for the end of its log until it is killed.
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),
]
"""Those of Beam's own servers."""
_PROCESS_URN = "isogloss:env:process:v1"
_MSECS_URN = re.compile(r"^beam:metric:pardo_execution_time:(start|process|finish)_bundle_msecs:v1$")


class PipelineError(IsoglossError):
    """A pipeline that failed.

    Args:
        message: the first useful line: the error and the step that it came from.
        details: the traceback, where there is one.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message, details)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}\n{self.details.rstrip()}" if self.details else self.message


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What is known of a run that ended well.

    Attributes:
        is_finished: did the work run to its end? False for a job that was only described or staged.
        seconds: wall time.
        stage_seconds: seconds that workers spent in each top-level step, by its label, summed over workers;
            sampled by Beam; empty for runners that do not tell.
        counters: `<stage>-<unit>` -> count.
        peak_memory_mb: most resident memory of this process and its workers, in MiB.
        beam_result: what Beam's runner gave.
    """

    is_finished: bool
    seconds: float
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    beam_result: Any = None


def run_pipeline(
    build: Callable[[beam.Pipeline], Any],
    options: RunnerOptions,
    progress: Progress | None = None,
    *,
    name: str = "run",
) -> RunResult:
    """Lay a graph and run it to its end.

    Args:
        build: lays the graph on a pipeline.
        options: runner, workers, Beam's flags.
        progress: what a person sees meanwhile; nothing when not given.
        name: of the run, for the progress.

    Raises:
        SettingsError: a stage found a setting that cannot be obeyed.
        PipelineError: the run failed.
        KeyboardInterrupt: someone stopped it; the workers have ended.
        apache_beam.typehints.TypeCheckError: the graph is mis-wired, which is a bug.
    """
    shown = progress or Progress(quiet=True)
    beam_options = options.beam_options()
    runner = LocalRunner(workers=options.workers, update=shown.update) if options.is_local else None
    pipeline = beam.Pipeline(runner=runner, options=beam_options)
    build(pipeline)
    is_launch_only = options.is_launch_only
    started = time.monotonic()
    with shown.running(name), _no_second_traceback(), _quiet_data_plane(), _explained_errors():
        result = pipeline.run()
        if not is_launch_only:
            result.wait_until_finish()
        counters = {} if is_launch_only else _user_counters(result)
        shown.update(counters)
    return RunResult(
        is_finished=not is_launch_only,
        seconds=time.monotonic() - started,
        stage_seconds=stage_seconds(result.monitoring_infos()) if runner is not None else {},
        counters=counters,
        peak_memory_mb=shown.peak_memory_mb,
        beam_result=result,
    )


class LocalRunner(FnApiRunner):  # type: ignore[misc]
    """Runs a pipeline on this machine.

    One worker: everything in this process, without copies over sockets. More: worker processes that get the
    pipeline's options, end with this process, and whose death is an error that names the cause.

    Args:
        workers: worker processes; 1: none.
        update: is called with all counters, `<stage>-<unit>` -> count, about twice a second.
    """

    def __init__(self, *, workers: int = 1, update: Callable[[Mapping[str, int]], None] | None = None) -> None:
        super().__init__()
        self._workers = workers
        self._update = update
        self._ended: dict[str, int] = {}

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        """Run the pipeline; Beam calls this."""
        direct = options.view_as(DirectOptions)
        direct.direct_num_workers = self._workers
        direct.direct_running_mode = "in_memory" if self._workers == 1 else "multi_processing"
        worker = options.view_as(WorkerOptions)
        worker.default_sdk_harness_log_level = worker.default_sdk_harness_log_level or "WARNING"
        self._provision_info = ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(
                retrieval_token="unused",  # noqa: S106  there are no artifacts to retrieve
                pipeline_options=dict_to_struct(_portable(options)),
            )
        )
        self._ended = {}
        give_back_memory()
        return super().run_pipeline(pipeline, options)

    def run_stages(self, stage_context: Any, stages: Any) -> Any:
        """Run the fused stages, on our worker processes where Beam would start its own."""
        for environment in stage_context.components.environments.values():
            if environment.urn == python_urns.SUBPROCESS_SDK:
                environment.urn = _PROCESS_URN
        return super().run_stages(stage_context, stages)

    def _execute_bundle(self, context: Any, bundle_context: Any, bundle_input: Any) -> Any:
        for step, buffer in bundle_context.stage_data_outputs.items():
            if buffer not in context.pcoll_buffers:
                made = bundle_context.get_buffer(buffer, step)
                if type(made) is GroupingBuffer:
                    context.pcoll_buffers[buffer] = _Groups(made)
        if self._update is None:
            return super()._execute_bundle(context, bundle_context, bundle_input)
        with _polled(bundle_context.worker_handlers, self._show):
            results = super()._execute_bundle(context, bundle_context, bundle_input)
        _add(self._ended, _counters(results.process_bundle.monitoring_infos))
        self._show({})
        return results

    def _show(self, running: Mapping[str, int]) -> None:
        if self._update is not None:
            totals = dict(self._ended)
            _add(totals, running)
            self._update(totals)


class _Groups(GroupingBuffer):  # type: ignore[misc]
    """What comes of a shuffle, in pieces.

    Beam's own writes all groups of a worker into one string, which then goes through the connection as it is: several
    copies of all that is shuffled, in this process and in the worker, which cannot begin before it has all. Here some
    groups at a time are written and forgotten, and the worker reads one piece after the other.

    Args:
        of: the one that Beam made, empty.
    """

    def __init__(self, of: GroupingBuffer) -> None:
        self._settings = (of._pre_grouped_coder, of._post_grouped_coder, of._windowing)  # noqa: SLF001
        super().__init__(*self._settings)
        self._grouped_output: list[list[bytes]] | None

    def partition(self, n: int) -> list[list[bytes]]:
        """Give the pieces of each of n workers; the same ones when asked again."""
        if self._grouped_output is None:
            keys = list(self._table)
            self._grouped_output = [list(self._pieces(keys[worker::n])) for worker in range(n)]
        return self._grouped_output

    def _pieces(self, keys: Iterable[bytes]) -> Iterator[bytes]:
        some: dict[bytes, Any] = {}
        size = 0
        for key in keys:
            some[key] = self._table.pop(key)
            size += sum(len(value) if isinstance(value, bytes) else 1 for value in some[key])
            if size >= _PIECE:
                yield self._written(some)
                some, size = {}, 0
        if some:
            yield self._written(some)

    def _written(self, groups: dict[bytes, Any]) -> bytes:
        one = GroupingBuffer(*self._settings)
        one._table.update(groups)  # noqa: SLF001
        groups.clear()
        return b"".join(one)


def _portable(options: PipelineOptions) -> dict[str, Any]:
    """Give the options that differ from their defaults, as a worker process reads them."""
    portable = {}
    for name, value in options.get_all_options(drop_default=True).items():
        try:
            json.dumps(value)
        except TypeError:  # a value provider: it has a value only where templates run
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # The message that carries them knows floats only, and `2.0` is no number of workers.
        portable[f"beam:option:{name}:v1"] = str(value) if is_number else value
    return portable


# Progress -----------------------------------------------------------------------------------------------


@contextmanager
def _polled(handlers: Iterable[WorkerHandler], show: Callable[[Mapping[str, int]], None]) -> Iterator[None]:
    """Ask the workers for their counters while a bundle runs."""
    stop = threading.Event()
    polls = [_Poll(handler) for handler in handlers]

    def poll() -> None:
        while not stop.wait(_POLL_S):
            running: dict[str, int] = {}
            for one in polls:
                _add(running, one.counters())
            if not stop.is_set():
                show(running)

    poller = threading.Thread(target=poll, name="isogloss-progress", daemon=True)
    poller.start()
    try:
        yield
    finally:
        stop.set()
        poller.join()


class _Poll:
    """The latest counters of one worker's running bundles; never waits for an answer."""

    def __init__(self, handler: WorkerHandler) -> None:
        self._handler = handler
        self._asked: dict[str, Any] = {}
        self._latest: dict[str, dict[str, int]] = {}

    def counters(self) -> dict[str, int]:
        if isinstance(self._handler, EmbeddedWorkerHandler):
            return self._embedded_counters()
        if not isinstance(self._handler, ProcessWorkerHandler):
            return {}
        connection = self._handler.control_conn
        for bundle in connection.running_bundles():
            answer = self._asked.get(bundle)
            if answer is not None and answer.is_done():
                self._latest[bundle] = _counters(answer.get().process_bundle_progress.monitoring_infos)
            if answer is None or answer.is_done():
                self._asked[bundle] = connection.push(_progress_request(bundle))
        total: dict[str, int] = {}
        for latest in self._latest.values():
            _add(total, latest)
        return total

    def _embedded_counters(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for bundle in list(self._handler.bundle_processor_cache.active_bundle_processors):
            request = _progress_request(bundle)
            answer = self._handler.worker.process_bundle_progress(request.process_bundle_progress, "progress")
            _add(total, _counters(answer.process_bundle_progress.monitoring_infos))
        return total


def _progress_request(bundle: str) -> Any:
    return beam_fn_api_pb2.InstructionRequest(
        process_bundle_progress=beam_fn_api_pb2.ProcessBundleProgressRequest(instruction_id=bundle)
    )


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        totals[name] = totals.get(name, 0) + number


def _counters(infos: Iterable[Any]) -> dict[str, int]:
    """Sum our counters over the steps that hold them."""
    totals: dict[str, int] = {}
    for info in infos:
        if info.urn == monitoring_infos.USER_COUNTER_URN and info.labels.get("NAMESPACE") == NAMESPACE:
            _add(totals, {info.labels["NAME"]: int(monitoring_infos.extract_counter_value(info))})
    return totals


def _user_counters(result: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for counter in result.metrics().query(beam.metrics.MetricsFilter().with_namespace(NAMESPACE))["counters"]:
        value = counter.committed if counter.committed is not None else counter.attempted
        _add(totals, {counter.key.metric.name: int(value or 0)})
    return totals


def stage_seconds(infos: Iterable[Any]) -> dict[str, float]:
    """Sum Beam's sampled execution times by top-level label, such as `segment`; steps of no time are left out.

    Args:
        infos: the monitoring infos of a finished run.

    Returns:
        Label -> seconds, summed over workers, the longest first.
    """
    milliseconds: dict[str, int] = {}
    for info in infos:
        if _MSECS_URN.match(info.urn):
            label = info.labels.get("PTRANSFORM", "").partition("/")[0]
            _add(milliseconds, {label: int(monitoring_infos.extract_counter_value(info))})
    ordered = sorted(milliseconds.items(), key=lambda item: (-item[1], item[0]))
    return {label: number / 1000 for label, number in ordered if number}


# Worker processes ---------------------------------------------------------------------------------------


class _Connection(ControlConnection):  # type: ignore[misc]
    """The control connection to a worker process: knows what runs there, and can be told that it is lost."""

    _state: str

    def __init__(self, on_error: Callable[[str], None], on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._on_error = on_error
        self._on_lost = on_lost
        self._gate = threading.Lock()
        self._bundles: dict[str, str] = {}
        self.failure = ""

    def push(self, req: Any) -> Any:
        """Send a request; it is answered at once when the worker is lost."""
        if req is BeamFnControlServicer._DONE_MARKER:  # noqa: SLF001
            return super().push(req)
        if req.WhichOneof("request") == "process_bundle":
            self._bundles[req.instruction_id] = req.process_bundle.process_bundle_descriptor_id
        future = super().push(req)
        if self.failure:
            self._answer(future)
        return future

    def running_bundles(self) -> list[str]:
        """Give the ids of the bundles that it works on."""
        return list(self._bundles)

    def running_descriptors(self) -> list[str]:
        """Give the ids of the descriptions of those bundles."""
        return list(dict.fromkeys(self._bundles.values()))

    def fail(self, message: str) -> None:
        """Answer everything that waits, now and later, with this error; the first message stays."""
        with self._gate:
            if self.failure:
                return
            self.failure = message
        for future in list(self._futures_by_id.values()):
            self._answer(future)

    def _answer(self, future: Any) -> None:
        future.set(beam_fn_api_pb2.InstructionResponse(instruction_id=future.instruction_id, error=self.failure))

    def _read(self) -> None:
        try:
            for answer in self._input:
                is_bundle = self._bundles.pop(answer.instruction_id, None) is not None
                future = self._futures_by_id.pop(answer.instruction_id, None)
                if future is not None and not self.failure:
                    future.set(answer)
                if is_bundle and answer.error:
                    self._on_error(answer.error)
        except Exception as error:  # noqa: BLE001  grpc raises what it likes when a client is gone
            _LOGGER.debug("control connection ended: %r", error)
        self._on_lost()

    def hang_up(self, timeout_s: float) -> bool:
        """Tell the worker that there is no more work; was it gone within the time?"""
        if self._state != BeamFnControlServicer.STARTED_STATE:
            return True
        self.push(BeamFnControlServicer._DONE_MARKER)  # noqa: SLF001
        self._read_thread.join(timeout_s)
        self._state = BeamFnControlServicer.DONE_STATE
        return not self._read_thread.is_alive()


class _DataChannel(_GrpcDataChannel):  # type: ignore[misc]
    """The data connection to a worker process. That it breaks is told by whoever watches the process.

    Beam's own gathers what is written in a buffer that a timer sends off every second: what is written between the
    copying of that buffer and its emptying is lost without a word, which happens to inputs of some hundred megabytes on a
    busy machine. Here every piece that is written waits as it is, and goes out in order. Nobody waits for room, because
    Beam sends a bundle's whole input before it starts the bundle.
    """

    def __init__(self) -> None:
        super().__init__(data_buffer_time_limit_ms=0)

    def output_stream(self, instruction_id: str, transform_id: str) -> "_Pieces":
        """Give what takes the input of a step of a bundle."""
        return _Pieces(self._pending_send, {"instruction_id": instruction_id, "transform_id": transform_id})

    def _start_send_forwarder(self) -> None:
        self._pending_send = ByteLimitedQueue()  # without a limit: what waits here is in memory anyway
        super()._start_send_forwarder()

    def _forward_pending_to_send(self) -> None:
        while True:
            element, size = self._pending_send.get()
            if isinstance(element, dict):  # made now, so that few are held twice
                element = beam_fn_api_pb2.Elements.Data(**element)
            self._to_send.put(element, size)
            if element is self._WRITES_FINISHED:
                return

    def _read_inputs(self, elements_iterator: Any) -> None:
        try:
            super()._read_inputs(elements_iterator)
        except Exception as error:  # noqa: BLE001  grpc raises what it likes when a client is gone
            _LOGGER.debug("data connection ended: %r", error)
        # A killed process may end its stream in peace, too. A reader that sees neither an error nor the end waits on
        # until the watcher tells it the cause.
        self._exception, self._closed = None, False


class _Pieces:
    """The input of a step of a bundle, piece by piece; each holds whole elements, and none is copied.

    Args:
        queue: takes the pieces, with their sizes.
        names: of the bundle and the step.
    """

    def __init__(self, queue: Any, names: dict[str, Any]) -> None:
        self._queue = queue
        self._names = names

    def write(self, data: bytes) -> None:
        """Send a piece.

        Raises:
            PipelineError: no message holds it.
        """
        if len(data) > _LARGEST_PIECE:
            raise PipelineError(
                f"{len(data) / 1e9:.1f} GB are for one worker at once, and a message holds 2: "
                "give more workers (--workers), or run on a cluster"
            )
        if data:
            self._put(len(data), data=data)

    def close(self) -> None:
        """Say that this was all."""
        self._put(0, is_last=True)

    def _put(self, size: int, **what: Any) -> None:
        self._queue.put((self._names | what, size), size)


@WorkerHandler.register_environment(_PROCESS_URN, bytes)
class ProcessWorkerHandler(GrpcWorkerHandler):  # type: ignore[misc]
    """Starts, watches and ends one worker process."""

    def __init__(self, _: bytes, state: Any, provision_info: Any, grpc_server: Any) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._servicer = grpc_server.control_handler
        self.control_conn = _Connection(self._fail_all, self._lost)
        self._servicer._connections_by_worker_id[self.worker_id] = self.control_conn  # noqa: SLF001
        self.data_conn = _DataChannel()
        self.data_plane_handler._connections_by_worker_id[self.worker_id, ""] = self.data_conn  # noqa: SLF001
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the worker
        self._logging_server: Any = None
        self._is_closing = False

    def start_worker(self) -> None:
        """Start the process and watch it."""
        self._logging_server = grpc.server(thread_pool_executor.shared_unbounded_instance(), options=_SERVER_OPTIONS)
        port = self._logging_server.add_insecure_port("localhost:0")
        beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(_WorkerLog(), self._logging_server)
        self._logging_server.start()
        environment = (
            thread_settings()
            | memory_settings()
            | os.environ
            | {
                "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(self.control_address),
                "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(f"localhost:{port}"),
                "PIPELINE_OPTIONS": json_format.MessageToJson(self.provision_info.provision_info.pipeline_options),
                "WORKER_ID": self.worker_id,
                # What this process can import, the worker can.
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            }
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # an interrupt from the keyboard is ours to handle
        )
        threading.Thread(target=self._watch, name=f"isogloss-{self.worker_id}", daemon=True).start()

    def stop_worker(self) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process: in peace when its work is done, at once when the run was cut short."""
        if self._is_closing:
            return
        is_cut_short = bool(self.control_conn.failure or self.control_conn.running_bundles())
        self._is_closing = True
        if is_cut_short:
            self._kill()
            self.control_conn.fail("the run was stopped")
            self._drain()
        if not self.control_conn.hang_up(_GRACE_S):
            _LOGGER.warning("%s did not end within %d s of its last work, and is killed", self.worker_id, _GRACE_S)
            self._kill()
        if not is_cut_short:
            self.data_conn.close()
        self._end_process()
        self._logging_server.stop(0)
        self._errors.close()

    def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _drain(self) -> None:
        """Take what still waits to be sent to a process that is gone, so that no sender waits for ever."""

        def drain() -> None:
            while self.data_conn._to_send.get() is not self.data_conn._WRITES_FINISHED:  # noqa: SLF001
                pass

        threading.Thread(target=drain, name="isogloss-drain", daemon=True).start()
        threading.Thread(target=self.data_conn.close, name="isogloss-hang-up", daemon=True).start()

    def _watch(self) -> None:
        assert self._process is not None, "watching starts with the process"
        status = self._process.wait()
        if not self._is_closing:
            self._fail_all(self._obituary(status))

    def _lost(self) -> None:
        """The connection ended. The process ends with it, or is no use any more."""
        if self._is_closing or self._process is None:
            return
        try:
            self._process.wait(_LOST_S)
        except subprocess.TimeoutExpired:
            self._fail_all(f"the connection to worker process {self._process.pid} broke")
            self._kill()

    def _fail_all(self, message: str) -> None:
        """One worker has failed: nobody waits for the others."""
        for connection in list(self._servicer._connections_by_worker_id.values()):  # noqa: SLF001
            if isinstance(connection, _Connection):
                connection.fail(message)

    def _obituary(self, status: int) -> str:
        assert self._process is not None, "the process was there"
        if status < 0:
            try:
                cause = f"was killed by {signal.Signals(-status).name}"
            except ValueError:
                cause = f"was killed by signal {-status}"
            if -status == signal.SIGKILL:
                cause += " (the kernel does this when memory runs out: try fewer --workers)"
        else:
            cause = f"ended with status {status}"
        steps = self._running_steps()
        while_running = f" while it ran {', '.join(steps)}" if steps else " before it did any work"
        tail = self._last_errors()
        return f"worker process {self._process.pid} {cause}{while_running}" + (f"\n{tail}" if tail else "")

    def _running_steps(self) -> list[str]:
        manager = self._servicer._worker_manager  # noqa: SLF001
        labels: dict[str, None] = {}
        for identifier in self.control_conn.running_descriptors():
            description = manager._process_bundle_descriptors.get(identifier)  # noqa: SLF001
            for step in description.transforms.values() if description is not None else ():
                label = step.unique_name.partition("/")[0]
                if label and not label.startswith("ref_"):
                    labels[label] = None
        return sorted(labels)

    def _last_errors(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        telling = [line for line in lines if line.strip() and not _START_UP_LINE.match(line)]
        return "\n".join(telling[-_STDERR_LINES:])


@contextmanager
def _quiet_data_plane() -> Iterator[None]:
    """Keep Beam from logging that a dead worker's connection broke."""
    with _without_records(
        "apache_beam.runners.worker.data_plane", lambda text: text.startswith("Failed to read inputs")
    ):
        yield


class _WorkerLog(beam_fn_api_pb2_grpc.BeamFnLoggingServicer):  # type: ignore[misc]
    """Hands on what workers log, but for the errors that fail the run: those are raised."""

    def Logging(self, request_iterator: Any, context: Any = None) -> Iterator[Any]:  # noqa: N802
        """Log every entry of a worker here."""
        del context
        for entries in request_iterator:
            for entry in entries.log_entries:
                if not _is_raised_anyway(entry.message):
                    _LOGGER.log(LOGENTRY_TO_LOG_LEVEL_MAP[entry.severity], "%s", entry.message)
        return iter(())


def _descriptor(url: str) -> str:
    return str(text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url)))


# Errors -------------------------------------------------------------------------------------------------

_STEP = re.compile(r" \[while running '(?P<step>[^']*)'\]")
_SETTINGS_LINE = re.compile(r"^schemas\.errors\.SettingsError: ", re.MULTILINE)
_START_UP_LINE = re.compile(r"^(INFO|WARNING):apache_beam\.runners\.worker\.sdk_worker_main:")
_SILENCED = (
    "Error processing instruction",  # it is raised here
    "No semi_persistent_directory found",  # there is none: nothing is staged on one machine
)
_ERROR_LINE = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b.*", re.MULTILINE)


def _is_raised_anyway(message: str) -> bool:
    return message.startswith(_SILENCED) or _STEP.search(message) is not None


@contextmanager
def _no_second_traceback() -> Iterator[None]:
    """Keep Beam from logging an error that is about to be raised."""
    with _without_records("apache_beam.runners.common", _is_raised_anyway):
        yield


@contextmanager
def _without_records(logger_name: str, is_unwanted: Callable[[str], bool]) -> Iterator[None]:
    logger = logging.getLogger(logger_name)

    def keep(record: logging.LogRecord) -> bool:
        return not is_unwanted(record.getMessage())

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


@contextmanager
def _explained_errors() -> Iterator[None]:
    """Say what is wrong in one line, whichever process it comes from."""
    try:
        yield
    except Exception as error:
        for cause in _chain(error):
            if isinstance(cause, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            if isinstance(cause, SettingsError):
                raise SettingsError(_STEP.sub("", cause.message), cause.path, cause.cure) from error
        raise explained(error) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in itertools.repeat(None, 20):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def explained(error: Exception) -> IsoglossError:
    """Make of what a runner raised an error with a useful first line.

    Args:
        error: raised by the runner; that of a worker process carries its traceback as text.

    Returns:
        A SettingsError where the text tells of one; else a PipelineError with the traceback in its details.
    """
    text = str(error)
    settings = list(_SETTINGS_LINE.finditer(text))
    if settings:
        return SettingsError(_STEP.sub("", text[settings[-1].end() :]).strip())
    if not text.startswith("Traceback"):
        kind = "" if type(error) is RuntimeError else f"{type(error).__name__}: "
        is_local = type(error) is not RuntimeError or _STEP.search(text) is not None
        return PipelineError(f"{kind}{text}", _traceback_of(error) if is_local else "")
    lines = _ERROR_LINE.findall(text)
    step = _STEP.search(text)
    innermost = text.partition("\nDuring handling of the above exception")[0].rstrip()
    message = lines[-1] if lines else text.strip().splitlines()[-1]
    if step and not _STEP.search(message):
        message += step.group()
    return PipelineError(message, innermost)


def _traceback_of(error: BaseException) -> str:
    import traceback

    # The innermost cause: what lies around it is Beam's handing on.
    causes = [cause for cause in _chain(error) if cause.__traceback__ is not None]
    return "".join(traceback.format_exception(causes[-1], chain=False)) if causes else ""
