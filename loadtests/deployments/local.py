"""Replicas as local gunicorn processes, each on a port of its own, behind an nginx process."""

import getpass
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Event, RLock

import psutil

from loadtests.deployments import Kind, Usage, nginx, ports, processes
from loadtests.deployments.breakable import REMOVE_S, NotPossibleError
from loadtests.deployments.managed import EndedPart, ManagedDeployment
from loadtests.deployments.ready import is_ready, patience_s
from loadtests.deployments.virtualenv import python_for
from loadtests.errors import LoadTestError
from loadtests.places import ENVIRONMENT, PACKAGES
from reports.records.schema import EnvironmentJson

MEMORY_EVERY_S = 5.0
_POLL_S = 0.05
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
            for name, process in list(self._started.items())
            if process.poll() is None
        ]

    def running(self) -> set[str]:
        """The hosts of the replicas that run now, and `nginx` where it does."""
        return {name for name, process in list(self._started.items()) if process.poll() is None}

    def most_sessions(self) -> int | None:
        """How many WebSocket sessions nginx has open files for, and ports to its replicas."""
        variables = self._nginx_variables(processes.raise_open_file_limit())
        files = int(variables["NGINX_WORKERS"]) * int(variables["NOFILE"])
        each = ports.to_one_server() * max(1, len(self._sources))
        return min(files // nginx.FILES_A_SESSION, self._config.replicas * each)

    def workers_of(self, host: str) -> list[int]:
        """The children of the replica's gunicorn."""
        with suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self._started[host].pid).children()]
        return []

    def kill_worker(self, host: str, pid: int) -> None:
        """Kills a worker process; gunicorn starts another."""
        if pid not in self.workers_of(host):
            raise LoadTestError(f"{pid} is no worker of {host} any more")
        os.kill(pid, signal.SIGKILL)

    def kill_replica(self, host: str) -> None:
        """Kills a gunicorn and its workers; nginx still knows of it."""
        self._put_down.add(host)
        self._signal(host, signal.SIGKILL)
        self._started[host].wait(processes.STOP_S)

    def pause_replica(self, host: str) -> None:
        """Stops a gunicorn and its workers; the kernel still accepts connections for them."""
        self._signal(host, signal.SIGSTOP)

    def resume_replica(self, host: str) -> None:
        """Lets them go on."""
        self._signal(host, signal.SIGCONT)

    def restart_nginx(self) -> None:
        """Stops nginx and starts it again."""
        with self._nginx_lock:
            balancer = self._started["nginx"]
            balancer.terminate()
            try:
                balancer.wait(processes.STOP_S)
            except subprocess.TimeoutExpired:
                balancer.kill()
                balancer.wait()
            self._start_nginx()

    def add_replica(self, given_up: Event) -> str:
        """Starts one more gunicorn, and has nginx take it in once it is ready."""
        held = ports.hold_replica_ports(1)
        self._held += held
        self._record.ports.append(held[0].port)
        host = f"{ports.LOOPBACK}:{held[0].port}"
        self._added.add(host)
        self._start_replica(host)
        give_up = time.monotonic() + patience_s(1)
        while not is_ready(held[0].port, self._config.listeners):
            if self._started[host].poll() is not None:
                raise LoadTestError(f"{host} ended while starting:\n{processes.tail(self._log(host))}")
            if given_up.wait(_POLL_S) or time.monotonic() > give_up:
                raise LoadTestError(f"{host} was not ready in time")
        self._reload_nginx()
        return host

    def remove_replica(self, host: str, given_up: Event) -> None:
        """Has nginx leave a gunicorn out, and tells it to end."""
        self._put_down.add(host)
        self._removed.add(host)
        self._reload_nginx()
        process = self._started[host]
        process.terminate()
        give_up = time.monotonic() + REMOVE_S
        while process.poll() is None:
            if given_up.wait(_POLL_S) or time.monotonic() > give_up:
                self._signal(host, signal.SIGKILL)
                process.wait(processes.STOP_S)

    def slow_network(self, host: str, delay_s: float) -> None:  # noqa: ARG002
        """Cannot be done: other programs use this machine's loopback too."""
        raise NotPossibleError(
            "local processes share this machine's loopback with other programs: use TARGET=compose"
        )

    def restore_network(self, host: str) -> None:
        """Nothing was done to it."""

    def _signal(self, host: str, number: signal.Signals) -> None:
        """Sends a signal to all processes of a replica, its gunicorn first."""
        leader = self._started[host]
        if leader.poll() is not None:
            return
        os.kill(leader.pid, number)
        for process in _sessions().get(leader.pid, []):
            if process.pid != leader.pid:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    @cached_property
    def _removed(self) -> set[str]:
        """The hosts of replicas that nginx leaves out."""
        return set()

    @cached_property
    def _nginx_lock(self) -> RLock:
        """Held while nginx is started or told something."""
        return RLock()

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
        processes.raise_open_file_limit()
        nginx.command(self._configuration)  # raises before anything starts
        for host in self.hosts():
            self._start_replica(host)
        self._configure_nginx()
        self._start_nginx()

    def _start_replica(self, host: str) -> None:
        command, folder, variables = self._server
        settings = {
            "WORKERS": str(self._config.workers),
            "REUSE_PORT": str(int(self._config.reuse_port)),
            "BIND": host,
            "HOST_URL": f"http://{host}",
            # ACCESS_LOG is the balancer's here.
            "ACCESS_LOG": "0",
        }
        self._start_process(host, command, {**os.environ, **variables, **settings}, folder)

    def _start_nginx(self) -> None:
        self._start_process("nginx", nginx.command(self._configuration), os.environ, PACKAGES)

    def _configure_nginx(self) -> None:
        variables = self._nginx_variables(processes.raise_open_file_limit())
        self._configuration.write_text(nginx.render(nginx.TEMPLATE.read_text(), variables))

    def _reload_nginx(self) -> None:
        """Has nginx read its configuration anew; returns once new workers of it have taken over."""
        with self._nginx_lock:
            self._configure_nginx()
            master = psutil.Process(self._started["nginx"].pid)
            before = {child.pid for child in master.children()}
            master.send_signal(signal.SIGHUP)
            give_up = time.monotonic() + processes.STOP_S
            while {child.pid for child in master.children()} <= before:
                if time.monotonic() > give_up:
                    log = self._log("nginx")
                    raise LoadTestError(f"nginx did not take its new configuration:\n{processes.tail(log)}")
                time.sleep(_POLL_S)

    @cached_property
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
            "UPSTREAM_SERVERS": " ".join(
                f"server {host} max_fails=0;" for host in self.hosts() if host not in self._removed
            ),
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
            if process.poll() is not None and name not in self._put_down
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
