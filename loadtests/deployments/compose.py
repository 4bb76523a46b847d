"""Replicas as containers behind an nginx container, driven by `docker compose`."""

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image

from loadtests.deployments import (
    DeploymentConfig,
    Kind,
    Progress,
    Usage,
    docker_engine,
    nginx,
    ports,
    processes,
    ready,
    silent,
)
from loadtests.deployments.docker_engine import Container
from loadtests.deployments.registry import REGISTRY, Process, Purpose, Record, Registry
from loadtests.deployments.teardown import take_down
from loadtests.errors import LoadTestError
from loadtests.places import ENVIRONMENT, compose_folder
from reports.records.schema import Role, Topology

COMPOSE_FILE = compose_folder() / "compose.yaml"
INPUTS_LABEL = "openenv-loadtest.inputs"
CONTAINER_PORT = 8000
BUILD_S = 1800.0
CREATE_S = 180.0
NGINX_IMAGE = "nginx:1.31"


BUILD_STEP = re.compile(r"^(?:Step \d+/\d+ : |#\d+ \[.*\d+/\d+\] )(?:FROM|RUN|COPY).*", re.MULTILINE)
VERSION = re.compile(r"^(?:nginx version: )?(\w+)[ /](\S+)$", re.MULTILINE)
NOT_IN_IMAGE = re.compile(r"__pycache__|.*\.py[cod]|\.(?!dockerignore).*|.*\.egg-info|build|dist|uv\.lock")


class ImageError(LoadTestError):
    """An image is missing and cannot be built or pulled."""


class ComposeDeployment:
    """Containers of a compose project of their own, of which only nginx has a port on 127.0.0.1."""

    kind: Kind = "compose"

    def __init__(
        self,
        config: DeploymentConfig,
        *,
        name: str,
        purpose: Purpose = "run",
        progress: Progress = silent,
        registry: Registry = REGISTRY,
    ) -> None:
        self._config = config
        self._progress = progress
        self._registry = registry
        self._home = registry.home(name)
        self._record = Record(
            name, self.kind, purpose, Process.of(os.getpid()), project=f"openenv-loadtest-{name}"
        )
        self._held: ports.HeldPort | None = None
        self._noted = False
        self._step = ""
        self._threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="docker")

    @property
    def url(self) -> str:
        """Where nginx listens."""
        if self._record.url is None:
            raise RuntimeError("the deployment is not up")
        return self._record.url

    def prepare(self) -> None:
        """Makes sure of the engine, the port and the images; `up` does it too where it was not done.

        Raises ImageError for an image that cannot be had, LoadTestError for the rest.
        """
        if self._noted:
            return
        if reason := docker_engine.unavailable():
            raise LoadTestError(f"TARGET=compose: {reason}; start or install it, or use TARGET=local")
        try:
            self._held = ports.hold_balancer_port(self._config.port, self._registry)
            self._record.ports = [self._held.port]
            self._record.url = f"http://{ports.LOOPBACK}:{self._held.port}"
            self._registry.create(self._record)
            self._noted = True
            self._have_images()
        except BaseException as error:
            self._take_down(keep_logs=isinstance(error, LoadTestError))
            raise

    def up(self) -> None:
        """Starts the containers; returns once every worker listens and all answer."""
        self.prepare()
        try:
            self._start()
            self._wait()
            if self._record.purpose == "up":
                self._registry.leave_running(self._record)
        except BaseException as error:
            self._take_down(keep_logs=isinstance(error, LoadTestError))
            raise

    def hosts(self) -> list[str]:
        """hostname:port of each replica that is there now, by the replicas' numbers."""
        return [_host(container) for container in self._containers() if container.service == "env"]

    def topology(self) -> Topology:
        """As it is now: replicas may have been added since."""
        replicas = [container for container in self._containers() if container.service == "env"]
        return Topology(
            replicas=len(replicas),
            workers=self._config.workers,
            hosts=[_host(container) for container in replicas],
            names={_host(container): f"env-{container.number}" for container in replicas},
        )

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
        seen: set[str] = set()
        for container in self._containers():
            if container.service in commands and container.service not in seen:
                seen.add(container.service)
                _, output = self._execute(container, commands[container.service])
                versions.update(VERSION.findall(output))
        return versions

    def resources(self) -> list[Usage]:
        """Of each replica and of nginx, asked for all at once.

        Engines before 23 answer at the end of the current second only.
        """
        running = [container for container in self._containers() if container.running]
        usages = self._threads.map(self._usage, running)
        return [usage for usage in usages if usage is not None]

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions fit through the engine's proxy; None where that is unknown."""
        return docker_engine.published_connections(self._record.ports[0])

    def down(self) -> None:
        """Removes containers and network.

        Logs stay where a container had ended by itself, and where an access log was asked for.
        """
        ended = [container.name for container in self._containers_if_any() if not container.running]
        if ended:
            self._progress(f"{', '.join(ended)} had ended before: logs stay in {self._home}")
        keep_logs = bool(ended) or (self._config.access_log and self._noted)
        if keep_logs:
            self._save_logs()
        self._take_down(keep_logs=keep_logs)

    @cached_property
    def _client(self) -> docker.DockerClient:
        return docker_engine.connect()

    def _containers(self) -> list[Container]:
        return docker_engine.containers(self._client, self._record.project or "")

    def _containers_if_any(self) -> list[Container]:
        if self._noted:
            with suppress(DockerException, OSError, LoadTestError):
                return self._containers()
        return []

    def _variables(self) -> dict[str, str]:
        """What compose.yaml is to be filled in with."""
        common = nginx.common_variables(
            self._config,
            name=self._record.name,
            access_log="/dev/stdout",
            # A container may have what its engine may have; the best guess is what we may have.
            open_files=nginx.whole_variable(os.environ, "NOFILE", processes.raise_open_file_limit()),
            environ=os.environ,
        )
        return {
            **common,
            "PORT": str(self._record.ports[0]),
            "REPLICAS": str(self._config.replicas),
            "WORKERS": str(self._config.workers),
            "REUSE_PORT": str(int(self._config.reuse_port)),
            "ENV_IMAGE": _environment_image(),
            "ENV_CONTEXT": str(ENVIRONMENT),
            "ENV_MEMORY": os.environ.get("ENV_MEMORY") or f"{512 * (self._config.workers + 1)}m",
        }

    def _compose(self, *arguments: str, log: str, timeout_s: float, **variables: str) -> None:
        project = ["-p", self._record.project or "", "-f", str(COMPOSE_FILE)]
        self._command(
            ["docker", "compose", "--ansi", "never", *project, *arguments],
            title=f"docker compose {arguments[0]}",
            log=log,
            timeout_s=timeout_s,
            environ={**_without_compose_settings(), **self._variables(), **variables},
        )

    def _command(
        self, command: Sequence[str], *, title: str, log: str, timeout_s: float, environ: Mapping[str, str]
    ) -> None:
        """Runs a command to its end, its output in a log. Raises LoadTestError with the log's last lines."""
        path = self._home / log
        process = processes.start(
            command, record=self._record, registry=self._registry, log=path, environ=environ
        )
        deadline = time.monotonic() + timeout_s
        try:
            while process.poll() is None and time.monotonic() < deadline:
                self._show_step(path)
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(docker_engine.STOP_S)
        if process.returncode != 0:
            how = (
                f"exit code {process.returncode}" if process.returncode else f"not done in {timeout_s:.0f} s"
            )
            raise LoadTestError(f"`{title}` failed ({how}); the end of {path}:\n{processes.tail(path)}")

    def _show_step(self, log: Path) -> None:
        steps = BUILD_STEP.findall(log.read_text(errors="replace"))
        if steps and steps[-1] != self._step:
            self._step = steps[-1]
            self._progress(f"building the image: {self._step[:80]}")

    def _have_images(self) -> None:
        name, inputs = _environment_image(), environment_inputs()
        before = self._image(name)
        if before is None or before.labels.get(INPUTS_LABEL) != inputs:
            self._progress(f"building the image {name}: takes minutes the first time")
            try:
                self._compose("build", "env", log="build.log", timeout_s=BUILD_S, ENV_IMAGE_INPUTS=inputs)
            except LoadTestError as error:
                raise ImageError(f"the image {name} cannot be built: {error}") from error
            if before is not None and INPUTS_LABEL in before.labels:
                # Stays where a container still uses it.
                with suppress(DockerException):
                    self._client.images.remove(before.id or "")
        balancer = os.environ.get("NGINX_IMAGE") or NGINX_IMAGE
        if self._image(balancer) is None:
            self._progress(f"pulling the image {balancer}")
            try:
                self._command(
                    ["docker", "pull", balancer],
                    title=f"docker pull {balancer}",
                    log="pull.log",
                    timeout_s=BUILD_S,
                    environ=os.environ,
                )
            except LoadTestError as error:
                raise ImageError(f"the image {balancer} cannot be pulled: {error}") from error

    def _image(self, name: str) -> Image | None:
        try:
            return self._client.images.get(name)
        except ImageNotFound:
            return None

    def _start(self) -> None:
        self._progress(
            f"starting {self._config.replicas} × {self._config.workers} workers and nginx as containers"
        )
        if self._held is not None:
            self._held.release()
        try:
            self._compose("up", "--detach", "--no-build", "env", "nginx", log="up.log", timeout_s=CREATE_S)
        except LoadTestError as error:
            if "error setting rlimit" in str(error):
                raise LoadTestError(
                    f"the engine does not let containers have {self._variables()['NOFILE']} open files: "
                    "set NOFILE to fewer"
                ) from error
            raise

    def _wait(self) -> None:
        replicas = [container for container in self._containers() if container.service == "env"]
        seconds = ready.patience_s(len(replicas))
        listeners = self._config.listeners
        script = Path(ready.__file__).read_text()
        command = ["python", "-c", script, str(CONTAINER_PORT), str(listeners), str(seconds)]
        starting = {replica: self._threads.submit(self._execute, replica, command) for replica in replicas}
        deadline = time.monotonic() + seconds
        while starting or not nginx.answers(self.url, self._record.name):
            self._check_alive()
            for replica in [replica for replica, wait in starting.items() if wait.done()]:
                if starting[replica].result()[0] != 0:
                    # The engine may need a moment to see that the container has ended.
                    time.sleep(1.0)
                    self._check_alive()
                    raise self._late(replica.name)
                del starting[replica]
                self._progress(f"waiting for health ({len(replicas) - len(starting)} of {len(replicas)})")
            if time.monotonic() > deadline:
                raise self._late(", ".join(replica.name for replica in starting) or "nginx")
            time.sleep(0.05)

    def _late(self, what: str) -> LoadTestError:
        self._save_logs()
        return LoadTestError(f"{what}: no answer in time; logs are in {self._home}")

    def _check_alive(self) -> None:
        for container in self._containers():
            if not container.running:
                path = self._save_logs()[container.service]
                raise LoadTestError(
                    f"the container {container.name} ended while starting; "
                    f"the end of {path}:\n{processes.tail(path)}"
                )

    def _save_logs(self) -> dict[str, Path]:
        """Writes what each service has logged to a file of its own."""
        logs = {}
        for service in ("env", "nginx"):
            logs[service] = self._home / f"{service}.log"
            with suppress(LoadTestError):
                self._compose("logs", "--no-color", service, log=logs[service].name, timeout_s=30)
        return logs

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

    def _take_down(self, *, keep_logs: bool) -> None:
        with processes.uninterrupted():
            if self._noted:
                take_down(self._record, self._registry, keep="*.log" if keep_logs else None)
                self._noted = False
            if self._held is not None:
                self._held.release()
            self._threads.shutdown(wait=False, cancel_futures=True)


def usage(container: Container, stats: Mapping[str, Any]) -> Usage:
    """Usage from the engine's statistics; raises KeyError where these lack something.

    Memory is without the cache of files that the kernel would give up first, as `docker stats` has it.
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


def environment_inputs() -> str:
    """A hash of all that the environment's image is made from."""
    digest = hashlib.sha256((os.environ.get("PYTHON_IMAGE") or "").encode())
    for path in sorted(ENVIRONMENT.rglob("*")):
        relative = path.relative_to(ENVIRONMENT)
        if path.is_file() and not any(NOT_IN_IMAGE.fullmatch(part) for part in relative.parts):
            digest.update(f"{relative}\0{path.stat().st_mode & 0o111:o}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _environment_image() -> str:
    return os.environ.get("ENV_IMAGE") or "benchmark-env:latest"


def _host(container: Container) -> str:
    return f"{container.hostname}:{CONTAINER_PORT}"


def _without_compose_settings() -> dict[str, str]:
    # Such as COMPOSE_FILE and COMPOSE_PROFILES, which would add to what we name.
    return {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
