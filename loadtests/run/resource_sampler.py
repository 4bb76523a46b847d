"""Samples CPU, memory and open files of every part of a run into its directory, every second."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import psutil
import pyarrow as pa

from loadtests.clock import now
from loadtests.deployments import Usage
from reports.records.columns import RESOURCES
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter

_SECONDS = 1.0

logger = logging.getLogger(__name__)


class ResourceSampler:
    """A thread that samples between `start` and `stop`; what it cannot read it leaves out."""

    def __init__(
        self, directory: RunDirectory, deployment: Callable[[], list[Usage]], generator_pid: int | None
    ) -> None:
        """`generator_pid` is None where the generators are parts of the deployment."""
        self._writer = StreamWriter(directory.resources.stream, RESOURCES)
        self._deployment = deployment
        self._generator_pid = generator_pid
        self._before: dict[tuple[str, str], tuple[float, float]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resource-sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=10)
        with contextlib.suppress(OSError):
            self._writer.close()

    def _run(self) -> None:
        while True:
            due = time.monotonic() + _SECONDS
            try:
                self._sample()
            except Exception as error:
                logger.debug("a sample of resources failed: %s", error)
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return

    def _sample(self) -> None:
        rows: list[dict[str, Any]] = []
        machine = self._since_last(("machine", ""), machine_cpu_seconds())
        for usage in self._deployment() + generator_usage(self._generator_pid):
            cores = self._since_last((usage.role, usage.name), usage.cpu_seconds)
            if cores is not None:
                rows.append({"at": now(), "cpu_cores": cores, **asdict(usage)})
        if rows and machine is not None:
            others = max(0.0, machine - sum(row["cpu_cores"] for row in rows))
            rows.append({"at": now(), "role": "others", "name": "other programs", "cpu_cores": others})
        if rows:
            self._writer.append(pa.RecordBatch.from_pylist(rows, schema=RESOURCES))

    def _since_last(self, key: tuple[str, str], cpu_seconds: float) -> float | None:
        """The cores kept busy since this was last asked; None the first time."""
        at = now()
        before = self._before.get(key)
        self._before[key] = (at, cpu_seconds)
        if before is None or at <= before[0]:
            return None
        return max(0.0, cpu_seconds - before[1]) / (at - before[0])


def machine_cpu_seconds() -> float:
    """CPU time for which this machine's cores were busy, or taken by its hypervisor, since it started."""
    times = psutil.cpu_times()._asdict()
    idle = sum(times.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return float(sum(times.values()) - idle)


def generator_usage(pid: int | None) -> list[Usage]:
    """Usage of a Locust process and of each of its workers."""
    if pid is None:
        return []
    found = []
    try:
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            with process.oneshot():
                cpu = process.cpu_times()
                memory = process.memory_info().rss
            found.append(
                Usage(
                    role="generator",
                    name=f"locust {process.pid}",
                    cpu_seconds=cpu.user + cpu.system,
                    memory_bytes=memory,
                    open_files=process.num_fds(),
                )
            )
    return found
