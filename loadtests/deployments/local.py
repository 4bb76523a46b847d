"""Replicas as local gunicorn processes, each on a port of its own, behind an nginx process."""

import getpass
import importlib.metadata
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from loadtests.deployments import DeploymentConfig, Kind, Progress, Usage, nginx, ports, processes, silent
from loadtests.deployments.ready import is_ready, patience_s
from loadtests.deployments.registry import REGISTRY, Process, Purpose, Record, Registry
from loadtests.deployments.teardown import take_down
from loadtests.errors import LoadTestError
from reports.records.schema import Role, Topology

MEMORY_EVERY_S = 5.0
SERVER = ["-m", "gunicorn", "-c", "benchmark_env/server/gunicorn.conf.py", "benchmark_env.server.app:app"]


class LocalDeployment:
    """Gunicorns and an nginx on 127.0.0.1."""

    kind: Kind = "local"

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
        self._replicas: dict[str, subprocess.Popen[bytes]] = {}
        self._nginx: subprocess.Popen[bytes] | None = None
        self._noted = False
        self._memories: dict[int, tuple[float, int]] = {}

    @property
    def url(self) -> str:
        """Where nginx listens."""
        if self._record.url is None:
            raise RuntimeError("the deployment is not up")
        return self._record.url

    def up(self) -> None:
        """Starts the replicas and nginx; returns once every worker listens and all answer."""
        nginx.command(self._configuration)
        try:
            self._held = [ports.hold_balancer_port(self._config.port, self._registry)]
            self._held += ports.hold_replica_ports(self._config.replicas)
            self._record.ports = [held.port for held in self._held]
            self._record.url = f"http://{ports.LOOPBACK}:{self._record.ports[0]}"
            self._registry.create(self._record)
            self._noted = True
            self._start()
            self._wait()
            if self._record.purpose == "up":
                self._registry.leave_running(self._record)
        except BaseException as error:
            self._take_down(keep_logs=isinstance(error, LoadTestError))
            raise

    def hosts(self) -> list[str]:
        """127.0.0.1:port of each replica."""
        return [f"{ports.LOOPBACK}:{port}" for port in self._record.ports[1:]]

    def topology(self) -> Topology:
        """As configured."""
        hosts = self.hosts()
        return Topology(
            replicas=self._config.replicas,
            workers=self._config.workers,
            hosts=hosts,
            names={host: f"replica-{number}" for number, host in enumerate(hosts, 1)},
        )

    def versions(self) -> dict[str, str]:
        """Of Python and of the packages that serve."""
        versions = {"python": ".".join(map(str, sys.version_info[:3]))}
        for package in ("openenv", "gunicorn", "uvicorn"):
            with suppress(importlib.metadata.PackageNotFoundError):
                versions[package] = importlib.metadata.version(package)
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
        parts: list[tuple[Role, str, subprocess.Popen[bytes]]] = [
            ("replica", host, process) for host, process in self._replicas.items()
        ]
        if self._nginx is not None:
            parts.append(("nginx", "nginx", self._nginx))
        return [
            self._usage(role, name, families.get(process.pid, []))
            for role, name, process in parts
            if process.poll() is None
        ]

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions nginx has open files for, two each."""
        variables = self._nginx_variables(processes.raise_open_file_limit())
        return int(variables["NGINX_WORKERS"]) * int(variables["NOFILE"]) // 2

    def down(self) -> None:
        """Stops everything, by force after a few seconds.

        Logs stay where a process had ended by itself, and where an access log was asked for.
        """
        ended = [name for name, process in self._replicas.items() if process.poll() is not None]
        if self._nginx is not None and self._nginx.poll() is not None:
            ended.append("nginx")
        if ended:
            self._progress(f"{', '.join(ended)} had ended before: logs stay in {self._home}")
        self._take_down(keep_logs=bool(ended) or self._config.access_log)

    @property
    def _configuration(self) -> Path:
        return self._home / "nginx.conf"

    def _start(self) -> None:
        most = processes.raise_open_file_limit()
        self._progress(
            f"starting {self._config.replicas} × {self._config.workers} workers and nginx as local processes"
        )
        for number, host in enumerate(self.hosts(), 1):
            settings = {
                "WORKERS": str(self._config.workers),
                "REUSE_PORT": str(int(self._config.reuse_port)),
                "BIND": host,
                "HOST_URL": f"http://{host}",
            }
            self._replicas[host] = processes.start(
                [sys.executable, *SERVER],
                record=self._record,
                registry=self._registry,
                log=self._home / f"replica-{number}.log",
                # ACCESS_LOG is the balancer's here.
                environ={**os.environ, **settings, "ACCESS_LOG": "0"},
            )
        self._configuration.write_text(nginx.render(nginx.TEMPLATE.read_text(), self._nginx_variables(most)))
        self._nginx = processes.start(
            nginx.command(self._configuration),
            record=self._record,
            registry=self._registry,
            log=self._home / "nginx.log",
            environ=os.environ,
        )

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
            "RESOLVER_DIRECTIVE": "",
            "UPSTREAM_SERVERS": " ".join(f"server {host} max_fails=0;" for host in self.hosts()),
            # Started by root, nginx would become a user that may not enter this directory.
            "USER_DIRECTIVE": f"user {getpass.getuser()};" if os.getuid() == 0 else "",
        }

    def _wait(self) -> None:
        listeners = self._config.listeners
        deadline = time.monotonic() + patience_s(self._config.replicas)
        starting = set(self._replicas)
        while starting or not nginx.answers(self.url, self._record.name):
            self._check_alive()
            ready = {host for host in starting if is_ready(int(host.rpartition(":")[2]), listeners)}
            if ready:
                starting -= ready
                self._progress(
                    f"waiting for health ({len(self._replicas) - len(starting)} of {len(self._replicas)})"
                )
            if time.monotonic() > deadline:
                late = ", ".join(sorted(starting)) or "nginx"
                raise LoadTestError(f"{late}: no answer in time; logs are in {self._home}")
            time.sleep(0.05)

    def _check_alive(self) -> None:
        logs = {
            **{f"replica {host}": process for host, process in self._replicas.items()},
            "nginx": self._nginx,
        }
        for number, (name, process) in enumerate(logs.items(), 1):
            if process is not None and (code := process.poll()) is not None:
                log = self._home / ("nginx.log" if name == "nginx" else f"replica-{number}.log")
                raise LoadTestError(
                    f"{name} ended while starting (exit code {code}); "
                    f"the end of {log}:\n{processes.tail(log)}"
                )

    def _usage(self, role: Role, name: str, family: list[psutil.Process]) -> Usage:
        cpu, memory, files = 0.0, 0, 0
        for process in family:
            with suppress(psutil.Error):
                times = process.cpu_times()
                # Workers that have ended count on: their time went to the master.
                cpu += times.user + times.system + times.children_user + times.children_system
                memory += self._memory(process)
                files += _open_files(process)
        return Usage(role, name, cpu, memory, files)

    def _memory(self, process: psutil.Process) -> int:
        # Pages that workers have in common count by shares. That takes the kernel some 3 ms a process, in
        # which the process cannot map memory: not every second.
        at, size = self._memories.get(process.pid, (-MEMORY_EVERY_S, 0))
        now = time.monotonic()
        if now - at >= MEMORY_EVERY_S:
            size = process.memory_full_info().pss
            self._memories[process.pid] = (now, size)
        return size

    def _take_down(self, *, keep_logs: bool) -> None:
        with processes.uninterrupted():
            if self._noted:
                take_down(self._record, self._registry, keep="*.log" if keep_logs else None)
                self._noted = False
            ports.release(self._held)


def _sessions() -> dict[int, list[psutil.Process]]:
    """The processes of this machine by the leader of their session."""
    sessions: dict[int, list[psutil.Process]] = {}
    for pid in psutil.pids():
        with suppress(OSError, psutil.NoSuchProcess):
            sessions.setdefault(os.getsid(pid), []).append(psutil.Process(pid))
    return sessions


def _open_files(process: psutil.Process) -> int:
    # Current kernels give the number as the size of the directory; listing ten thousands of files takes long.
    with suppress(OSError):
        if count := Path(f"/proc/{process.pid}/fd").stat().st_size:
            return count
    return process.num_fds()
