"""Environment servers to put under load, behind one interface: compose, local processes, or a URL."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from loadtests.deployments.environment import BENCHMARK, Environment
from loadtests.protocol.access import OPEN, Access
from reports.records.schema import EnvironmentJson, Role, Topology

Kind = Literal["compose", "local", "stack", "url"]
Balancing = Literal["round_robin", "least_conn", "ip_hash", "random"]
Progress = Callable[[str], None]
"""Called with a few words, in the present tense, about what a deployment is doing."""


def silent(_what: str) -> None:
    """Shows no progress."""


@dataclass(frozen=True)
class DeploymentConfig:
    """What to bring up."""

    environment: Environment = BENCHMARK
    replicas: int = 2
    workers: int = 2
    balancing: Balancing = "round_robin"
    port: int = 8000
    """Where the balancer listens on 127.0.0.1; 0: any free port."""
    access_log: bool = False
    reuse_port: bool = True
    """Each worker of a replica listens on a socket of its own; False: they share one."""
    sessions: int = 0
    """WebSocket sessions that are to fit through the balancer, where more than usual are known to come."""
    access: Access = OPEN
    """How to reach a server that is given by its URL."""
    generators: int = 0
    """Containers that generate the load inside the deployment's network; 0: processes of this machine do."""
    published: bool = False
    """Whether a stack's balancer listens at the port on all addresses of this machine too."""

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


class Deployment(ABC):
    """An environment server, before, while and after it is up; by default nothing is known about it."""

    kind: Kind

    @abstractmethod
    def up(self) -> None:
        """Brings it up and returns once it answers; leaves nothing running when it raises LoadTestError."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect: http://host:port, followed by a path where the routes lie under one."""

    @property
    def load_url(self) -> str:
        """Where the load generators connect; they may be nearer to it than the harness."""
        return self.url

    def topology(self) -> Topology:
        """Replicas, workers, hosts and their names."""
        return Topology(replicas=None, workers=None, hosts=[], names={})

    def hosts(self) -> list[str]:
        """The `host` of each replica as observations name it; empty where unknown."""
        return self.topology()["hosts"]

    def versions(self) -> dict[str, str]:
        """Versions of what serves, as far as known: python, openenv, gunicorn, uvicorn, nginx …"""
        return {}

    def environment(self) -> EnvironmentJson | None:
        """What serves there: its name, and where it comes from; None where unknown."""
        return None

    def resources(self) -> list[Usage]:
        """Usage of replicas and balancer now; parts that have ended are left out."""
        return []

    def running(self) -> set[str]:
        """The hosts of the replicas that run now, and `nginx` where it does; empty where unknown."""
        return set()

    def put_down(self) -> set[str]:
        """The hosts of replicas that were killed or removed on purpose."""
        return set()

    def is_as_brought_up(self) -> bool:
        """Whether it has the replicas that it came up with: none was added, killed or removed on purpose."""
        return True

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions fit through what lies in front of the replicas; None where unknown."""
        return None

    @abstractmethod
    def down(self) -> None:
        """Takes down whatever `up` started; may be called twice."""
