"""Where each deployment stops, and what it hit there."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.experiment.cells import Cell, LatencyName, by_group
from reports.experiment.groups import Group
from reports.experiment.limits import Evidence, FullWorkers, Limit, Outcome, Setup, find_limit, most_sessions
from reports.experiment.sections.growth import GroupGrowth, Growth, Point
from reports.experiment.sections.speedup import peak_of
from reports.experiment.sections.spread import median_of
from reports.page.words import count, seconds
from reports.records.schema import Scenario
from reports.statistics.saturation import Cpu

_PARTS: tuple[LatencyName, ...] = ("connect", "reset", "overhead", "step")


@dataclass(frozen=True)
class Bottleneck:
    """Where one group stops."""

    group: Group
    label: str
    peak_throughput: float | None
    """Steps a second: the best median over loads, of usable cells; None where there is none."""
    peak_users: int | None
    largest_users: int | None
    """The largest load of a finished cell."""
    largest_throughput: float | None
    largest_total_p99: float | None
    """Both at that load, medians over repetitions; seconds."""
    first_miss_users: int | None
    """The smallest load at which most repetitions missed the objective; None where none did."""
    first_miss_criterion: str | None
    """`success_rate`, `total_p99_s` or `both`; None where it was neither."""

    busy_at: int | None
    """The load that tells the limit: the first that missed, else the peak."""
    limit: Limit
    """What was hit at that load."""

    sentence: str
    """All of it in one sentence or two."""


@dataclass(frozen=True)
class Bottlenecks:
    """One for each group, in their fixed order."""

    rows: list[Bottleneck]
    takeaways: list[str]
    """Where the main one stops; where nothing was usable, what failed."""

    @property
    def main(self) -> Bottleneck | None:
        """The group with the highest peak throughput; None where nothing was usable."""
        known = [row for row in self.rows if row.peak_throughput is not None]
        return max(known, key=lambda row: row.peak_throughput or 0.0, default=None)


def summarize(cells: Sequence[Cell], growth: Growth, scenario: Scenario) -> Bottlenecks:
    """Says for every group where it stops."""
    cells_of = by_group(cell for cell in cells if cell.finished)
    rows = [_row(grown, cells_of.get(grown.group, []), scenario) for grown in growth.groups]
    main = Bottlenecks(rows, []).main or next((row for row in rows if row.limit.failed), None)
    return Bottlenecks(rows, [main.sentence if main else "No cell has figures that can be used."])


def _row(grown: GroupGrowth, cells: Sequence[Cell], scenario: Scenario) -> Bottleneck:
    points = grown.points
    peak = peak_of(points)
    largest = points[-1] if points else None
    missed = next((point for point in points if point.slo_share <= 0.5), None)
    looked = missed or peak or largest
    there = [cell for cell in cells if looked is not None and cell.users == looked.users]
    limit = Limit("none", "no cell finished", "")
    if there:
        outcome: Outcome = "missed" if missed else "fell" if peak is not largest else "met"
        limit = find_limit(_evidence(there, outcome), _setup(there, scenario))
    missing = there if missed else []
    return Bottleneck(
        group=grown.group,
        label=grown.label,
        peak_throughput=peak.throughput.median if peak else None,
        peak_users=peak.users if peak else None,
        largest_users=largest.users if largest else None,
        largest_throughput=_known(largest.throughput.median) if largest else None,
        largest_total_p99=_known(largest.total_p99.median) if largest else None,
        first_miss_users=missed.users if missed else None,
        first_miss_criterion=_criterion(missing),
        busy_at=looked.users if looked else None,
        limit=limit,
        sentence=_sentence(grown.label, peak, largest, missed, missing, limit.sentence),
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _criterion(missing: list[Cell]) -> str | None:
    names = {name for cell in missing for name in cell.slo_missed_names} & {"success_rate", "total_p99_s"}
    return "both" if len(names) == 2 else next(iter(names), None)


def _evidence(cells: Sequence[Cell], outcome: Outcome) -> Evidence:
    """What the cells of one load show."""
    users = cells[0].users
    missing = [cell for cell in cells if cell.slo_passed is False]
    too_few = [cell for cell in missing if "success_rate" in cell.slo_missed_names]
    errors: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for cell in missing:
        errors.update(cell.errors)
        examples |= cell.examples
    failed = 2 * len(too_few) > len(missing)
    p99 = {name: median_of(cell.p(name, "p99") for cell in missing) for name in _PARTS}
    if p99["overhead"] is not None:
        del p99["step"]
    return Evidence(
        load=f"with {count(users, 'user')}{f' in {len(missing)} runs' if len(missing) > 1 else ''}",
        outcome=outcome,
        cpu=Cpu.median_of(cell.cpu for cell in cells),
        errors=errors if outcome == "missed" and failed else {},
        examples=examples,
        full=_full_workers(users, cells[0].group, examples),
        slowest={name: value for name, value in p99.items() if outcome == "missed" and value is not None},
    )


def _full_workers(users: int, group: Group, examples: Mapping[str, str]) -> FullWorkers:
    """What the workers hold that turned sessions away, by what these said."""
    each, workers = most_sessions(examples.get("capacity", "")), group.total_workers
    if each is None or workers is None:
        return FullWorkers(workers, each)
    return FullWorkers(workers, each, each * workers, uneven=workers > 1 and users <= each * workers)


def _setup(cells: Sequence[Cell], scenario: Scenario) -> Setup:
    """What the cells of one group ran against and with."""
    group, last = cells[0].group, cells[-1]
    return Setup(
        cores=max((cell.cores for cell in cells if cell.cores), default=None),
        generator_cores=max((cell.machine_cores for cell in cells if cell.machine_cores), default=None),
        processes=last.processes or 1,
        processes_setting=last.processes_setting,
        workers=group.workers,
        total_workers=group.total_workers,
        reuse_port=group.reuse_port,
        is_url=group.replicas is None,
        connect_timeout_s=last.connect_timeout_s,
        step_timeout_s=last.step_timeout_s,
        brief=scenario == "batch",
    )


def _sentence(
    label: str,
    peak: Point | None,
    largest: Point | None,
    missed: Point | None,
    missing: list[Cell],
    limit: str,
) -> str:
    if largest is None:
        return f"{label}: no cell finished."
    if peak is None:
        how = next((cell.slo_missed for cell in missing if cell.slo_missed), [])
        return " ".join([f"{label}: no cell has figures that can be used.", *how, limit])

    tops = f"{label} reached {peak.throughput.median:,.1f} steps/s with {count(peak.users, 'user')}"
    if missed is None and peak is largest:
        return f"{tops}, the largest load, and met the objective: its limit may lie beyond. {limit}"
    if missed is None:
        fell = f"with {largest.users:,} it was {largest.throughput.median:,.1f}"
        return f"{tops}; {fell}, still within the objective. {limit}"
    late = median_of(cell.p("total", "p99") for cell in missing if cell.slo_passed is False)
    by = {
        "success_rate": "too many operations failed",
        "total_p99_s": f"p99 of total time was {seconds(late)}" if late is not None else "no step succeeded",
        "both": "too many operations failed and total time was too long",
    }.get(_criterion(missing) or "", "it was not met")
    return f"{tops}; it first missed the objective with {missed.users:,}, where {by}. {limit}"
