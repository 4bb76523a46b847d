"""The outcome of one batch: sessions served and turned away, what was slow, and what was busy."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadtests.capacity.outcome import Outcome, figures_of, mixed_up
from loadtests.load.spread import NOBODY, Worker
from reports.records.run_directory import RunDirectory
from reports.records.schema import expected_workers
from reports.statistics.saturation import Cpu

if TYPE_CHECKING:  # it loads pandas
    from reports.run.report import RunReport
    from reports.run.sections.resources import PartUsage

_OVERLOAD = 1.5
"""A server whose workers are unknown is full where this many times the sessions came that it served."""
_SLACK_S = 0.5
_COLUMNS = ["started_at", "latency_s", "op", "host", "pid", "user", "error"]


@dataclass(frozen=True)
class WorkerLoad:
    """What one worker did in a batch."""

    held: int
    """The most sessions that were there at once for certain: had answered their reset, not yet their step."""
    turned_away: int
    """Sessions that it refused for being full."""


@dataclass(frozen=True, kw_only=True)
class BatchOutcome(Outcome):
    """One batch of a capacity search. Times in seconds."""

    workers: Mapping[Worker, WorkerLoad] = field(default_factory=dict)
    expected_workers: int | None = None
    connect_spread_s: float = 0.0
    """From the start of the first session to that of the last."""
    shortest_stay_s: float | None = None
    """The shortest time that a session was there for certain; None where none was."""

    @property
    def users(self) -> int:
        """Sessions of the batch."""
        return self.load

    @property
    def clear(self) -> bool:
        """Met with much to spare."""
        return super().clear and self.succeeded == self.users

    @property
    def turned_away(self) -> int:
        """Sessions refused by full workers."""
        return self.errors.get("capacity", 0)

    @property
    def full_workers(self) -> dict[Worker, int]:
        """The workers that turned sessions away, and how many each held at once."""
        return {worker: load.held for worker, load in self.workers.items() if load.turned_away}

    @property
    def held(self) -> int | None:
        """How many sessions the server held while each of its workers was full; None where one was not."""
        full = self.full_workers
        if not full or len(full) < len(self.workers):
            return None
        known = all(pid is not None for _, pid in full)
        if known and self.expected_workers is not None:
            return sum(full.values()) if len(full) == self.expected_workers else None
        return sum(full.values()) if self.users >= _OVERLOAD * self.succeeded else None

    @property
    def together(self) -> bool:
        """Whether all sessions can have been there at once: the last began before the first was done."""
        return self.shortest_stay_s is None or self.connect_spread_s <= self.shortest_stay_s


def batch_outcome(directory: RunDirectory, report: "RunReport") -> BatchOutcome:
    """Reads a batch from its run directory and its report. Raises RunDirectoryError."""
    rows = directory.read_steps(_COLUMNS).to_pylist()
    totals, run = report.totals, report.run
    stays = sessions_of(rows)
    return BatchOutcome(
        **figures_of(report),
        load=run["config"]["users"],
        met=report.slo.passed and run["status"] == "completed" and not mixed_up(report),
        succeeded=totals.batch_succeeded or 0,
        workers=worker_loads(rows),
        expected_workers=expected_workers(run["topology"]),
        connect_spread_s=_spread(rows),
        shortest_stay_s=min((end - begin for begin, end, _ in stays), default=None),
        cpu=_cpu(report.resources.parts, totals.duration_s),
    )


def worker_loads(rows: Sequence[Mapping[str, Any]]) -> dict[Worker, WorkerLoad]:
    """What every worker held and turned away, from the steps table's rows.

    Where an answer or a refusal does not say which process it came from, all of a host count as one worker's,
    and where one does not even name its host, all do.
    """
    stays = sessions_of(rows)
    refusals = [(row["host"], row["pid"]) for row in rows if row["error"] == "capacity"]
    workers = [worker for _, _, worker in stays] + refusals
    if any(host is None for host, _ in workers):
        stays = [(begin, end, NOBODY) for begin, end, _ in stays]
        refusals = [NOBODY] * len(refusals)
    elif any(pid is None for _, pid in workers):
        stays = [(begin, end, (host, None)) for begin, end, (host, _) in stays]
        refusals = [(host, None) for host, _ in refusals]
    of_worker: dict[Worker, list[tuple[float, float]]] = defaultdict(list)
    for begin, end, worker in stays:
        of_worker[worker].append((begin, end))
    turned_away = Counter(refusals)
    return {
        worker: WorkerLoad(most_at_once(of_worker.get(worker, [])), turned_away[worker])
        for worker in sorted({*of_worker, *turned_away}, key=str)
    }


def sessions_of(rows: Iterable[Mapping[str, Any]]) -> list[tuple[float, float, Worker]]:
    """When each session that stepped was there for certain, and on which worker.

    From the reply to its reset to the reply to its step, in Unix time: it may have started earlier and ended
    later.
    """
    reset = {}
    stays = []
    for row in rows:
        if row["error"] is not None:
            continue
        end = row["started_at"] + row["latency_s"]
        if row["op"] == "reset":
            reset[row["user"]] = end
        elif row["op"] == "step" and row["user"] in reset:
            stays.append((reset[row["user"]], end, (row["host"], row["pid"])))
    return stays


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """How many of the spans, each from begin to end, overlap at most."""
    changes = sorted(change for begin, end in spans for change in ((begin, 1), (end, -1)))
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def _spread(rows: Sequence[Mapping[str, Any]]) -> float:
    begun: dict[int, float] = {}
    for row in rows:
        begun.setdefault(row["user"], row["started_at"])
    return max(begun.values()) - min(begun.values()) if begun else 0.0


def _cpu(parts: Sequence["PartUsage"], duration_s: float) -> Cpu | None:
    """What every part kept busy on average, from the samples whose second lies within the batch."""
    means = []
    for part in parts:
        inside = (part.at_s >= 1 - _SLACK_S) & (part.at_s <= duration_s + _SLACK_S)
        known = part.cpu_cores[inside & (part.cpu_cores == part.cpu_cores)]  # NaN is not equal to itself
        if known.size:
            means.append((part.role, float(known.mean()), None))
    return Cpu.of(means)
