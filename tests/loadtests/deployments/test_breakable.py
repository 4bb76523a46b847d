"""What may be done to local replicas and to containers; what a load makes of it: tests/loadtests/faults."""

import http.client
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from threading import Event

import psutil
import pytest
from websockets.exceptions import WebSocketException

from loadtests.deployments import DeploymentConfig, docker_engine, nginx
from loadtests.deployments.breakable import NotPossibleError
from loadtests.deployments.compose import ComposeDeployment
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import Registry
from loadtests.errors import LoadTestError
from tests.loadtests.deployments.sessions import reset, session

NEVER = Event()


def eventually(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def upstreams(url: str, requests: int = 12) -> set[str]:
    """Who answers so many requests."""
    found = set()
    for _ in range(requests):
        with urllib.request.urlopen(f"{url}/health", timeout=60) as response:
            found.add(response.headers["X-Upstream"].rpartition(", ")[2])
    return found


@pytest.fixture
def local(registry: Registry, light_server: None) -> Iterator[LocalDeployment]:  # noqa: ARG001
    config = DeploymentConfig(replicas=2, workers=2, port=0)
    deployment = LocalDeployment(config, name="broken-local", registry=registry)
    deployment.up()
    try:
        yield deployment
    finally:
        deployment.down()
    assert not registry.directory.exists(), "what was broken on purpose is no reason to keep logs"


@pytest.mark.servers
def test_a_local_worker_that_is_killed_is_replaced(local: LocalDeployment) -> None:
    host, other = local.hosts()
    before, others = local.workers_of(host), local.workers_of(other)
    assert len(before) == 2
    local.kill_worker(host, before[0])
    eventually(lambda: before[0] not in local.workers_of(host) and len(local.workers_of(host)) == 2)
    assert before[1] in local.workers_of(host)
    assert local.workers_of(other) == others
    with pytest.raises(LoadTestError, match=f"{before[0]} is no worker of {host} any more"):
        local.kill_worker(host, before[0])
    assert local.is_as_brought_up()


@pytest.mark.servers
def test_a_local_replica_that_is_paused_answers_when_it_is_resumed(local: LocalDeployment) -> None:
    host, _ = local.hosts()
    local.pause_replica(host)
    workers = [psutil.Process(pid) for pid in local.workers_of(host)]
    assert len(workers) == 2
    eventually(lambda: all(each.status() == psutil.STATUS_STOPPED for each in workers))
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), timeout=60) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        local.resume_replica(host)
        connection.settimeout(60)
        assert connection.recv(12) == b"HTTP/1.0 200"
    assert local.is_as_brought_up()


@pytest.mark.servers
def test_a_local_replica_that_is_killed_is_put_down_with_its_workers(local: LocalDeployment) -> None:
    host, other = local.hosts()
    workers = local.workers_of(host)
    local.kill_replica(host)
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in workers))
    assert local.running() == {other, "nginx"}
    assert local.put_down() == {host}
    assert not local.is_as_brought_up()
    assert upstreams(local.url) == {other}


@pytest.mark.servers
def test_a_local_nginx_is_restarted_where_it_was(local: LocalDeployment) -> None:
    before = http.client.HTTPConnection(local.url.removeprefix("http://"), timeout=60)
    before.request("GET", nginx.HEALTH_PATH)
    before.getresponse().read()
    assert before.sock is not None
    local.restart_nginx()
    assert before.sock.recv(1) == b"", "the connection is closed"
    before.close()
    eventually(lambda: "nginx" in local.running())
    eventually(lambda: answers(local.url))
    assert upstreams(local.url) == set(local.hosts())


@pytest.mark.servers
def test_a_local_replica_that_is_added_gets_its_share_and_one_that_is_removed_none(
    local: LocalDeployment,
) -> None:
    first, second = local.hosts()
    with session_of(local.url) as before:
        added = local.add_replica(NEVER)
        assert upstreams(local.url) == {first, second, added}
        assert local.topology()["names"][added] == "replica-3"
        assert not local.is_as_brought_up()
        local.remove_replica(second, NEVER)
        assert upstreams(local.url) == {first, added}
        assert local.running() == {first, added, "nginx"}
        assert local.put_down() == {second}
        before.setblocking(False)
        with pytest.raises(BlockingIOError):
            before.recv(1)


@pytest.mark.servers
def test_a_local_replica_is_not_waited_for_once_given_up(local: LocalDeployment) -> None:
    given_up = Event()
    given_up.set()
    with pytest.raises(LoadTestError, match="was not ready in time"):
        local.add_replica(given_up)
    assert upstreams(local.url) == set(local.hosts()[:2])


@pytest.mark.servers
def test_the_network_of_local_processes_is_left_alone(local: LocalDeployment) -> None:
    with pytest.raises(NotPossibleError, match="share this machine's loopback"):
        local.slow_network(local.hosts()[0], 0.1)


def session_of(url: str) -> socket.socket:
    """An idle connection to the balancer."""
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def answers(url: str) -> bool:
    try:
        return bool(upstreams(url, 1))
    except OSError:
        return False


@pytest.fixture(scope="module")
def compose(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeDeployment]:
    request.getfixturevalue("docker_engine")
    registry = Registry(tmp_path_factory.mktemp("broken") / "deployments")
    config = DeploymentConfig(replicas=2, workers=2, port=0)
    deployment = ComposeDeployment(config, name="broken-compose", registry=registry)
    deployment.up()
    try:
        yield deployment
    finally:
        deployment.down()
    assert docker_engine.containers(docker_engine.connect(), "openenv-loadtest-broken-compose") == []
    assert not registry.directory.exists()


@pytest.mark.docker
def test_a_worker_in_a_container_that_is_killed_is_replaced(compose: ComposeDeployment) -> None:
    host, _ = compose.hosts()
    before = compose.workers_of(host)
    assert len(before) == 2
    compose.kill_worker(host, before[0])
    eventually(lambda: before[0] not in compose.workers_of(host) and len(compose.workers_of(host)) == 2)
    assert before[1] in compose.workers_of(host)


@pytest.mark.docker
def test_workers_in_containers_have_the_pids_that_observations_name(compose: ComposeDeployment) -> None:
    pids = set()
    for _ in range(40):
        with session(compose.url) as (connection, _):
            said = reset(connection)
            pids.add((said["host_url"].removeprefix("http://"), said["pid"]))
    assert pids <= {(host, pid) for host in compose.hosts() for pid in compose.workers_of(host)}


@pytest.mark.docker
def test_a_container_that_is_paused_answers_when_it_is_resumed(compose: ComposeDeployment) -> None:
    host, _ = compose.hosts()
    with session(compose.url) as (one, _), session(compose.url) as (other, _):
        both = [one, other]
        struck = next(each for each in both if reset(each)["host_url"] == f"http://{host}")
        compose.pause_replica(host)
        struck.send('{"type": "reset", "data": {}}')
        with pytest.raises(TimeoutError):
            struck.recv(timeout=0.5)
        assert host in compose.running()
        compose.resume_replica(host)
        assert struck.recv(timeout=60)


@pytest.mark.docker
def test_a_network_is_slow_where_that_is_permitted_and_left_alone_elsewhere(
    compose: ComposeDeployment,
) -> None:
    host, _ = compose.hosts()
    slow = True
    try:
        compose.slow_network(host, 0.3)
    except NotPossibleError:
        slow = False
    with session(compose.url) as (one, _), session(compose.url) as (other, _):
        (struck,) = (each for each in (one, other) if reset(each)["host_url"] == f"http://{host}")

        def takes_s() -> float:
            start = time.monotonic()
            reset(struck)
            return time.monotonic() - start

        if slow:
            assert takes_s() >= 0.3
            compose.restore_network(host)
        eventually(lambda: takes_s() < 0.3)


@pytest.mark.docker
def test_a_container_that_is_added_is_found_and_a_killed_one_stays_dead(compose: ComposeDeployment) -> None:
    killed, other = compose.hosts()
    compose.kill_replica(killed)
    eventually(lambda: compose.running() == {other, "nginx"})
    added = compose.add_replica(NEVER)
    assert compose.running() == {other, added, "nginx"}
    assert compose.topology()["names"][added] == "env-3"
    eventually(lambda: added in hosts_of(compose.url))
    compose.remove_replica(other, NEVER)
    assert compose.running() == {added, "nginx"}
    assert compose.put_down() == {killed, other}
    compose.restart_nginx()
    eventually(lambda: hosts_of(compose.url) == {added})


def hosts_of(url: str) -> set[str]:
    """The hosts that answer a few sessions, where all are answered."""
    found = set()
    try:
        for _ in range(4):
            with session(url) as (connection, _):
                found.add(reset(connection)["host_url"].removeprefix("http://"))
    except (OSError, WebSocketException):
        return set()
    return found
