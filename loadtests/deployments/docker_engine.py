"""The Docker engine and its compose projects."""

import os
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import psutil
from docker.context import ContextAPI
from docker.errors import DockerException

from loadtests.errors import LoadTestError

ANSWER_S = 15
DOWN_S = 60
STOP_S = 5
"""How long a container that was told to stop has before it is killed."""
FILES_PER_PROXIED_CONNECTION = 6
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"
_EXITED = re.compile(r"Exited \((\d+)\)")


@dataclass(frozen=True)
class Container:
    """A container of a compose project."""

    id: str
    name: str
    service: str
    number: int
    running: bool
    address: str = ""
    """Its address in the project's network, while it runs."""
    exit_code: int | None = None
    """Of one that has ended, where it is known."""
    here: bool = True
    """Whether it is on this engine, not on another node of its swarm."""

    @property
    def hostname(self) -> str:
        """What the container calls itself."""
        return self.id[:12]

    @property
    def short_name(self) -> str:
        """Its name among those of its deployment."""
        return f"{self.service}-{self.number}"


def unavailable() -> str | None:
    """Why there is no engine with the compose plugin; None where there is."""
    if shutil.which("docker") is None:
        return "the docker command is not installed"
    checks = (
        (["docker", "version", "--format", "{{.Server.Version}}"], "no Docker engine answers"),
        (["docker", "compose", "version"], "the Docker compose plugin is missing"),
    )
    for command, reason in checks:
        try:
            reply = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
        except subprocess.TimeoutExpired:
            return f"{reason} within {ANSWER_S} s"
        if reply.returncode != 0:
            detail = reply.stderr.strip().splitlines()
            return f"{reason} ({detail[-1]})" if detail else reason
    return None


def connect() -> docker.DockerClient:
    """A client of the engine that the docker command uses. Raises LoadTestError."""
    try:
        if os.environ.get("DOCKER_HOST"):
            return docker.from_env()
        # Contexts are how Docker Desktop and rootless engines are found.
        context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT"))
        if context is None:
            raise LoadTestError("the Docker context that is selected does not exist: see `docker context ls`")
        return docker.DockerClient(base_url=context.Host, tls=context.TLSConfig or False)
    except (DockerException, OSError) as error:
        raise LoadTestError(f"no Docker engine answers: {error}") from error


def is_rootless(client: docker.DockerClient) -> bool:
    """Whether the engine runs without root's rights, so that its containers' root is its own user."""
    return any("name=rootless" in each for each in client.info().get("SecurityOptions") or [])


def containers(client: docker.DockerClient, project: str) -> list[Container]:
    """The containers of a project, including those that have ended, by service and number."""
    listed: list[dict[str, Any]] = client.api.containers(
        all=True, filters={"label": f"{PROJECT_LABEL}={project}"}
    )
    found = [
        Container(
            id=entry["Id"],
            name=entry["Names"][0].lstrip("/") if entry["Names"] else entry["Id"][:12],
            service=entry["Labels"].get(SERVICE_LABEL, ""),
            number=int(entry["Labels"].get(NUMBER_LABEL, 0)),
            running=entry["State"] in {"running", "paused", "restarting"},
            address=next((each["IPAddress"] for each in entry["NetworkSettings"]["Networks"].values()), ""),
            exit_code=_exit_code(entry["Status"]),
        )
        for entry in listed
    ]
    return sorted(found, key=lambda container: (container.service, container.number))


def _exit_code(status: str) -> int | None:
    """From `Exited (137) 2 seconds ago`."""
    said = _EXITED.match(status)
    return int(said[1]) if said else None


def published_connections(port: int) -> int | None:
    """How many connections the engine can forward from a published port; None if nothing limits them.

    The engine's own proxy serves 127.0.0.1, unless told otherwise ("userland-proxy": false), and uses six
    files per connection: two sockets, and a pipe each way. When it runs out of files it exits, and the port
    is dead.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, StopIteration):
            if process.name() != "docker-proxy" or str(port) not in process.cmdline():
                continue
            limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
            files = next(line for line in limits if line.startswith("Max open files")).split()[3]
            return None if files == "unlimited" else int(files) // FILES_PER_PROXIED_CONNECTION
    return None


def remove_project(project: str, stop_s: int = STOP_S) -> None:
    """Stops and removes the containers and networks of a project, by force after `stop_s` seconds.

    Raises LoadTestError if the engine fails to.
    """
    arguments = ["down", "--remove-orphans", "--volumes", "--timeout", str(stop_s)]
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            ["docker", "compose", "--ansi", "never", "--project-name", project, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DOWN_S,
            check=True,
            start_new_session=True,
        )
        return
    try:
        client = connect()
        for container in containers(client, project):
            client.api.remove_container(container.id, v=True, force=True)
        for network in client.networks.list(filters={"label": f"{PROJECT_LABEL}={project}"}):
            network.remove()
    except (DockerException, LoadTestError, OSError) as error:
        raise LoadTestError(
            f"cannot remove the containers of the compose project {project}: {error}; "
            f"once the engine answers: docker compose -p {project} down"
        ) from error
