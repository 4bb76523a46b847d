import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.deployments import docker_engine
from loadtests.errors import LoadTestError


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


def fake_docker(directory: Path, script: str) -> None:
    docker = directory / "docker"
    docker.write_text(f"#!{sys.executable}\nimport sys\n{script}")
    docker.chmod(0o755)


def test_says_that_the_command_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker_engine.unavailable() == "the docker command is not installed"


def test_says_that_no_engine_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_docker(tmp_path, "sys.exit('Cannot connect to the Docker daemon')")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker_engine.unavailable() == "no Docker engine answers (Cannot connect to the Docker daemon)"


def test_says_that_the_plugin_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_docker(
        tmp_path, "sys.exit(\"docker: 'compose' is not a docker command.\" if 'compose' in sys.argv else 0)"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(docker_engine.unavailable()).startswith(
        "the Docker compose plugin is missing (docker: 'compose'"
    )


@pytest.mark.usefixtures("no_engine")
def test_a_project_that_cannot_be_removed_says_how_to_do_it() -> None:
    with pytest.raises(LoadTestError, match="docker compose -p some-project down"):
        docker_engine.remove_project("some-project")


def test_a_context_that_does_not_exist_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(LoadTestError, match="see `docker context ls`"):
        docker_engine.connect()


def test_the_engine_of_the_context_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"desktop").hexdigest()
    meta.mkdir(parents=True)
    endpoints = {"docker": {"Host": "tcp://127.0.0.1:9", "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": "desktop", "Metadata": {}, "Endpoints": endpoints}))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "desktop"}))
    with pytest.raises(LoadTestError, match=r"127\.0\.0\.1"):
        docker_engine.connect()


def test_nothing_limits_a_port_that_no_engine_publishes() -> None:
    assert docker_engine.published_connections(1) is None


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_an_engine_is_there() -> None:
    assert docker_engine.unavailable() is None
    assert docker_engine.connect().ping()


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_removes_what_the_compose_plugin_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    project = "openenv-loadtest-test-force"
    label = f"--label={docker_engine.PROJECT_LABEL}={project}"
    subprocess.run(["docker", "network", "create", label, project], check=True, capture_output=True)
    run = ["docker", "run", "--detach", label, "--network", project, "nginx:1.31", "sleep", "60"]
    subprocess.run(run, check=True, capture_output=True)
    client = docker_engine.connect()
    assert len(docker_engine.containers(client, project)) == 1
    monkeypatch.setattr(docker_engine, "DOWN_S", 0.001)
    docker_engine.remove_project(project)
    assert docker_engine.containers(client, project) == []
    assert client.networks.list(names=[project]) == []
