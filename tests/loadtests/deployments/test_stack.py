import subprocess
from collections import Counter
from pathlib import Path

import docker
import pytest

from loadtests.deployments import DeploymentConfig, docker_engine, swarm
from loadtests.deployments.registry import Registry
from loadtests.deployments.stack import StackDeployment, as_stack
from loadtests.deployments.teardown import take_down
from loadtests.errors import LoadTestError
from reports.records.run_directory import RunDirectory
from tests.conftest import ENDS_SWARM
from tests.loadtests.accounting import counted_by_locust, recorded
from tests.loadtests.deployments.sessions import reset, session
from tests.loadtests.harness import harness

POLICY = """
import os

def act(observation, reward, step, rng):
    assert os.environ["LOADTEST_HEADERS"] == "X-Team: red"
    return {"wait_seconds": 0.05}
"""


def test_what_compose_says_becomes_what_swarm_understands() -> None:
    service = {
        "image": "x",
        "command": None,
        "ports": [{"target": 8000, "published": "80", "mode": "host"}],
        "tmpfs": ["/tmp:size=64m,mode=1777", "/run"],
    }
    stack = as_stack({"name": "me", "services": {"env": service}, "networks": {"default": None}})
    assert stack == {
        "services": {
            "env": {
                "image": "x",
                "ports": [{"target": 8000, "published": 80, "mode": "host"}],
                "volumes": [
                    {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": 67108864}},
                    {"type": "tmpfs", "target": "/run"},
                ],
            }
        },
        "networks": {"default": None},
    }


def test_headers_are_in_no_file() -> None:
    service = {
        "environment": {"LOADTEST_HEADERS": "Authorization: Bearer not-for-others", "LOG_LEVEL": "info"}
    }
    stack = as_stack({"services": {"locust-worker": service}})
    assert stack["services"]["locust-worker"]["environment"] == {
        "LOADTEST_HEADERS": None,
        "LOG_LEVEL": "info",
    }


@pytest.fixture(scope="module")
def client(request: pytest.FixtureRequest) -> docker.DockerClient:
    request.getfixturevalue("docker_engine")
    return docker_engine.connect()


@pytest.fixture
def one_node(client: docker.DockerClient) -> docker.DockerClient:
    """A swarm of this engine alone, until all tests are over, unless it is in one already."""
    if client.info()["Swarm"]["LocalNodeState"] != "active":
        ENDS_SWARM.write_text("leave" if client.networks.list(names=[swarm.BRIDGE]) else "leave, no bridge")
        subprocess.run(swarm.INIT.split(), check=True, capture_output=True, timeout=60)
    return client


def left_of_stacks(client: docker.DockerClient) -> list[object]:
    filters: dict[str, str | list[str] | bool] = {"label": swarm.STACK_LABEL}
    return [
        *client.services.list(filters=filters),
        *client.configs.list(filters=filters),
        *client.networks.list(filters=filters),
        *client.containers.list(all=True, filters=filters),
    ]


@pytest.mark.docker
def test_an_engine_that_is_in_no_swarm_is_told_how_to_make_one(
    client: docker.DockerClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = client.info() | {"Swarm": {"LocalNodeState": "inactive"}}
    monkeypatch.setattr(docker.DockerClient, "info", lambda _: told)
    deployment = StackDeployment(DeploymentConfig(generators=1), name="no-swarm", registry=registry)
    with pytest.raises(
        LoadTestError, match=r"is in no swarm: `docker swarm init --advertise-addr 127\.0\.0\.1`"
    ):
        deployment.up()
    assert registry.records() == []


@pytest.mark.docker
def test_a_stack_that_a_crashed_command_left_is_known_and_removed_entirely(
    one_node: docker.DockerClient, registry: Registry
) -> None:
    config = DeploymentConfig(replicas=2, workers=1, generators=1)
    deployment = StackDeployment(config, name="stack-test", registry=registry)
    deployment.up()
    try:
        hosts = set()
        for _ in range(4):
            with session(deployment.url) as (connection, _):
                hosts.add(reset(connection)["host_url"].removeprefix("http://"))
        assert hosts == set(deployment.hosts())
        assert deployment.topology()["names"] == dict(
            zip(deployment.hosts(), ["env-1", "env-2"], strict=True)
        )
        assert deployment.running() == {*hosts, "nginx"}
        assert {usage.name for usage in deployment.resources()} == {*hosts, "nginx"}
        published = [
            container.attrs["HostConfig"]["PortBindings"]
            for container in one_node.containers.list(filters={"label": swarm.STACK_LABEL})
        ]
        assert not any(published)
        lost = deployment.hosts()[1]
        one_node.containers.get(lost.partition(":")[0]).kill()
        while lost in deployment.running():
            pass
        assert deployment.running() == {deployment.hosts()[0], "nginx"}
    finally:
        (record,) = registry.records()
        take_down(record, registry)
    assert left_of_stacks(one_node) == []
    assert registry.records() == []


@pytest.mark.docker
def test_a_run_on_a_stack_is_complete_here_and_leaves_nothing_behind(
    one_node: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    monkeypatch.setenv("HEADERS", "X-Team: red")
    results = tmp_path / "results"
    policy = ("--policy", str(tmp_path / "policy.py"))
    load = ("--users", "8", "--duration", "6", "--generators", "2", "--slo-p99", "60")
    done = harness("stack", "--workers", "1", "--results", str(results), *load, *policy)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = results.glob("*/run.json")
    directory = RunDirectory(path.parent)
    config = directory.read()["config"]
    assert (config["deployment"], config["generators"], config["url"]) == ("stack", 2, "http://nginx:8000")
    assert recorded(directory) == counted_by_locust(directory)
    resources = directory.resources.read()
    roles = Counter(zip(*(resources.column(name).to_pylist() for name in ("role", "name")), strict=True))
    assert set(directory.read_steps().column("generator").to_pylist()) < {
        name for role, name in roles if role == "generator"
    }
    assert left_of_stacks(one_node) == []
