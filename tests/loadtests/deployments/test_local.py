import collections
import json
import socket
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from loadtests.deployments import DeploymentConfig, Progress, local, ports, silent
from loadtests.deployments.environment import EnvironmentDirectory
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import MARKER, Registry
from loadtests.errors import LoadTestError
from loadtests.places import ENVIRONMENT
from tests.conftest import free_port
from tests.loadtests.deployments.sessions import reset, session

pytestmark = pytest.mark.servers


def processes_of(name: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == name:
                found.append(process)
        except psutil.Error:
            continue
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
        return True


@pytest.mark.usefixtures("deployment")
def test_tells_what_it_is_doing(told: list[str]) -> None:
    assert told[0] == "starting 2 × 2 workers and nginx as local processes"
    assert told[-1] == "waiting for health (2 of 2)"


def test_sessions_are_spread_over_replicas_that_say_who_they_are(deployment: LocalDeployment) -> None:
    upstreams = collections.Counter[str]()
    for _ in range(20):
        with session(deployment.url) as (connection, upstream):
            assert reset(connection)["host_url"] == f"http://{upstream}"
            upstreams[upstream] += 1
    assert upstreams == dict.fromkeys(deployment.hosts(), 10)


def test_all_workers_answer(deployment: LocalDeployment) -> None:
    pids = set()
    for _ in range(60):
        with session(deployment.url) as (connection, _):
            pids.add(reset(connection)["pid"])
    assert len(pids) == 4


def test_http_requests_say_which_replica_answered(deployment: LocalDeployment) -> None:
    request = urllib.request.Request(
        deployment.url + "/reset", data=b"{}", headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        observation = json.loads(response.read())["observation"]
    assert observation["host_url"] == f"http://{response.headers['X-Upstream']}"


def test_describes_itself(deployment: LocalDeployment) -> None:
    first, second = deployment.hosts()
    assert deployment.topology() == {
        "replicas": 2,
        "workers": 2,
        "hosts": [first, second],
        "names": {first: "replica-1", second: "replica-2"},
    }
    assert deployment.versions().keys() == {"python", "openenv", "gunicorn", "uvicorn", "nginx"}
    assert (deployment.most_sessions() or 0) > 100


def test_usage_follows_the_load(deployment: LocalDeployment) -> None:
    before = {usage.name: usage for usage in deployment.resources()}
    assert list(before) == [*deployment.hosts(), "nginx"]
    give_up = time.monotonic() + 60
    busier = False
    while not busier:
        assert time.monotonic() < give_up
        for _ in range(40):
            with session(deployment.url) as (connection, _):
                reset(connection)
        busier = all(each.cpu_seconds > before[each.name].cpu_seconds for each in deployment.resources()[:2])
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(session(deployment.url))
        after = {usage.name: usage for usage in deployment.resources()}
    for host in deployment.hosts():
        assert after[host].role == "replica"
        assert after[host].cpu_seconds > before[host].cpu_seconds
        assert 50e6 < after[host].memory_bytes < 2e9
        assert (after[host].open_files or 0) >= (before[host].open_files or 0) + 5
    assert after["nginx"].role == "nginx"
    assert 1e6 < after["nginx"].memory_bytes < 1e9


@pytest.mark.usefixtures("deployment")
def test_writes_no_access_log_unasked(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert list(tmp_path_factory.getbasetemp().glob("shared*/deployments/shared-*/nginx.log"))
    assert not list(tmp_path_factory.getbasetemp().glob("shared*/deployments/shared-*/access.log"))


def test_a_port_that_is_taken_is_found_out_before_anything_starts(
    deployment: LocalDeployment, registry: Registry
) -> None:
    port = int(deployment.url.rpartition(":")[2])
    other = LocalDeployment(DeploymentConfig(port=port), name="other", registry=registry)
    with pytest.raises(LoadTestError, match=rf"^port {port} is taken by nginx \(pid \d+\)"):
        other.up()
    assert not registry.directory.exists()


def light(registry: Registry, name: str, progress: Progress = silent) -> LocalDeployment:
    config = DeploymentConfig(replicas=1, workers=2, port=0, access_log=True)
    return LocalDeployment(config, name=name, progress=progress, registry=registry)


@pytest.mark.usefixtures("light_server")
def test_down_leaves_the_access_log_and_nothing_else(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other deployments take the first ports that are free: not these, as soon as they are given back.
    monkeypatch.setattr(ports, "REPLICA_PORTS", range(free_port(), ports.REPLICA_PORTS.stop))
    deployment = light(registry, "down-test")
    deployment.up()
    port = int(deployment.url.rpartition(":")[2])
    leaders = [process.pid for process in registry.records()[0].processes]
    assert len(leaders) == 2
    assert len(processes_of("down-test")) >= 3
    with socket.create_connection(("127.0.0.1", port)):
        deployment.down()
    assert processes_of("down-test") == []
    assert not any(psutil.pid_exists(pid) for pid in leaders)
    assert all(is_free(int(host.rpartition(":")[2])) for host in [*deployment.hosts(), deployment.url])
    assert registry.records() == []
    assert {path.name for path in registry.home("down-test").iterdir()} == {
        "access.log",
        "nginx.log",
        "replica-1.log",
    }
    assert "GET /health" in (registry.home("down-test") / "access.log").read_text()
    deployment.down()


@pytest.mark.usefixtures("light_server")
def test_a_replica_that_dies_while_starting_says_why(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHT_SERVER", "broken")
    with pytest.raises(LoadTestError, match=r"ended while starting \(exit code \d+\)(?s:.*)refuses to start"):
        light(registry, "dies-test").up()
    assert processes_of("dies-test") == []
    assert registry.records() == []
    assert "refuses to start" in (registry.home("dies-test") / "replica-1.log").read_text()


@pytest.mark.usefixtures("light_server")
def test_ctrl_c_while_starting_leaves_nothing(registry: Registry) -> None:
    def interrupt(what: str) -> None:
        if what.startswith("waiting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        light(registry, "ctrl-c-test", interrupt).up()
    assert processes_of("ctrl-c-test") == []
    assert not registry.directory.exists()


def test_a_python_that_lacks_the_benchmark_environment_s_server_is_not_what_serves_it(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Path | None]] = []

    def made(source: EnvironmentDirectory, _progress: Progress, lock: Path | None = None) -> Path:
        asked.append((source.name, lock))
        return tmp_path / "no-python"

    monkeypatch.setattr(local, "SERVES_IT", ("openenv", "nothing_by_this_name"))
    monkeypatch.setattr(local, "python_for", made)
    with pytest.raises(FileNotFoundError, match="no-python"):
        light(registry, "lacking-test").up()
    assert asked == [("benchmark_env", ENVIRONMENT / "requirements.lock")]
    assert not registry.directory.exists()


@pytest.mark.usefixtures("light_server")
def test_a_replica_that_ended_by_itself_leaves_its_log(registry: Registry) -> None:
    told: list[str] = []
    deployment = light(registry, "ended-test", told.append)
    deployment.up()
    gunicorn = psutil.Process(registry.records()[0].processes[0].pid)
    gunicorn.kill()
    gunicorn.wait(60)
    assert [usage.name for usage in deployment.resources()] == ["nginx"]
    assert deployment.running() == {"nginx"}
    deployment.down()
    assert processes_of("ended-test") == []
    home = registry.home("ended-test")
    assert told[-1] == f"{deployment.hosts()[0]} had already ended: logs stay in {home}"
    assert (home / "replica-1.log").exists()


@pytest.mark.usefixtures("light_server")
def test_a_second_deployment_of_the_same_name_leaves_the_first_alone(registry: Registry) -> None:
    first, second = light(registry, "same-name"), light(registry, "same-name")
    first.up()
    with pytest.raises(LoadTestError, match="'same-name' exists already"):
        second.up()
    second.down()
    with urllib.request.urlopen(first.url + "/health") as response:
        assert response.status == 200
    first.down()


def test_many_sessions_reach_their_replicas_from_several_addresses(registry: Registry) -> None:
    config = DeploymentConfig(replicas=1, workers=1, port=0, sessions=30_000)
    deployment = LocalDeployment(config, name="many", registry=registry)
    try:
        deployment.up()
        with ExitStack() as held:
            for _ in range(60):
                reset(held.enter_context(session(deployment.url))[0])
            (port,) = (int(host.rpartition(":")[2]) for host in deployment.hosts())
            came_from = {
                each.raddr.ip
                for each in psutil.net_connections(kind="tcp")
                if each.laddr and each.raddr and each.laddr.port == port and each.status == "ESTABLISHED"
            }
        assert came_from >= {"127.0.0.2", "127.0.0.3", "127.0.0.4"}
    finally:
        deployment.down()
