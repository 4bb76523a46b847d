"""Load generators as containers beside the replicas that they load: Locust's master, and its workers."""

import os
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from loadtests.deployments import Progress
from loadtests.deployments.docker_engine import Container
from loadtests.deployments.processes import deferred
from loadtests.errors import LoadTestError
from reports.page.words import count

MASTER, WORKER = "locust-master", "locust-worker"
"""Services of the compose file; the first is also the name by which workers find the master."""
LOAD_URL = "http://nginx:8000"
"""The balancer as the generators know it."""
FILE = "file-"
"""How the names of what the generators are given to read begin."""
WORKERS_S = 60.0
"""How long the master waits for its workers to connect."""
IMAGE_USER = 10001
"""Of the image of the generators, as user and as group."""
_SIGNALS_FROM = 128
_OUTPUT_S = 3.0
_TOGETHER_S = 5.0
"""Workers that end by no more than this before the master have ended with it."""
_OUT_OF_MEMORY = 137


@dataclass(frozen=True)
class LoadOrder:
    """What load the generators are to make, and where its records go."""

    options: Sequence[str]
    """Of Locust, but for those that say who leads and who works."""
    run_directory: Path
    """The master finds it, and writes to it, under the same path as the harness."""
    files: Sequence[Path] = ()
    """What the options name; every generator can read it under the same path."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What Locust finds in its environment; secret."""


class Engine(Protocol):
    """What runs the containers."""

    def start_generators(self, order: LoadOrder) -> None:
        """Starts the master and its workers. Raises LoadTestError."""

    def generator_containers(self) -> list[Container]:
        """The master and its workers, ended ones too. Raises LoadTestError where that cannot be known."""

    def follow_generators(self, log: Path) -> "list[subprocess.Popen[bytes]]":
        """Starts to copy their output to a log, until they end."""

    def stop_master(self) -> None:
        """Sends SIGTERM to the master."""

    def remove_generators(self) -> None:
        """Removes them, running or not; there may be none."""


class ContainerGenerators:
    """Generators of one run: started, watched, stopped, removed."""

    pid: int | None = None
    """They are no processes of the harness."""

    def __init__(self, engine: Engine, order: LoadOrder, progress: Progress) -> None:
        self._engine = engine
        self._order = order
        self._progress = progress
        self._following: list[subprocess.Popen[bytes]] = []
        self._started = False
        self._begun_at = 0.0
        self._exit_code: int | None = None
        self._over_at: float | None = None
        self._ended: dict[str, tuple[float, int | None]] = {}
        """When each worker was first seen to have ended, in seconds of the monotonic clock, and its code."""

    def start(self, log: IO[bytes] | None) -> None:
        """Starts them; the output of all goes to `log`. Raises LoadTestError."""
        self._started = True
        _hand_over(self._order, _user_in_place_of_root(self._order))
        self._engine.start_generators(self._order)
        self._begun_at = time.monotonic()
        with deferred():
            if log is not None:
                self._following = self._engine.follow_generators(Path(log.name))

    def poll(self) -> int | None:
        """The master's exit code, negative for a signal; None while it runs, or cannot be asked."""
        if self._exit_code is not None:
            return self._exit_code
        try:
            containers = self._engine.generator_containers()
        except LoadTestError:
            return None
        for each in containers:
            if each.service == WORKER and not each.running:
                self._note_ended(each)
        masters = [each for each in containers if each.service == MASTER]
        if all(each.running for each in masters) and masters:
            return None
        code = next((each.exit_code for each in masters if each.exit_code is not None), _OUT_OF_MEMORY)
        self._over_at = time.monotonic()
        self._exit_code = _SIGNALS_FROM - code if code > _SIGNALS_FROM else code
        return self._exit_code

    def wait(self, timeout_s: float) -> int | None:
        """Waits for the master's end; returns its exit code, None where it has not ended by then."""
        deadline = time.monotonic() + timeout_s
        while (code := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.2)
        return code

    def stop(self, timeout_s: float) -> None:
        """Asks for a clean end and waits for it, if they were started."""
        if self._started:
            self._engine.stop_master()
            self.wait(timeout_s)

    def kill(self) -> None:
        """Ends and removes them at once; their last output is kept."""
        if not self._started:
            return
        self._started = False
        give_up = time.monotonic() + (_OUTPUT_S if self._exit_code is not None else 0.0)
        for process in self._following:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, give_up - time.monotonic()))
        self._engine.remove_generators()
        _hand_over(self._order, 0)
        for process in self._following:
            process.terminate()
            process.wait()

    def incidents(self) -> list[str]:
        """A sentence about each worker that ended before the master did."""
        over_at = time.monotonic() if self._over_at is None else self._over_at
        return [
            f"{name} ended before the load did, {seen - self._begun_at:.0f} s after its start{_how(code)}."
            for name, (seen, code) in self._ended.items()
            if over_at - seen > _TOGETHER_S or code not in (0, 1)
        ]

    def _note_ended(self, worker: Container) -> None:
        if worker.short_name in self._ended:
            return
        self._ended[worker.short_name] = time.monotonic(), worker.exit_code
        if self._exit_code is None and worker.exit_code not in (0, 1):
            self._progress(f"{worker.short_name} ended{_how(worker.exit_code)}")


def _how(code: int | None) -> str:
    if code is None:
        return ""
    hint = " (killed; LOCUST_MEMORY may be too little)" if code == _OUT_OF_MEMORY else ""
    return f", with exit code {code}{hint}"


def overlay(order: LoadOrder, workers: int, *, patience_s: float = WORKERS_S) -> dict[str, Any]:
    """What is added to the compose file for an order: commands, and the files that they name.

    The master gives up where its workers have not connected within `patience_s`.
    """
    names = {path: f"{FILE}{number}" for number, path in enumerate(order.files)}
    configs = [{"source": name, "target": str(path)} for path, name in names.items()]
    lead = ["--master", "--expect-workers", str(workers), "--expect-workers-max-wait", f"{patience_s:.0f}"]
    run_directory = ["--run-directory", str(order.run_directory)]
    master = [*lead, *order.options, *run_directory]
    worker = ["--worker", "--master-host", MASTER, "--host", LOAD_URL]
    parts: dict[str, Any] = {
        "services": {
            MASTER: {"command": _escaped(master), "configs": configs},
            WORKER: {
                "command": _escaped(worker),
                "configs": configs,
                "deploy": {"replicas": workers},
            },
        }
    }
    if names:
        parts["configs"] = {name: {"file": str(path)} for path, name in names.items()}
    return parts


def variables(order: LoadOrder, *, rootless: bool) -> dict[str, str]:
    """Values for the variables of the compose files.

    The generators run as who runs the harness, so that both can write to the run directory; a rootless
    engine's root is its own user. Root gives the run directory to the image's own user as long as they run.
    """
    if os.getuid() == 0:
        number = _user_in_place_of_root(order)
        user = f"{number}:{number}"
    else:
        user = "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"
    return {**order.environ, "LOCUST_USER": user, "RUN_DIRECTORY": str(order.run_directory)}


def _user_in_place_of_root(order: LoadOrder) -> int:
    """Who runs generators that root starts: root itself only where a file is to be read by nobody else."""
    with suppress(OSError):
        return IMAGE_USER if all(path.stat().st_mode & stat.S_IROTH for path in order.files) else 0
    return IMAGE_USER


def _hand_over(order: LoadOrder, user: int) -> None:
    """Makes the run directory that of a user, if root may do that."""
    if os.getuid() == 0:
        with suppress(OSError):
            for path in (order.run_directory, *order.run_directory.iterdir()):
                os.chown(path, user, user)


def described(workers: int) -> str:
    """What is started, for people."""
    return f"starting Locust's master and {count(workers, 'worker')} as containers"


def _escaped(words: Sequence[str]) -> list[str]:
    return [word.replace("$", "$$") for word in words]
