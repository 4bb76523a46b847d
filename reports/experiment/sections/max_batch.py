"""The largest number of sessions that each deployment held within the objective."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reports.experiment.cells import Cell, by_group
from reports.experiment.groups import Group
from reports.experiment.groups import labels as labels_of
from reports.experiment.sections.published import Published, published
from reports.experiment.sections.spread import median_of, spread_of
from reports.page.words import count, factor, listing, seconds

_MOST_PAIRS = 4


@dataclass(frozen=True)
class MaxBatch:
    """The largest load of one group at which more than half of the repetitions met the objective."""

    group: Group
    label: str
    max_batch: int | None
    """Users; None where no load that was tried met it, or none could be judged."""
    lower_bound: bool
    """The largest load that was tried met it too, so that the limit lies beyond."""
    first_missed: int | None
    """The smallest load above `max_batch` that missed it, else None."""
    missed_below: list[int]
    """Smaller loads that missed it although `max_batch` met it."""
    largest_tried: int | None
    """The largest load with a valid finished cell."""
    cores: int | None
    """Of the machine; None where unknown."""
    per_core: float | None
    total_p99_s: float | None
    """Of total time at that load, seconds: the median over repetitions."""
    connect_p50_s: float | None
    reset_p50_s: float | None
    step_p50_s: float | None
    """Medians at that load, as the published study gives them."""
    throughput: float | None
    """Steps a second there, the median over repetitions."""


@dataclass(frozen=True)
class TransportPair:
    """WebSocket against HTTP where all else is the same."""

    label: str
    """What both have in common."""
    ws: MaxBatch
    http: MaxBatch
    ratio: float | None
    """WebSocket's largest load over HTTP's; None where either has none."""


@dataclass(frozen=True)
class MaxBatches:
    """One row a group in the groups' fixed order, the transports compared, and published results."""

    rows: list[MaxBatch]
    transports: list[TransportPair]
    published: Published
    takeaways: list[str]

    @property
    def best(self) -> MaxBatch | None:
        """The group with the largest batch, the smallest deployment among equals; None where none met it."""
        met = [row for row in self.rows if row.max_batch is not None]
        return min(met, key=lambda row: (-(row.max_batch or 0), row.group.total_workers or 0), default=None)


def summarize(cells: Sequence[Cell], labels: Mapping[Group, str]) -> MaxBatches:
    """Finds every group's largest load within the objective, from its valid cells."""
    cells_of = by_group(cell for cell in cells if cell.valid)
    rows = [_row(group, label, cells_of.get(group, [])) for group, label in labels.items()]
    transports = _transports(rows)
    batches = MaxBatches(rows, transports, published(), [])
    return replace(batches, takeaways=_takeaways(batches))


def _row(group: Group, label: str, cells: list[Cell]) -> MaxBatch:
    judged = [cell for cell in cells if cell.slo_passed is not None]
    loads = sorted({cell.users for cell in judged})
    met = [load for load in loads if _most_met([cell for cell in judged if cell.users == load])]
    best = max(met, default=None)
    there = [cell for cell in judged if cell.users == best]
    cores = max((cell.cores for cell in cells if cell.cores), default=None)
    return MaxBatch(
        group=group,
        label=label,
        max_batch=best,
        lower_bound=best is not None and best == loads[-1],
        first_missed=next((load for load in loads if load not in met and load > (best or 0)), None),
        missed_below=[load for load in loads if load not in met and load < (best or 0)],
        largest_tried=max(loads, default=None),
        cores=cores,
        per_core=best / cores if best is not None and cores else None,
        total_p99_s=median_of(cell.p("total", "p99") for cell in there),
        connect_p50_s=median_of(cell.p("connect", "p50") for cell in there),
        reset_p50_s=median_of(cell.p("reset", "p50") for cell in there),
        step_p50_s=median_of(cell.p("step", "p50") for cell in there),
        throughput=median_of(cell.throughput for cell in there),
    )


def _most_met(repetitions: list[Cell]) -> bool:
    return 2 * sum(cell.slo_passed is True for cell in repetitions) > len(repetitions)


def _transports(rows: list[MaxBatch]) -> list[TransportPair]:
    over_http = {row.group: row for row in rows if row.group.transport == "http"}
    pairs = [
        (row, over_http[replace(row.group, transport="http")])
        for row in rows
        if row.group.transport == "ws" and replace(row.group, transport="http") in over_http
    ]
    names = labels_of([ws.group for ws, _ in pairs])
    return [
        TransportPair(
            label=names[ws.group],
            ws=ws,
            http=http,
            ratio=ws.max_batch / http.max_batch if ws.max_batch and http.max_batch else None,
        )
        for ws, http in pairs
    ]


def _takeaways(batches: MaxBatches) -> list[str]:
    best = batches.best
    if best is None or best.max_batch is None:
        return ["No load that was tried met the objective."]
    each = f", {factor(best.per_core)} per core" if best.per_core is not None else ""
    p99 = f" (p99 of total time {seconds(best.total_p99_s)})" if best.total_p99_s is not None else ""
    takeaways = [
        f"{best.label} held the most within the objective: {count(best.max_batch, 'session')}{each}{p99}."
    ]
    bounded = [row.label for row in batches.rows if row.lower_bound]
    if bounded and len(bounded) == len(batches.rows):
        takeaways.append(
            "Every group met the objective at the largest load that was tried, so the limits lie beyond: "
            "try more users (USERS=…)."
        )
    elif bounded:
        takeaways.append(
            f"{listing(bounded[:4])}{' and others' if len(bounded) > 4 else ''} met it at the largest load "
            "that was tried: the limit lies beyond."
        )
    if any(row.missed_below for row in batches.rows):
        takeaways.append(
            "Some groups missed the objective at a smaller load and met it at a larger one: results vary, "
            "and more repetitions would say more."
        )
    return takeaways + _of_transports(batches.transports)


def _of_transports(pairs: list[TransportPair]) -> list[str]:
    known = [pair for pair in pairs if pair.ratio is not None]
    if len(known) > _MOST_PAIRS:
        ratios = spread_of(pair.ratio for pair in known)
        times = factor(ratios.median)
        many = "as many" if times == "1" else f"{times} times as many"
        median = f"{many} sessions as HTTP at the median of {len(known)} groups"
        return [f"WebSocket held {median}, between {factor(ratios.low)} and {factor(ratios.high)} times."]
    return [
        f"{pair.label}: {count(pair.ws.max_batch or 0, 'session')} over WebSocket, "
        f"{pair.http.max_batch or 0:,} over HTTP."
        for pair in known
    ]
