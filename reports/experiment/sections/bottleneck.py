"""Where each deployment stops, and what was busy there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reports.experiment.cells import Cell, Group, by_group
from reports.experiment.sections.growth import Growth, Point
from reports.experiment.sections.speedup import peak_of
from reports.experiment.sections.spread import median_of
from reports.experiment.sections.usl import GroupLaw, Usl
from reports.page.words import count, listing, seconds
from reports.records.schema import Scenario
from reports.statistics.saturation import SATURATED_CORES, SATURATED_SHARE, SHARED_SHARE

_BUSY_ON_AVERAGE = 0.75
"""Of a core: what a generator process must use on average too where the load lasts, since all are busy while
they start users."""
_BUSY_WORKERS = 0.9
"""Of a core each."""

Busy = Literal["generator", "machine", "others", "workers", "unknown"]


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
    first_miss_criterion: Literal["success_rate", "total_p99_s", "both"] | None
    first_miss: str | None
    """How it was missed there, in a sentence."""
    busy_at: int | None
    """The load at which it was looked what was busy: the first that missed, else the peak."""
    busy: Busy
    busy_sentence: str
    """What was busy at that load, with figures."""
    usl_peak: float | None
    """The load at which the fitted law peaks; None without a fit or a peak."""
    usl_knee: float | None
    sentence: str
    """All of it in one sentence or two."""


@dataclass(frozen=True)
class Bottlenecks:
    """One for each group, in their fixed order."""

    rows: list[Bottleneck]
    takeaways: list[str]

    @property
    def main(self) -> Bottleneck | None:
        """The group with the highest peak throughput; None where nothing was usable."""
        known = [row for row in self.rows if row.peak_throughput is not None]
        return max(known, key=lambda row: row.peak_throughput or 0.0, default=None)


def summarize(cells: Sequence[Cell], growth: Growth, usl: Usl, scenario: Scenario) -> Bottlenecks:
    """Says for every group where it stops."""
    cells_of = by_group(cell for cell in cells if cell.finished)
    rows = [
        _row(points.group, points.label, points.points, law, cells_of.get(points.group, []), scenario)
        for points, law in zip(growth.groups, usl.groups, strict=True)
    ]
    bottlenecks = Bottlenecks(rows, [])
    main = bottlenecks.main
    return Bottlenecks(rows, [main.sentence] if main else ["No cell has figures that can be used."])


def _row(
    group: Group,
    label: str,
    points: list[Point],
    law: GroupLaw,
    cells: Sequence[Cell],
    scenario: Scenario,
) -> Bottleneck:
    peak = peak_of(points)
    largest = points[-1] if points else None
    missed = next((point for point in points if point.slo_share <= 0.5), None)
    looked = missed or peak or largest
    there = [cell for cell in cells if looked is not None and cell.users == looked.users]
    reached = missed is not None or peak is not largest
    busy, busy_sentence = _busy(group, there, scenario, reached=reached)
    missing = [cell for cell in cells if missed is not None and cell.users == missed.users]
    first_miss = next((" ".join(cell.slo_missed) for cell in missing if cell.slo_missed), None)
    return Bottleneck(
        group=group,
        label=label,
        peak_throughput=peak.throughput.median if peak else None,
        peak_users=peak.users if peak else None,
        largest_users=largest.users if largest else None,
        largest_throughput=_known(largest.throughput.median) if largest else None,
        largest_total_p99=_known(largest.total_p99.median) if largest else None,
        first_miss_users=missed.users if missed else None,
        first_miss_criterion=_criterion(missing),
        first_miss=first_miss,
        busy_at=looked.users if looked else None,
        busy=busy,
        busy_sentence=busy_sentence,
        usl_peak=law.fit.peak_concurrency if law.fit else None,
        usl_knee=law.fit.knee if law.fit else None,
        sentence=_sentence(label, peak, largest, missed, missing, first_miss, busy_sentence),
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _criterion(missing: list[Cell]) -> Literal["success_rate", "total_p99_s", "both"] | None:
    names = {name for cell in missing for name in cell.slo_missed_names}
    if {"success_rate", "total_p99_s"} <= names:
        return "both"
    if "success_rate" in names:
        return "success_rate"
    return "total_p99_s" if "total_p99_s" in names else None


def _busy(group: Group, cells: list[Cell], scenario: Scenario, *, reached: bool) -> tuple[Busy, str]:
    """What was busy in cells of one load: the whole machine, the generator, the workers, or nobody knows.

    `reached` says whether a limit was: throughput fell, or the objective was missed.
    """
    generators = median_of(cell.cpu.generator_mean for cell in cells if cell.cpu)
    busiest = median_of(cell.cpu.generator_busiest_mean for cell in cells if cell.cpu)
    highest = median_of(cell.cpu.generator_max for cell in cells if cell.cpu)
    replicas = median_of(cell.cpu.replicas_mean for cell in cells if cell.cpu)
    nginx = median_of(cell.cpu.nginx_mean for cell in cells if cell.cpu)
    total = median_of(cell.cpu.total_mean for cell in cells if cell.cpu)
    others = median_of(cell.cpu.others_mean for cell in cells if cell.cpu)
    cores = max((cell.cores for cell in cells if cell.cores), default=None)
    if generators is None and replicas is None:
        return "unknown", "CPU was not recorded there, so what was busy is unknown."
    parts = [
        f"{name} {value:.2f}"
        for name, value in (
            ("load generator", generators),
            ("replicas", replicas),
            ("nginx", nginx),
            ("other programs", others),
        )
        if value is not None
    ]
    used = f"cores kept busy on average: {listing(parts)}"
    saturated = (
        highest is not None
        and busiest is not None
        and highest >= SATURATED_CORES
        and (scenario == "batch" or busiest >= _BUSY_ON_AVERAGE)
    )
    here = max((cell.machine_cores for cell in cells if cell.machine_cores), default=None)
    if cores is None and here and (total or 0.0) + (others or 0.0) >= SATURATED_SHARE * here:
        why = "where the server is among the other programs, it and the load took from each other"
        return "machine", f"This whole machine of {count(here, 'core')} was busy ({used}): {why}."
    full = cores and (total or 0.0) + (others or 0.0) >= SATURATED_SHARE * cores
    if cores and full and others is not None and others >= SHARED_SHARE * cores:
        why = "part of it with other programs, so the limit may lie higher when it is quiet"
        return "others", f"The whole machine of {count(cores, 'core')} was busy ({used}), {why}."
    if cores and full:
        too = ", and a generator process used all it can" if saturated else ""
        return "machine", f"The whole machine of {count(cores, 'core')} was busy ({used}{too})."
    if saturated:
        why = "each is a single thread, so use more of them (PROCESSES=…)"
        return "generator", f"A load generator process was at its limit of one core ({used}): {why}."
    workers = group.total_workers
    if workers and replicas is not None and replicas >= _BUSY_WORKERS * workers:
        return "workers", f"The {count(workers, 'worker')} used nearly a core each ({used})."
    of = f" of {cores}" if cores else ""
    why = "what it waited for is unknown, for instance a cap, a lock or a queue"
    if not reached:
        why = "more users may find one (USERS=…)"
    return "unknown", f"No part that was recorded was at its limit ({used}{of}): {why}."


def _sentence(
    label: str,
    peak: Point | None,
    largest: Point | None,
    missed: Point | None,
    missing: list[Cell],
    first_miss: str | None,
    busy_sentence: str,
) -> str:
    if largest is None:
        return f"{label}: no cell finished."
    if peak is None:
        return f"{label}: no cell has figures that can be used. {first_miss or ''}".rstrip()
    tops = f"{label} reached {peak.throughput.median:,.1f} steps/s with {count(peak.users, 'user')}"
    if missed is None and peak is largest:
        return f"{tops}, the largest load, and met the objective: its limit may lie beyond. {busy_sentence}"
    if missed is None:
        fell = f"with {largest.users:,} it was {largest.throughput.median:,.1f}"
        return f"{tops}; {fell}, still within the objective. {busy_sentence}"
    late = median_of(cell.p("total", "p99") for cell in missing if cell.slo_passed is False)
    by = {
        "success_rate": "too much failed",
        "total_p99_s": f"p99 of total time was {seconds(late)}" if late is not None else "no step succeeded",
        "both": "too much failed and total time was too long",
    }.get(_criterion(missing) or "", "it was not met")
    return f"{tops}; it first missed the objective with {missed.users:,}, where {by}. {busy_sentence}"
