import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from loadtests.deployments import docker_engine
from loadtests.deployments.registry import MARKER, Process, Record, Registry
from loadtests.deployments.remains import (
    find_remains,
    noted,
    remove_remains,
    take_down_running,
)
from loadtests.deployments.teardown import take_down
from loadtests.errors import LoadTestError
from loadtests.places import PACKAGES

OWNER = """
import sys, time
from pathlib import Path
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.{module} import {cls} as Deployment
from loadtests.deployments import local
from loadtests.deployments.registry import Registry
from tests.loadtests.deployments.light_server import SERVER
local.SERVER = SERVER
deployment = Deployment(
    DeploymentConfig(replicas=1, workers=1, port=0),
    name=sys.argv[1],
    purpose=sys.argv[2],
    progress=lambda line: print(line, flush=True),
    registry=Registry(Path(sys.argv[3])),
)
deployment.up()
print("up", deployment.url, flush=True)
if sys.argv[2] == "run":
    time.sleep(600)
"""
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
StartOwner = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_owner(registry: Registry) -> Iterator[StartOwner]:
    """Starts a command that brings a deployment up, and returns when it has said a certain thing."""
    owners = []

    def start(kind: str, name: str, *, until: str, purpose: str = "run") -> subprocess.Popen[str]:
        script = OWNER.format(module=kind, cls=f"{kind.capitalize()}Deployment")
        owner = subprocess.Popen(
            [sys.executable, "-c", script, name, purpose, str(registry.directory)],
            cwd=PACKAGES,
            stdout=subprocess.PIPE,
            text=True,
        )
        owners.append(owner)
        assert owner.stdout is not None
        for line in owner.stdout:
            if line.startswith(until):
                return owner
        raise AssertionError(f"never said {until!r}")

    yield start
    for owner in owners:
        owner.kill()
        owner.wait()


def members(name: str, home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            its = process.environ().get(MARKER) == name or str(home) in " ".join(process.cmdline())
            if its and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.servers
@pytest.mark.parametrize("until", ["starting 1 × 1", "up http://"])
def test_removes_what_a_killed_command_left(registry: Registry, start_owner: StartOwner, until: str) -> None:
    owner = start_owner("local", "run-killed", until=until)
    while not members("run-killed", registry.home("run-killed")):
        time.sleep(0.05)
    assert find_remains(registry) == []
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert members("run-killed", registry.home("run-killed"))
    (line,) = remove_remains(registry)
    assert line.startswith("removed what a crashed command that started on ")
    assert "(local deployment run-killed)" in line
    assert members("run-killed", registry.home("run-killed")) == []
    assert not registry.directory.exists()
    assert remove_remains(registry) == []


@pytest.mark.servers
def test_a_deployment_that_was_left_running_stays_until_it_is_taken_down(
    registry: Registry, start_owner: StartOwner
) -> None:
    owner = start_owner("local", "up-test", until="up http://", purpose="up")
    assert owner.wait(60) == 0
    assert remove_remains(registry) == []
    running = registry.left_running()
    assert running is not None
    assert running.url is not None
    assert members("up-test", registry.home("up-test"))
    assert take_down_running(registry) == [f"took down the local deployment at {running.url}"]
    assert members("up-test", registry.home("up-test")) == []
    assert registry.left_running() is None
    assert take_down_running(registry) == []


def test_a_process_that_has_the_pid_of_one_that_ended_is_left_alone(registry: Registry) -> None:
    bystander = subprocess.Popen(SLEEP, start_new_session=True)
    now = Process.of(bystander.pid)
    gone = Process(bystander.pid, now.created + 3600, ["gunicorn"])
    registry.create(Record("remains-1", "local", "run", None, processes=[gone]))
    assert len(remove_remains(registry)) == 1
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_remains_without_a_readable_record_are_found_by_their_marker(registry: Registry) -> None:
    left = subprocess.Popen(SLEEP, env={**os.environ, MARKER: "remains-2"})
    registry.directory.mkdir()
    (registry.directory / "remains-2.json").write_text("not JSON")
    (line,) = remove_remains(registry)
    assert line == "removed what a crashed command left behind (local deployment remains-2)"
    assert not psutil.pid_exists(left.pid)
    left.wait()


def test_load_on_a_server_of_others_is_noted_while_it_lasts(registry: Registry) -> None:
    with noted("run-5", registry):
        (record,) = registry.records()
        assert (record.name, record.kind, record.abandoned) == ("run-5", "url", False)
    assert not registry.directory.exists()


def test_load_goes_on_where_it_cannot_be_noted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with noted("run-6", Registry(tmp_path / "file" / "deployments")):
        pass


def test_a_record_that_a_killed_command_was_writing_is_removed(registry: Registry) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    registry.directory.mkdir()
    (registry.directory / f"run-4.{ended.pid}.draft").write_text("{")
    assert remove_remains(registry) == []
    assert not registry.directory.exists()


def test_a_record_is_kept_while_its_containers_cannot_be_removed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record("run-3", "compose", "run", None, project="openenv-loadtest-run-3")
    registry.create(record)

    def fail(project: str, _stop_s: int) -> None:
        raise LoadTestError(f"cannot remove {project}")

    with monkeypatch.context() as patch:
        patch.setattr(docker_engine, "remove_project", fail)
        with pytest.raises(LoadTestError, match="cannot remove openenv-loadtest-run-3"):
            take_down(record, registry)
        (line,) = remove_remains(registry)
        assert line.startswith("could not remove")
        assert registry.records() == [record]
        patch.setattr(docker_engine, "remove_project", lambda *_: None)
        assert len(remove_remains(registry)) == 1
    assert registry.records() == []


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_removes_the_containers_of_a_killed_command(registry: Registry, start_owner: StartOwner) -> None:
    owner = start_owner("compose", "run-killed-c", until="waiting for health")
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    client = docker_engine.connect()
    project = "openenv-loadtest-run-killed-c"
    assert len(docker_engine.containers(client, project)) == 2
    (line,) = remove_remains(registry)
    assert "(compose deployment run-killed-c)" in line
    assert docker_engine.containers(client, project) == []
    assert client.networks.list(names=[project]) == []
    assert not registry.directory.exists()
