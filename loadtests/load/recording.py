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
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
import pyarrow as pa
from gevent.lock import RLock
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests.commands import invocation
from loadtests.errors import EXIT_ROWS_LOST, EXIT_WORKER_LOST
from loadtests.load.recorder import Recorder
from loadtests.load.users import OpenEnvUser
from loadtests.machine import machine, versions
from loadtests.places import PACKAGES
from reports.records.run_directory import RunDirectory, RunDirectoryError, StreamWriter
from reports.records.schema import SCHEMA_VERSION, STEPS, RunConfig, RunJson, Slo, Topology

DEFAULT_SLO = Slo(success_rate=0.95, total_p99_s=None)

_ROWS = "openenv-rows"
_FINISH = "openenv-finish"
_COLLECT_SECONDS = 10.0

logger = logging.getLogger(__name__)


class Recording:
    """Listens to one Locust environment and records each of its tests as a run."""

    def __init__(self, environment: Environment, options: Namespace) -> None:
        self._environment = environment
        self._options = options
        self._recorder: Recorder | None = None
        self._writer: StreamWriter | None = None
        self._directory: RunDirectory | None = None
        self._received: deque[bytes] = deque()
        self._stopping = RLock()
        self._finishing: list[subprocess.Popen[bytes]] = []
        self._is_worker = isinstance(environment.runner, WorkerRunner)
        self._recording_workers: set[str] = set()
        self._finished_workers: set[str] = set()
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(_ROWS, self._receive)
        elif isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(_FINISH, self._finish, concurrent=True)
        environment.events.test_start.add_listener(self._start)
        environment.events.test_stop.add_listener(self._stop)
        environment.events.quitting.add_listener(self._wait_for_reports)

    def _start(self, **_: Any) -> None:
        runner = self._environment.runner
        workers = runner.clients.all if isinstance(runner, MasterRunner) else []
        self._recording_workers = {worker.id for worker in workers if worker.state != STATE_MISSING}
        self._finished_workers.clear()
        self._received.clear()
        if not self._is_worker and not self._open():
            return
        if not isinstance(runner, MasterRunner):
            self._recorder = Recorder(self._deliver)
            self._recorder.start()
            OpenEnvUser.recorder = self._recorder

    def _stop(self, **_: Any) -> None:
        # Locust may end one test twice, as when it is told to stop while it stops: the second waits.
        with self._stopping:
            OpenEnvUser.recorder = None
            recorder, self._recorder = self._recorder, None
            directory, self._directory = self._directory, None
            lost = recorder.stop() if recorder is not None else 0
            runner = self._environment.runner
            if isinstance(runner, WorkerRunner):
                runner.send_message(_ROWS, {"final": True})
            elif isinstance(runner, MasterRunner) and directory is not None:
                self._collect(runner)
            if directory is not None:
                self._close(directory, lost)

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
            logger.error("Rows are missing from %s: they could not be written", directory.path)
            self._environment.process_exit_code = EXIT_ROWS_LOST
        if not self._options.run_directory:
            self._report(directory)

    def _open(self) -> bool:
        if self._options.run_directory:
            self._directory = RunDirectory(Path(self._options.run_directory))
        else:
            try:
                self._directory = RunDirectory.create(Path(self._options.results), self._options.transport)
                self._directory.write_run(self._run_json(self._directory))
            except RunDirectoryError as error:
                logger.error("Nothing is recorded: %s", error)  # noqa: TRY400 - one line says it
                self._environment.process_exit_code = EXIT_ROWS_LOST
                return False
            logger.info("Recording to %s", self._directory.path)
        try:
            self._writer = StreamWriter(self._directory.steps_stream, STEPS)
        except OSError as error:
            logger.error("Nothing is recorded: %s", error)  # noqa: TRY400
            self._environment.process_exit_code = EXIT_ROWS_LOST
            return False
        return True

    def _deliver(self, batch: pa.RecordBatch) -> None:
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(_ROWS, {"batch": batch.serialize().to_pybytes()})
        elif self._writer is not None:
            self._writer.append(batch)

    def _receive(self, msg: Any, **_: Any) -> None:
        self._recording_workers.add(msg.node_id)
        if msg.data.get("final"):
            self._finished_workers.add(msg.node_id)
            return
        self._received.append(msg.data["batch"])
        if self._writer is not None:
            try:
                self._write_received(self._writer)
            except OSError as error:
                logger.error("%d batches wait to be recorded: %s", len(self._received), error)  # noqa: TRY400

    def _write_received(self, writer: StreamWriter) -> None:
        while self._received:
            writer.append_serialized(self._received[0])
            self._received.popleft()

    def _collect(self, runner: MasterRunner) -> None:
        """Waits for the last rows of every worker.

        When its time is up, Locust's master ends the test before it tells the workers, so they are told here.
        """
        runner.send_message(_FINISH)
        deadline = time.monotonic() + runner.environment.stop_timeout + _COLLECT_SECONDS
        while time.monotonic() < deadline and any(
            worker.id not in self._finished_workers and worker.state != STATE_MISSING
            for worker in runner.clients.all
        ):
            gevent.sleep(0.05)
        if lost := self._recording_workers - self._finished_workers:
            logger.error(
                "%d of %d Locust workers died during the test", len(lost), len(self._recording_workers)
            )
            self._environment.process_exit_code = EXIT_WORKER_LOST

    def _finish(self, **_: Any) -> None:
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.stop()
            self._stop()

    def _run_json(self, directory: RunDirectory) -> RunJson:
        template: dict[str, Any] = {}
        if self._options.run_template:
            template = json.loads(Path(self._options.run_template).read_text())
        return RunJson(
            kind="run",
            schema_version=SCHEMA_VERSION,
            run_id=directory.path.name,
            status="running",
            started_at=time.time(),
            ended_at=None,
            config=self._config(template.get("config", {})),
            topology=template.get("topology", Topology(replicas=None, workers=None, hosts=[], names={})),
            versions=template.get("versions", {}) | versions(),
            machine=machine(),
        )

    def _config(self, template: dict[str, Any]) -> RunConfig:
        options = self._options
        load = OpenEnvUser.options
        runner = self._environment.runner
        assert runner is not None
        classes = self._environment.user_classes
        config = RunConfig(
            deployment=template.get("deployment", "url"),
            url=self._environment.host or "",
            transport="http" if all(getattr(c, "transport", "") == "http" for c in classes) else "ws",
            users=runner.target_user_count,
            spawn_rate=float(options.spawn_rate or 1),
            duration_s=options.run_time,
            wait=load.wait.text,
            think_time=load.think_time.text,
            steps_per_episode=load.steps_per_episode,
            connect_timeout_s=load.connect_timeout_s,
            step_timeout_s=load.step_timeout_s,
            action=load.actions.constant if load.actions else None,
            balancing=template.get("balancing"),
            reuse_port=template.get("reuse_port"),
            scenario=options.scenario,
            processes=options.processes or 1,
            slo=template.get("slo", DEFAULT_SLO),
        )
        if load.actions and (described := load.actions.described()):
            config["actions"] = described
        if urlsplit(config["url"]).scheme in ("https", "wss"):
            config["tls_verified"] = load.access.verify_tls
        return config

    def _report(self, directory: RunDirectory) -> None:
        if find_spec("pandas") is None:
            logger.info("Without pandas here, the report waits: %s", invocation("report", RUN=directory.path))
            return
        command = [sys.executable, "-m", "loadtests", "finish", str(directory.path.absolute())]
        # In a session of its own: Ctrl-C ends Locust, not the report of what it did.
        self._finishing.append(subprocess.Popen(command, cwd=PACKAGES, start_new_session=True))

    def _wait_for_reports(self, **_: Any) -> None:
        if not self._is_worker and self._environment.runner is not None:
            self._environment.runner.stop()
        for process in self._finishing:
            process.wait()
