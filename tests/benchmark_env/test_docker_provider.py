"""Containers that `BenchmarkEnv.from_docker_image` starts, and what becomes of them."""

import asyncio
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from benchmark_env import BenchmarkAction, BenchmarkEnv
from benchmark_env.docker_provider import DockerProvider
from tests.conftest import WITHOUT_GRADIO

from .conftest import ROOT, containers, docker, environ_with, eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

NO_ENGINE = "unix:///nonexistent"
SECRET = "hf_secret"
BASE_IMAGE = "python:3.13-slim-trixie"
UNREACHABLE = {"BIND": "127.0.0.1:8000"}
"""Of a server that runs, and that nobody outside of its container finds ready."""


def container_of(env: BenchmarkEnv) -> str:
    assert env.base_url
    return docker("ps", "--filter", f"publish={env.base_url.rpartition(':')[2]}", "--format", "{{.Names}}")


def test_plain_synchronous_code_starts_steps_and_removes_a_container(image: str) -> None:
    env = BenchmarkEnv.from_docker_image(image, env_vars={"WORKERS": "1"})
    name = container_of(env)
    try:
        ports = docker("port", name)
        init = docker("inspect", name, "--format", "{{.HostConfig.Init}}")
        first = env.reset()
        step = env.step(BenchmarkAction(wait_seconds=0.1))
        hostname = docker("exec", name, "hostname")
        as_sync = env.sync().step(BenchmarkAction())
    finally:
        env.close()

    assert ports.startswith("8000/tcp -> 127.0.0.1:")
    assert init == "true"
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
        "from benchmark_env import BenchmarkEnv\n"
        f"BenchmarkEnv.from_docker_image({image!r}, env_vars={UNREACHABLE!r})\n"
        "print('started')"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ_with(PYTHONPATH=WITHOUT_GRADIO),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert eventually(lambda: bool(containers() - before), seconds=120)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)

    assert "started" not in output
    assert "KeyboardInterrupt" in errors
    assert not containers() - before


def test_a_container_that_ends_at_once_says_why(image: str) -> None:
    before = containers()
    with pytest.raises(RuntimeError, match=r"exit code 1:\nWORKERS=zero: must be a whole number"):
        BenchmarkEnv.from_docker_image(image, env_vars={"WORKERS": "zero"})

    assert not containers() - before


@pytest.mark.usefixtures("image")
def test_a_container_that_ends_without_a_word_is_told_by_its_exit_code() -> None:
    # Python has nothing to do there.
    with pytest.raises(RuntimeError, match=r"with exit code 0:\n\(it printed nothing\)"):
        BenchmarkEnv.from_docker_image(BASE_IMAGE)


def test_a_container_that_is_not_ready_in_time_is_removed(image: str) -> None:
    before = containers()
    with pytest.raises(TimeoutError, match=r"not ready after 0\.05 s; allow more with wait_timeout"):
        BenchmarkEnv.from_docker_image(image, env_vars=UNREACHABLE, wait_timeout=0.05)

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


def test_without_an_engine_that_is_the_error_and_nothing_follows() -> None:
    code = (
        "from benchmark_env import BenchmarkEnv\n"
        f"BenchmarkEnv.from_docker_image('any', env_vars={{'TOKEN': {SECRET!r}}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ_with(DOCKER_HOST=NO_ENGINE, PYTHONPATH=WITHOUT_GRADIO),
        capture_output=True,
        text=True,
        timeout=120,
    )

    *_, error, hint = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert "RuntimeError: docker run any failed: " in done.stderr
    assert hint.startswith("Is a Docker engine running"), (error, hint)
    assert "still there" not in done.stderr
    assert "atexit" not in done.stderr
    assert SECRET not in error


def test_a_container_that_cannot_be_removed_at_the_end_is_named_in_a_line(image: str) -> None:
    code = (
        "import os\n"
        "from benchmark_env.docker_provider import DockerProvider\n"
        f"DockerProvider().start_container({image!r})\n"
        f"os.environ['DOCKER_HOST'] = {NO_ENGINE!r}\n"
    )
    before = containers()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ_with(PYTHONPATH=WITHOUT_GRADIO),
        capture_output=True,
        text=True,
        timeout=300,
    )
    (left,) = containers() - before
    docker("rm", "--force", left)

    assert done.returncode == 0
    assert done.stderr.startswith(f"the container {left} is still there: ")
    assert "Traceback" not in done.stderr


def test_an_image_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"docker run no-such:image failed: (?s:.*)Is the image built\?"):
        BenchmarkEnv.from_docker_image("no-such:image", env_vars={"TOKEN": SECRET})


def test_values_of_variables_are_not_seen_among_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = DockerProvider()
    with socket.create_server(("127.0.0.1", 0)) as deaf, ThreadPoolExecutor() as threads:
        monkeypatch.setenv("DOCKER_HOST", "tcp://{}:{}".format(*deaf.getsockname()))
        starting = threads.submit(provider.start_container, "any", env_vars={"TOKEN": SECRET})
        assert eventually(lambda: bool(docker_runs()))
        (command,) = docker_runs()
        deaf.close()
        provider.stop_container()
        with pytest.raises(RuntimeError, match="docker run any failed"):
            starting.result(timeout=60)

    assert "--env=TOKEN" in command
    assert SECRET not in str(command)


def docker_runs() -> list[list[str]]:
    children = psutil.Process().children()
    return [command for each in children if "run" in (command := each.cmdline())]
