import asyncio
import subprocess
import sys

import pytest

from benchmark_env import BenchmarkAction, BenchmarkEnv

from .conftest import ROOT, Server


def test_importing_the_package_leaves_the_server_alone() -> None:
    code = (
        "import sys, benchmark_env\n"
        "found = {'benchmark_env.server', 'gunicorn'} & set(sys.modules)\n"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


@pytest.mark.servers
def test_a_synchronous_client_resets_and_steps(server: Server) -> None:
    with BenchmarkEnv(base_url=server.url).sync() as env:
        first = env.reset()
        second = env.step(BenchmarkAction(wait_seconds=0.05))
        state = env.state()

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
