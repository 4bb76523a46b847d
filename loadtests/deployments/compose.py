"""Replicas as containers behind an nginx container, driven by `docker compose`."""

import json
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
from threading import Event, RLock
from typing import Any

import docker
from docker.errors import DockerException

from loadtests.deployments import (
    Kind,
    Usage,
    container_processes,
    docker_engine,
    generators,
    health,
    images,
    nginx,
    ports,
    processes,
    ready,
    slow_network,
)
from loadtests.deployments.breakable import REMOVE_S, NotPossibleError
from loadtests.deployments.docker_engine import Container
from loadtests.deployments.generators import LOAD_URL, MASTER, WORKER, ContainerGenerators, LoadOrder
from loadtests.deployments.images import (
    build_step,
    environment_image,
    provide_generators_image,
    provide_images,
)
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
WITH_GENERATORS = compose_folder() / "generators.yaml"
"""What is different for load generators that the harness drives."""
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
_POLL_S = 0.1
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
            raise LoadTestError(f"TARGET={self.kind}: {reason}; start or install it, or use TARGET=local")
        self._record.project = self._project
        super().prepare()
        with self._taken_down_on_error():
            self._provide_images()
            self._check_workers()

    def _provide_images(self) -> None:
        """Builds or pulls what is missing. Raises ImageError."""
        self._provide_servers_images()
        if self._config.generators:
            provide_generators_image(self._client, self._compose, self._home, self._progress)

    def _provide_servers_images(self, *, build: bool = True) -> None:
        environment = self._config.environment
        provide_images(self._client, self._compose, environment, self._progress, build=build)

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
        """Of each replica, of nginx and of each load generator in a container, all requested at once.

        Engines before 23 answer only at the end of the current second.
        """
        running = [each for each in self._containers() if each.running and each.here]
        usages = self._threads.map(self._usage, running)
        return [usage for usage in usages if usage is not None]

    def running(self) -> set[str]:
        """The hosts of the replicas that run now, and `nginx` where it does. Raises DockerException."""
        parts = [self._role_and_name(container) for container in self._containers() if container.running]
        return {name for role, name in parts if role != "generator"}

    def workers_of(self, host: str) -> list[int]:
        """The children of the server in a replica's container."""
        code, listed = self._execute(self._replica(host), ["sh", "-c", container_processes.LIST])
        if code != 0 and not listed.startswith("1 ("):
            raise NotPossibleError(f"its container has no shell to look into it with ({listed.strip():.80})")
        return container_processes.workers(listed)

    def kill_worker(self, host: str, pid: int) -> None:
        """Kills a process inside the replica's container."""
        code, output = self._execute(self._replica(host), ["sh", "-c", f"kill -9 {pid}"])
        if code != 0:
            raise LoadTestError(f"{pid} in {host} could not be killed: {printable(output, 80)}")

    def kill_replica(self, host: str) -> None:
        """Kills a container; it stays as one that has ended."""
        replica = self._replica(host)
        self._put_down.add(host)
        self._client.api.kill(replica.id, "SIGKILL")

    def pause_replica(self, host: str) -> None:
        """Freezes a container; the kernel still accepts connections for it."""
        self._client.api.pause(self._replica(host).id)

    def resume_replica(self, host: str) -> None:
        """Lets it go on."""
        self._client.api.unpause(self._replica(host).id)

    def restart_nginx(self) -> None:
        """Stops nginx's container and starts it again."""
        (balancer,) = (each for each in self._containers() if each.service == "nginx")
        self._client.api.restart(balancer.id, timeout=docker_engine.STOP_S)

    def add_replica(self, given_up: Event) -> str:  # noqa: ARG002 - nothing is waited for
        """Starts one more container, which nginx finds through Docker's DNS."""
        with self._scale_lock:
            before = {each.id for each in self._replicas()}
            scale = ("--scale", f"env={len(before) + 1}")
            # Not started: that would start those that were killed, too.
            self._compose(
                *("up", "--no-start", "--no-build", "--no-deps", "--no-recreate", *scale, "env"),
                log="scale.log",
                timeout_s=CREATE_S,
            )
            (new,) = (each for each in self._replicas() if each.id not in before)
        self._client.api.start(new.id)
        host = next(self._host(each) for each in self._replicas() if each.id == new.id)
        self._added.add(host)
        return host

    def remove_replica(self, host: str, given_up: Event) -> None:
        """Tells a container to stop; it stays as one that has ended."""
        replica = self._replica(host)
        self._put_down.add(host)
        stop_signal = self._client.api.inspect_container(replica.id)["Config"].get("StopSignal")
        self._client.api.kill(replica.id, stop_signal or "SIGTERM")
        give_up = time.monotonic() + REMOVE_S
        while any(each.running for each in self._replicas() if each.id == replica.id):
            if given_up.wait(_POLL_S) or time.monotonic() > give_up:
                with suppress(DockerException):  # it may just have ended
                    self._client.api.kill(replica.id, "SIGKILL")
                return

    def slow_network(self, host: str, delay_s: float) -> None:
        """Delays what a container sends, where this machine lets us."""
        replica = self._replica(host)
        slow_network.delay(self._pid(replica), replica.hostname, delay_s)

    def restore_network(self, host: str) -> None:
        """Delays it no longer."""
        replica = self._replica(host)
        if replica.running:
            slow_network.restore(self._pid(replica))

    def _replica(self, host: str) -> Container:
        for each in self._replicas():
            if self._host(each) == host:
                return each
        raise LoadTestError(f"{host} is no replica any more")

    def _pid(self, container: Container) -> int:
        """Of its first process, as the engine's machine numbers it."""
        return int(self._client.api.inspect_container(container.id)["State"]["Pid"])

    @cached_property
    def _scale_lock(self) -> RLock:
        """Held while a replica is added."""
        return RLock()

    @cached_property
    def _addresses(self) -> dict[str, str]:
        """The last known address of each replica by its container: one that has ended has none."""
        return {}

    @property
    def load_url(self) -> str:
        """For generators in containers the balancer by its name, else where it listens."""
        return LOAD_URL if self._config.generators else self.url

    def load_generators(self, order: LoadOrder) -> ContainerGenerators:
        """Generators in the deployment's own network, not started yet."""
        return ContainerGenerators(self, order, self._progress)

    def start_generators(self, order: LoadOrder) -> None:
        """Starts the master and its workers as containers of the project."""
        self._progress(generators.described(self._config.generators))
        added = self._home / "load.json"
        added.write_text(json.dumps(generators.overlay(order, self._config.generators)))
        self._compose(
            *("up", "--detach", "--no-build", "--no-deps", "--force-recreate", MASTER, WORKER),
            log="load.log",
            timeout_s=CREATE_S,
            files=(WITH_GENERATORS, added),
            **generators.variables(order, rootless=docker_engine.is_rootless(self._client)),
        )

    def generator_containers(self) -> list[Container]:
        """Locust's master and workers, those that have ended too."""
        try:
            return [container for container in self._containers() if container.service in (MASTER, WORKER)]
        except (DockerException, OSError) as error:
            raise LoadTestError(f"the Docker engine cannot be asked: {error}") from error

    def follow_generators(self, log: Path) -> list["subprocess.Popen[bytes]"]:
        """Copies what they print, each line with its container's name, to a log."""
        return [self._started(self._command("logs", "--follow", "--no-color", MASTER, WORKER), log)]

    def stop_master(self) -> None:
        """Tells Locust's master to end the test."""
        with suppress(DockerException, OSError, LoadTestError):
            for container in self.generator_containers():
                if container.service == MASTER and container.running:
                    self._client.api.kill(container.id, "SIGTERM")

    def remove_generators(self) -> None:
        """Removes the master and the workers by force."""
        with suppress(DockerException, OSError, LoadTestError):
            for container in self.generator_containers():
                self._client.api.remove_container(container.id, v=True, force=True)

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions fit through the engine's proxy; None where that is unknown."""
        if self._config.generators:
            return None
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
        if replica.address:
            self._addresses[replica.id] = replica.address
        name = replica.hostname if self._hosts_are_said else self._addresses.get(replica.id, "")
        return f"{name}:{self._config.environment.port}"

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
            "PORT": str(self._record.ports[0] if self._record.ports else self._config.port),
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

    def _command(self, *arguments: str, files: Sequence[Path] = ()) -> list[str]:
        """A `docker compose` command, on the files of the deployment and further ones."""
        own = [COMPOSE_FILE] if self._config.environment.is_benchmark else [COMPOSE_FILE, ANY_ENVIRONMENT]
        words = (word for file in (*own, *files) for word in ("-f", str(file)))
        return ["docker", "compose", "--ansi", "never", "-p", self._project, *words, *arguments]

    def _environ(self) -> dict[str, str]:
        """The environment of `docker compose`. What is named is started, whatever its profile."""
        return {**_without_compose_settings(), "COMPOSE_PROFILES": "loadgen", **self._variables()}

    def _compose(
        self, *arguments: str, log: str, timeout_s: float, files: Sequence[Path] = (), **variables: str
    ) -> None:
        """Runs `docker compose` to its end, its output in a log. Raises LoadTestError with the last lines."""
        command = self._command(*arguments, files=files)
        self._run(command, f"docker compose {arguments[0]}", log, timeout_s, variables)

    def _run(
        self, command: Sequence[str], name: str, log: str, timeout_s: float, variables: Mapping[str, str]
    ) -> None:
        """Runs a command to its end, its output in a log. Raises LoadTestError with the last lines."""
        path = self._home / log
        process = self._started(command, path, variables)
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
            raise LoadTestError(f"`{name}` failed ({how}); the end of {path}:\n{processes.tail(path)}")

    def _started(
        self, command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """A command that goes on, its output in a log."""
        return processes.start(
            command,
            record=self._record,
            registry=self._registry,
            log=log,
            environ={**self._environ(), **(variables or {})},
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
        seconds, port = str(ready.patience_s(len(replicas))), str(self._config.environment.port)
        balancer = next(each for each in self._containers() if each.service == "nginx")
        listens = ["python", "-I", "-S", "-c", Path(ready.__file__).read_text(), port]
        answers = ["bash", "-c", ANSWERS, "bash"]
        commands = {
            each: (each, [*listens, str(self._config.listeners), seconds])
            if self._config.environment.is_benchmark and each.here
            # Images of others may have neither Python nor a shell: asked from the balancer's.
            else (balancer, [*answers, each.address, port, seconds])
            for each in replicas
        }
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
                and not (container.service == "env" and self._host(container) in self._put_down)
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

    def _role_and_name(self, container: Container) -> tuple[Role, str]:
        """The part as resources name it: a generator as its rows name it, by its host and its pid there."""
        match container.service:
            case "env":
                return "replica", self._host(container)
            case "nginx":
                return "nginx", "nginx"
            case _:
                return "generator", f"{container.hostname}:1"

    def _usage(self, container: Container) -> Usage | None:
        try:
            stats: dict[str, Any] = self._client.api.stats(container.id, stream=False, one_shot=True)

            return usage(*self._role_and_name(container), stats)
        except (DockerException, OSError, KeyError):
            return None


def usage(role: Role, name: str, stats: Mapping[str, Any]) -> Usage:
    """Usage of a part from the engine's statistics. Raises KeyError where they lack something.

    Memory excludes the file cache that the kernel would reclaim first, as in `docker stats`.
    """
    memory = stats["memory_stats"]
    details = memory.get("stats", {})
    # The name in cgroup v1, and the one in v2.
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
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
