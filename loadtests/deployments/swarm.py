"""The swarm that a Docker engine is a manager of: its nodes, and the tasks of a stack."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound

from loadtests.deployments import docker_engine
from loadtests.deployments.docker_engine import Container
from loadtests.errors import LoadTestError

STACK_LABEL = "com.docker.stack.namespace"
BRIDGE = "docker_gwbridge"
"""The network through which an engine reaches its own tasks, whatever swarm network they are in."""
INIT = "docker swarm init --advertise-addr 127.0.0.1"
_ENDED = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}
_REMOVE_S = 60.0
_FORCE_AFTER_S = 8.0


@dataclass(frozen=True)
class Swarm:
    """A swarm, seen from one of its managers."""

    node: str
    """The id of this engine's node."""
    nodes: dict[str, str]
    """The name of each node that takes tasks, by its id."""


@dataclass(frozen=True)
class Task:
    """A task of a stack: one container, on some node."""

    id: str
    service: str
    """Its name in the stack."""
    number: int
    node: str
    state: str
    error: str
    container: str
    """The id of its container; empty as long as there is none."""
    address: str
    exit_code: int | None

    @property
    def ended(self) -> bool:
        return self.state in _ENDED

    @property
    def name(self) -> str:
        return f"{self.service}-{self.number}"

    def as_container(self, node: str) -> Container:
        """The task as the container that it is, seen from a node."""
        return Container(
            id=self.container,
            name=self.name,
            service=self.service,
            number=self.number,
            running=not self.ended,
            address=self.address,
            exit_code=self.exit_code if self.ended else None,
            here=self.node == node,
        )


def swarm_of(client: docker.DockerClient) -> Swarm:
    """The swarm of this engine. Raises LoadTestError where it manages none."""
    try:
        info: dict[str, Any] = client.info()["Swarm"]
        if info.get("LocalNodeState") != "active":
            raise LoadTestError(
                f"the Docker engine is in no swarm: `{INIT}` makes it one of its own, for other machines to "
                "join give the address that they reach it by"
            )
        if not info.get("ControlAvailable"):
            raise LoadTestError(
                "the Docker engine is a worker of its swarm: stacks are started on a manager; `docker node "
                "promote` there makes this one a manager too"
            )
        listed: list[dict[str, Any]] = client.api.nodes()
    except DockerException as error:
        raise LoadTestError(f"the swarm cannot be asked: {error}") from error
    nodes = {
        each["ID"]: each["Description"]["Hostname"]
        for each in listed
        if each["Status"]["State"] == "ready" and each["Spec"]["Availability"] == "active"
    }
    if info["NodeID"] not in nodes:
        raise LoadTestError(
            "this node takes no tasks, and the balancer and Locust's master have to run on it: "
            "`docker node update --availability active self`"
        )
    return Swarm(node=info["NodeID"], nodes=nodes)


def tasks(client: docker.DockerClient, stack: str) -> list[Task]:
    """The tasks of a stack by service and number, those that have ended too. Raises DockerException."""
    names = {service.id: service.name.removeprefix(f"{stack}_") for service in _services(client, stack)}
    api: Any = client.api
    listed: list[dict[str, Any]] = api.tasks(filters=_of(stack))
    found = [_task(task, names[task["ServiceID"]]) for task in listed if task["ServiceID"] in names]
    return sorted(found, key=lambda task: (task.service, task.number))


def address_here(client: docker.DockerClient, container: str) -> str | None:
    """The address by which this machine reaches a task's container on it; None where it has none."""
    attached: dict[str, dict[str, str]] = client.api.inspect_network(BRIDGE).get("Containers") or {}
    return attached[container]["IPv4Address"].partition("/")[0] if container in attached else None


def remove_services(client: docker.DockerClient, stack: str, *services: str) -> None:
    """Removes services of a stack and waits for their containers' end. Raises DockerException."""
    wanted = {f"{stack}_{name}" for name in services}
    for service in _services(client, stack):
        if service.name in wanted:
            with suppress(NotFound):
                service.remove()
    for name in wanted:
        _remove_containers(client, f"com.docker.swarm.service.name={name}")


def remove_configs(client: docker.DockerClient, stack: str, prefix: str = "") -> None:
    """Removes the configs of a stack whose names in it begin with a prefix. Raises DockerException."""
    for config in client.configs.list(filters=_of(stack)):
        if config.name.startswith(f"{stack}_{prefix}"):
            config.remove()


def remove_stack(stack: str) -> None:
    """Removes all that a stack consists of: services, their containers, networks and configs.

    Raises LoadTestError if the engine fails to.
    """
    try:
        client = docker_engine.connect()
        with _unless_it_left_the_swarm():
            for service in _services(client, stack):
                with suppress(NotFound):
                    service.remove()
        _remove_containers(client, _of(stack)["label"])
        with _unless_it_left_the_swarm():
            remove_configs(client, stack)
        _remove_networks(client, stack)
    except (DockerException, OSError) as error:
        raise LoadTestError(
            f"cannot remove the stack {stack}: {error}; once the engine answers: docker stack rm {stack}"
        ) from error


def _services(client: docker.DockerClient, stack: str) -> list[Any]:
    found: list[Any] = client.services.list(filters=_of(stack))
    return found


def _of(stack: str) -> dict[str, str]:
    return {"label": f"{STACK_LABEL}={stack}"}


@contextmanager
def _unless_it_left_the_swarm() -> Iterator[None]:
    """Passes over the errors of an engine that has left its swarm: its services are gone then."""
    try:
        yield
    except APIError as error:
        if "not a swarm manager" not in str(error):
            raise


def _remove_containers(client: docker.DockerClient, label: str) -> None:
    """Waits until the containers of removed services on this node are gone, by force after a while."""
    begin = time.monotonic()
    while left := client.api.containers(all=True, filters={"label": label}):
        waited_s = time.monotonic() - begin
        if waited_s > _REMOVE_S:
            raise DockerException(f"{len(left)} containers do not end")
        if waited_s > _FORCE_AFTER_S:
            for each in left:
                with suppress(APIError):
                    client.api.remove_container(each["Id"], v=True, force=True)
        time.sleep(0.2)


def _remove_networks(client: docker.DockerClient, stack: str) -> None:
    """Removes networks, which are in use until the tasks on all nodes have left them."""
    begin = time.monotonic()
    while networks := client.api.networks(filters=_of(stack)):
        for network in networks:
            try:
                client.api.remove_network(network["Id"])
            except NotFound:
                continue
            except APIError:
                if time.monotonic() - begin > _REMOVE_S:
                    raise
        time.sleep(0.2)


def _task(task: dict[str, Any], service: str) -> Task:
    status = task["Status"]
    container = status.get("ContainerStatus") or {}
    addresses = [
        address.partition("/")[0]
        for each in task.get("NetworksAttachments") or []
        for address in each.get("Addresses") or []
    ]
    return Task(
        id=task["ID"],
        service=service,
        number=task.get("Slot", 0),
        node=task.get("NodeID", ""),
        state=status["State"],
        error=status.get("Err", ""),
        container=container.get("ContainerID", ""),
        address=addresses[0] if addresses else "",
        exit_code=container.get("ExitCode"),
    )
