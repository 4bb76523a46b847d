"""The scenario of rollouts in Locust: makes the groups of a test, and ends them with it."""

from typing import Any

from locust.env import Environment

from loadtests.load.groups import Groups
from loadtests.load.users import OpenEnvUser


class Rollouts:
    """Listens to one Locust environment; there are no groups in tests of another scenario."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        environment.events.test_start.add_listener(self._start)
        environment.events.spawning_complete.add_listener(self._expect)
        environment.events.test_stopping.add_listener(self._end)

    def _start(self, **_: Any) -> None:
        OpenEnvUser.count_anew()
        options = self._environment.parsed_options
        scenario = options.scenario if options is not None else None
        OpenEnvUser.groups = Groups(OpenEnvUser.options.group) if scenario == "rollouts" else None

    def _expect(self, **_: Any) -> None:
        runner = self._environment.runner
        if OpenEnvUser.groups is not None and runner is not None:
            OpenEnvUser.groups.expect(len(runner.user_greenlets))

    def _end(self, **_: Any) -> None:
        if OpenEnvUser.groups is not None:
            OpenEnvUser.groups.close()
