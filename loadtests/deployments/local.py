"""Replicas as local gunicorn processes, each on a port of its own, behind an nginx process."""

import getpass
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

import psutil

from loadtests.deployments import Kind, Usage, nginx, ports, processes
from loadtests.deployments.managed import EndedPart, ManagedDeployment
from loadtests.deployments.ready import is_ready
from loadtests.deployments.virtualenv import python_for
from loadtests.places import ENVIRONMENT, PACKAGES
from reports.records.schema import EnvironmentJson

MEMORY_EVERY_S = 5.0
SERVES_IT = ("openenv", "gunicorn", "uvicorn", "uvicorn_worker")
"""What the Benchmark environment needs of the Python that serves it."""
LOCK_OF_IT = ENVIRONMENT / "requirements.lock"
SERVER = ["-m", "gunicorn", "-c", "benchmark_env/server/gunicorn.conf.py", "benchmark_env.server.app:app"]
OTHERS_CONFIGURATION = Path(__file__).parent / "serving" / "gunicorn.conf.py"
VERSIONS = """
import sys, importlib.metadata as m
print('python', '.'.join(map(str, sys.version_info[:3])))
for p in ('openenv', 'openenv-core', 'gunicorn', 'uvicorn'):
    try: print(p, m.version(p))
    except m.PackageNotFoundError: pass
"""
"""Prints what serves: of a Python that may not be ours."""


class LocalDeployment(ManagedDeployment):
    """Gunicorns and an nginx on 127.0.0.1."""

    kind: Kind = "local"
    parts = "local processes"

    def prepare(self) -> None:
        """Makes sure of the ports, and of a Python that has what the environment needs.

        Raises LoadTestError.
        """
        # Before anything is held: it may take minutes.
        _ = self._python
        super().prepare()

    def environment(self) -> EnvironmentJson:
        """The directory that the replicas serve."""
        return self._config.environment.described()

    def versions(self) -> dict[str, str]:
        """Of Python and of the packages that serve."""
        printed = subprocess.run(
            [self._python, "-c", VERSIONS], capture_output=True, text=True, timeout=30, check=False
        )
        versions = dict(line.split() for line in printed.stdout.splitlines())
        reply = subprocess.run(
            [*nginx.command(self._configuration), "-v"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        if found := re.search(r"nginx/(\S+)", reply.stderr):
            versions["nginx"] = found[1]
        return versions

    def resources(self) -> list[Usage]:
        """Of each replica and of nginx, with their workers."""
        families = _sessions()
        return [
            self._usage(name, families.get(process.pid, []))
            for name, process in self._started.items()
            if process.poll() is None
        ]

    def running(self) -> set[str]:
        """The hosts of the replicas that run now, and `nginx` where it does."""
        return {name for name, process in self._started.items() if process.poll() is None}

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions nginx has open files for, and ports to its replicas."""
        variables = self._nginx_variables(processes.raise_open_file_limit())
        files = int(variables["NGINX_WORKERS"]) * int(variables["NOFILE"])
        each = ports.to_one_server() * max(1, len(self._sources))
        return min(files // nginx.FILES_A_SESSION, self._config.replicas * each)

    @property
    def _sources(self) -> list[str]:
        """The addresses that nginx connects to its replicas from; empty: any."""
        return nginx.sources_for(self._config.sessions // self._config.replicas)

    @cached_property
    def _python(self) -> Path:
        """What runs the replicas."""
        environment = self._config.environment
        if environment.is_benchmark:
            if all(map(importlib.util.find_spec, SERVES_IT)):
                return Path(sys.executable)
            return python_for(environment.source, self._progress, LOCK_OF_IT)
        return environment.python or python_for(environment.source, self._progress)

    @cached_property
    def _started(self) -> dict[str, subprocess.Popen[bytes]]:
        """The processes by name: the replicas' hosts, and nginx."""
        return {}

    @cached_property
    def _memories(self) -> dict[int, tuple[float, int]]:
        """When the memory of a process was last measured, and how much it was."""
        return {}

    @property
    def _configuration(self) -> Path:
        return self._home / "nginx.conf"

    def _hold_ports(self) -> None:
        super()._hold_ports()
        self._held += ports.hold_replica_ports(self._config.replicas)

    def _replica_names(self) -> dict[str, str]:
        return {
            f"{ports.LOOPBACK}:{port}": f"replica-{number}"
            for number, port in enumerate(self._record.ports[1:], 1)
        }

    def _start(self) -> None:
        most = processes.raise_open_file_limit()
        balancer = nginx.command(self._configuration)
        command, folder, variables = self._server()
        for host in self.hosts():
            settings = {
                "WORKERS": str(self._config.workers),
                "REUSE_PORT": str(int(self._config.reuse_port)),
                "BIND": host,
                "HOST_URL": f"http://{host}",
                # ACCESS_LOG is the balancer's here.
                "ACCESS_LOG": "0",
            }
            self._start_process(host, command, {**os.environ, **variables, **settings}, folder)
        self._configuration.write_text(nginx.render(nginx.TEMPLATE.read_text(), self._nginx_variables(most)))
        self._start_process("nginx", balancer, os.environ, PACKAGES)

    def _server(self) -> tuple[list[str], Path, dict[str, str]]:
        """The command that serves a replica, the folder that it runs in, and variables that it needs."""
        environment = self._config.environment
        if environment.is_benchmark:
            return [str(self._python), *SERVER], PACKAGES, {}
        source = environment.source
        paths = [source.path]
        if source.package:
            # For code that imports itself by its package's name.
            link = self._home / "packages" / source.package
            link.parent.mkdir()
            link.symlink_to(source.path)
            paths.append(link.parent)
        command = [str(self._python), "-m", "gunicorn", "-c", str(OTHERS_CONFIGURATION), source.app]
        return command, source.path, {"PYTHONPATH": os.pathsep.join(map(str, paths))}

    def _start_process(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path
    ) -> None:
        self._started[name] = processes.start(
            command,
            record=self._record,
            registry=self._registry,
            log=self._log(name),
            environ=environ,
            folder=folder,
        )

    def _log(self, name: str) -> Path:
        return self._home / f"{self._replica_names().get(name, name)}.log"

    def _nginx_variables(self, most_open_files: int) -> dict[str, str]:
        variables = nginx.common_variables(
            self._config,
            name=self._record.name,
            access_log=str(self._home / "access.log"),
            open_files=most_open_files,
            environ=os.environ,
        )
        return {
            **variables,
            "NGINX_DIR": str(self._home),
            "NGINX_ERROR_LOG": "stderr",
            "NGINX_LISTEN": f"{ports.LOOPBACK}:{self._record.ports[0]}",
            # No name is resolved here; the directive's place is that of how replicas are reached.
            "RESOLVER_DIRECTIVE": nginx.source_directives(self._sources),
            "UPSTREAM_SERVERS": " ".join(f"server {host} max_fails=0;" for host in self.hosts()),
            # Started by root, nginx would switch to a user that may not enter this directory.
            "USER_DIRECTIVE": f"user {getpass.getuser()};" if os.getuid() == 0 else "",
        }

    def _readiness(self) -> dict[str, Callable[[], bool]]:
        return {
            f"{ports.LOOPBACK}:{port}": partial(is_ready, port, self._config.listeners)
            for port in self._record.ports[1:]
        }

    def _ended_parts(self) -> list[EndedPart]:
        return [
            EndedPart(name, self._log(name), process.returncode)
            for name, process in self._started.items()
            if process.poll() is not None
        ]

    def _save_logs(self) -> None:
        """The processes write them there."""

    def _usage(self, name: str, family: list[psutil.Process]) -> Usage:
        cpu, memory, files = 0.0, 0, 0
        for process in family:
            with suppress(psutil.Error):
                times = process.cpu_times()
                # Workers that have ended still count: their time went to the master.
                cpu += times.user + times.system + times.children_user + times.children_system
                memory += self._memory(process)
                files += _open_files(process)
        return Usage("nginx" if name == "nginx" else "replica", name, cpu, memory, files)

    def _memory(self, process: psutil.Process) -> int:
        # Pages that workers share are divided among them. That takes the kernel about 3 ms a process, during
        # which the process cannot map memory: not every second.
        at, size = self._memories.get(process.pid, (-MEMORY_EVERY_S, 0))
        now = time.monotonic()
        if now - at >= MEMORY_EVERY_S:
            size = process.memory_full_info().pss
            self._memories[process.pid] = (now, size)
        return size


def _sessions() -> dict[int, list[psutil.Process]]:
    """The processes of this machine by the leader of their session."""
    sessions: dict[int, list[psutil.Process]] = {}
    for pid in psutil.pids():
        with suppress(OSError, psutil.NoSuchProcess):
            sessions.setdefault(os.getsid(pid), []).append(psutil.Process(pid))
    return sessions


def _open_files(process: psutil.Process) -> int:
    # Current kernels give the number as the directory's size; listing tens of thousands is slow.
    with suppress(OSError):
        if count := Path(f"/proc/{process.pid}/fd").stat().st_size:
            return count
    return process.num_fds()
