"""The batch scenario in Locust: opens the barrier when all users are there, ends the test when all are done.

Each process has a barrier of its own. They open together, for the master tells its workers when the last of
them has started its users; and the master ends the test when every worker has said that its users are done.
"""

import os
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, Runner, WorkerRunner

from loadtests.load.barrier import Barrier
from loadtests.load.users import OpenEnvUser

_DONE = "openenv-batch-done"
_POLL_SECONDS = 0.02
_SPAWN_SECONDS = "30"


class Batch:
    """Listens to one Locust environment; does nothing in tests of another scenario."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._done_workers: set[str] = set()
        self._watching: gevent.Greenlet | None = None
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(_DONE, self._note_done)
            # How long the master waits for its workers to start their users, before it says that they have.
            os.environ.setdefault("LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP", _SPAWN_SECONDS)
        environment.events.test_start.add_listener(self._start)
        environment.events.spawning_complete.add_listener(self._begin)

    def _start(self, **_: Any) -> None:
        self._done_workers.clear()
        if self._watching is not None:
            self._watching.kill(block=False)
            self._watching = None
        options = self._environment.parsed_options
        OpenEnvUser.barrier = Barrier() if options is not None and options.scenario == "batch" else None

    def _begin(self, **_: Any) -> None:
        runner = self._environment.runner
        barrier = OpenEnvUser.barrier
        if runner is None or barrier is None or self._watching is not None:
            return
        barrier.expect(len(runner.user_greenlets))
        self._watching = gevent.spawn(self._end_after_the_last, runner)

    def _end_after_the_last(self, runner: Runner) -> None:
        runner.user_greenlets.join()
        if isinstance(runner, WorkerRunner):
            runner.send_message(_DONE)
            return
        if isinstance(runner, MasterRunner):
            while any(
                worker.id not in self._done_workers and worker.state != STATE_MISSING
                for worker in runner.clients.all
            ):
                gevent.sleep(_POLL_SECONDS)
        options = self._environment.parsed_options
        if options is not None and options.headless:
            runner.quit()
        else:
            runner.stop()

    def _note_done(self, msg: Any, **_: Any) -> None:
        self._done_workers.add(msg.node_id)
