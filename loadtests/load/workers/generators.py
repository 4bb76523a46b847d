"""The workers as their master knows them: each introduces itself, and answers a call every second.

An answer says what the worker's clock shows, how many users it has and what it uses; what it used last, it
says at the end of a test. A worker that runs other code than the master, or another Locust, is refused.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
import psutil
import zmq
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner

from loadtests.clock import now
from loadtests.load.workers.clocks import ClockComparison, ClockSample, clock_sample
from loadtests.load.workers.introduction import introduction, refusal
from loadtests.machine import machine_of, process_name

HERE = "openenv-here"
CALL = "openenv-call"
ANSWER = "openenv-answer"
USED = "openenv-used"
REFUSED = "openenv-refused"

_SECONDS = 1.0
_FIRST_CALLS = 8
"""Calls at once, so that a clock is known well before the load."""
_INTRODUCTION_SECONDS = 15.0
_FRESH_SECONDS = 10.0

logger = logging.getLogger(__name__)


@dataclass
class Generator:
    """A worker process that has introduced itself."""

    name: str
    """`host:pid`, as in the steps table."""
    process: psutil.Process | None
    """Where it is a child of the master."""
    unreachable_since: float | None = None
    """Since when its connection is closed, by the monotonic clock; None: it is open."""
    heard_at: float = 0.0
    """By the master's clock, in Unix time."""
    users: int = 0
    clock: ClockComparison = field(default_factory=ClockComparison)
    clock_at_start: ClockSample | None = None
    usage: Mapping[str, Any] | None = None
    """What it said last that it uses, `at` by the master's clock; None once that is recorded."""

    def note_usage(self, usage: Mapping[str, Any], at: float) -> None:
        """Notes what it uses, `at` by its own clock, unless nobody knows yet what that shows."""
        if (clock := self.clock.best) is not None:
            lags = [each["lag_s"] for each in (self.usage, usage) if each is not None]
            lag_s = max((lag for lag in lags if lag is not None), default=None)
            self.usage = {**usage, "at": at - clock.offset_s, "lag_s": lag_s}


class Generators:
    """Listens to the workers of one Locust master."""

    def __init__(self, environment: Environment) -> None:
        runner, options = environment.runner, environment.parsed_options
        assert isinstance(runner, MasterRunner)
        self.known: dict[str, Generator] = {}
        """By Locust's name for the worker; those that have gone since the test started too."""
        self.refused: list[str] = []
        """Why workers could not take part, a sentence each."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the list of those that are present changes, or a worker is refused."""
        self._runner = runner
        self._options = options
        self._expected = options.expect_workers if options is not None and options.headless else 0
        self._unknown: dict[str, float] = {}
        self._last_seen: tuple[object, ...] = ()
        runner.register_message(HERE, self._greet)
        runner.register_message(ANSWER, self._hear)
        runner.register_message(USED, self._hear_of_usage)
        environment.events.worker_connect.add_listener(self._connected)
        environment.events.test_start.add_listener(self._start)
        gevent.spawn(self._call_each_second)

    @property
    def present(self) -> list[Generator]:
        """Those that are connected and were heard a moment ago."""
        least = now() - _FRESH_SECONDS
        clients = self._runner.clients
        return [each for id_, each in self.known.items() if id_ in clients and each.heard_at >= least]

    def name_of(self, worker: str) -> str:
        """What the records call a worker; Locust's name for it where it has not introduced itself."""
        known = self.known.get(worker)
        return known.name if known is not None else worker

    def dismiss(self, worker: str) -> None:
        """Goes on without a worker, and without the users that it has; the test ends with the last worker.

        When a worker quits, Locust hands its users to the others and takes no messages meanwhile, for as long
        as it may wait for them to start.
        """
        runner = self._runner
        client = runner.clients[worker]
        del runner.clients[worker]
        if (dispatcher := runner._users_dispatcher) is not None:
            dispatcher.remove_worker(client)
            if not runner.worker_count:
                headless = self._options is not None and self._options.headless
                gevent.spawn(runner.quit if headless else runner.stop)

    def _start(self, **_: Any) -> None:
        self.known = {id_: each for id_, each in self.known.items() if id_ in self._runner.clients}
        for each in self.known.values():
            each.clock_at_start = each.clock.best

    def _connected(self, client_id: str, **_: Any) -> None:
        if client_id not in self.known:  # it says that it is ready again after each test
            self._unknown[client_id] = time.monotonic()
            self._wait_for_all()

    def _call_each_second(self) -> None:
        while True:
            gone = [id_ for id_ in self._unknown if id_ not in self._runner.clients]
            for worker in self._runner.clients.all:
                since = self._unknown.get(worker.id)
                if since is not None and time.monotonic() - since > _INTRODUCTION_SECONDS:
                    host = worker.id.rpartition("_")[0]
                    self._refuse(
                        worker.id,
                        f"a worker on {host} does not say who it is: it runs another locustfile, or an older "
                        "version of this one",
                    )
                elif worker.id in self.known:
                    self._call(worker.id)
            self._review()
            gevent.sleep(_SECONDS)
            for id_ in gone:  # for a second at least
                if id_ not in self._runner.clients:
                    self._unknown.pop(id_, None)

    def _call(self, worker: str) -> None:
        known, socket = self.known[worker], self._runner.server.socket
        message = Message(CALL, {"at": now()}, worker).serialize()
        # Locust's messages to a worker whose connection is closed vanish without an error.
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        try:
            socket.send_multipart([worker.encode(), message], zmq.NOBLOCK)
            known.unreachable_since = None
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH and known.unreachable_since is None:
                known.unreachable_since = time.monotonic()
        finally:
            socket.setsockopt(zmq.ROUTER_MANDATORY, 0)

    def _greet(self, msg: Any, **_: Any) -> None:
        worker, introduced = msg.node_id, msg.data
        if worker not in self._runner.clients:
            return
        if why := refusal(introduced, introduction()):
            self._refuse(worker, why)
            return
        self.known[worker] = Generator(introduced["name"], _child(introduced["name"]), heard_at=now())
        self._unknown.pop(worker, None)
        self._review()
        self._call(worker)

    def _hear(self, msg: Any, **_: Any) -> None:
        back_at, answer, known = now(), msg.data, self.known.get(msg.node_id)
        if known is None:
            return
        known.heard_at = back_at
        known.users = answer["users"]
        known.clock.add(clock_sample(answer["asked_at"], answer["received_at"], answer["at"], back_at))
        known.note_usage(answer["usage"], answer["at"])
        if len(known.clock) < _FIRST_CALLS:
            self._call(msg.node_id)
        elif len(known.clock) == _FIRST_CALLS:
            self._wait_for_all()

    def _hear_of_usage(self, msg: Any, **_: Any) -> None:
        if (known := self.known.get(msg.node_id)) is not None:
            known.note_usage(msg.data["usage"], msg.data["at"])

    def _refuse(self, worker: str, why: str) -> None:
        logger.error("Refused: %s", why)
        self.refused.append(why)
        self._unknown.pop(worker, None)
        self._runner.send_message(REFUSED, {"why": why}, worker)
        self._runner.send_message("quit", None, worker)
        self.dismiss(worker)
        self._review()

    def _review(self) -> None:
        self._wait_for_all()
        seen = (*(each.name for each in self.present), len(self.refused))
        if seen != self._last_seen:
            self._last_seen = seen
            self.on_change()

    def _wait_for_all(self) -> None:
        """Lets Locust wait for workers that have introduced themselves and whose clocks are known.

        It takes a worker as ready that has merely connected: for each of these one more has to come.
        """
        if self._expected and self._options is not None:
            ready = sum(len(each.clock) >= _FIRST_CALLS for each in self.present)
            others = sum(id_ in self._runner.clients for id_ in self.known) - ready
            self._options.expect_workers = self._expected + len(self._unknown) + others


def _child(name: str) -> psutil.Process | None:
    if machine_of(name) != machine_of(process_name()):
        return None
    return next((each for each in psutil.Process().children() if process_name(each.pid) == name), None)
