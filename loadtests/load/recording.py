"""Records a run from Locust's test start to its test stop, in one process or with workers.

Each process gathers its own rows. Workers send theirs to the master over Locust's channel; the master, or
the only process, appends them to the stream of one run directory.
"""

import json
import logging
import subprocess
import sys
import time
from argparse import Namespace
from collections import deque
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

import gevent
import pyarrow as pa
from flask import request
from gevent.lock import RLock
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests.clock import now
from loadtests.commands import invocation
from loadtests.errors import EXIT_ROWS_LOST, EXIT_WORKER_LOST, ROWS_LOST
from loadtests.load.loop_lag import LoopLag
from loadtests.load.policy_times import PolicyTimes
from loadtests.load.policy_watch import PolicyWatch
from loadtests.load.recorder import Recorder
from loadtests.load.run_json import UNKNOWN, Target, starting_run
from loadtests.load.schedule import added
from loadtests.load.users import OpenEnvUser
from loadtests.load.workers.accounting import Accounting
from loadtests.load.workers.attendance import attendance
from loadtests.load.workers.generators import Generators
from loadtests.load.workers.usage_recording import UsageRecording
from loadtests.places import PACKAGES
from reports.page.words import count, listing
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import ArrivalsJson, GeneratorJson, RunJson, RunStatus, is_batch
from reports.records.tables import StreamWriter

_ROWS = "openenv-rows"
_FINISH = "openenv-finish"
_COLLECT_SECONDS = 30.0
_EARLY_SECONDS = 0.5
_QUIT_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Watcher(Protocol):
    """Is told of each test that is started where no harness has made its run directory."""

    def begin(self, directory: RunDirectory, run: RunJson) -> None:
        """A test starts, recorded in `directory`."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Rows were recorded, of all processes. Called in between operations: it must not take long."""

    def end(self, directory: RunDirectory, reporting: "subprocess.Popen[bytes] | None") -> None:
        """The test is over, and its report is being written by `reporting`, if it can be."""


class Recording:
    """Listens to one Locust environment and records each of its tests as a run."""

    def __init__(
        self,
        environment: Environment,
        options: Namespace,
        lag: LoopLag,
        policy: PolicyWatch | None = None,
        watchers: Sequence[Watcher] = (),
        generators: Generators | None = None,
    ) -> None:
        """`generators` are a master's workers."""
        self._environment = environment
        self._generators = generators
        self._accounting = Accounting(environment)
        self._watchers = watchers
        self._template_host = environment.host
        self._options = options
        self._policy = policy
        self._policy_times = PolicyTimes()
        self._arrivals: ArrivalsJson | None = None
        """Those that other processes have counted."""
        self._recorder: Recorder | None = None
        self._writer: StreamWriter | None = None
        self._directory: RunDirectory | None = None
        self._received: deque[bytes] = deque()
        self._stopping = RLock()
        self._finishing: list[subprocess.Popen[bytes]] = []
        self._is_worker = isinstance(environment.runner, WorkerRunner)
        self._recording_workers: set[str] = set()
        self._finished_workers: set[str] = set()
        self._left_workers: set[str] = set()
        self._usage = None if self._is_worker else UsageRecording(generators, options, lag)
        if generators is not None and options.run_directory:
            generators.on_change = self._note_generators
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(_ROWS, self._receive)
        elif isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(_FINISH, self._finish, concurrent=True)
        environment.events.test_start.add_listener(self._start)
        environment.events.test_stopping.add_listener(self._note_stopping)
        environment.events.test_stop.add_listener(self._stop)
        environment.events.quitting.add_listener(self._wait_for_reports)
        self._started = 0.0
        self._ran_s: float | None = None
        """How long the test went on; None until it begins to stop."""
        self._stopped_on_page = False
        self._quitting = False
        self._failure: str | None = None
        if environment.web_ui is not None and environment.web_ui.app is not None:
            environment.web_ui.app.before_request(self._note_request)

    def _start(self, **_: Any) -> None:
        runner = self._environment.runner
        workers = runner.clients.all if isinstance(runner, MasterRunner) else []
        self._recording_workers = {worker.id for worker in workers if worker.state != STATE_MISSING}
        self._finished_workers.clear()
        self._left_workers.clear()
        self._received.clear()
        self._policy_times = PolicyTimes()
        self._arrivals = None
        self._started = time.monotonic()
        self._ran_s = None
        self._stopped_on_page = False
        self._failure = None
        if not self._is_worker and not self._open():
            return
        if not isinstance(runner, MasterRunner):
            self._recorder = Recorder(self._deliver)
            self._recorder.start()
            OpenEnvUser.recorder = self._recorder
            OpenEnvUser.policy_times = self._policy_times

    def _note_request(self) -> None:
        """Notes what Locust's page is about to do, where Locust keeps no note of it."""
        if request.method == "POST" and request.path.endswith("/swarm"):
            # Locust keeps an earlier run time where the form names none, and lets the test go on for ever.
            self._options.run_time = None
        self._stopped_on_page |= request.method == "POST" and request.path.endswith("/stop")

    def _note_stopping(self, **_: Any) -> None:
        self._ran_s = time.monotonic() - self._started

    def _stop(self, **_: Any) -> None:
        # Locust may end one test twice, as when it is told to stop while it stops: the second waits.
        with self._stopping:
            OpenEnvUser.recorder = None
            OpenEnvUser.policy_times = None
            recorder, self._recorder = self._recorder, None
            directory, self._directory = self._directory, None
            lost = recorder.stop() if recorder is not None else 0
            runner = self._environment.runner
            if isinstance(runner, WorkerRunner):
                # Locust's master gives the workers half a second to send these, which busy ones may miss.
                statistics: dict[str, Any] = {}
                self._environment.events.report_to_master.fire(client_id=runner.client_id, data=statistics)
                runner.send_message("stats", statistics)
                runner.send_message(_ROWS, {"final": True, **self._counted_here()})
            elif isinstance(runner, MasterRunner) and directory is not None:
                self._collect(runner)
            if self._usage is not None:
                self._usage.stop()
            if directory is not None:
                self._close(directory, lost)

    def _counted_here(self) -> dict[str, Any]:
        """What a worker tells its master of the whole test, with its last rows."""
        return {"policy_times": self._policy_times.packed(), "arrivals": OpenEnvUser.counted_arrivals()}

    def _close(self, directory: RunDirectory, lost: int) -> None:
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                self._write_received(writer)
                writer.close()
        except OSError as error:
            logger.error("The end of the records could not be written: %s", error)  # noqa: TRY400
        if lost or self._received:
            self._received.clear()
            self._failure = ROWS_LOST
            logger.error("Rows are missing from %s: they could not be written", directory.path)
            self._environment.process_exit_code = EXIT_ROWS_LOST
        if self._options.run_directory:
            self._note_end(directory)
        else:
            reporting = self._complete(directory)
            for watcher in self._watchers:
                watcher.end(directory, reporting)

    def _ending(self) -> tuple[RunStatus, str | None]:
        """How the test ended, and why where it did not complete."""
        if failure := self._failure or self._policy_failure:
            return "failed", failure
        if self._quitting and self._is_early():
            return "interrupted", "stopped by Ctrl-C or a signal"
        return "completed", None

    @property
    def _policy_failure(self) -> str | None:
        return self._policy.failure if self._policy is not None else None

    def _note_end(self, directory: RunDirectory) -> None:
        """Says in run.json, which the harness completes, what only Locust's processes know."""
        try:
            run = directory.read()
            self._add_what_is_known(run, directory)
            if (failure := self._failure or self._policy_failure) is not None:
                run["status_detail"] = failure
            directory.write(run)
        except RunDirectoryError as error:
            logger.error("The end of the run could not be written: %s", error)  # noqa: TRY400

    def _add_what_is_known(self, run: RunJson, directory: RunDirectory) -> None:
        """Adds the generators, what Locust counted, and how long the policy took."""
        lost = self._lost_workers
        if (counted := self._accounting.counted(without=lost)) is not None:
            run["counted"] = counted
        if self._generators is not None:
            run["generators"] = attendance(
                self._generators, self._accounting, self._recording_workers, lost, directory.steps.stream
            )
        if (times := self._policy_times.summary()) is not None:
            run["policy_time"] = times
        if (own := OpenEnvUser.counted_arrivals()) is not None:
            self._arrivals = added(self._arrivals, own)
        if self._arrivals is not None:
            run["arrivals"] = self._arrivals

    def _note_start(self, directory: RunDirectory) -> None:
        """Says in run.json when the load started, which workers may have been waited for."""
        try:
            run = directory.read()
            run["started_at"] = now()
            directory.write(run)
        except RunDirectoryError as error:
            logger.error("The start of the run could not be written: %s", error)  # noqa: TRY400

    def _note_generators(self) -> None:
        """Says in run.json which workers have come, before the test."""
        if self._generators is None or self._started:
            return
        directory = RunDirectory(Path(self._options.run_directory))
        try:
            run = directory.read()
            run["generators"] = [GeneratorJson(name=each.name) for each in self._generators.present]
            if self._generators.refused:
                run["refused_workers"] = self._generators.refused
            directory.write(run)
        except RunDirectoryError as error:
            logger.error("The workers could not be noted: %s", error)  # noqa: TRY400

    @property
    def _lost_workers(self) -> set[str]:
        """Workers that took part and did not stay to the end."""
        return (self._recording_workers - self._finished_workers) | self._left_workers

    def _is_early(self) -> bool:
        """Whether the test was stopped before its time was over."""
        run_time = self._options.run_time
        return bool(run_time) and self._ran_s is not None and self._ran_s < run_time - _EARLY_SECONDS

    def _complete(self, directory: RunDirectory) -> "subprocess.Popen[bytes] | None":
        """Says in run.json how the run ended, and has its report written."""
        try:
            run = directory.read()
            run["status"], run["status_detail"] = self._ending()
            run["ended_at"] = time.time()
            self._add_what_is_known(run, directory)
            if not is_batch(run):
                run["config"]["duration_s"] = self._options.run_time  # the page may change it meanwhile
            if self._stopped_on_page and self._is_early():
                run["stopped_on_page"] = True
            directory.write(run)
        except RunDirectoryError as error:
            logger.error("The end of the run could not be written: %s", error)  # noqa: TRY400
        return self._report(directory)

    def _open(self) -> bool:
        run: RunJson | None = None
        if self._options.run_directory:
            self._directory = RunDirectory(Path(self._options.run_directory))
            if self._generators is not None:
                self._note_start(self._directory)
        else:
            try:
                self._directory = RunDirectory.create(Path(self._options.results), self._options.transport)
                run = self._starting_run(self._directory.path.name)
                self._directory.write(run)
            except RunDirectoryError as error:
                logger.error("Nothing is recorded: %s", error)  # noqa: TRY400 - one line says it
                self._environment.process_exit_code = EXIT_ROWS_LOST
                return False
            logger.info("Recording to %s", self._directory.path)
        try:
            self._writer = StreamWriter(self._directory.steps.stream, STEPS)
        except OSError as error:
            logger.error("Nothing is recorded: %s", error)  # noqa: TRY400
            self._environment.process_exit_code = EXIT_ROWS_LOST
            return False
        if self._usage is not None:
            self._usage.start(self._directory)
        if run is not None:
            for watcher in self._watchers:
                watcher.begin(self._directory, run)
        return True

    def _deliver(self, batch: pa.RecordBatch) -> None:
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(_ROWS, {"batch": batch.serialize().to_pybytes()})
        elif self._writer is not None:
            self._writer.append(batch)
            self._tell(batch)

    def _receive(self, msg: Any, **_: Any) -> None:
        self._recording_workers.add(msg.node_id)
        if msg.data.get("final"):
            if msg.node_id not in self._finished_workers:
                self._policy_times.add_packed(msg.data["policy_times"])
                if (arrivals := msg.data["arrivals"]) is not None:
                    self._arrivals = added(self._arrivals, arrivals)
            self._finished_workers.add(msg.node_id)
            if self._generators is not None and self._has_left_early(msg.node_id):
                self._left_workers.add(msg.node_id)
                self._generators.dismiss(msg.node_id)
            return
        self._received.append(msg.data["batch"])
        if self._writer is not None:
            try:
                self._write_received(self._writer)
            except OSError as error:
                logger.error("%d batches wait to be recorded: %s", len(self._received), error)  # noqa: TRY400

    def _has_left_early(self, worker: str) -> bool:
        """Whether a worker that sends its last rows was ended alone; what ends a child ends all."""
        runner = self._environment.runner
        # Not Locust's own state: users that have just been started make it "running" again while it stops.
        if self._ran_s is not None or not isinstance(runner, MasterRunner):
            return False
        known = self._generators.known.get(worker) if self._generators is not None else None
        return known is not None and known.process is None and worker in runner.clients

    def _write_received(self, writer: StreamWriter) -> None:
        while self._received:
            writer.append_serialized(self._received[0])
            self._tell(self._received.popleft())

    def _tell(self, batch: pa.RecordBatch | bytes) -> None:
        for watcher in self._watchers:
            if isinstance(batch, bytes):
                batch = pa.ipc.read_record_batch(pa.py_buffer(batch), STEPS)
            watcher.add(batch)

    def _collect(self, runner: MasterRunner) -> None:
        """Waits for the last rows of every worker.

        When its time is up, Locust's master ends the test before it tells the workers, so they are told here.
        """
        runner.send_message(_FINISH)
        start = time.monotonic()
        most_s = runner.environment.stop_timeout + _COLLECT_SECONDS
        while (waited_s := time.monotonic() - start) < most_s and any(
            self._may_finish(runner, worker, waited_s)
            for worker in self._recording_workers - self._finished_workers
        ):
            gevent.sleep(0.05)
        if (lost := self._lost_workers) and self._generators is not None:
            names = listing(sorted(map(self._generators.name_of, lost)))
            self._failure = f"lost {count(len(lost), 'generator')} of {len(self._recording_workers)}, {names}"
            logger.error("The load is incomplete: %s", self._failure)
            self._environment.process_exit_code = EXIT_WORKER_LOST

    @staticmethod
    def _may_finish(runner: MasterRunner, worker: str, waited_s: float) -> bool:
        """Whether the last rows of a worker may still come; those of one that has quit are on their way."""
        known = runner.clients.get(worker)
        return waited_s < _QUIT_SECONDS if known is None else known.state != STATE_MISSING

    def _finish(self, **_: Any) -> None:
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.stop()
            self._stop()

    def _starting_run(self, run_id: str) -> RunJson:
        options, runner = self._options, self._environment.runner
        assert runner is not None
        http = all(getattr(users, "transport", "") == "http" for users in self._environment.user_classes)
        return starting_run(
            run_id,
            self._environment.host or "",
            self._target(),
            OpenEnvUser.options,
            transport="http" if http else "ws",
            users=options.num_users if options.shape else runner.target_user_count,
            spawn_rate=float(options.spawn_rate or 1),
            duration_s=options.run_time,
            scenario=options.scenario,
            processes=options.processes or 1,
        )

    def _target(self) -> Target:
        """What the harness knows of its own deployment; of another server, named on the form, nothing."""
        if not self._options.run_template:
            return UNKNOWN
        known = cast(Target, json.loads(Path(self._options.run_template).read_text()))
        if self._environment.host == self._template_host:
            return known
        unknown = {name: value for name, value in UNKNOWN.items() if name != "slo"}
        return cast(Target, {**known, **unknown})

    def _report(self, directory: RunDirectory) -> "subprocess.Popen[bytes] | None":
        if find_spec("pandas") is None:
            logger.info("Without pandas here, the report waits: %s", invocation("report", RUN=directory.path))
            return None
        command = [sys.executable, "-m", "reports", "run", "--index", str(directory.path.absolute())]
        # In a session of its own: Ctrl-C ends Locust, not the report of what it did.
        reporting = subprocess.Popen(command, cwd=PACKAGES, start_new_session=True)
        self._finishing.append(reporting)
        return reporting

    def _wait_for_reports(self, **_: Any) -> None:
        self._quitting = True
        if self._environment.runner is not None:
            self._environment.runner.stop()
        for process in self._finishing:
            process.wait()
