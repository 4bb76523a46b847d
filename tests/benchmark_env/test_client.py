import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openenv.core import EnvClient
from openenv.core.client_types import StepResult

from benchmark_env import BenchmarkAction, BenchmarkEnv

from .conftest import PATIENCE, ROOT, Server


def test_importing_the_package_leaves_the_server_alone() -> None:
    code = (
        "import sys, benchmark_env\n"
        "found = {'benchmark_env.server', 'gunicorn'} & set(sys.modules)\n"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


@pytest.fixture
def env(server: Server) -> Iterator[BenchmarkEnv]:
    with BenchmarkEnv(base_url=server.url) as client:
        yield client


def is_serving(server: Server) -> bool:
    return server.get("/health").status_code == 200


@pytest.mark.servers
def test_a_client_resets_and_steps_in_plain_synchronous_code(server: Server) -> None:
    env = BenchmarkEnv(base_url=server.url)
    first = env.reset()
    second = env.step(BenchmarkAction(wait_seconds=0.05))
    state = env.state()
    env.close()

    assert isinstance(second, StepResult)
    assert first.observation.metadata == {"step_count": 0}
    assert first.reward is None
    assert second.observation.host_url == server.url
    assert second.observation.pid in server.workers()
    assert second.observation.session_hash == first.observation.session_hash
    assert second.observation.waited_seconds >= 0.05
    assert second.observation.metadata == second.metadata == {"step_count": 1}
    assert second.reward == second.observation.reward == 1 / 1.05
    assert second.done is False
    assert state.step_count == 1
    assert is_serving(server)


@pytest.mark.servers
@pytest.mark.parametrize("wrap", [lambda env: env, lambda env: env.sync()], ids=["itself", "sync"])
def test_a_client_is_a_context_manager(server: Server, wrap: Callable[[BenchmarkEnv], Any]) -> None:
    with wrap(BenchmarkEnv(base_url=server.url)) as env:
        env.reset()
        assert env.step(BenchmarkAction()).observation.metadata == {"step_count": 1}

    assert is_serving(server)


@pytest.mark.servers
def test_the_same_operations_are_awaited(server: Server) -> None:
    async def session() -> tuple[Any, ...]:
        async with BenchmarkEnv(base_url=server.url) as env:
            first = await env.reset(episode_id="one")
            step = await asyncio.create_task(env.step(BenchmarkAction()))
            state = await env.state()
        connected = await BenchmarkEnv(base_url=server.url)
        second = await connected.reset()
        await connected.close()
        return first, step, state, second

    first, step, state, second = asyncio.run(session())

    assert isinstance(step, StepResult)
    assert step.observation.session_hash == first.observation.session_hash
    assert (state.episode_id, state.step_count) == ("one", 1)
    assert second.observation.session_hash != first.observation.session_hash
    assert is_serving(server)


@pytest.mark.servers
def test_one_session_is_used_in_every_way_in_turn(env: BenchmarkEnv) -> None:
    counts = [env.step(BenchmarkAction()).observation.metadata["step_count"]]

    async def in_a_loop() -> None:
        counts.append((await env.step(BenchmarkAction())).observation.metadata["step_count"])
        counts.append(env.step(BenchmarkAction()).observation.metadata["step_count"])
        counts.append(env.sync().step(BenchmarkAction()).observation.metadata["step_count"])

    asyncio.run(in_a_loop())
    counts.append(env.sync().step(BenchmarkAction()).observation.metadata["step_count"])
    counts.append(env.step(BenchmarkAction()).observation.metadata["step_count"])

    assert counts == [1, 2, 3, 4, 5, 6]


@pytest.mark.servers
def test_in_a_notebook_operations_are_done_in_order_without_await(env: BenchmarkEnv) -> None:
    async def cells() -> int:
        env.step(BenchmarkAction(wait_seconds=0.2))
        env.step(BenchmarkAction())
        env.reset()
        return int(env.step(BenchmarkAction()).observation.metadata["step_count"])

    assert asyncio.run(cells()) == 1


@pytest.mark.servers
def test_asynchronous_clients_have_sessions_of_their_own(server: Server) -> None:
    async def session() -> str:
        async with BenchmarkEnv(base_url=server.url) as env:
            await env.reset()
            result = await env.step(BenchmarkAction())
            return str(result.observation.session_hash)

    async def sessions() -> list[str]:
        return await asyncio.gather(*(session() for _ in range(8)))

    assert len(set(asyncio.run(sessions()))) == 8


@pytest.mark.servers
def test_ten_threads_step_three_clients_on_three_servers(servers: tuple[Server, Server, Server]) -> None:
    with ThreadPoolExecutor(max_workers=10) as threads:
        clients = [BenchmarkEnv(base_url=each.url) for each in servers]
        steps = [
            (number, threads.submit(clients[number].step, BenchmarkAction(wait_seconds=0.05)))
            for number in [0, 1, 2] * 10
        ]
        seen = [(number, step.result(timeout=60).observation) for number, step in steps]
        for client in clients:
            client.close()

    for number, each in enumerate(servers):
        observations = [observation for client, observation in seen if client == number]
        assert {observation.host_url for observation in observations} == {each.url}
        assert len({observation.session_hash for observation in observations}) == 1
        assert sorted(observation.metadata["step_count"] for observation in observations) == [*range(1, 11)]


@pytest.mark.servers
def test_a_child_session_ends_with_its_parent(server: Server) -> None:
    with BenchmarkEnv(base_url=server.url).sync() as env:
        child = env.new_session()
        hashes = {env.reset().observation.session_hash, child.reset().observation.session_hash}

    async def in_a_loop() -> None:
        async with BenchmarkEnv(base_url=server.url) as parent:
            other = await parent.new_session()
            hashes.add((await other.reset()).observation.session_hash)

    asyncio.run(in_a_loop())

    assert len(hashes) == 3


@pytest.mark.servers
def test_a_step_may_wait_longer_than_the_client_waits_for_an_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_for_answers: Any = EnvClient._send_and_receive
    seconds: list[float] = []

    async def noting(self: BenchmarkEnv, message: Any) -> Any:
        seconds.append(self._message_timeout)
        return await waits_for_answers(self, message)

    monkeypatch.setattr(EnvClient, "_send_and_receive", noting)
    with BenchmarkEnv(base_url=server.url, message_timeout_s=PATIENCE) as env:
        env.step(BenchmarkAction(wait_seconds=0.5))
        env.reset()

    assert seconds[:2] == [PATIENCE + 0.5, PATIENCE]


@pytest.mark.servers
def test_giving_up_on_a_step_leaves_a_client_that_works(env: BenchmarkEnv) -> None:
    async def impatient() -> None:
        await asyncio.wait_for(env.step(BenchmarkAction(wait_seconds=10)), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())

    assert env.step(BenchmarkAction()).observation.metadata == {"step_count": 1}


@pytest.mark.servers
def test_the_error_for_a_bad_action_names_the_field(strict_server: Server) -> None:
    with BenchmarkEnv(base_url=strict_server.url) as env:
        with pytest.raises(RuntimeError, match="Invalid message: wait_seconds: Input should be less than"):
            env.step(BenchmarkAction(wait_seconds=2))
        assert env.step(BenchmarkAction()).observation.metadata == {"step_count": 1}


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ConnectionError, match=r"Failed to connect to ws://127\.0\.0\.1:1/ws"):
        BenchmarkEnv(base_url="http://127.0.0.1:1").reset()
