import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark_env.settings import Settings
from loadtests.deployments import docker_engine, processes
from tests.confinement import assert_confined, assert_healthy, published
from tests.conftest import free_port

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

DIRECTORY = Path(__file__).parents[2] / "compose"
PROJECT = "openenv-loadtest-loadgen-test"
SERVICES = {"env", "nginx", "locust-master", "locust-worker"}


def compose(*arguments: str, **variables: str) -> str:
    command = ["docker", "compose", "-p", PROJECT, "-f", str(DIRECTORY / "compose.yaml"), *arguments]
    reply = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=600, check=False
    )
    assert reply.returncode == 0, reply.stdout + reply.stderr
    return reply.stdout


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    configuration = compose("--profile", "loadgen", "config", "--format", "json")
    found: dict[str, dict[str, Any]] = json.loads(configuration)["services"]
    return found


def test_load_generators_come_with_their_profile_only(services: dict[str, dict[str, Any]]) -> None:
    assert services.keys() == SERVICES
    assert set(compose("config", "--services").split()) == {"env", "nginx"}


def test_ports_are_published_on_this_machine_only(services: dict[str, dict[str, Any]]) -> None:
    published = {
        name: [(port["host_ip"], port["published"]) for port in service.get("ports", [])]
        for name, service in services.items()
    }
    assert published == {
        "env": [],
        "nginx": [("127.0.0.1", "8000")],
        "locust-master": [("127.0.0.1", "8089")],
        "locust-worker": [],
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_confined(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
    assert "healthcheck" in service
    assert service["stop_grace_period"]
    assert service["ulimits"] == {"nofile": {"soft": 65536, "hard": 65536}}
    assert service["restart"] == "no"
    assert all(volume["type"] == "volume" or volume["read_only"] for volume in service.get("volumes", []))


def test_a_server_is_given_longer_to_stop_than_it_gives_its_steps(
    services: dict[str, dict[str, Any]],
) -> None:
    steps_s = Settings.from_environ({}).graceful_timeout
    assert float(services["env"]["stop_grace_period"].removesuffix("s")) >= steps_s + 5


def merged(*files: str, **variables: str) -> dict[str, dict[str, Any]]:
    """The services of several compose files on top of each other."""
    added = [word for file in files for word in ("-f", str(DIRECTORY / file))]
    configuration = compose(*added, "--profile", "loadgen", "config", "--format", "json", **variables)
    found: dict[str, dict[str, Any]] = json.loads(configuration)["services"]
    return found


def test_generators_that_the_harness_drives_are_open_to_nobody_and_write_to_one_folder_only() -> None:
    driven = merged("generators.yaml", RUN_DIRECTORY="/results/run", LOCUST_USER="1000:100")
    for name in ("locust-master", "locust-worker"):
        service = driven[name]
        assert "ports" not in service
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("1000:100", True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["environment"] == {"LOADTEST_HEADERS": None}
        # Locust is the first process, by whose pid rows and resources are matched.
        assert not service["init"]
    (volume,) = driven["locust-master"]["volumes"]
    assert (volume["source"], volume["target"]) == ("/results/run", "/results/run")
    assert "volumes" not in driven["locust-worker"]


def test_a_stack_is_as_confined_as_swarm_can_and_publishes_nothing() -> None:
    stack = merged("generators.yaml", "stack.yaml", NODE="here")
    assert stack.keys() == SERVICES
    for service in stack.values():
        assert not service.keys() & {"ports", "profiles", "build", "depends_on"}
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["healthcheck"] == {"disable": True}
        assert service["deploy"]["endpoint_mode"] == "dnsrr"
        assert service["deploy"]["restart_policy"] == {"condition": "none"}
        assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
    here = {
        name for name, service in stack.items() if service["deploy"].get("placement", {}).get("constraints")
    }
    assert here == {"nginx", "locust-master"}


def test_the_example_settings_are_the_defaults(services: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    example = tmp_path / "env"
    example.write_text((DIRECTORY / ".env.example").read_text())
    configured = compose("--env-file", str(example), "--profile", "loadgen", "config", "--format", "json")
    assert json.loads(configured)["services"] == services


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    for _ in range(900):
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen: {compose('logs', '--no-color')[-3000:]}")


def test_locust_in_containers_runs_a_load_test(tmp_path: Path) -> None:
    compose("--profile", "loadgen", "build", "env", "locust-master")
    port, web_port = str(free_port()), str(free_port())
    nofile = str(min(65536, processes.raise_open_file_limit()))
    variables = {"PORT": port, "LOCUST_PORT": web_port, "NOFILE": nofile, "REPLICAS": "1", "WORKERS": "1"}
    page = f"http://127.0.0.1:{web_port}"

    def statistics() -> dict[str, Any]:
        with urllib.request.urlopen(f"{page}/stats/requests", timeout=60) as reply:
            found: dict[str, Any] = json.loads(reply.read())
        return found

    try:
        compose("--profile", "loadgen", "up", "--detach", "--no-build", **variables)
        wait_for("a worker reporting to the master", lambda: len(statistics()["workers"]) == 1)
        wait_for("an answer of the server", lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/health"))
        form = b"user_count=5&spawn_rate=5&host=http://nginx:8000"
        with urllib.request.urlopen(f"{page}/swarm", data=form, timeout=60) as reply:
            assert json.loads(reply.read())["success"]
        wait_for(
            "ten steps",
            lambda: any(row["name"] == "step" and row["num_requests"] >= 10 for row in statistics()["stats"]),
        )
        assert statistics()["fail_ratio"] == 0
        client = docker_engine.connect()
        for name in sorted(SERVICES):
            container = f"{PROJECT}-{name}-1"
            assert_confined(client, container)
            assert_healthy(client, container)
            open_to_this_machine = ["127.0.0.1"] if name in {"nginx", "locust-master"} else []
            assert published(client, container) == open_to_this_machine
        compose("--profile", "loadgen", "cp", "locust-master:/results/.", str(tmp_path))
        (run,) = tmp_path.glob("*/run.json")
        assert json.loads(run.read_text())["config"]["users"] == 5
        compose("--profile", "loadgen", "down", "--timeout", "0", **variables)
    finally:
        docker_engine.remove_project(PROJECT)
