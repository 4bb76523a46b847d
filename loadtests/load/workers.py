"""Tells a Locust worker that is busy from one that is dead.

Locust's master takes a worker for dead after three seconds without a heartbeat. A worker that opens thousands
of sessions at once is alive and may be silent for longer, so it gets more time. A worker that is a child of
the master counts as dead a moment after its process has ended: its last messages may still be on their way.
"""

import os
import time
from typing import Any

import gevent
import psutil
from locust import runners
from locust.env import Environment

_PROCESS = "openenv-process"
_SECONDS = 0.5
_PATIENCE_SECONDS = 45
_LAST_MESSAGES_SECONDS = 2.0


class WorkerWatch:
    """Corrects what one Locust master knows of its workers' lives; in a worker, says which process it is."""

    def __init__(self, environment: Environment) -> None:
        self._processes: dict[str, psutil.Process] = {}
        runner = environment.runner
        if isinstance(runner, runners.WorkerRunner):
            environment.events.test_start.add_listener(
                lambda **_: runner.send_message(_PROCESS, {"pid": os.getpid()})
            )
        elif isinstance(runner, runners.MasterRunner):
            runners.HEARTBEAT_LIVENESS = _PATIENCE_SECONDS // runners.HEARTBEAT_INTERVAL
            for worker in runner.clients.all:
                # It was there before, and may be busy from its first moment on.
                worker.heartbeat = runners.HEARTBEAT_LIVENESS
            runner.register_message(_PROCESS, self._note)
            gevent.spawn(self._watch, runner)

    def _note(self, msg: Any, **_: Any) -> None:
        for child in psutil.Process().children():
            if child.pid == msg.data["pid"]:
                self._processes[msg.node_id] = child

    def _watch(self, runner: runners.MasterRunner) -> None:
        ended_at: dict[str, float] = {}
        while True:
            gevent.sleep(_SECONDS)
            now = time.monotonic()
            for worker in runner.clients.all:
                process = self._processes.get(worker.id)
                if process is None or _is_alive(process):
                    continue
                if now - ended_at.setdefault(worker.id, now) >= _LAST_MESSAGES_SECONDS:
                    worker.heartbeat = min(worker.heartbeat, -1)  # what Locust itself looks at, every second


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
