"""The simulated users: each connects, resets and steps, and records every operation."""

import itertools
import json
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import gevent
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING

from loadtests.actions.choice import asked_wait
from loadtests.actions.policy import PolicyError, checked, not_json, policy_failure
from loadtests.clock import unix_time
from loadtests.load.backoff import Backoff
from loadtests.load.barrier import Barrier
from loadtests.load.groups import Groups
from loadtests.load.options import LoadOptions
from loadtests.load.policy_times import PolicyTimes
from loadtests.load.policy_watch import PolicyWatch
from loadtests.load.recorder import Recorder
from loadtests.load.replay import Replay
from loadtests.load.schedule import Schedule
from loadtests.load.trace import TraceStep
from loadtests.machine import process_name
from loadtests.protocol.frames import TextFrame
from loadtests.protocol.http import HttpClient
from loadtests.protocol.replies import NOBODY, Answer, OperationError, parse_http
from loadtests.protocol.websocket import RESET, WebSocketSession, step_message
from reports.records.schema import USERS_A_PROCESS, ArrivalsJson, Op, Transport

Request = tuple[bytes, float | None]
"""What a step sends, and the seconds that it asks the environment to wait."""

_RESET_FRAME = TextFrame.of(RESET)
_OVERDUE_SECONDS = 5.0


class OpenEnvUser(User):
    """What users of both transports share: identity, the episode, and how an operation is recorded.

    A locustfile of one's own may subclass OpenEnvWebSocketUser or OpenEnvHttpUser and override `act`.
    """

    abstract = True
    transport: ClassVar[Transport]
    request_type: ClassVar[str]
    options: ClassVar[LoadOptions]
    recorder: ClassVar[Recorder | None] = None
    barrier: ClassVar[Barrier | None] = None
    """Where the users of a batch wait for each other; None: they step until the load ends."""
    schedule: ClassVar[Schedule | None] = None
    """When sessions or steps arrive in the open model; None: the closed one."""
    replay: ClassVar[Replay | None] = None
    """Which sessions of a trace are played, and when; None: there is no trace."""
    groups: ClassVar[Groups | None] = None
    """Whose rollouts start together; None: there are no groups."""
    policy_times: ClassVar[PolicyTimes | None] = None
    """Where the time of each call of a policy is counted; None: nowhere."""
    policy_watch: ClassVar[PolicyWatch | None] = None
    """Is told how a policy failed."""
    _acts: ClassVar[bool] = False
    """Whether `act` picks the actions."""
    _requests: ClassVar[Sequence[Request]] = ()
    """One for every action that steps may take; empty if each step draws a wait."""
    _longest_s: ClassVar[float] = 0.0
    """The longest that a successful operation of this process has taken beyond its wait."""
    _numbers: ClassVar["itertools.count[int]"] = itertools.count()

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._generator = process_name()
        self._become_another()
        self._intended: float | None = None
        """When the next operation was due, as `time.perf_counter` counts; None where no schedule says."""
        self._stands_for: float | None = None
        """When the step was due that cannot be sent, should the next operation before it fail."""
        self._observation: dict[str, Any] = {}
        self._reward: float | None = None
        self._responded_by = NOBODY
        """Who answers, as far as headers tell."""

    @classmethod
    def count_anew(cls) -> None:
        """The users of another test are to come: numbers begin at 0."""
        OpenEnvUser._numbers = itertools.count()

    @classmethod
    def counted_arrivals(cls) -> ArrivalsJson | None:
        """What became of this process's arrivals; None in the closed model."""
        given = OpenEnvUser.schedule or OpenEnvUser.replay
        return given.counted() if given is not None else None

    def _become_another(self) -> None:
        """Takes a number that no user of the run has had, and begins as that user would."""
        runner = self.environment.runner
        process = max(runner.worker_index, 0) if isinstance(runner, WorkerRunner) else 0
        self._number = process * USERS_A_PROCESS + next(OpenEnvUser._numbers)
        self.__dict__.pop("rng", None)
        self._backoff = Backoff()
        actions = self.options.actions
        self._turns = actions.turns() if actions else itertools.repeat(0)

    @cached_property
    def rng(self) -> random.Random:
        """A source of chance of this user's own, seeded with its number: the same in every run."""
        return random.Random(self._number)

    def act(self, observation: dict[str, Any], reward: float | None, step: int) -> Mapping[str, Any]:
        """Picks the next action as a dict. To play with code of your own, override it in a subclass.

        `observation` is that of the last reset or step, `reward` what that step earned, None after a reset;
        `step` is 0, 1, 2 … within the episode.
        """
        policy = self.options.policy
        if policy is None or policy.act is None:
            raise NotImplementedError(f"{type(self).__name__} has no policy")
        return policy.act(observation, reward, step, self.rng)

    @classmethod
    def has_own_policy(cls) -> bool:
        """Whether the class overrides `act`."""
        return cls.act is not OpenEnvUser.act

    @classmethod
    def prepare(cls) -> None:
        """Encodes each action that the options name, once for all users of this class."""
        policy = cls.options.policy
        cls._acts = cls.has_own_policy() or (policy is not None and policy.act is not None)
        constant = cls.options.wait.constant
        actions = cls.options.actions.values if cls.options.actions else ()
        if not actions and constant is not None:
            actions = [{"wait_seconds": constant}]
        requests = [cls.request_of(action) for action in actions]
        cls._requests = [(cls.ready(message), wait_s) for message, wait_s in requests]

    @classmethod
    def request_of(cls, action: Mapping[str, Any]) -> Request:
        """A step with an action."""
        return cls.encoded(action), asked_wait(action)

    @staticmethod
    def encoded(action: Mapping[str, Any]) -> bytes:
        """A step with an action as the transport sends it."""
        raise NotImplementedError

    @staticmethod
    def ready(message: bytes) -> bytes:
        """A message that will be sent again and again, as far as it can be prepared for that."""
        return message

    @task
    def episode(self) -> None:
        """Resets the environment and steps until the episode's last step, or until the session is over."""
        arrivals = self.options.arrivals
        if self.barrier is not None:
            if self.barrier.wait() and self.begin() and self.reset():
                self.step(self._next_request(0))
            raise StopUser
        if self.groups is not None:
            self._roll_out(self.groups)
        elif self.replay is not None:
            self._replay(self.replay)
        elif self.schedule is None or arrivals is None:
            self._play(None)
        elif arrivals.of == "steps":
            self._play(self.schedule)
        else:
            due = self._await_arrival(self.schedule)
            self._become_another()
            self._play(None)
            self.leave()
            self.schedule.in_system.leave(due)

    def _roll_out(self, groups: Groups) -> None:
        """One rollout: with the others of the group, in a session of its own, as long as is drawn."""
        if not groups.start_together(self._number % USERS_A_PROCESS):
            raise StopUser
        self._play(None, steps=max(1, round(self.options.rollout_steps.draw())))
        self.leave()

    def _replay(self, replay: Replay) -> None:
        """One session of a trace, in a session of its own: each step is sent when the trace says.

        A step that is due while the session waits for a reply follows it at once. Where there is no session,
        one is asked for whenever a step is due, and the step fails with that.
        """
        if (session := replay.take()) is None:
            raise StopUser
        self._become_another()
        ready = self.begin() and self.reset()
        steps, number = deque(session.steps()), 0
        while steps:
            step = steps.popleft()
            if (due := replay.begin(step.at_s)) is None:
                raise StopUser
            if not ready:
                ready, number = self._ready_late(due), 0
            if not ready:
                replay.in_system.leave(due)
                continue
            self._intended = due
            answer, error = self.step(self._request_of(step, number))
            replay.in_system.leave(due)
            number += 1
            if error is not None and error.session_over:
                ready = False
            if steps and (not ready or answer.done or number == self.options.steps_per_episode):
                ready, number = self.begin() and self.reset(), 0
        self.leave()

    def _ready_late(self, due: float) -> bool:
        """Whether there is a session now for a step that is due; that step has failed where there is none."""
        self._stands_for = due
        ready = self.begin() and self.reset()
        self._stands_for = None
        return ready

    def _request_of(self, step: TraceStep, number: int) -> Request:
        """What a trace's step, of that number in its episode, sends: its action, or what the options say."""
        return self._next_request(number) if step.action is None else self.request_of(step.action)

    def _await_arrival(self, schedule: Schedule) -> float:
        """Waits for an arrival, which the next operation answers, and returns when it was due.

        Ends the user where there are no more.
        """
        if (due := schedule.take()) is None:
            raise StopUser
        self._intended = due
        return due

    def _play(self, schedule: Schedule | None, steps: int = 0) -> None:
        """One episode, of so many steps at most. With a schedule each step waits until one is due.

        There is no pause after the last step of a session that is left then.
        """
        options = self.options
        leaves = bool(steps) or (schedule is None and self.schedule is not None)
        most = steps or options.steps_per_episode
        ready = self.begin() and self.reset()
        if schedule is not None:
            schedule.gather()
        if not ready:
            # A session that arrived is over with that, and its user free for the next one.
            if schedule is not None or self.schedule is None:
                gevent.sleep(self._backoff.after_failure())
            return
        for number in range(most) if most else itertools.count():
            due = self._await_arrival(schedule) if schedule is not None else 0.0
            answer, error = self.step(self._next_request(number))
            if schedule is not None:
                schedule.in_system.leave(due)
            if error is None:
                self._backoff.after_success()
            elif self.schedule is None or not (schedule or error.session_over):
                gevent.sleep(self._backoff.after_failure())
            if answer.done or (error is not None and error.session_over):
                return
            if self._state == LOCUST_STATE_STOPPING or (leaves and number + 1 == most):
                return
            if seconds := options.think_time.draw():
                gevent.sleep(seconds)

    def _next_request(self, step: int) -> Request:
        if self._acts:
            return self._played(step)
        if self._requests:
            return self._requests[next(self._turns)]
        return self.request_of({"wait_seconds": self.options.wait.draw()})

    def _played(self, step: int) -> Request:
        """The step that `act` picks. Where it fails, the test ends."""
        start = time.perf_counter()
        try:
            action = self._picked(step)
            if self.policy_times is not None:
                self.policy_times.add(time.perf_counter() - start)
            return self._sendable(action)
        except PolicyError as error:
            if self.policy_watch is not None:
                self.policy_watch.note(str(error))
            raise StopUser from None

    def _picked(self, step: int) -> dict[str, Any]:
        try:
            action = self.act(self._observation, self._reward, step)
        except StopUser:
            raise
        except Exception as error:
            policy = self.options.policy
            given = policy.act if policy is not None else None
            raise policy_failure(error, given or type(self).act) from None
        return checked(action)

    def _sendable(self, action: dict[str, Any]) -> Request:
        try:
            request = self.request_of(action)
            if b"NaN" in request[0] or b"Infinity" in request[0]:
                json.dumps(action, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise not_json(action, error) from None
        return request

    def begin(self) -> bool:
        """Prepares for a reset; False if that failed."""
        return True

    def leave(self) -> None:
        """Lets go of the server."""

    def reset(self) -> bool:
        """Resets the environment; False if that failed."""
        raise NotImplementedError

    def step(self, request: Request) -> tuple[Answer, OperationError | None]:
        """Takes one step."""
        raise NotImplementedError

    def operate(
        self,
        op: Op,
        perform: Callable[[], Answer],
        wait_s: float | None = None,
    ) -> tuple[Answer, OperationError | None]:
        """Performs an operation, times it, and reports it to the recorder and to Locust's statistics."""
        error: OperationError | None = None
        stopped = False
        start = time.perf_counter()
        try:
            answer = perform()
        except OperationError as failure:
            error = failure
            answer = NOBODY
        except gevent.GreenletExit:
            if (hung := self._hung(time.perf_counter() - start, wait_s)) is None:
                raise
            error, stopped = hung, True
            answer = NOBODY
        latency_s = time.perf_counter() - start
        intended, self._intended = self._intended, None
        if error is not None and op != "step":
            intended, self._stands_for = self._stands_for or intended, None
        if error is None and latency_s - (wait_s or 0.0) > OpenEnvUser._longest_s:
            OpenEnvUser._longest_s = latency_s - (wait_s or 0.0)
        if self._acts and answer.observation is not None:
            self._observation = answer.observation
            self._reward = answer.reward if op == "step" else None
        who = answer
        if answer.host is None and (error is None or error.replied):
            who = self._responded_by
        if self.recorder is not None:
            self.recorder.append(
                (
                    unix_time(start),
                    None if intended is None else unix_time(intended),
                    op,
                    self.transport,
                    latency_s,
                    wait_s,
                    answer.waited_s,
                    who.host,
                    who.pid,
                    answer.session_hash,
                    answer.step_count,
                    answer.server_timestamp,
                    self._number,
                    self._generator,
                    error.category if error else None,
                    error.detail if error else None,
                    answer.reward,
                    answer.done,
                )
            )
        self.environment.events.request.fire(
            request_type=self.request_type,
            name=op,
            response_time=(latency_s if intended is None else latency_s + start - intended) * 1000,
            response_length=answer.size,
            exception=error,
            context=self.context(),
        )
        if stopped:
            raise gevent.GreenletExit
        return answer, error

    def _hung(self, elapsed_s: float, wait_s: float | None) -> OperationError | None:
        """The failure of an operation that the end of the load cuts off; None if it was merely in flight.

        Without it a server that has stopped answering would look healthy whenever the load ends before the
        first time-out.
        """
        overdue_s = elapsed_s - (wait_s or 0.0)
        if overdue_s < max(_OVERDUE_SECONDS, 2 * OpenEnvUser._longest_s):
            return None
        return OperationError("timeout", f"no reply after {elapsed_s:.1f} s, when the load ended")


class OpenEnvWebSocketUser(OpenEnvUser):
    """Holds one session on one WebSocket: connects, resets, steps."""

    transport = "ws"
    request_type = "WS"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._session: WebSocketSession | None = None

    @staticmethod
    def encoded(action: Mapping[str, Any]) -> bytes:
        return step_message(action)

    @staticmethod
    def ready(message: bytes) -> bytes:
        return TextFrame.of(message)

    def begin(self) -> bool:
        if self._session is not None:
            return True
        self._responded_by = NOBODY
        _, error = self.operate("connect", self._connect)
        return error is None

    def reset(self) -> bool:
        _, error = self._request("reset", _RESET_FRAME, None)
        return error is None

    def step(self, request: Request) -> tuple[Answer, OperationError | None]:
        return self._request("step", *request)

    def leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def on_stop(self) -> None:
        self.leave()

    def _connect(self) -> Answer:
        assert self.host is not None
        self._session = WebSocketSession(self.host, self.options.access, self.options.connect_timeout_s)
        self._responded_by = self._session.served_by()
        return NOBODY

    def _request(self, op: Op, message: bytes, wait_s: float | None) -> tuple[Answer, OperationError | None]:
        session = self._session
        assert session is not None
        timeout_s = self.options.step_timeout_s
        answer, error = self.operate(
            op, lambda: session.request(message, timeout_s, whole=self._acts), wait_s
        )
        if error is not None and error.session_over:
            session.close()
            self._session = None
        return answer, error


class OpenEnvHttpUser(OpenEnvUser):
    """Sends stateless HTTP requests: reset, steps."""

    transport = "http"
    request_type = "HTTP"

    @cached_property
    def _client(self) -> HttpClient:
        assert self.host is not None
        return HttpClient(self.host, self.options.access, self.options.connect_timeout_s)

    @staticmethod
    def encoded(action: Mapping[str, Any]) -> bytes:
        return json.dumps({"action": action}).encode()

    def reset(self) -> bool:
        _, error = self._post("reset", b"{}", None)
        return error is None

    def step(self, request: Request) -> tuple[Answer, OperationError | None]:
        return self._post("step", *request)

    def leave(self) -> None:
        if (client := self.__dict__.pop("_client", None)) is not None:
            client.close()

    def on_stop(self) -> None:
        self.leave()

    def _post(self, op: Op, body: bytes, wait_s: float | None) -> tuple[Answer, OperationError | None]:
        def perform() -> Answer:
            self._responded_by = NOBODY
            response = self._client.post(f"/{op}", body, self.options.step_timeout_s)
            self._responded_by = response.served_by(self.options.access.upstream_header)
            return parse_http(response.status, response.content(), whole=self._acts)

        return self.operate(op, perform, wait_s)
