"""What may be done to the parts of a deployment of our own while it is up. Replicas go by their hosts."""

from abc import ABC, abstractmethod
from threading import Event

from loadtests.deployments import Deployment

REMOVE_S = 40.0
"""How long a replica that is removed has to finish what it does: longer than GRACEFUL_TIMEOUT."""


class NotPossibleError(Exception):
    """This cannot be done here; the message says why."""


class Breakable(Deployment, ABC):
    """A deployment whose parts can be killed, paused, added and removed.

    Every method raises LoadTestError, or what the operating system or the engine has to say, where it fails,
    and NotPossibleError where it could not have succeeded.
    """

    @abstractmethod
    def workers_of(self, host: str) -> list[int]:
        """The pids of a replica's worker processes, as its observations name them."""

    @abstractmethod
    def kill_worker(self, host: str, pid: int) -> None:
        """Kills a worker process with SIGKILL."""

    @abstractmethod
    def kill_replica(self, host: str) -> None:
        """Kills all processes of a replica with SIGKILL."""

    @abstractmethod
    def pause_replica(self, host: str) -> None:
        """Stops all processes of a replica where they are; nothing of it answers until it is resumed."""

    @abstractmethod
    def resume_replica(self, host: str) -> None:
        """Lets a paused replica go on."""

    @abstractmethod
    def restart_nginx(self) -> None:
        """Stops nginx with all its connections, and starts it again."""

    @abstractmethod
    def add_replica(self, given_up: Event) -> str:
        """Starts one more replica and returns its host; its readiness is not waited for once given up."""

    @abstractmethod
    def remove_replica(self, host: str, given_up: Event) -> None:
        """Tells a replica to finish and to end; kills it after REMOVE_S seconds, or once given up."""

    @abstractmethod
    def slow_network(self, host: str, delay_s: float) -> None:
        """Delays each packet that a replica sends."""

    @abstractmethod
    def restore_network(self, host: str) -> None:
        """Delays its packets no longer."""
