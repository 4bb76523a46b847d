"""Replicas as containers behind an nginx container, driven by `docker compose`."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from loadtests.deployments import Kind, Usage, docker_engine, nginx, ports, processes, ready
from loadtests.deployments.docker_engine import Container
from loadtests.deployments.images import build_step, environment_image, provide_images
from loadtests.deployments.managed import EndedPart, ManagedDeployment
from loadtests.errors import LoadTestError
from loadtests.places import ENVIRONMENT, compose_folder
from reports.records.schema import Role

COMPOSE_FILE = compose_folder() / "compose.yaml"
CONTAINER_PORT = 8000
CREATE_S = 180.0
VERSION = re.compile(r"^(?:nginx version: )?(\w+)[ /](\S+)$", re.MULTILINE)


class ComposeDeployment(ManagedDeployment):
    """Containers of a compose project of their own, of which only nginx has a port on 127.0.0.1."""

    kind: Kind = "compose"
    parts = "containers"

    def prepare(self) -> None:
        """Makes sure of the engine, the port and the images.

        Raises ImageError for an image that is not available, LoadTestError for the rest.
        """
        if self._recorded:
            return
        if reason := docker_engine.unavailable():
            raise LoadTestError(f"TARGET=compose: {reason}; start or install it, or use TARGET=local")
        self._record.project = self._project
        super().prepare()
        with self._taken_down_on_error():
            provide_images(self._client, self._compose, ENVIRONMENT, self._progress)

    def versions(self) -> dict[str, str]:
        """Of what serves, as the containers themselves say, and of the engine."""
        versions: dict[str, str] = {"docker": self._client.version()["Version"]}
        script = (
            "import sys, importlib.metadata as m\n"
            "print('python', '.'.join(map(str, sys.version_info[:3])))\n"
            "for p in ('openenv', 'gunicorn', 'uvicorn'):\n"
            "    try: print(p, m.version(p))\n"
            "    except m.PackageNotFoundError: pass\n"
        )
        commands = {"env": ["python", "-c", script], "nginx": ["nginx", "-v"]}
        for container in {each.service: each for each in self._containers()}.values():
            if container.service in commands:
                _, output = self._execute(container, commands[container.service])
                versions.update(VERSION.findall(output))
        return versions

    def resources(self) -> list[Usage]:
        """Of each replica and of nginx, all requested at once.

        Engines before 23 answer only at the end of the current second.
        """
        running = [container for container in self._containers() if container.running]
        usages = self._threads.map(self._usage, running)
        return [usage for usage in usages if usage is not None]

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions fit through the engine's proxy; None where that is unknown."""
        return docker_engine.published_connections(self._record.ports[0])

    @property
    def _project(self) -> str:
        return f"openenv-loadtest-{self._record.name}"

    @cached_property
    def _client(self) -> docker.DockerClient:
        return docker_engine.connect()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=32, thread_name_prefix="docker")

    def _containers(self) -> list[Container]:
        return docker_engine.containers(self._client, self._project)

    def _replicas(self) -> list[Container]:
        return [container for container in self._containers() if container.service == "env"]

    def _replica_names(self) -> dict[str, str]:
        return {_host(replica): f"env-{replica.number}" for replica in self._replicas()}

    def _variables(self) -> dict[str, str]:
        """The values for compose.yaml's variables."""
        common = nginx.common_variables(
            self._config,
            name=self._record.name,
            access_log="/dev/stdout",
            # A container may have as many as its engine; our own limit is the best guess.
            open_files=nginx.whole_variable(os.environ, "NOFILE", processes.raise_open_file_limit()),
            environ=os.environ,
        )
        return {
            **common,
            "PORT": str(self._record.ports[0]),
            "REPLICAS": str(self._config.replicas),
            "WORKERS": str(self._config.workers),
            "REUSE_PORT": str(int(self._config.reuse_port)),
            "ENV_IMAGE": environment_image(),
            "ENV_CONTEXT": str(ENVIRONMENT),
            "ENV_MEMORY": os.environ.get("ENV_MEMORY") or f"{512 * (self._config.workers + 1)}m",
        }

    def _compose(self, *arguments: str, log: str, timeout_s: float, **variables: str) -> None:
        """Runs `docker compose` to its end, its output in a log. Raises LoadTestError with the last lines."""
        path = self._home / log
        compose = ["docker", "compose", "--ansi", "never", "-p", self._project, "-f", str(COMPOSE_FILE)]
        process = processes.start(
            [*compose, *arguments],
            record=self._record,
            registry=self._registry,
            log=path,
            environ={**_without_compose_settings(), **self._variables(), **variables},
        )
        deadline = time.monotonic() + timeout_s
        shown = None
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if (step := build_step(path.read_text(errors="replace"))) and step != shown:
                    shown = step
                    self._progress(f"building the image: {step[:80]}")
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(docker_engine.STOP_S)
        if (code := process.returncode) != 0:
            how = f"exit code {code}" if code else f"not done in {timeout_s:.0f} s"
            raise LoadTestError(
                f"`docker compose {arguments[0]}` failed ({how}); the end of {path}:\n{processes.tail(path)}"
            )

    def _start(self) -> None:
        ports.release(self._held)
        try:
            self._compose("up", "--detach", "--no-build", "env", "nginx", log="up.log", timeout_s=CREATE_S)
        except LoadTestError as error:
            if "error setting rlimit" in str(error):
                raise LoadTestError(
                    f"the engine does not let containers have {self._variables()['NOFILE']} open files: "
                    "set NOFILE lower"
                ) from error
            raise

    def _readiness(self) -> dict[str, Callable[[], bool]]:
        replicas = self._replicas()
        seconds = ready.patience_s(len(replicas))
        script = Path(ready.__file__).read_text()
        command = [
            "python",
            "-I",
            "-S",
            "-c",
            script,
            str(CONTAINER_PORT),
            str(self._config.listeners),
            str(seconds),
        ]
        return {
            replica.name: partial(
                self._is_ready, replica.name, self._threads.submit(self._execute, replica, command)
            )
            for replica in replicas
        }

    def _is_ready(self, name: str, waiting: Future[tuple[int, str]]) -> bool:
        if not waiting.done():
            return False
        exit_code, _ = waiting.result()
        if exit_code != 0:
            # The engine may need a moment to see that the container has ended.
            time.sleep(1.0)
            self._check_alive()
            raise self._late(name)
        return True

    def _ended_parts(self) -> list[EndedPart]:
        with suppress(DockerException, OSError, LoadTestError):
            return [
                EndedPart(container.name, self._home / f"{container.service}.log")
                for container in self._containers()
                if not container.running
            ]
        return []

    def _save_logs(self) -> None:
        for service in ("env", "nginx"):
            with suppress(LoadTestError):
                self._compose("logs", "--no-color", service, log=f"{service}.log", timeout_s=30)

    def _execute(self, container: Container, command: Sequence[str]) -> tuple[int, str]:
        """The exit code (1 if the container is gone) and output of a command run inside a container."""
        try:
            execution = self._client.api.exec_create(container.id, list(command))
            output = self._client.api.exec_start(execution["Id"])
            return self._client.api.exec_inspect(execution["Id"])["ExitCode"] or 0, output.decode()
        except (DockerException, OSError) as error:
            return 1, str(error)

    def _usage(self, container: Container) -> Usage | None:
        try:
            stats: dict[str, Any] = self._client.api.stats(container.id, stream=False, one_shot=True)
            return usage(container, stats)
        except (DockerException, OSError, KeyError):
            return None


def usage(container: Container, stats: Mapping[str, Any]) -> Usage:
    """Usage from the engine's statistics; raises KeyError where they lack something.

    Memory excludes the file cache that the kernel would reclaim first, as in `docker stats`.
    """
    memory = stats["memory_stats"]
    details = memory.get("stats", {})
    # The name in cgroup v1, and the one in v2.
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    role: Role = "replica" if container.service == "env" else "nginx"
    return Usage(
        role=role,
        name=_host(container) if role == "replica" else "nginx",
        cpu_seconds=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=memory["usage"] - cache,
        open_files=None,
    )


def _host(container: Container) -> str:
    return f"{container.hostname}:{CONTAINER_PORT}"


def _without_compose_settings() -> dict[str, str]:
    # Such as COMPOSE_FILE and COMPOSE_PROFILES, which would add to what we name.
    return {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
