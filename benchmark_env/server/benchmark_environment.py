"""The Benchmark environment: it waits as long as the action says, and reports who answered."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from uuid import uuid4

from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import EnvironmentMetadata, State

if not __package__:
    # Run as a file.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    __package__ = "server"

from . import identity
from .step_limit import StepLimit

if TYPE_CHECKING or "." in __package__:
    from ..models import BenchmarkAction, BenchmarkObservation
else:
    from models import BenchmarkAction, BenchmarkObservation


class BenchmarkEnvironment(Environment[BenchmarkAction, BenchmarkObservation, State]):
    """One session: it counts its steps, and keeps the hash that its first reset or step gave it."""

    SUPPORTS_CONCURRENT_SESSIONS = True
    # One thread creates all sessions of a worker; otherwise each session would keep a thread of its own.
    REQUIRES_SINGLE_THREAD_EXECUTOR = True
    _limit: ClassVar[StepLimit | None] = None

    @classmethod
    def limited_to(cls, steps: int) -> type[Self]:
        """The environment, of which no more than so many steps wait at the same time; 0 for no limit.

        Further steps queue, first in, first out, which `waited_seconds` does not count.
        """
        return type(cls.__name__, (cls,), {"_limit": StepLimit(steps)}) if steps else cls

    def __init__(self) -> None:
        super().__init__()
        self._episode_id = str(uuid4())
        self._step_count = 0
        self._session_hash: str | None = None

    def reset(
        self,
        seed: int | None = None,  # noqa: ARG002 - nothing here is random
        episode_id: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> BenchmarkObservation:
        """Begin a new episode of the same session, with `step_count` 0.

        Raises pydantic's ValidationError for an `episode_id` that is not a string.
        """
        if episode_id is None:
            episode_id = str(uuid4())
        self._episode_id = State(episode_id=episode_id).episode_id
        self._step_count = 0
        return self._observe(waited_seconds=0.0, reward=None)

    async def reset_async(
        self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any
    ) -> BenchmarkObservation:
        """The same as `reset`. Without it, OpenEnv would run each reset in a thread."""
        return self.reset(seed, episode_id, **kwargs)

    def step(
        self,
        action: BenchmarkAction,
        timeout_s: float | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> BenchmarkObservation:
        """Wait `action.wait_seconds`, but at most `timeout_s`, blocking the calling thread."""
        wait_seconds = _bounded(action.wait_seconds, timeout_s)
        if (limit := self._limit) is None:
            return self._answer(action, _sleep(time.perf_counter(), wait_seconds))
        started = limit.enter()
        try:
            waited_seconds = _sleep(started, wait_seconds)
        finally:
            limit.leave(time.perf_counter())
        return self._answer(action, waited_seconds)

    async def step_async(
        self,
        action: BenchmarkAction,
        timeout_s: float | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> BenchmarkObservation:
        """Wait `action.wait_seconds`, but at most `timeout_s`, while other sessions go on."""
        wait_seconds = _bounded(action.wait_seconds, timeout_s)
        if (limit := self._limit) is None:
            return self._answer(action, await _sleep_async(time.perf_counter(), wait_seconds))
        started = await limit.enter_async()
        try:
            waited_seconds = await _sleep_async(started, wait_seconds)
        finally:
            limit.leave(time.perf_counter())
        return self._answer(action, waited_seconds)

    @property
    def state(self) -> State:
        """The episode's ID and its steps so far."""
        return State(episode_id=self._episode_id, step_count=self._step_count)

    def get_metadata(self) -> EnvironmentMetadata:
        """What `/metadata` says about this environment."""
        return EnvironmentMetadata(
            name="benchmark_env",
            description="Waits as long as told, and says which host, process and session answered",
            version="0.1.0",
        )

    def _answer(self, action: BenchmarkAction, waited_seconds: float) -> BenchmarkObservation:
        self._step_count += 1
        return self._observe(waited_seconds, reward=1.0 / (1.0 + action.wait_seconds))

    def _observe(self, waited_seconds: float, reward: float | None) -> BenchmarkObservation:
        if self._session_hash is None:
            self._session_hash = identity.new_session_hash()
        return BenchmarkObservation(
            host_url=identity.host_url(),
            pid=os.getpid(),
            session_hash=self._session_hash,
            waited_seconds=waited_seconds,
            timestamp=time.time(),
            reward=reward,
            metadata={"step_count": self._step_count},
        )


def _bounded(wait_seconds: float, timeout_s: float | None) -> float:
    return wait_seconds if timeout_s is None else max(0.0, min(wait_seconds, timeout_s))


def _sleep(started: float, wait_seconds: float) -> float:
    """Wait until so long after a moment; how long it was in the end."""
    time.sleep(max(0.0, started + wait_seconds - time.perf_counter()))
    return time.perf_counter() - started


async def _sleep_async(started: float, wait_seconds: float) -> float:
    """The same while other sessions go on."""
    end = started + wait_seconds
    # Repeated, because uvloop counts in milliseconds and may wake up to one millisecond too early.
    while (left := end - time.perf_counter()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(max(left, 0.001))
    return time.perf_counter() - started


def _expect(holds: bool, seen: object) -> None:
    # Not `assert`, which `python -O` leaves out.
    if not holds:
        raise AssertionError(seen)


def _check_itself() -> None:
    env = BenchmarkEnvironment()

    first = env.reset(episode_id="self-check")
    _expect(first.metadata["step_count"] == 0 and not first.done, first)
    print(f"reset: step_count 0, session {first.session_hash}")

    for number, wait_seconds in enumerate((0.0, 0.1), start=1):
        started = time.perf_counter()
        seen = env.step(BenchmarkAction(wait_seconds=wait_seconds))
        took_seconds = time.perf_counter() - started
        _expect(seen.metadata["step_count"] == number, seen)
        _expect(seen.reward == 1.0 / (1.0 + wait_seconds), seen)
        _expect(wait_seconds <= seen.waited_seconds <= took_seconds, seen)
        print(
            f"step: asked for {wait_seconds} s, waited {seen.waited_seconds:.6f} s, reward {seen.reward:.3f}"
        )

    _expect((env.state.episode_id, env.state.step_count) == ("self-check", 2), env.state)
    print(f"state: episode {env.state.episode_id}, step_count {env.state.step_count}")

    _expect((seen.pid, seen.session_hash) == (os.getpid(), first.session_hash), seen)
    other = BenchmarkEnvironment().reset()
    _expect(other.session_hash != first.session_hash, other)
    print(f"identity: {seen.host_url}, pid {seen.pid}; another session is {other.session_hash}")
    print("all checks passed")


if __name__ == "__main__":
    _check_itself()
