"""The pulse of every Locust process that takes part in the load, known where the page is served."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests.load.page.pulse import Meter, Pulse

_PULSE = "openenv-pulse"


class Pulses:
    """Measures this process all the time; a master is told by its workers what they measured."""

    def __init__(self, environment: Environment) -> None:
        self._runner: Any = environment.runner
        self._own: Pulse | None = None
        self._told: dict[str, Pulse] = {}
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(_PULSE, self._note)
        gevent.spawn(self._measure)

    def latest(self) -> list[Pulse]:
        """Of this process, and of workers that are alive."""
        return list(self._latest())

    def _latest(self) -> Iterator[Pulse]:
        if self._own is not None:
            yield self._own
        for worker, pulse in self._told.items():
            known = self._runner.clients.get(worker)
            if known is not None and known.state != STATE_MISSING:
                yield pulse

    def _note(self, msg: Any, **_: Any) -> None:
        self._told[msg.node_id] = Pulse(**msg.data)

    def _measure(self) -> None:
        meter, generates = Meter(), not isinstance(self._runner, MasterRunner)
        while True:
            users = self._runner.user_count if generates else 0
            self._own = meter.measure(users, generates=generates)
            if isinstance(self._runner, WorkerRunner):
                self._runner.send_message(_PULSE, asdict(self._own))
