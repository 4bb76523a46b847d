"""Ends the test when a policy fails or a worker cannot start, and says why once, whichever process it was."""

import logging
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.errors import EXIT_POLICY_FAILED

_FAILED = "openenv-policy-failed"

logger = logging.getLogger(__name__)


class PolicyWatch:
    """Listens to one Locust environment; a worker tells its master."""

    def __init__(self, environment: Environment) -> None:
        self.failure: str | None = None
        """How the policy failed in this test; None if it did not."""
        self._environment = environment
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(_FAILED, self._receive)
        environment.events.test_start.add_listener(self._start)

    def note(self, message: str) -> None:
        """Ends the test, because a policy failed as `message` says; does nothing if that is known."""
        if self.failure is not None:
            return
        self.failure = message
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(_FAILED, {"message": message})
            return
        logger.error("The test ends: %s", message)
        gevent.spawn(self._end)

    def _start(self, **_: Any) -> None:
        self.failure = None

    def _receive(self, msg: Any, **_: Any) -> None:
        self.note(msg.data["message"])

    def _end(self) -> None:
        runner, options = self._environment.runner, self._environment.parsed_options
        if runner is None:
            return
        if options is not None and options.headless:
            self._environment.process_exit_code = EXIT_POLICY_FAILED
            runner.quit()
        else:
            runner.stop()
