"""Replicas behind an nginx, and their load generators, on all nodes of a Docker Swarm, as a stack."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException

from loadtests.deployments import Kind, docker_engine, generators, ports, swarm
from loadtests.deployments.compose import CREATE_S, WITH_GENERATORS, ComposeDeployment
from loadtests.deployments.docker_engine import Container
from loadtests.deployments.generators import MASTER, WORKER, LoadOrder
from loadtests.deployments.images import ImageError, environment_image, generators_image, nginx_image
from loadtests.deployments.swarm import Swarm, Task
from loadtests.errors import LoadTestError
from loadtests.places import compose_folder
from loadtests.protocol.access import LOCUST_HEADERS
from reports.page.words import count

if TYPE_CHECKING:
    import subprocess

AS_STACK = compose_folder() / "stack.yaml"
"""What is different in a stack."""
_CONVERGE_S = 600.0
"""Nodes may have to fetch images first."""
_PENDING_S = 30.0
"""How long a task may find no node that takes it."""
_FETCHING_S = 5.0
"""A task that prepares for longer than this waits for its image."""
_LOGS_S = 30
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


class StackDeployment(ComposeDeployment):
    """A stack of a swarm that this machine's engine manages. The balancer runs here, replicas anywhere."""

    kind: Kind = "stack"
    parts = "tasks of a swarm"

    def _provide_images(self) -> None:
        """Makes sure of the swarm, and that its nodes can have the images. Raises LoadTestError."""
        nodes = self._swarm.nodes
        if len(nodes) > 1:
            self._check_images_are_shared()
        self._progress(f"the swarm has {count(len(nodes), 'node')}: {', '.join(sorted(nodes.values()))}")
        super()._provide_images()

    def _provide_servers_images(self, *, build: bool = True) -> None:
        # What the other nodes fetch is in a registry already.
        super()._provide_servers_images(build=build and len(self._swarm.nodes) == 1)

    def _check_images_are_shared(self) -> None:
        images = {"LOCUST_IMAGE": generators_image()}
        if self._config.environment.image is None:
            images["ENV_IMAGE"] = environment_image(self._config.environment)
        # A name without a slash is in nobody's registry but Docker's own, and there of its own images.
        if lacking := [f"{name}={image}" for name, image in images.items() if "/" not in image]:
            raise ImageError(
                f"the other nodes of the swarm cannot fetch {' and '.join(lacking)}: push them to a registry "
                "that every node reaches, and give their names there, as in "
                "ENV_IMAGE=registry.example:5000/benchmark-env"
            )

    def _hold_ports(self) -> None:
        if self._config.published:
            super()._hold_ports()

    @cached_property
    def _swarm(self) -> Swarm:
        return swarm.swarm_of(self._client)

    def _tasks(self) -> list[Task]:
        return swarm.tasks(self._client, self._project)

    def _containers(self) -> list[Container]:
        return [task.as_container(self._swarm.node) for task in self._tasks() if task.container]

    def _variables(self) -> dict[str, str]:
        return {**super()._variables(), "NODE": self._swarm.node}

    def _images_by_id(self) -> dict[str, str]:
        """The images by their ids, for which no node asks a registry: it could have others of that name."""
        images = {
            "ENV_IMAGE": environment_image(self._config.environment),
            "NGINX_IMAGE": nginx_image(),
            "LOCUST_IMAGE": generators_image(),
        }
        return {name: str(self._client.images.get(image).id) for name, image in images.items()}

    def _start(self) -> None:
        ports.release(self._held)
        added = self._home / "publish.json"
        port = {"target": 8000, "published": str(self._config.port), "protocol": "tcp", "mode": "host"}
        added.write_text(json.dumps({"services": {"nginx": {"ports": [port]}}}))
        files = [AS_STACK, added] if self._config.published else [AS_STACK]
        self._deploy(("env", "nginx"), files, log="up.log")
        self._await_tasks({"env": self._config.replicas, "nginx": 1})
        balancer = next(task for task in self._tasks() if task.service == "nginx")
        address = swarm.address_here(self._client, balancer.container)
        if address is None:
            raise LoadTestError(
                f"the balancer has no address in {swarm.BRIDGE}, by which this machine reaches it"
            )
        self._record.url = f"http://{address}:8000"
        self._registry.update(self._record)

    def start_generators(self, order: LoadOrder) -> None:
        """Starts the master on this node, where the run directory is, and the workers anywhere."""
        self._progress(generators.described(self._config.generators))
        added = self._home / "load.json"
        parts = generators.overlay(order, self._config.generators, patience_s=_CONVERGE_S)
        added.write_text(json.dumps(parts))
        variables = generators.variables(order, rootless=docker_engine.is_rootless(self._client))
        files = (WITH_GENERATORS, AS_STACK, added)
        self._deploy((MASTER, WORKER), files, log="load.log", variables=variables)
        self._await_tasks({MASTER: 1, WORKER: self._config.generators})

    def follow_generators(self, log: Path) -> list["subprocess.Popen[bytes]"]:
        """Copies what they print, each line with its task's name, to a log."""
        return [
            self._started(["docker", "service", "logs", "--follow", f"{self._project}_{service}"], log)
            for service in (MASTER, WORKER)
        ]

    def remove_generators(self) -> None:
        """Removes the services of the master and the workers, and what they were given to read."""
        with suppress(DockerException, OSError):
            swarm.remove_services(self._client, self._project, MASTER, WORKER)
            swarm.remove_configs(self._client, self._project, generators.FILE)

    def _deploy(
        self,
        services: Sequence[str],
        files: Sequence[Path],
        *,
        log: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Adds services to the stack: compose merges the files, and Swarm gets what comes of it."""
        merged = self._home / f"{services[0]}.json"
        alone = len(self._swarm.nodes) == 1
        told = {**(self._images_by_id() if alone else {}), **(variables or {})}
        config = ("config", "--format", "json", "--output", str(merged), *services)
        merged.touch(mode=0o600)
        self._compose(*config, log="config.log", timeout_s=CREATE_S, files=files, **told)
        merged.write_text(json.dumps(as_stack(json.loads(merged.read_text()))))
        resolve = "never" if alone else "always"
        deploy = ["docker", "stack", "deploy", "--compose-file", str(merged), "--resolve-image", resolve]
        command = [*deploy, self._project]
        self._run(command, "docker stack deploy", log, CREATE_S, told)

    def _await_tasks(self, wanted: Mapping[str, int]) -> None:
        """Waits until the tasks of services run; a batch's generators may have ended by then."""
        begin = time.monotonic()
        shown = ""
        while True:
            tasks = [task for task in self._tasks() if task.service in wanted]
            for task in tasks:
                self._check(task, time.monotonic() - begin)
            up = sum(task.state in ("running", "complete") for task in tasks)
            if up >= sum(wanted.values()):
                return
            if time.monotonic() - begin > _CONVERGE_S:
                raise LoadTestError(
                    f"after {_CONVERGE_S:.0f} s only {up} of {sum(wanted.values())} tasks run"
                )
            said = f"waiting for tasks ({up} of {sum(wanted.values())} run)"
            if time.monotonic() - begin > _FETCHING_S:
                fetching = sorted({self._node(task) for task in tasks if task.state == "preparing"})
                said += f", images are fetched by {', '.join(fetching)}" if fetching else ""
            if said != shown:
                shown = said
                self._progress(said)
            time.sleep(0.2)

    def _node(self, task: Task) -> str:
        return self._swarm.nodes.get(task.node, task.node or "no node")

    def _check(self, task: Task, waited_s: float) -> None:
        """Raises LoadTestError for a task that will not run any more."""
        if "No such image" in task.error:
            raise ImageError(
                f"{self._node(task)} cannot fetch an image ({task.error}): push it to a registry that every "
                "node reaches, and name it there with ENV_IMAGE, LOCUST_IMAGE or NGINX_IMAGE"
            )
        if task.state in ("rejected", "failed", "orphaned"):
            self._save_logs()
            raise LoadTestError(
                f"{task.name} did not start on {self._node(task)}: {task.error or task.state}"
            )
        if task.state == "pending" and task.error and waited_s > _PENDING_S:
            raise LoadTestError(f"no node takes {task.name}: {task.error}")

    def _save_logs(self) -> None:
        for service in ("env", "nginx"):
            command = ["docker", "service", "logs", f"{self._project}_{service}"]
            with suppress(LoadTestError):
                self._run(command, "docker service logs", f"{service}.log", _LOGS_S, {})


def as_stack(model: dict[str, Any]) -> dict[str, Any]:
    """What `docker compose config` gives, in the words that `docker stack deploy` takes.

    Without headers: deploying takes them from its own environment, so that no file has them.
    """
    services = {name: _as_part(service) for name, service in model["services"].items()}
    return {key: value for key, value in model.items() if key != "name"} | {"services": services}


def _as_part(service: Mapping[str, Any]) -> dict[str, Any]:
    part = {key: value for key, value in service.items() if value is not None and key != "tmpfs"}
    if LOCUST_HEADERS in part.get("environment", {}):
        part["environment"] = {**part["environment"], LOCUST_HEADERS: None}
    if published := service.get("ports"):
        part["ports"] = [{**port, "published": int(port["published"])} for port in published]
    if scratch := service.get("tmpfs"):
        part["volumes"] = [*part.get("volumes", []), *map(_as_volume, scratch)]
    return part


def _as_volume(tmpfs: str) -> dict[str, Any]:
    """`/tmp:size=64m,mode=1777` as a volume, whose mode is that by default."""
    target, _, options = tmpfs.partition(":")
    size = re.search(r"size=(\d+)([kmg]?)", options)
    volume: dict[str, Any] = {"type": "tmpfs", "target": target}
    if size:
        volume["tmpfs"] = {"size": int(size[1]) * _BYTES[size[2]]}
    return volume
