"""Environment servers to put under load, behind one interface: compose, local processes, or a URL."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from loadtests.protocol.access import OPEN, Access
from reports.records.schema import Role, Topology

Kind = Literal["compose", "local", "url"]
Balancing = Literal["round_robin", "least_conn", "ip_hash", "random"]
Progress = Callable[[str], None]
"""Is told, in a few words in the present tense, what a deployment is doing."""


def silent(_what: str) -> None:
    """Shows no progress."""


@dataclass(frozen=True)
class DeploymentConfig:
    """What to bring up."""

    replicas: int = 2
    workers: int = 2
    balancing: Balancing = "round_robin"
    port: int = 8000
    """Where the balancer listens on 127.0.0.1; 0: any free port."""
    access_log: bool = False
    reuse_port: bool = True
    """Each worker of a replica listens on a socket of its own; False: they share one."""
    access: Access = OPEN
    """How a server that is given by its URL is reached."""

    @property
    def listeners(self) -> int:
        """How many sockets listen on a replica's port."""
        return self.workers if self.reuse_port else 1


@dataclass(frozen=True)
class Usage:
    """What one part of a deployment has used so far."""

    role: Role
    name: str
    """For a replica its `host` as observations name it."""
    cpu_seconds: float
    """CPU time since the part began; its rate is the cores kept busy."""
    memory_bytes: int
    open_files: int | None


class Deployment(Protocol):
    """An environment server, from before it is up until after it is down."""

    kind: Kind

    def up(self) -> None:
        """Brings it up and returns once it answers; leaves nothing running when it raises LoadTestError."""

    @property
    def url(self) -> str:
        """Where clients connect, as http://host:port without a path."""

    def hosts(self) -> list[str]:
        """The `host` of each replica as observations name it; empty where it cannot be known."""

    def topology(self) -> Topology:
        """Replicas, workers, hosts and their names."""

    def versions(self) -> dict[str, str]:
        """Versions of what serves: python, openenv, gunicorn, uvicorn, nginx … as far as known."""

    def resources(self) -> list[Usage]:
        """Usage of replicas and balancer now; parts that are gone are left out."""

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions fit through what lies in front of the replicas; None where unknown."""

    def down(self) -> None:
        """Takes down whatever `up` started; may be called twice."""
