"""Samples CPU, memory and open files of every part of a run into its directory, every second."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import psutil
import pyarrow as pa

from loadtests.clock import now
from loadtests.deployments import Usage
from loadtests.load.workers.usage import Rates, usage_of
from loadtests.machine import machine_of
from reports.records.columns import RESOURCES
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamReader, StreamWriter

_SECONDS = 1.0

logger = logging.getLogger(__name__)


class ResourceSampler:
    """A thread that samples between `start` and `stop`; what it cannot read it leaves out.

    What generators say of themselves Locust notes in the run directory. Of those elsewhere it takes it over;
    of those that it samples itself, how late they were, at the end in rows of their own.
    """

    def __init__(
        self, directory: RunDirectory, deployment: Callable[[], list[Usage]], generator_pid: int | None
    ) -> None:
        """`generator_pid` is None where the generators are parts of the deployment."""
        self._writer = StreamWriter(directory.resources.stream, RESOURCES)
        self._noted = directory.generator_usage
        self._reader = StreamReader(self._noted)
        self._deployment = deployment
        self._generator_pid = generator_pid
        self._here: set[str] = set()
        """Generators that are sampled here."""
        self._lags: dict[str, float] = {}
        """How late they were since their last row."""
        self._rates = Rates()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resource-sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=10)
        with contextlib.suppress(OSError):
            self._take_over()
            last = [
                {"at": now(), "role": "generator", "name": name, "lag_s": lag_s}
                for name, lag_s in self._lags.items()
            ]
            if last:
                self._writer.append(pa.RecordBatch.from_pylist(last, schema=RESOURCES))
            self._writer.close()
            self._noted.unlink(missing_ok=True)

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
        machine = self._rates.cores(("machine", ""), now(), machine_cpu_seconds())
        usages = self._deployment() + generator_usage(self._generator_pid)
        self._here.update(usage.name for usage in usages if usage.role == "generator")
        elsewhere = self._take_over()
        for usage in usages:
            at = now()
            cores = self._rates.cores((usage.role, usage.name), at, usage.cpu_seconds)
            if cores is not None:
                lag_s = self._lags.pop(usage.name, None)
                rows.append({"at": at, "cpu_cores": cores, "lag_s": lag_s, **asdict(usage)})
        if rows and machine is not None:
            others = max(0.0, machine - sum(row["cpu_cores"] for row in rows) - elsewhere)
            rows.append({"at": now(), "role": "others", "name": "other programs", "cpu_cores": others})
        if rows:
            self._writer.append(pa.RecordBatch.from_pylist(rows, schema=RESOURCES))

    def _take_over(self) -> float:
        """Records what was noted of generators; returns the cores of those that run on this machine too."""
        newest: dict[str, float | None] = {}
        for noted in self._reader.read():
            names = noted["name"].to_pylist()
            batch = noted.filter(pa.array([name not in self._here for name in names]))
            for name, lag_s in zip(names, noted["lag_s"].to_pylist(), strict=True):
                if name in self._here and lag_s is not None:
                    self._lags[name] = max(lag_s, self._lags.get(name, 0.0))
            self._writer.append(batch)
            newest |= zip(batch["name"].to_pylist(), batch["cpu_cores"].to_pylist(), strict=True)
        return sum(
            cores
            for name, cores in newest.items()
            if cores is not None and machine_of(name) == socket.gethostname()
        )


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
            found.append(usage_of(process))
    return found
