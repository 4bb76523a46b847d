"""A worker's side of what its master knows of it: it introduces itself, and answers calls."""

import logging
import time
from dataclasses import asdict
from typing import Any

import gevent
import psutil
from locust.env import Environment
from locust.runners import MASTER_HEARTBEAT_TIMEOUT, WorkerRunner

from loadtests.clock import now
from loadtests.errors import EXIT_MASTER_LOST, EXIT_REFUSED
from loadtests.load.loop_lag import LoopLag
from loadtests.load.workers.generators import ANSWER, CALL, HERE, REFUSED, USED
from loadtests.load.workers.introduction import introduction
from loadtests.load.workers.usage import usage_of

logger = logging.getLogger(__name__)


class Presence:
    """Listens to the master of one Locust worker."""

    def __init__(self, environment: Environment, lag: LoopLag) -> None:
        runner = environment.runner
        assert isinstance(runner, WorkerRunner)
        self._environment = environment
        self._runner = runner
        self._lag = lag
        self._process = psutil.Process()
        runner.register_message(CALL, self._answer)
        runner.register_message(REFUSED, self._give_up)
        runner.send_message(HERE, dict(introduction()))
        environment.events.test_stop.add_listener(self._tell_usage)
        environment.events.quitting.add_listener(self._note_silence)

    def _answer(self, msg: Any, **_: Any) -> None:
        received_at = now()
        answer = {
            "asked_at": msg.data["at"],
            "received_at": received_at,
            "users": self._runner.user_count,
            "usage": self._usage(),
        }
        self._runner.send_message(ANSWER, answer | {"at": now()})

    def _tell_usage(self, **_: Any) -> None:
        """What was used since the last call, which belongs to a test that is over."""
        self._runner.send_message(USED, {"usage": self._usage(), "at": now()})

    def _usage(self) -> dict[str, Any]:
        lag = {"lag_s": self._lag.take_p99_s(), "worst_lag_s": self._lag.worst_s}
        return asdict(usage_of(self._process)) | lag

    def _give_up(self, msg: Any, **_: Any) -> None:
        logger.error("The master takes no part of this worker: %s", msg.data["why"])
        self._environment.process_exit_code = EXIT_REFUSED
        gevent.spawn(self._runner.quit)

    def _note_silence(self, **_: Any) -> None:
        heard_at = self._runner.last_heartbeat_timestamp
        if heard_at and time.time() - heard_at > MASTER_HEARTBEAT_TIMEOUT:
            self._environment.process_exit_code = EXIT_MASTER_LOST
