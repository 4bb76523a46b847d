import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.deployments import slow_network
from loadtests.deployments.breakable import NotPossibleError

NAME = "0123456789ab"
PROGRAM = """#!/bin/sh
echo "$@" >> {log}
echo "Error: Specified qdisc kind is unknown." >&2
exit {code}
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nsenter that only notes what it is to do, for kernels without netem; as root, or as if."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("nsenter", "tc"):
        program(tmp_path, name, 0)
    return tmp_path


def program(folder: Path, name: str, code: int) -> None:
    path = folder / "bin" / name
    path.write_text(PROGRAM.format(log=folder / "log", code=code))
    path.chmod(0o755)


@pytest.fixture
def container() -> Iterator[int]:
    """A process that was told its host's name, as the first one of a container is."""
    pipe = subprocess.PIPE
    with subprocess.Popen(["cat"], stdin=pipe, stdout=pipe, env={**os.environ, "HOSTNAME": NAME}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Once it answers, the kernel knows its variables.
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        yield process.pid
        process.kill()


def test_delays_and_restores_inside_the_namespace_of_a_container(programs: Path, container: int) -> None:
    slow_network.delay(container, NAME, 0.05)
    slow_network.restore(container)
    assert (programs / "log").read_text().splitlines() == [
        f"--target {container} --net tc qdisc add dev eth0 root netem delay 50ms limit 100000",
        f"--target {container} --net tc qdisc del dev eth0 root",
    ]


def test_a_kernel_that_cannot_is_said_in_its_own_words(programs: Path, container: int) -> None:
    program(programs, "nsenter", 2)
    with pytest.raises(NotPossibleError, match=r"netem here: Error: Specified qdisc kind is unknown\."):
        slow_network.delay(container, NAME, 0.05)


def test_a_process_that_is_not_the_container_is_left_alone(programs: Path) -> None:
    with pytest.raises(NotPossibleError, match="do not run on this machine"):
        slow_network.delay(os.getpid(), NAME, 0.05)
    assert not (programs / "log").exists()


def test_nobody_but_root_tries(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotPossibleError, match="only root"):
        slow_network.delay(os.getpid(), NAME, 0.05)
    assert not (programs / "log").exists()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotPossibleError, match="nsenter and tc would have to be installed"):
        slow_network.delay(os.getpid(), NAME, 0.05)
