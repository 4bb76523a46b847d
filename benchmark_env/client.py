"""The client of the Benchmark environment."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from openenv.core import EnvClient
from openenv.core.client_types import StepResult
from openenv.core.containers.runtime import ContainerProvider
from openenv.core.env_server.types import State
from openenv.core.sync_client import SyncEnvClient

from .background import Reply, block, carry_out, in_thread
from .docker_provider import DockerProvider
from .models import BenchmarkAction, BenchmarkObservation


@dataclass
class BenchmarkResult(StepResult[BenchmarkObservation], Awaitable["BenchmarkResult"]):
    """The result of a reset or a step. Awaiting it returns itself."""

    observation: BenchmarkObservation
    reward: float | None = None
    done: bool = False
    metadata: dict[str, Any] | None = None

    def __await__(self) -> Generator[Any, None, "BenchmarkResult"]:
        yield from ()
        return self


class BenchmarkEnv(EnvClient[BenchmarkAction, BenchmarkObservation, State]):
    """One session on a Benchmark environment server, over one WebSocket connection.

    In synchronous code an operation returns when it is done; in asynchronous code it is awaited::

        env = BenchmarkEnv(base_url="http://127.0.0.1:8000")
        result = env.step(BenchmarkAction(wait_seconds=0.5))

        async with BenchmarkEnv(base_url="http://127.0.0.1:8000") as env:
            result = await env.step(BenchmarkAction(wait_seconds=0.5))

    Where an event loop is running, as in a notebook, an operation starts when it is called, and its return
    value can be awaited or used directly. Any number of threads may share a client: its operations are done
    one after another. `with` and OpenEnv's `.sync()` work too.

    `options` are those of OpenEnv's `EnvClient`: `headers`, `connect_timeout_s`, `message_timeout_s` (a step
    may take longer by its `wait_seconds`) and more.
    """

    _message_timeout: float
    _provider: ContainerProvider | None
    _sync_client: "SyncBenchmarkEnv | None"

    def __init__(self, base_url: str | None = None, **options: Any) -> None:
        super().__init__(base_url, **options)
        self._turn = asyncio.Lock()

    @classmethod
    def from_docker_image(cls, image: str, provider: ContainerProvider | None = None, **options: Any) -> Self:
        """Start a container of `image`, wait until its server is ready, and connect.

        Called plainly in synchronous code, awaited in asynchronous code, or followed by `.sync()`. `options`
        are passed to `provider.start_container`: the default provider takes `port`, `env_vars` and
        `wait_timeout`. `close()` stops and removes the container.

        Raises RuntimeError if the container cannot be started or exits, TimeoutError if it is not ready in
        time, and ConnectionError if the connection fails.
        """
        provider = provider or DockerProvider()
        try:
            started: Self = carry_out(lambda: cls._start(image, provider, options), _Start)
        except BaseException:
            provider.stop_container()
            raise
        return started

    def reset(self, **options: Any) -> BenchmarkResult:
        """Start a new episode; `options` may be `seed` and `episode_id`."""
        result: BenchmarkResult = super().reset(**options)
        return result

    def step(self, action: BenchmarkAction, **options: Any) -> BenchmarkResult:
        """Have the server wait as long as `action` says."""
        result: BenchmarkResult = super().step(action, **options)
        return result

    def sync(self) -> "SyncBenchmarkEnv":
        """OpenEnv's synchronous client for the same session."""
        if self._sync_client is None:
            self._sync_client = SyncBenchmarkEnv(self)
        return self._sync_client

    # An awaitable client with `send` and `throw` counts as a coroutine. OpenEnv's AutoEnv runs what
    # `from_docker_image` returns as one.

    def __await__(self) -> Generator[Any, None, Self]:
        return self._connected().__await__()

    def send(self, _: Any) -> Any:
        raise StopIteration(self)

    def throw(self, *error: Any) -> Any:
        raise error[0]

    async def _connected(self) -> Self:
        await self.connect()
        return self

    @classmethod
    async def _start(cls, image: str, provider: ContainerProvider, options: dict[str, Any]) -> Self:
        try:
            client: Self = await in_thread(lambda: cls._bootstrap_container(image, provider, **options))
            await client._connect_async()
        except BaseException:
            await in_thread(provider.stop_container)
            raise
        return client

    def _dispatch(self, coro_factory: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return carry_out(coro_factory)

    def _run_sync(self, coro_factory: Callable[[], Coroutine[Any, Any, Any]], **_: Any) -> Any:
        return block(coro_factory)

    def _claim_execution_mode(self, mode: str) -> None:
        """Nothing to claim: any code may use this client in any mode at any time."""

    async def _close_async(self) -> None:
        # Stopping a container takes seconds, during which the other clients must go on.
        provider, self._provider = self._provider, None
        try:
            await super()._close_async()
        finally:
            self._provider = provider
            if provider is not None:
                await in_thread(self._stop_provider)

    async def _receive(self) -> dict[str, Any]:
        answer: dict[str, Any] = await super()._receive()
        match answer:
            case {"type": "error", "data": {"errors": [{"loc": [*place], "msg": str(why)}, *_]} as data}:
                # OpenEnv raises only the message.
                field = ".".join(map(str, place))
                data["message"] = f"{data.get('message')}: {field}: {why}"
        return answer

    async def _send_and_receive(self, message: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            patience = self._message_timeout
            if message["type"] == "step":
                self._message_timeout += message["data"].get("wait_seconds", 0.0)
            try:
                answer: dict[str, Any] = await super()._send_and_receive(message)
            finally:
                self._message_timeout = patience
            return answer

    def _step_payload(self, action: BenchmarkAction) -> dict[str, Any]:
        payload: dict[str, Any] = action.model_dump(exclude_defaults=True)
        return payload

    def _parse_result(self, payload: dict[str, Any]) -> BenchmarkResult:
        reward = payload.get("reward")
        done = payload.get("done", False)
        observation = BenchmarkObservation(**payload["observation"], reward=reward, done=done)
        return BenchmarkResult(
            observation=observation, reward=reward, done=done, metadata=observation.metadata
        )

    def _parse_state(self, payload: dict[str, Any]) -> State:
        return State(**payload)


class SyncBenchmarkEnv(SyncEnvClient[BenchmarkAction, BenchmarkObservation, State]):
    """OpenEnv's synchronous client, on the connection of the `BenchmarkEnv` that it was made from."""

    def new_session(self) -> "SyncBenchmarkEnv":
        """Another session on the same server, closed with this one."""
        child: SyncBenchmarkEnv = self._async._create_session_client().sync()
        child.connect()
        self._child_clients.append(child)
        return child

    def _run(self, coro: Coroutine[Any, Any, Any]) -> Any:
        return block(lambda: coro)

    def _stop_loop(self) -> None:
        """Not stopped: other clients share the loop."""


class _Start(Reply[BenchmarkEnv]):
    """A client that is starting; anything but awaiting it blocks until it has started."""

    def close(self) -> Any:
        return self.result().close()

    def __enter__(self) -> BenchmarkEnv:
        client: BenchmarkEnv = self.result().__enter__()
        return client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.result().__exit__(kind, error, trace)

    async def __aenter__(self) -> BenchmarkEnv:
        return await self

    async def __aexit__(self, *_: object) -> None:
        await (await self).close()
