"""Tells a Locust worker that is busy from one that is dead.

Locust's master takes a worker for dead after three seconds without a heartbeat. A worker that opens thousands
of sessions at once is alive and may be silent for longer, so it gets more time. A worker that is a child of
the master counts as dead a moment after its process has ended, another one after its connection was closed:
its last messages may still be on their way, or it may connect again.
"""

import time

import gevent
import psutil
from locust import runners

from loadtests.load.workers.generators import Generators

_SECONDS = 0.5
_PATIENCE_SECONDS = 45
_LAST_MESSAGES_SECONDS = 2.0
_RECONNECT_SECONDS = 5.0


class WorkerWatch:
    """Corrects what one Locust master knows of its workers' lives."""

    def __init__(self, runner: runners.MasterRunner, generators: Generators) -> None:
        runners.HEARTBEAT_LIVENESS = _PATIENCE_SECONDS // runners.HEARTBEAT_INTERVAL
        for worker in runner.clients.all:
            # It was there before, and may be busy from its first moment on.
            worker.heartbeat = runners.HEARTBEAT_LIVENESS
        self._generators = generators
        gevent.spawn(self._watch, runner)

    def _watch(self, runner: runners.MasterRunner) -> None:
        ended_at: dict[str, float] = {}
        while True:
            gevent.sleep(_SECONDS)
            now = time.monotonic()
            for worker in runner.clients.all:
                known = self._generators.known.get(worker.id)
                if known is None:
                    continue
                if known.process is not None and not _is_alive(known.process):
                    is_dead = now - ended_at.setdefault(worker.id, now) >= _LAST_MESSAGES_SECONDS
                else:
                    closed_at = known.unreachable_since
                    is_dead = closed_at is not None and now - closed_at >= _RECONNECT_SECONDS
                if is_dead:
                    worker.heartbeat = min(worker.heartbeat, -1)  # what Locust itself looks at, every second


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
