"""The state of a run at this moment, folded from its records as they arrive."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd  # noqa: F401 - else pyarrow imports it with the first rows, where a Ctrl-C would be lost
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loadtests.load.spread import Spread, Worker
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamReader

if TYPE_CHECKING:
    from loadtests.run.metrics.meter import Meter

WINDOW_SECONDS = 5.0


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at its newest record.

    Latencies in seconds, of the last few seconds' steps; of the open model from when they were due.
    """

    users: int
    """Users that have operated so far."""
    steps: int
    steps_per_s: float
    p50: float | None
    p99: float | None
    failures: int
    last_error: str | None
    sessions: dict[Worker, int]
    """As `Spread.sessions` has them."""


@dataclass
class LiveStatistics:
    """Folds record batches of the steps table; take a `snapshot` at any time."""

    _users: set[int] = field(default_factory=set)
    _steps: int = 0
    _failures: int = 0
    _last_error: str | None = None
    _spread: Spread = field(default_factory=Spread)
    _recent: deque[tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=deque)
    _started_at: float | None = None

    def update(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Folds in batches of the steps table."""
        for batch in batches:
            self._fold(batch)

    def snapshot(self) -> Snapshot:
        """The state at the newest record."""
        ends, latencies, span = self._window()
        quantiles = np.percentile(latencies, [50, 99]) if len(latencies) else None
        return Snapshot(
            users=len(self._users),
            steps=self._steps,
            steps_per_s=len(ends) / span if span > 0 else 0.0,
            p50=float(quantiles[0]) if quantiles is not None else None,
            p99=float(quantiles[1]) if quantiles is not None else None,
            failures=self._failures,
            last_error=self._last_error,
            sessions=dict(self._spread.sessions),
        )

    def _fold(self, batch: pa.RecordBatch) -> None:
        started_at = batch["started_at"].to_numpy()
        if self._started_at is None and len(started_at):
            self._started_at = float(started_at.min())
        self._users.update(pc.unique(batch["user"]).to_pylist())
        failed = pc.is_valid(batch["error"])
        failures = batch.filter(failed)
        self._failures += failures.num_rows
        if failures.num_rows:
            last = failures.slice(failures.num_rows - 1).to_pylist()[0]
            self._last_error = f"{last['op']} {last['error']}: {last['error_detail']}"
        answered = batch.filter(pc.invert(failed))
        steps = answered.filter(pc.equal(answered["op"], "step"))
        self._steps += steps.num_rows
        ends = steps["started_at"].to_numpy() + steps["latency_s"].to_numpy()
        due = pc.coalesce(steps["intended_at"], steps["started_at"]).to_numpy()
        self._recent.append((ends, ends - due))
        self._spread.update(batch)

    def _window(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        newest = max((float(ends.max()) for ends, _ in self._recent if len(ends)), default=0.0)
        start = newest - WINDOW_SECONDS
        while self._recent and (not len(self._recent[0][0]) or float(self._recent[0][0].max()) <= start):
            self._recent.popleft()
        if not self._recent:
            return np.empty(0), np.empty(0), 0.0
        ends = np.concatenate([ends for ends, _ in self._recent])
        latencies = np.concatenate([latencies for _, latencies in self._recent])
        inside = ends > start
        span = min(WINDOW_SECONDS, newest - (self._started_at or start))
        return ends[inside], latencies[inside], span


class FollowedRun:
    """A run whose records are folded as they arrive, for the live view and for the meter, if there is one."""

    def __init__(self, directory: RunDirectory, meter: "Meter | None") -> None:
        """Raises RunDirectoryError where there is no run."""
        self._reader = StreamReader(directory.steps.stream)
        self._statistics = LiveStatistics()
        self._meter = meter
        if meter is not None:
            meter.begin(directory.read())

    def fold(self) -> Snapshot:
        """Folds in what has arrived since the last call, and returns the state after it."""
        batches = list(self._reader.read())
        self._statistics.update(batches)
        snapshot = self._statistics.snapshot()
        if self._meter is not None:
            self._meter.update(batches, snapshot)
        return snapshot
