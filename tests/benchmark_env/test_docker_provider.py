"""Containers that `BenchmarkEnv.from_docker_image` starts, and what becomes of them."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_env import BenchmarkAction, BenchmarkEnv
from benchmark_env.docker_provider import DockerProvider

from .conftest import ROOT, containers, docker, eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def container_of(env: BenchmarkEnv) -> str:
    assert env.base_url
    return docker("ps", "--filter", f"publish={env.base_url.rpartition(':')[2]}", "--format", "{{.Names}}")


def test_plain_synchronous_code_starts_steps_and_removes_a_container(image: str) -> None:
    env = BenchmarkEnv.from_docker_image(image, env_vars={"WORKERS": "1"})
    name = container_of(env)
    try:
        ports = docker("port", name)
        first = env.reset()
        step = env.step(BenchmarkAction(wait_seconds=0.1))
        hostname = docker("exec", name, "hostname")
        as_sync = env.sync().step(BenchmarkAction())
    finally:
        env.close()

    assert ports.startswith("8000/tcp -> 127.0.0.1:")
    assert step.observation.host_url == f"http://{hostname}:8000"
    assert step.observation.waited_seconds >= 0.1
    assert step.reward == 1 / 1.1
    assert as_sync.observation.session_hash == first.observation.session_hash
    assert name not in containers()
    env.close()


def test_in_a_loop_a_container_is_awaited_or_used_as_it_is(image: str) -> None:
    async def session() -> tuple[str, bool]:
        starting = BenchmarkEnv.from_docker_image(image, env_vars={"WORKERS": "1"})
        env = await starting
        name = container_of(env)
        try:
            result = await env.reset()
            assert starting.sync().step(BenchmarkAction()).metadata == {"step_count": 1}
        finally:
            await env.close()
        return name, result.done

    name, done = asyncio.run(session())

    assert done is False
    assert name not in containers()


def test_ctrl_c_while_a_container_starts_removes_it(image: str) -> None:
    before = containers()
    code = (
        f"from benchmark_env import BenchmarkEnv\nBenchmarkEnv.from_docker_image({image!r})\nprint('started')"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert eventually(lambda: bool(containers() - before), seconds=90)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    assert "started" not in output
    assert "KeyboardInterrupt" in errors
    assert not containers() - before


def test_a_container_that_ends_at_once_says_why(image: str) -> None:
    before = containers()
    with pytest.raises(RuntimeError, match="WORKERS=zero: must be a whole number"):
        BenchmarkEnv.from_docker_image(image, env_vars={"WORKERS": "zero"})

    assert not containers() - before


def test_a_container_that_is_not_ready_in_time_is_removed(image: str) -> None:
    before = containers()
    with pytest.raises(TimeoutError, match=r"not ready after 0\.05 s; allow more with wait_timeout"):
        BenchmarkEnv.from_docker_image(image, wait_timeout=0.05)

    assert not containers() - before


def test_a_provider_that_was_told_to_stop_starts_nothing(image: str) -> None:
    provider = DockerProvider()
    provider.stop_container()

    with pytest.raises(RuntimeError, match="stopped before it started"):
        provider.start_container(image)


def test_without_docker_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RuntimeError, match=r"docker cannot be run \(No such file.*connect with base_url"):
        BenchmarkEnv.from_docker_image("any")
