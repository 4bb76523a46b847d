"""Opens sessions at once on a running server: who answered which, how fast, and how evenly they spread."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx
from openenv.core.env_client import _is_localhost_ws_url
from pydantic import ValidationError

from .client import BenchmarkEnv
from .models import BenchmarkAction, BenchmarkObservation

Transport = Literal["ws", "http"]
Operation = Literal["reset", "step"]
Worker = tuple[str, int]
"""A server process: its host's URL and its pid."""

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
"""How long an answer may take beyond the wait that was asked for."""


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
    """The answer to a reset or a step; latency and wait are in seconds."""

    op: Operation
    host: str
    pid: int
    session_hash: str
    latency_s: float
    waited_s: float

    @property
    def worker(self) -> Worker:
        return self.host, self.pid


@dataclass(slots=True)
class Session:
    """One session's answers so far, and the error that ended it, if one did."""

    number: int
    connect_s: float | None = None
    """None over HTTP, where every request stands alone, and where connecting failed."""
    answers: list[Answer] = field(default_factory=list)
    error: str | None = None

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Who answered, each once: one over WebSocket, any number over HTTP."""
        return tuple(dict.fromkeys(answer.worker for answer in self.answers))

    @property
    def session_hashes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(answer.session_hash for answer in self.answers))

    @property
    def steps(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.op == "step"]


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """What one worker answered; its share is of all sessions over WebSocket, and of all steps over HTTP."""

    host: str
    pid: int
    sessions: int
    steps: int
    share: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All sessions of a plan, and the seconds from the first connect to the last answer."""

    plan: Plan
    sessions: Sequence[Session]
    duration_s: float

    @property
    def failed(self) -> list[Session]:
        return [session for session in self.sessions if session.error is not None]

    def shares(self) -> list[WorkerShare]:
        """The share of each worker that answered, the busiest first."""
        sessions = Counter(worker for session in self.sessions for worker in session.workers)
        steps = Counter(answer.worker for session in self.sessions for answer in session.steps)
        counted = steps if self.plan.transport == "http" else sessions
        whole = counted.total() or 1
        return [
            WorkerShare(*worker, sessions[worker], steps[worker], counted[worker] / whole)
            for worker in sorted(sessions, key=lambda each: (-counted[each], each))
        ]

    def jain(self) -> float | None:
        """Jain's fairness index (Σx)² / (n Σx²) of the shares: 1 is even. None if nobody answered.

        It covers the workers that answered: one that got nothing cannot be seen by a client.
        """
        shares = [each.share for each in self.shares()]
        squares = sum(share**2 for share in shares)
        return sum(shares) ** 2 / (len(shares) * squares) if squares else None


async def run_sessions(plan: Plan) -> Outcome:
    """Open all sessions at once, let all of them reset and step, then close all of them.

    A session that fails is reported with its error; the others go on.
    """
    async with httpx.AsyncClient(
        headers=plan.headers,
        timeout=httpx.Timeout(ANSWER_SECONDS + plan.wait_s, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None),
        mounts=_without_proxy(plan.url),
    ) as http:
        sessions = [Session(number) for number in range(1, plan.sessions + 1)]
        transports = [_WebSocket(plan) if plan.transport == "ws" else _Http(plan, http) for _ in sessions]
        try:
            started = time.perf_counter()
            await asyncio.gather(*map(_connect, sessions, transports))
            await asyncio.gather(*(_play(plan, *each) for each in zip(sessions, transports, strict=True)))
            duration_s = time.perf_counter() - started
        finally:
            await asyncio.gather(*(transport.close() for transport in transports), return_exceptions=True)
    return Outcome(plan, sessions, duration_s)


class _WebSocket:
    """A session's own connection."""

    def __init__(self, plan: Plan) -> None:
        self._env = BenchmarkEnv(
            base_url=plan.url,
            headers=plan.headers or None,
            connect_timeout_s=CONNECT_SECONDS,
            message_timeout_s=ANSWER_SECONDS,
        )

    async def connect(self) -> float | None:
        """Connect; the seconds it took."""
        started = time.perf_counter()
        await self._env.connect()
        return time.perf_counter() - started

    async def ask(self, action: BenchmarkAction | None) -> BenchmarkObservation:
        """Step, or reset where there is no action."""
        result = await (self._env.reset() if action is None else self._env.step(action))
        return result.observation

    async def close(self) -> None:
        await self._env.close()


class _Http:
    """Requests through the client that all sessions share."""

    def __init__(self, plan: Plan, client: httpx.AsyncClient) -> None:
        scheme, _, rest = plan.url.rstrip("/").partition("://")
        self._url = f"{scheme.replace('ws', 'http')}://{rest}"
        self._client = client

    async def connect(self) -> float | None:
        """Each request stands alone."""
        return None

    async def ask(self, action: BenchmarkAction | None) -> BenchmarkObservation:
        """Step, or reset where there is no action."""
        path = "/reset" if action is None else "/step"
        body = {} if action is None else {"action": action.model_dump(exclude_defaults=True)}
        try:
            answer = await self._client.post(self._url + path, json=body)
        except httpx.TransportError as error:
            raise ConnectionError(f"Failed to reach {self._url}{path}: {_brief(error)}") from error
        if answer.status_code != httpx.codes.OK:
            raise ConnectionError(
                f"{path} was answered with status {answer.status_code}: {answer.text[:200]}"
            )
        return BenchmarkObservation(**answer.json()["observation"])

    async def close(self) -> None:
        """The connections belong to the client."""


async def _connect(session: Session, transport: _WebSocket | _Http) -> None:
    with _errors_noted(session):
        session.connect_s = await transport.connect()


async def _play(plan: Plan, session: Session, transport: _WebSocket | _Http) -> None:
    if session.error is not None:
        return
    wait = BenchmarkAction(wait_seconds=plan.wait_s)
    with _errors_noted(session):
        for action in (None, *repeat(wait, plan.steps)):
            started = time.perf_counter()
            seen = await transport.ask(action)
            latency_s = time.perf_counter() - started
            op: Operation = "reset" if action is None else "step"
            session.answers.append(
                Answer(op, seen.host_url, seen.pid, seen.session_hash, latency_s, seen.waited_seconds)
            )


@contextmanager
def _errors_noted(session: Session) -> Iterator[None]:
    try:
        yield
    except (ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        session.error = f"the server does not answer as a Benchmark environment does: {_unlike(error)}"
    except (OSError, RuntimeError, httpx.HTTPError, EOFError) as error:
        session.error = _brief(error)
    except Exception as error:  # websockets has a family of its own
        session.error = f"{type(error).__name__}: {_brief(error)}"


def _without_proxy(url: str) -> dict[str, None]:
    """Mounts for httpx, which keep requests to this machine off any proxy, as OpenEnv does for WebSockets."""
    host = urlsplit(url).hostname or ""
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None} if _is_localhost_ws_url(url) else {}


def _unlike(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]} in the answer"
    if isinstance(error, AttributeError | TypeError):
        return "its answer has another form"
    return _brief(error)


def _brief(error: Exception) -> str:
    lines = str(error).split("\n")
    return " ".join(line.strip() for line in lines[:3]) or type(error).__name__
