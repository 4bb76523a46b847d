"""What a load has done so far, in the form of metrics, folded from its records as they arrive."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loadtests.load.spread import Worker
from loadtests.run.live_statistics import Snapshot
from loadtests.run.metrics.lags import read_lags
from reports.page.words import printable
from reports.records.schema import RunJson

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)
"""Upper bounds of the buckets of a latency in seconds, each included; beyond them is one more bucket."""

_MOST_WORKERS = 1000
_LONGEST_NAME = 200


class Operation(NamedTuple):
    """A kind of operation."""

    op: str
    transport: str
    error: str
    """Its category; empty for success."""


@dataclass(frozen=True)
class Latency:
    """The latencies of successful operations of one kind, in seconds."""

    counts: NDArray[np.int64]
    """How many lie in each bucket of BOUNDS, and beyond them."""
    sum: float
    least: float
    most: float

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def __add__(self, other: "Latency") -> "Latency":
        least, most = min(self.least, other.least), max(self.most, other.most)
        return Latency(self.counts + other.counts, self.sum + other.sum, least, most)


@dataclass(frozen=True)
class Reading:
    """All metrics at one moment. Counts are of the whole command, so they grow from run to run."""

    run: Mapping[str, str] = field(default_factory=dict)
    """What names the run that is going on, or was the last."""
    users: int = 0
    """Users of that run that have operated so far."""
    sessions: Mapping[Worker, int] = field(default_factory=dict)
    """Sessions of that run on each worker that answered; over HTTP, users."""
    operations: Mapping[Operation, int] = field(default_factory=dict)
    latencies: Mapping[tuple[str, str], Latency] = field(default_factory=dict)
    """By op and transport."""
    lags: Mapping[str, float] = field(default_factory=dict)
    """How late the event loop of each generator process was at worst in its last second, in seconds."""


class Meter:
    """Folds the record batches of one run after the other; `read` may be called in any thread.

    The harness reads these batches anyway, once a second: the processes that make the load do nothing for it.
    """

    def __init__(self, lag_folder: Path) -> None:
        """`lag_folder` is where the generator processes write how late their event loops are."""
        self.lag_folder = lag_folder
        self._lock = threading.Lock()
        self._run: dict[str, str] = {}
        self._snapshot: Snapshot | None = None
        self._operations: Counter[Operation] = Counter()
        self._latencies: dict[tuple[str, str], Latency] = {}

    def begin(self, run: RunJson) -> None:
        """Notes that a run begins."""
        config = run["config"]
        with self._lock:
            self._run = {
                "run_id": run["run_id"],
                "deployment": config["deployment"],
                "scenario": config.get("scenario", "sustained"),
            }
            self._snapshot = None

    def update(self, batches: Iterable[pa.RecordBatch], snapshot: Snapshot) -> None:
        """Folds in batches of the steps table; `snapshot` is the state after them."""
        folded = [_folded(batch) for batch in batches if batch.num_rows]
        with self._lock:
            self._snapshot = snapshot
            for operations, latencies in folded:
                self._operations.update(operations)
                for kind, latency in latencies.items():
                    before = self._latencies.get(kind)
                    self._latencies[kind] = latency if before is None else before + latency

    def read(self) -> Reading:
        """The metrics now."""
        lags = read_lags(self.lag_folder)
        with self._lock:
            sessions = Counter(self._snapshot.sessions if self._snapshot else {})
            return Reading(
                run=self._run,
                users=self._snapshot.users if self._snapshot else 0,
                sessions={
                    (printable(host, _LONGEST_NAME), pid): number
                    for (host, pid), number in sessions.most_common(_MOST_WORKERS)
                },
                operations=dict(self._operations),
                latencies=dict(self._latencies),
                lags=lags,
            )


def _folded(batch: pa.RecordBatch) -> tuple[dict[Operation, int], dict[tuple[str, str], Latency]]:
    table = pa.Table.from_batches([batch.select(["op", "transport", "error", "latency_s"])])
    kinds = table.group_by(["op", "transport", "error"], use_threads=False).aggregate([([], "count_all")])
    operations = {
        Operation(row["op"], row["transport"], row["error"] or ""): row["count_all"]
        for row in kinds.to_pylist()
    }
    answered = table.filter(pc.is_null(table["error"]))
    latencies = {}
    for op, transport, error in operations:
        if not error:
            of_kind = pc.and_(pc.equal(answered["op"], op), pc.equal(answered["transport"], transport))
            latencies[op, transport] = _latency(answered.filter(of_kind)["latency_s"].to_numpy())
    return operations, latencies


def _latency(seconds: NDArray[np.float64]) -> Latency:
    buckets = np.searchsorted(BOUNDS, seconds, side="left")
    counts = np.bincount(buckets, minlength=len(BOUNDS) + 1)
    return Latency(counts, float(seconds.sum()), float(seconds.min()), float(seconds.max()))
