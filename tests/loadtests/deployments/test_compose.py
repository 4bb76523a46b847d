import collections
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from loadtests.deployments import DeploymentConfig, docker_engine
from loadtests.deployments.compose import ComposeDeployment, usage
from loadtests.deployments.generators import ContainerGenerators, LoadOrder
from loadtests.deployments.registry import Registry
from loadtests.errors import LoadTestError
from tests.confinement import assert_confined, assert_healthy, gateways, published
from tests.loadtests.deployments.sessions import reset, session

PROJECT = "openenv-loadtest-compose-test"
PROJECT_OF_IT = "openenv-loadtest-generators-c"


@pytest.mark.parametrize("cache", ["total_inactive_file", "inactive_file"])
def test_usage_leaves_the_file_cache_out(cache: str) -> None:
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"usage": 1000, "stats": {cache: 300}},
    }
    found = usage("replica", "0123456789ab:8000", stats)
    assert (found.role, found.name) == ("replica", "0123456789ab:8000")
    assert (found.cpu_seconds, found.memory_bytes, found.open_files) == (2.5, 700, None)


def test_all_containers_are_asked_for_their_usage_at_once(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = ComposeDeployment(DeploymentConfig(), name="asked", registry=registry)
    containers = [docker_engine.Container(name, name, "env", 1, running=True) for name in "abc"]
    all_asked = threading.Barrier(len(containers), timeout=60)

    def asked(_container: docker_engine.Container) -> None:
        all_asked.wait()

    monkeypatch.setattr(deployment, "_containers", lambda: containers)
    monkeypatch.setattr(deployment, "_usage", asked)
    assert deployment.resources() == []
    assert not all_asked.broken


def test_usage_of_a_container_that_has_ended_is_not_made_up() -> None:
    with pytest.raises(KeyError):
        usage("nginx", "nginx", {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}})


@pytest.fixture(scope="module")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeDeployment]:
    """Two replicas of two workers, the second of which was added while the balancer ran."""
    request.getfixturevalue("docker_engine")
    deployment = ComposeDeployment(
        DeploymentConfig(replicas=1, port=0),
        name="compose-test",
        registry=Registry(tmp_path_factory.mktemp("compose") / "deployments"),
    )
    deployment.up()
    try:
        add_replica(deployment)
        yield deployment
    finally:
        deployment.down()
    client = docker_engine.connect()
    assert docker_engine.containers(client, PROJECT) == []
    assert client.networks.list(names=[PROJECT]) == []
    deployment.down()


def inspected() -> dict[str, dict[str, Any]]:
    client = docker_engine.connect()
    return {
        container.name: client.api.inspect_container(container.id)
        for container in docker_engine.containers(client, PROJECT)
    }


def add_replica(deployment: ComposeDeployment) -> None:
    """Adds a second replica; returns when it gets sessions."""
    nofile = str(inspected()[f"{PROJECT}-env-1"]["HostConfig"]["Ulimits"][0]["Hard"])
    compose_file = Path(__file__).parents[3] / "compose" / "compose.yaml"
    up = ["up", "--detach", "--no-build", "--no-recreate", "--scale", "env=2", "env"]
    subprocess.run(
        ["docker", "compose", "-p", PROJECT, "-f", str(compose_file), *up],
        env={**os.environ, "NOFILE": nofile},
        check=True,
        capture_output=True,
    )
    newest = deployment.hosts()[-1]
    answered = ""
    give_up = time.monotonic() + 60
    while answered != newest and time.monotonic() < give_up:
        with suppress(OSError, TimeoutError), session(deployment.url) as (connection, _):
            answered = reset(connection)["host_url"].removeprefix("http://")
        time.sleep(0.1)


@pytest.mark.docker
def test_sessions_are_spread_over_replicas_that_say_who_they_are(deployment: ComposeDeployment) -> None:
    hosts = collections.Counter[str]()
    upstreams = collections.Counter[tuple[str, str]]()
    for _ in range(20):
        with session(deployment.url) as (connection, upstream):
            host = reset(connection)["host_url"].removeprefix("http://")
            hosts[host] += 1
            upstreams[host, upstream] += 1
    assert hosts == dict.fromkeys(deployment.hosts(), 10)
    assert len(upstreams) == 2


@pytest.mark.docker
def test_describes_itself(deployment: ComposeDeployment) -> None:
    first, second = deployment.hosts()
    topology = deployment.topology()
    assert (topology["replicas"], topology["workers"]) == (2, 2)
    assert topology["names"] == {first: "env-1", second: "env-2"}
    assert deployment.running() == {first, second, "nginx"}
    assert deployment.versions().keys() == {"docker", "python", "openenv", "gunicorn", "uvicorn", "nginx"}


@pytest.mark.docker
def test_usage_follows_the_load(deployment: ComposeDeployment) -> None:
    before = {usage.name: usage for usage in deployment.resources()}
    assert list(before) == [*deployment.hosts(), "nginx"]
    for _ in range(40):
        with session(deployment.url) as (connection, _):
            reset(connection)
    after = {usage.name: usage for usage in deployment.resources()}
    for host in deployment.hosts():
        assert after[host].cpu_seconds > before[host].cpu_seconds
        assert 50e6 < after[host].memory_bytes < 2e9
    assert 1e6 < after["nginx"].memory_bytes < 1e9


@pytest.mark.docker
@pytest.mark.usefixtures("deployment")
def test_containers_have_no_rights_that_they_do_not_need() -> None:
    client = docker_engine.connect()
    names = [container.name for container in docker_engine.containers(client, PROJECT)]
    assert len(names) == 3
    for name in names:
        assert_confined(client, name)


@pytest.mark.docker
def test_only_the_balancer_has_a_port_and_on_this_machine_only(deployment: ComposeDeployment) -> None:
    client = docker_engine.connect()
    containers = docker_engine.containers(client, PROJECT)
    assert {each.name: published(client, each.name) for each in containers} == {
        f"{PROJECT}-env-1": [],
        f"{PROJECT}-env-2": [],
        f"{PROJECT}-nginx-1": ["127.0.0.1"],
    }
    port = int(deployment.url.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=60).close()
    for address in gateways(client, f"{PROJECT}-nginx-1"):
        with pytest.raises(OSError, match=r"refused|timed out"):
            socket.create_connection((address, port), timeout=2)


@pytest.mark.docker
def test_the_health_checks_of_the_containers_pass(deployment: ComposeDeployment) -> None:
    client = docker_engine.connect()
    for container in docker_engine.containers(client, PROJECT):
        assert_healthy(client, container.name)
    assert deployment.hosts()


@pytest.mark.docker
def test_knows_how_many_sessions_fit_through_the_engines_proxy(deployment: ComposeDeployment) -> None:
    most = deployment.most_sessions()
    assert most is None or most > 500


@pytest.mark.docker
def test_a_port_that_is_taken_is_found_out_before_anything_starts(
    deployment: ComposeDeployment, registry: Registry
) -> None:
    port = int(deployment.url.rpartition(":")[2])
    other = ComposeDeployment(DeploymentConfig(port=port), name="other", registry=registry)
    with pytest.raises(LoadTestError, match=rf"^port {port} is taken"):
        other.up()
    assert not registry.directory.exists()


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_replica_that_dies_while_starting_says_why(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "chatty")
    deployment = ComposeDeployment(DeploymentConfig(replicas=1, port=0), name="dies-c", registry=registry)
    with pytest.raises(LoadTestError, match=r"env-1 ended while starting(?s:.*)LOG_LEVEL=chatty"):
        deployment.up()
    assert docker_engine.containers(docker_engine.connect(), "openenv-loadtest-dies-c") == []
    assert registry.records() == []


def wait_until(holds: Callable[[], bool], generators: ContainerGenerators) -> None:
    give_up = time.monotonic() + 120
    while not holds():
        assert generators.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.1)


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_generator_that_is_killed_is_named_and_all_go_when_the_run_is_over(
    registry: Registry, tmp_path: Path
) -> None:
    config = DeploymentConfig(replicas=1, workers=1, port=0, generators=2)
    deployment = ComposeDeployment(config, name="generators-c", registry=registry)
    deployment.up()
    try:
        options = ["--host", deployment.load_url, "--users", "4", "--run-time", "600s", "--actions", "wait"]
        order = LoadOrder([*options, "--headless"], tmp_path)
        generators = deployment.load_generators(order)
        with (tmp_path / "locust.log").open("wb") as log:
            generators.start(log)
        wait_until((tmp_path / "steps.arrows").exists, generators)
        client = docker_engine.connect()
        running = deployment.generator_containers()
        assert [each.service for each in running] == ["locust-master", "locust-worker", "locust-worker"]
        for each in running:
            # They write to the run directory, as who runs the harness, but not as root.
            user = f"{os.getuid()}:{os.getgid()}" if os.getuid() else "10001:10001"
            assert_confined(client, each.name, user)
            assert published(client, each.name) == []
        client.api.kill(running[-1].id)
        wait_until(lambda: bool(generators.incidents()), generators)
        generators.kill()
        assert re.match(r"locust-worker-2 ended before the load did, \d+ s", generators.incidents()[0])
        assert deployment.generator_containers() == []
        assert "Starting Locust" in (tmp_path / "locust.log").read_text()
        assert [each.service for each in docker_engine.containers(client, PROJECT_OF_IT)] == [
            "env",
            "nginx",
        ]
    finally:
        deployment.down()


@pytest.mark.docker
@pytest.mark.usefixtures("deployment")
def test_replicas_are_added_without_a_restart_of_the_balancer() -> None:
    started = {name: container["State"]["StartedAt"] for name, container in inspected().items()}
    assert started[f"{PROJECT}-nginx-1"] < started[f"{PROJECT}-env-2"]
