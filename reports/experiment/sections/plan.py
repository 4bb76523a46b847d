"""How many replicas and workers carry a thousand sessions, and a million."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.experiment.cells import Cell
from reports.experiment.groups import Group
from reports.experiment.limits import Limit
from reports.experiment.sections.bottleneck import Bottlenecks
from reports.experiment.sections.max_batch import MaxBatch, MaxBatches
from reports.experiment.sections.usl import Usl
from reports.page.words import count, factor
from reports.records.schema import CapacityJson
from reports.statistics.usl import UslFit

TARGETS = (1_000, 16_384, 100_000, 1_000_000)
_FARTHEST = 2.0
"""How many times the most workers measured the law over workers is followed."""


@dataclass(frozen=True)
class PlanRow:
    """What a number of sessions needs, by what was measured."""

    target_sessions: int
    replicas: int
    """In all."""
    workers: int
    """Of each replica."""
    copies: int
    """How many machines like the measured one the replicas are spread over."""
    cores: int | None
    """Of these machines together; None where unknown."""
    reach: float
    """How many times the largest load that was measured; up to 1 the plan lies within the data."""
    basis: str
    """What it rests on, in words."""


@dataclass(frozen=True)
class Plan:
    """Rows by rising target; empty where nothing met the objective."""

    rows: list[PlanRow]
    takeaways: list[str]
    """Where there is no plan, why."""


def summarize(
    cells: Sequence[Cell],
    batches: MaxBatches,
    usl: Usl,
    bottlenecks: Bottlenecks,
    capacity: CapacityJson | None = None,
) -> Plan:
    """Plans for each of TARGETS from the deployment that held most sessions within the objective.

    Each is counted with the machine that it ran on: what one worker alone on a machine holds says little of
    what it holds among others. Of deployments that held equally many the one with fewest workers counts.
    A capacity search knows what its deployment holds, and its limit, better than its single batches do.
    """
    known = [row for row in batches.rows if row.max_batch and row.group.total_workers]
    largest = max((cell.users for cell in cells if cell.usable), default=None)
    if not known or largest is None:
        unsized = any(row.max_batch for row in batches.rows)
        why = (
            "How many replicas and workers the deployments have is unknown, so there is nothing to count in."
            if unsized
            else "Nothing met the objective, so there is nothing to plan with."
        )
        return Plan([], [why])
    best = max(known, key=lambda row: (row.max_batch or 0, -(row.group.total_workers or 0)))
    limit = next((row.limit for row in bottlenecks.rows if row.group == best.group), None)
    if capacity and capacity["sessions"]:
        best = replace(best, max_batch=capacity["sessions"], lower_bound=capacity["lower_bound"])
        limit = None
    elif limit and limit.lower_bound:
        best = replace(best, lower_bound=True)
    law = _law_of(best.group, usl)
    rows = [_row(target, best, law, largest) for target in TARGETS]
    return Plan(rows, _takeaways(best, limit, rows, largest))


def _law_of(group: Group, usl: Usl) -> UslFit | None:
    """The law over workers of the group's family."""
    laws = (law.fit for law in usl.workers if any(other.family == group.family for other in law.groups))
    return next(laws, None)


def _row(target: int, best: MaxBatch, law: UslFit | None, largest: int) -> PlanRow:
    held, total = best.max_batch or 0, best.group.total_workers or 1
    workers, replicas = best.group.workers or 1, best.group.replicas or 1
    reach = target / largest
    if target <= held:
        needed = max(1, math.ceil(target / held * total))
        replicas = math.ceil(needed / workers)
        if replicas == 1:
            workers = needed
        basis = f"within what was measured: {_measured(best)}"
        return PlanRow(target, replicas, workers, 1, best.cores, reach, basis)
    most = _most_workers(law, best.cores) if law else 0
    grown = _workers_by_law(target / held, total, law) if law else math.inf
    if grown <= most and math.ceil(grown / workers) * workers <= most:
        replicas = math.ceil(grown / workers)
        basis = (
            f"{_measured(best)}, and more workers on the same machine as the law over workers predicts, if "
            "sessions grow as throughput does"
        )
        return PlanRow(target, replicas, workers, 1, best.cores, reach, basis)
    copies = math.ceil(target / held)
    short = f": on one, the law over workers is followed up to {count(most, 'worker')}" if law else ""
    basis = f"{_measured(best)}, repeated as often as needed, each on a machine of its own{short}"
    cores = best.cores * copies if best.cores else None
    return PlanRow(target, replicas * copies, workers, copies, cores, reach, basis)


def _most_workers(law: UslFit, cores: int | None) -> int:
    """The most workers for which one machine is planned: within its cores, and not far beyond the data.

    Past the law's knee a deployment gains little for each worker, and past its peak it loses.
    """
    limits = (_FARTHEST * law.largest_load, law.knee, cores)
    return math.floor(min(limit for limit in limits if limit is not None))


def _workers_by_law(times: float, total: int, law: UslFit) -> float:
    """The least number of workers that carry `times` what `total` carry; infinite where no number does."""
    wanted = times * float(law.predicted(np.array(total)))
    # γN = wanted (1 + σ(N−1) + κN(N−1)), solved for N: κw N² + (w(σ−κ) − γ) N + w(1−σ) = 0
    square, linear = law.kappa * wanted, wanted * (law.sigma - law.kappa) - law.gamma
    constant = wanted * (1 - law.sigma)
    if square > 0:
        discriminant = linear**2 - 4 * square * constant
        if discriminant < 0 or linear >= 0:
            return math.inf
        needed = 2 * constant / (-linear + math.sqrt(discriminant))
    elif linear < 0:
        needed = -constant / linear
    else:
        return math.inf
    return max(total, math.ceil(needed - 1e-9))


def _measured(best: MaxBatch) -> str:
    at_least = "at least " if best.lower_bound else ""
    return f"{best.group.size} held {at_least}{count(best.max_batch or 0, 'session')} within the objective"


def _takeaways(best: MaxBatch, limit: Limit | None, rows: list[PlanRow], largest: int) -> list[str]:
    at_least = "at least " if best.lower_bound else ""
    per_worker = (best.max_batch or 0) / (best.group.total_workers or 1)
    each = f"{at_least}{factor(per_worker)} sessions per worker"
    takeaways = [f"The plan rests on {best.label}, which held the most within the objective: {each}."]
    if limit and (limit.failed or limit.lower_bound):
        takeaways.append(f"What it hit first: {limit.sentence}")
    far = [row for row in rows if row.reach > 1]
    if far:
        takeaways.append(
            f"The largest load measured was {count(largest, 'user')}: {factor(far[-1].reach)} times that is "
            "a guess. Balancing between machines and the network have not been measured at all."
        )
    return takeaways
