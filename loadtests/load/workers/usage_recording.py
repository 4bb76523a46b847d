"""Writes into a run directory what generator processes say of themselves: what they use, and their lag."""

import logging
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
import psutil
import pyarrow as pa
from gevent.event import Event

from loadtests.clock import now
from loadtests.load.loop_lag import LoopLag, write_lag
from loadtests.load.workers.generators import Generators
from loadtests.load.workers.usage import Rates, usage_of
from reports.records.columns import RESOURCES
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter

_SECONDS = 1.0
_RECORDED = ("at", "role", "name", "memory_bytes", "open_files", "lag_s")

logger = logging.getLogger(__name__)


class UsageRecording:
    """During a test, writes each second what this process and its workers use, and how late they are.

    Where a harness samples what they use itself, it takes no more than their lateness from this.
    """

    def __init__(self, generators: Generators | None, options: Namespace, lag: LoopLag) -> None:
        """`generators` are a master's workers."""
        self._generators = generators
        self._lag = lag
        self._lag_folder = Path(options.lag_folder) if options.lag_folder else None
        self._has_harness = bool(options.run_directory or options.run_template)
        self._own = psutil.Process()
        self._over = Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(self, directory: RunDirectory) -> None:
        """Starts to write into the directory of a run."""
        stream = directory.generator_usage if self._has_harness else directory.resources.stream
        self._over.clear()
        self._greenlet = gevent.spawn(self._write_each_second, stream)

    def stop(self) -> None:
        """Writes how late they were since the last second, too: workers have to have said it by now."""
        self._over.set()
        if self._greenlet is not None:
            self._greenlet.join()
            self._greenlet = None

    def _write_each_second(self, stream: Path) -> None:
        writer: StreamWriter | None = None
        rates = Rates()
        try:
            while True:
                is_over = self._over.is_set()
                # CPU time says little of so short a time as is left then.
                if rows := [
                    row for usage in self._usages() for row in _row(usage, None if is_over else rates)
                ]:
                    writer = writer or StreamWriter(stream, RESOURCES)
                    writer.append(pa.RecordBatch.from_pylist(rows, schema=RESOURCES))
                if is_over:
                    return
                self._over.wait(_SECONDS)
        except OSError as error:
            logger.error("What the generators use is not recorded: %s", error)  # noqa: TRY400
        finally:
            if writer is not None:
                with suppress(OSError):
                    writer.close()

    def _usages(self) -> Iterator[Mapping[str, Any]]:
        """What this process uses now, and what workers have said since the last time."""
        # A master is late for no user.
        lag_s = self._lag.take_p99_s() if self._generators is None else None
        yield asdict(usage_of(self._own)) | {"at": now(), "lag_s": lag_s}
        if self._generators is None:
            return
        for each in self._generators.known.values():
            usage, each.usage = each.usage, None
            if usage is None:
                continue
            if self._lag_folder is not None and each.process is None and usage["worst_lag_s"] is not None:
                write_lag(self._lag_folder, each.name, usage["worst_lag_s"])
            yield usage


def _row(usage: Mapping[str, Any], rates: Rates | None) -> Iterator[dict[str, Any]]:
    """A row, if there is anything to say; without rates it lacks the cores."""
    cores = None
    if rates is not None:
        cores = rates.cores((usage["role"], usage["name"]), usage["at"], usage["cpu_seconds"])
    if cores is not None or usage["lag_s"] is not None:
        yield {"cpu_cores": cores, **{name: usage[name] for name in _RECORDED}}
