"""Deployments that we run ourselves: recorded before anything starts, and gone entirely after `down`."""

import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple

from loadtests.deployments import DeploymentConfig, Progress, nginx, ports, processes, silent
from loadtests.deployments.breakable import Breakable
from loadtests.deployments.docker_engine import STOP_S
from loadtests.deployments.ready import patience_s
from loadtests.deployments.registry import REGISTRY, Process, Purpose, Record, Registry
from loadtests.deployments.teardown import take_down
from loadtests.errors import LoadTestError
from reports.records.schema import Topology


class EndedPart(NamedTuple):
    """A replica or a balancer that is no longer running, although nobody stopped it."""

    name: str
    log: Path
    exit_code: int | None = None


class ManagedDeployment(Breakable):
    """What containers and local processes have in common: replicas of known workers behind an nginx."""

    parts: ClassVar[str]
    """What it consists of."""

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
        self._record = Record(name, self.kind, purpose, Process.of(os.getpid()))
        self._held: list[ports.HeldPort] = []
        self._recorded = False
        self._put_down: set[str] = set()
        self._added: set[str] = set()

    @property
    def url(self) -> str:
        """Where nginx listens, as this machine knows it."""
        if self._record.url is None:
            raise RuntimeError("the deployment is not up")
        return self._record.url

    def prepare(self) -> None:
        """Holds the ports and records the deployment, unless that has been done. Raises LoadTestError."""
        if self._recorded:
            return
        with self._taken_down_on_error():
            self._hold_ports()
            self._record.ports = [held.port for held in self._held]
            if self._held:
                self._record.url = f"http://{ports.LOOPBACK}:{self._record.ports[0]}"
            self._registry.create(self._record)
            self._recorded = True

    def up(self) -> None:
        """Starts the replicas and nginx; returns once every worker listens and all answer."""
        self.prepare()
        with self._taken_down_on_error():
            self._progress(
                f"starting {self._config.replicas} × {self._config.workers} workers and nginx as {self.parts}"
            )
            self._start()
            self._wait()
            if self._record.purpose == "up":
                self._registry.leave_running(self._record)

    def topology(self) -> Topology:
        """As it is now: replicas may have been added since it came up."""
        names = self._replica_names()
        return Topology(replicas=len(names), workers=self._config.workers, hosts=list(names), names=names)

    def put_down(self) -> set[str]:
        """The hosts of replicas that were killed or removed on purpose."""
        return set(self._put_down)

    def is_as_brought_up(self) -> bool:
        """Whether no replica was added, killed or removed on purpose."""
        return not self._put_down and not self._added

    def down(self) -> None:
        """Stops everything, by force after a few seconds.

        Logs stay where a part had ended by itself, and where an access log was asked for.
        """
        if not self._recorded:
            return
        self._progress("taking the deployment down")
        ended = [part.name for part in self._ended_parts()]
        if ended:
            self._progress(f"{', '.join(ended)} had already ended: logs stay in {self._home}")
        keep_logs = bool(ended) or self._config.access_log
        if keep_logs:
            self._save_logs()
        self._take_down(keep_logs=keep_logs)

    def _hold_ports(self) -> None:
        """Holds the ports that the deployment listens on, the balancer's first."""
        self._held.append(ports.hold_balancer_port(self._config.port, self._registry))

    @abstractmethod
    def _start(self) -> None:
        """Starts the replicas and nginx."""

    @abstractmethod
    def _replica_names(self) -> dict[str, str]:
        """The name of each replica by its host."""

    @abstractmethod
    def _readiness(self) -> dict[str, Callable[[], bool]]:
        """For each replica that is starting, the check of whether it is ready."""

    @abstractmethod
    def _ended_parts(self) -> list[EndedPart]:
        """The parts that have ended although nobody meant them to."""

    @abstractmethod
    def _save_logs(self) -> None:
        """Makes sure that the logs of all parts are in the deployment's directory."""

    def _wait(self) -> None:
        starting = self._readiness()
        replicas = len(starting)
        deadline = time.monotonic() + patience_s(replicas)
        while starting or not nginx.answers(self.url, self._record.name):
            self._check_alive()
            for name in [name for name, is_ready in starting.items() if is_ready()]:
                del starting[name]
                self._progress(f"waiting for health ({replicas - len(starting)} of {replicas})")
            if time.monotonic() > deadline:
                raise self._late(", ".join(starting) or "nginx")
            time.sleep(0.05)

    def _late(self, what: str) -> LoadTestError:
        self._save_logs()
        return LoadTestError(f"{what}: no answer in time; logs are in {self._home}")

    def _check_alive(self) -> None:
        for part in self._ended_parts():
            self._save_logs()
            how = "" if part.exit_code is None else f" (exit code {part.exit_code})"
            raise LoadTestError(
                f"{part.name} ended while starting{how}; the end of {part.log}:\n{processes.tail(part.log)}"
            )

    @contextmanager
    def _taken_down_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._take_down(keep_logs=isinstance(error, LoadTestError))
            raise

    def _take_down(self, *, keep_logs: bool) -> None:
        with processes.uninterrupted():
            if self._recorded:
                # The Benchmark environment has nothing to save.
                stop_s = 0 if self._config.environment.is_benchmark else STOP_S
                keep = "*.log" if keep_logs else None
                take_down(self._record, self._registry, keep=keep, stop_s=stop_s)
                self._recorded = False
            ports.release(self._held)
