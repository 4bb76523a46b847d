"""Replicas as containers behind an nginx container, driven by `docker compose`."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from loadtests.deployments import Kind, Usage, docker_engine, health, images, nginx, ports, processes, ready
from loadtests.deployments.docker_engine import Container
from loadtests.deployments.images import build_step, environment_image, provide_images
from loadtests.deployments.local import VERSIONS
from loadtests.deployments.managed import EndedPart, ManagedDeployment
from loadtests.errors import LoadTestError
from loadtests.places import compose_folder
from loadtests.protocol import replies
from reports.page.words import count, printable
from reports.records.schema import EnvironmentJson, Role

COMPOSE_FILE = compose_folder() / "compose.yaml"
ANY_ENVIRONMENT = compose_folder() / "any-environment.yaml"
"""What is different for environments of others, which know nothing of this file."""
ANSWERS = r"""
answers() {
  exec 3<>/dev/tcp/"$1"/"$2" && printf 'GET /health HTTP/1.0\r\n\r\n' >&3 && head -1 <&3 | grep -q ' 200'
} 2>/dev/null
until answers "$@"; do
  (( SECONDS < ${3%.*} )) || exit 1
  sleep 0.1
done
"""
"""Waits until GET /health at an address and a port gives 200, for some seconds at most; for bash."""
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
            provide_images(self._client, self._compose, self._config.environment, self._progress)
            self._check_workers()

    def up(self) -> None:
        """Brings the containers up."""
        super().up()
        if not self._config.environment.is_benchmark:
            with suppress(OSError, HTTPException):
                said = health.post(f"{self.url}/reset", {}, timeout_s=10).json_object().get("observation")
                url = said.get("host_url") if isinstance(said, dict) else None
                hosts = {f"{each.hostname}:{self._config.environment.port}" for each in self._replicas()}
                self._hosts_are_said = replies.host_of(url) in hosts

    def _check_workers(self) -> None:
        """Has as many workers as the image's start command allows for."""
        environment = self._config.environment
        if environment.is_benchmark:
            return
        name = environment_image(environment)
        command, allowed = images.start_command(self._client, name), None
        if command is not None:
            allowed = images.workers_of(command, self._config.workers)
        if allowed is not None and allowed != self._config.workers:
            self._progress(
                f"{count(allowed, 'worker')} a replica instead of WORKERS={self._config.workers}: "
                f"the image starts `{printable(command or '', 80)}`"
            )
            self._config = replace(self._config, workers=allowed)

    def environment(self) -> EnvironmentJson:
        """The image that the replicas were started from, and the directory that it was built from."""
        environment = self._config.environment
        name = environment_image(environment)
        with suppress(DockerException):
            image = self._client.images.get(name)
            digests = image.attrs.get("RepoDigests") or [image.id]
            return environment.described(name, str(digests[0]).rpartition("@")[2])
        return environment.described(name)

    def versions(self) -> dict[str, str]:
        """Of what serves, as the containers themselves say, and of the engine."""
        versions: dict[str, str] = {"docker": self._client.version()["Version"]}
        commands = {"env": ["python", "-c", VERSIONS], "nginx": ["nginx", "-v"]}
        for container in {each.service: each for each in self._containers()}.values():
            if container.service in commands:
                code, output = self._execute(container, commands[container.service])
                # An environment of someone else may have no Python by this name.
                versions.update(VERSION.findall(output) if code == 0 else [])
        return versions

    def resources(self) -> list[Usage]:
        """Of each replica and of nginx, all requested at once.

        Engines before 23 answer only at the end of the current second.
        """
        running = [container for container in self._containers() if container.running]
        usages = self._threads.map(self._usage, running)
        return [usage for usage in usages if usage is not None]

    def running(self) -> set[str]:
        """The hosts of the replicas that run now, and `nginx` where it does. Raises DockerException."""
        return {self._part(container) for container in self._containers() if container.running}

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions fit through the engine's proxy; None where that is unknown."""
        return docker_engine.published_connections(self._record.ports[0])

    @property
    def _project(self) -> str:
        return f"openenv-loadtest-{self._record.name}"

    @cached_property
    def _hosts_are_said(self) -> bool:
        """Whether observations name the container that answered; otherwise nginx names its address."""
        return self._config.environment.is_benchmark

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
        return {self._host(replica): f"env-{replica.number}" for replica in self._replicas()}

    def _host(self, replica: Container) -> str:
        """The host as observations name it, or nginx where they do not."""
        name = replica.hostname if self._hosts_are_said else replica.address
        return f"{name}:{self._config.environment.port}"

    def _part(self, container: Container) -> str:
        return self._host(container) if container.service == "env" else "nginx"

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
        environment, workers = self._config.environment, self._config.workers
        # What others need is unknown: more than the Benchmark environment.
        memory = f"{512 * (workers + 1)}m" if environment.is_benchmark else f"{2048 * workers}m"
        variables = {
            **common,
            "PORT": str(self._record.ports[0]),
            "REPLICAS": str(self._config.replicas),
            "WORKERS": str(workers),
            "REUSE_PORT": str(int(self._config.reuse_port)),
            "ENV_IMAGE": environment_image(environment),
            "ENV_MEMORY": os.environ.get("ENV_MEMORY") or memory,
            "ENV_PORT": str(environment.port),
        }
        if environment.image is None:
            source = environment.source
            variables["ENV_CONTEXT"] = str(source.path)
            if source.dockerfile:
                variables["ENV_DOCKERFILE"] = str(source.dockerfile.relative_to(source.path))
        if not environment.is_benchmark and (base := os.environ.get("PYTHON_IMAGE")):
            variables["BASE_IMAGE"] = base
        return variables

    def _compose(self, *arguments: str, log: str, timeout_s: float, **variables: str) -> None:
        """Runs `docker compose` to its end, its output in a log. Raises LoadTestError with the last lines."""
        path = self._home / log
        files = [COMPOSE_FILE] if self._config.environment.is_benchmark else [COMPOSE_FILE, ANY_ENVIRONMENT]
        compose = ["docker", "compose", "--ansi", "never", "-p", self._project]
        process = processes.start(
            [*compose, *(word for file in files for word in ("-f", str(file))), *arguments],
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
        seconds = str(ready.patience_s(len(replicas)))
        if self._config.environment.is_benchmark:
            script = Path(ready.__file__).read_text()
            check = ["python", "-I", "-S", "-c", script, str(self._config.environment.port)]
            commands = {each: (each, [*check, str(self._config.listeners), seconds]) for each in replicas}
        else:
            # Their images may have neither Python nor a shell: asked from the balancer's.
            balancer = next(each for each in self._containers() if each.service == "nginx")
            check = ["bash", "-c", ANSWERS, "bash"]
            port = str(self._config.environment.port)
            commands = {each: (balancer, [*check, each.address, port, seconds]) for each in replicas}
        return {
            replica.name: partial(
                self._is_ready, replica.name, self._threads.submit(self._execute, container, command)
            )
            for replica, (container, command) in commands.items()
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
            return usage(self._part(container), stats)
        except (DockerException, OSError, KeyError):
            return None


def usage(name: str, stats: Mapping[str, Any]) -> Usage:
    """Usage of a replica's host, or of `nginx`, from the engine's statistics.

    Raises KeyError where they lack something.

    Memory excludes the file cache that the kernel would reclaim first, as in `docker stats`.
    """
    memory = stats["memory_stats"]
    details = memory.get("stats", {})
    # The name in cgroup v1, and the one in v2.
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    role: Role = "nginx" if name == "nginx" else "replica"
    return Usage(
        role=role,
        name=name,
        cpu_seconds=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=memory["usage"] - cache,
        open_files=None,
    )


def _without_compose_settings() -> dict[str, str]:
    # Such as COMPOSE_FILE and COMPOSE_PROFILES, which would add to what we name.
    return {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
