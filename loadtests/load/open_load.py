"""The open model in Locust: gives each process its share of the arrivals, and starts and ends its schedule.

Arrivals are dealt out in turn: of P processes the i-th takes every P-th arrival from the i-th on. So
are the sessions of a trace.
"""

import itertools
from typing import Any

from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtests.load.replay import Replay
from loadtests.load.schedule import Schedule
from loadtests.load.users import OpenEnvUser


class OpenLoad:
    """Listens to one Locust environment; in the closed model there is no schedule."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        environment.events.test_start.add_listener(self._start)
        environment.events.spawning_complete.add_listener(self._expect)
        environment.events.test_stopping.add_listener(self._end)

    def _start(self, **_: Any) -> None:
        runner, options = self._environment.runner, self._environment.parsed_options
        arrivals, trace = OpenEnvUser.options.arrivals, OpenEnvUser.options.trace
        OpenEnvUser.schedule = OpenEnvUser.replay = None
        if (arrivals is None and trace is None) or options is None:
            return
        if isinstance(runner, MasterRunner):
            # The workers get these with the order to start.
            options.sharing = [worker.id for worker in runner.clients.all if worker.state != STATE_MISSING]
            options.load_seconds = options.run_time
            return
        share, shares, length_s = 0, 1, options.run_time
        if isinstance(runner, WorkerRunner):
            share, shares = options.sharing.index(runner.client_id), len(options.sharing)
            length_s = options.load_seconds
        if arrivals is None:
            OpenEnvUser.replay = Replay(trace, share, shares) if trace is not None else None
            return
        times = arrivals.times(float(length_s) if length_s else None)
        OpenEnvUser.schedule = Schedule(
            itertools.islice(times, share, None, shares), gathers=arrivals.of == "steps"
        )

    def _expect(self, **_: Any) -> None:
        runner, schedule = self._environment.runner, OpenEnvUser.schedule
        if schedule is not None and runner is not None:
            schedule.expect(len(runner.user_greenlets))

    def _end(self, **_: Any) -> None:
        for given in (OpenEnvUser.schedule, OpenEnvUser.replay):
            if given is not None:
                given.close()
