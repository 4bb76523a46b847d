"""The open model in Locust: gives each process its share of the arrivals, starts and ends its schedule."""

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
        if options is None:
            return
        if isinstance(runner, MasterRunner):
            # The workers get these with the order to start; any shape has to have an end.
            options.sharing = [worker.id for worker in runner.clients.all if worker.state != STATE_MISSING]
            options.load_seconds = options.run_time
            return
        if arrivals is None and trace is None:
            return
        part: int | None = 0
        parts, length_s = 1, options.run_time
        if isinstance(runner, WorkerRunner):
            sharing, length_s = options.sharing, options.load_seconds
            # One that joined during the test has no share: the others have all of it.
            part = sharing.index(runner.client_id) if runner.client_id in sharing else None
            parts = len(sharing)
        if arrivals is None:
            OpenEnvUser.replay = Replay(trace, part, parts) if trace is not None else None
            return
        times = arrivals.share(float(length_s) if length_s else None, part, parts)
        OpenEnvUser.schedule = Schedule(times, gathers=arrivals.of == "steps")

    def _expect(self, **_: Any) -> None:
        runner, schedule = self._environment.runner, OpenEnvUser.schedule
        if schedule is not None and runner is not None:
            schedule.expect(len(runner.user_greenlets))

    def _end(self, **_: Any) -> None:
        for given in (OpenEnvUser.schedule, OpenEnvUser.replay):
            if given is not None:
                given.close()
