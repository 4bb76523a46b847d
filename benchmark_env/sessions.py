"""Sessions opened at once on a running server: who answered which, how fast, and how evenly it spread."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from .client import BenchmarkEnv
from .models import BenchmarkAction, BenchmarkObservation

Transport = Literal["ws", "http"]
Operation = Literal["reset", "step"]
Worker = tuple[str, int]
"""A server process: its host's URL and its pid."""

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
"""What an answer may take beyond the wait that it was asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do; the wait is in seconds."""

    url: str
    sessions: int
    steps: int
    wait_s: float
    transport: Transport = "ws"
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reset or a step brought; latency and wait are in seconds."""

    operation: Operation
    worker: Worker
    session_hash: str
    latency_s: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class Session:
    """One session's answers, and the error that ended it, if one did."""

    number: int
    connect_s: float | None
    """None over HTTP, where every request stands by itself, and where connecting failed."""
    answers: tuple[Answer, ...]
    error: str | None

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Who answered, each once: one over WebSocket, any number over HTTP."""
        return tuple(dict.fromkeys(answer.worker for answer in self.answers))

    @property
    def session_hashes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(answer.session_hash for answer in self.answers))

    @property
    def steps(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.operation == "step")


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """What one worker answered; the share is of all sessions over WebSocket, of all steps over HTTP."""

    worker: Worker
    sessions: int
    steps: int
    share: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All sessions of a plan, and how long it took from the first connect to the last answer, in seconds."""

    plan: Plan
    sessions: tuple[Session, ...]
    duration_s: float

    @property
    def failed(self) -> tuple[Session, ...]:
        return tuple(session for session in self.sessions if session.error is not None)

    def shares(self) -> tuple[WorkerShare, ...]:
        """What each worker that answered got, the busiest first."""
        sessions = Counter(worker for session in self.sessions for worker in session.workers)
        steps = Counter(answer.worker for session in self.sessions for answer in session.steps)
        counted = steps if self.plan.transport == "http" else sessions
        whole = counted.total() or 1
        return tuple(
            WorkerShare(worker, sessions[worker], steps[worker], counted[worker] / whole)
            for worker in sorted(sessions, key=lambda each: (-counted[each], each))
        )

    def jain(self) -> float | None:
        """Jain's fairness index (Σx)² / (n Σx²) of the shares: 1 is even. None where nobody answered.

        It covers the workers that answered: one that got nothing cannot be seen from here.
        """
        shares = [each.share for each in self.shares()]
        squares = sum(share**2 for share in shares)
        return sum(shares) ** 2 / (len(shares) * squares) if squares else None


async def run_sessions(plan: Plan) -> Outcome:
    """Open all sessions at once, let all of them reset and step, then close them all.

    A session that fails is reported with its error, and the others go on.
    """
    action = BenchmarkAction(wait_seconds=plan.wait_s)
    async with httpx.AsyncClient(
        headers=plan.headers,
        timeout=httpx.Timeout(ANSWER_SECONDS + plan.wait_s, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None),
        mounts=_without_proxy(plan.url),
    ) as http:
        sessions = [_session(plan, number, http) for number in range(1, plan.sessions + 1)]
        try:
            started = time.perf_counter()
            await asyncio.gather(*(session.connect() for session in sessions))
            await asyncio.gather(*(session.play(action, plan.steps) for session in sessions))
            duration_s = time.perf_counter() - started
        finally:
            await asyncio.gather(*(session.close() for session in sessions), return_exceptions=True)
    return Outcome(plan, tuple(session.so_far() for session in sessions), duration_s)


class _Transport(Protocol):
    """How one session reaches the server."""

    async def connect(self) -> None: ...

    async def reset(self) -> BenchmarkObservation: ...

    async def step(self, action: BenchmarkAction) -> BenchmarkObservation: ...

    async def close(self) -> None: ...


class _WebSocket:
    def __init__(self, plan: Plan) -> None:
        self._env = BenchmarkEnv(
            base_url=plan.url,
            headers=plan.headers or None,
            connect_timeout_s=CONNECT_SECONDS,
            message_timeout_s=ANSWER_SECONDS,
        )

    async def connect(self) -> None:
        await self._env.connect()

    async def reset(self) -> BenchmarkObservation:
        return (await self._env.reset()).observation

    async def step(self, action: BenchmarkAction) -> BenchmarkObservation:
        return (await self._env.step(action)).observation

    async def close(self) -> None:
        await self._env.close()


class _Http:
    def __init__(self, plan: Plan, client: httpx.AsyncClient) -> None:
        scheme, _, rest = plan.url.rstrip("/").partition("://")
        self._url = f"{scheme.replace('ws', 'http')}://{rest}"
        self._client = client

    async def connect(self) -> None:
        """Each request stands by itself."""

    async def reset(self) -> BenchmarkObservation:
        return await self._post("/reset", {})

    async def step(self, action: BenchmarkAction) -> BenchmarkObservation:
        return await self._post("/step", {"action": action.model_dump(exclude_defaults=True)})

    async def close(self) -> None:
        """The connections are the shared client's."""

    async def _post(self, path: str, body: object) -> BenchmarkObservation:
        try:
            answer = await self._client.post(self._url + path, json=body)
        except httpx.TransportError as error:
            raise ConnectionError(f"Failed to reach {self._url}{path}: {_brief(error)}") from error
        if answer.status_code != httpx.codes.OK:
            raise ConnectionError(
                f"{path} was answered with status {answer.status_code}: {answer.text[:200]}"
            )
        return BenchmarkObservation(**answer.json()["observation"])


class _RunningSession:
    def __init__(self, number: int, transport: _Transport, *, connects: bool) -> None:
        self._number = number
        self._transport = transport
        self._connects = connects
        self._connect_s: float | None = None
        self._answers: list[Answer] = []
        self._error: str | None = None

    async def connect(self) -> None:
        started = time.perf_counter()
        if await self._attempt(self._transport.connect) and self._connects:
            self._connect_s = time.perf_counter() - started

    async def play(self, action: BenchmarkAction, steps: int) -> None:
        async def episode() -> None:
            await self._timed("reset", self._transport.reset)
            for _ in range(steps):
                await self._timed("step", lambda: self._transport.step(action))

        if self._error is None:
            await self._attempt(episode)

    async def close(self) -> None:
        await self._transport.close()

    def so_far(self) -> Session:
        return Session(self._number, self._connect_s, tuple(self._answers), self._error)

    async def _timed(self, operation: Operation, ask: Callable[[], Awaitable[BenchmarkObservation]]) -> None:
        started = time.perf_counter()
        seen = await ask()
        latency_s = time.perf_counter() - started
        worker = (seen.host_url, seen.pid)
        self._answers.append(Answer(operation, worker, seen.session_hash, latency_s, seen.waited_seconds))

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
        except (ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
            self._error = f"the server does not answer as a Benchmark environment does: {_unlike(error)}"
        except (OSError, RuntimeError, httpx.HTTPError, EOFError) as error:
            self._error = _brief(error)
        except Exception as error:  # websockets has a family of its own
            self._error = f"{type(error).__name__}: {_brief(error)}"
        return self._error is None


def _session(plan: Plan, number: int, http: httpx.AsyncClient) -> _RunningSession:
    if plan.transport == "http":
        return _RunningSession(number, _Http(plan, http), connects=False)
    return _RunningSession(number, _WebSocket(plan), connects=True)


def _without_proxy(url: str) -> dict[str, None]:
    """Mounts for httpx: a proxy cannot reach this machine's loopback, and websockets does not ask it to."""
    host = urlsplit(url).hostname or ""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None} if loopback else {}


def _unlike(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]} in the answer"
    if isinstance(error, AttributeError | TypeError):
        return "its answer has another form"
    return _brief(error)


def _brief(error: Exception) -> str:
    lines: Sequence[str] = str(error).split("\n")
    return " ".join(line.strip() for line in lines[:3]) or type(error).__name__
