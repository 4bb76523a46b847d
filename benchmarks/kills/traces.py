"""What a run may leave behind: processes, ports, containers, networks and files."""

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.kills.checkout import TOKEN, Checkout


@dataclass
class Traces:
    """What a run may leave, gathered while it goes on."""

    processes: dict[tuple[int, float], str] = field(default_factory=dict)
    """Names by pid and time of creation."""
    ports: set[int] = field(default_factory=set)
    projects: set[str] = field(default_factory=set)

    def gather(self, root: psutil.Process, checkout: Checkout) -> None:
        """Adds what the run has now."""
        with suppress(psutil.Error):
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.Error):
                    self.processes[process.pid, process.create_time()] = process.name()
        for record in checkout.deployments():
            self.ports |= set(record.get("ports", ()))
            self.projects |= {record["project"]} if record.get("project") else set()

    def left(self, checkout: Checkout, results: Path) -> list[str]:
        """What of it is still there; logs of parts that ended are kept on purpose."""
        alive = dict(_alive(self.processes, checkout))
        found = [f"process {name} ({pid})" for pid, name in alive.items()]
        found += [f"port {port}" for port in sorted(self.ports) if self._is_taken(port, alive)]
        for project in sorted(self.projects):
            found += [f"container {each}" for each in containers(project, every=True)]
            networks = _docker("network", "ls", "--quiet", "--filter", f"{_OF_PROJECT}{project}")
            found += [f"network {each}" for each in networks]
        registry = checkout.path / ".deployments"
        files = [each for each in registry.rglob("*") if each.is_file() and each.suffix != ".log"]
        files += [each for each in results.rglob(".*") if each.is_file()]
        files += list(checkout.temporary.iterdir())
        return found + [f"file {each.relative_to(checkout.scratch)}" for each in files]

    def _is_taken(self, port: int, alive: Mapping[int, str]) -> bool:
        """Whether a process of the run listens on it, or, of a run in containers, an engine's proxy.

        Others may have taken a free port.
        """
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None or connection.pid in alive:
                    return True
                with suppress(psutil.Error):
                    if self.projects and "docker" in psutil.Process(connection.pid).name():
                        return True
        return False


_OF_PROJECT = "label=com.docker.compose.project="


def containers(project: str, *, every: bool = False, service: str = "") -> list[str]:
    """The ids of a compose project's containers that run, or of all."""
    filters = ["--filter", f"{_OF_PROJECT}{project}"]
    if service:
        filters += ["--filter", f"label=com.docker.compose.service={service}"]
    return _docker("ps", "--quiet", *(("--all",) if every else ()), *filters)


def _docker(*arguments: str) -> list[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def _alive(seen: Mapping[tuple[int, float], str], checkout: Checkout) -> list[tuple[int, str]]:
    """Processes of a run that still run: seen before, or known by the token or by their arguments."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            ours = (process.pid, process.create_time()) in seen
            with suppress(psutil.Error):
                ours = ours or process.environ().get(TOKEN) == str(checkout.scratch)
                ours = ours or f"{checkout.scratch}/" in " ".join(process.cmdline())
            if ours:
                found.append((process.pid, process.name()))
    return found


def end_all(checkout: Checkout) -> None:
    """Kills whatever the commands of a checkout have left."""
    with suppress(subprocess.TimeoutExpired):
        checkout.run("loadtests", "down")
    for pid, _ in _alive({}, checkout):
        with suppress(psutil.Error):
            psutil.Process(pid).kill()
