"""The Universal Scalability Law over users and over workers, and what its numbers mean here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from reports.experiment.cells import Cell, by_group
from reports.experiment.groups import Group
from reports.experiment.sections.speedup import Family, Speedup
from reports.page.words import count, factor, listing, power_of_ten
from reports.statistics.usl import UslFit, fit_usl

_FAR_OFF = 0.1
_LEGEND = (
    "σ is the share of the work that has to queue for something shared (a core, a lock, the balancer); "
    "κ is the cost of keeping each pair in step (caches, context switches, swapping), which makes throughput "
    "fall when there are too many."
)


@dataclass(frozen=True)
class Law:
    """The law over measured points."""

    label: str
    """Empty where there is one family only."""
    groups: list[Group]
    """Over users the group; over workers the sizes that the points come from, one for each point."""
    loads: list[float]
    """Users, or total workers, in rising order: one point a usable cell."""
    throughputs: list[float]
    fit: UslFit | None
    reason: str | None
    """Why there is no fit, in a sentence; None where there is one."""
    takeaways: list[str]
    """What σ and κ mean here, and where the curve misses points."""


@dataclass(frozen=True)
class Usl:
    """Every group's law over users in the groups' fixed order, and every family's over workers."""

    groups: list[Law]
    workers: list[Law]
    """From the peak throughput of each saturated size, for families with at least two numbers of workers;
    those with fewer than 4 have the reason instead."""
    takeaways: list[str]


def summarize(cells: Sequence[Cell], labels: Mapping[Group, str], speedup: Speedup) -> Usl:
    """Fits the law to every group over users and to every family over its total workers."""
    cells_of = by_group(cells)
    groups = [_group(group, label, cells_of.get(group, [])) for group, label in labels.items()]
    workers = [
        _workers(family, cells_of)
        for family in speedup.families
        if len({row.total_workers for row in family.rows}) > 1
    ]
    return Usl(groups, workers, _takeaways(groups))


def _group(group: Group, label: str, cells: list[Cell]) -> Law:
    usable = sorted(
        (cell.users, cell.throughput) for cell in cells if cell.usable and cell.throughput is not None
    )
    loads, throughputs = [float(users) for users, _ in usable], [steps for _, steps in usable]
    fit, reason = _fitted(loads, throughputs, sum(cell.finished for cell in cells))
    takeaways = [] if fit is None else _meaning(fit, "user") + _misses(fit, loads, throughputs, "user")
    return Law(label, [group], loads, throughputs, fit, reason, takeaways)


def _workers(family: Family, cells_of: Mapping[Group, list[Cell]]) -> Law:
    points = [
        (row, cell.throughput)
        for row in family.rows
        if row.saturated
        for cell in cells_of[row.group]
        if cell.users == row.peak_users and cell.usable and cell.throughput is not None
    ]
    loads = [float(row.total_workers) for row, _ in points]
    throughputs = [steps for _, steps in points]
    if family.saturated:
        fit, reason = _fitted(loads, throughputs, len(points))
    else:
        fit, reason = None, "Nothing was saturated, so throughput does not show what workers can do."
    takeaways = [] if fit is None else _meaning(fit, "worker") + _misses(fit, loads, throughputs, "worker")
    unsaturated = sum(not row.saturated for row in family.rows)
    if family.saturated and unsaturated:
        left_out = (
            f"{count(unsaturated, 'size')} carried even the largest load without falling behind, so what "
            f"{'it' if unsaturated == 1 else 'they'} can do is unknown and left out."
        )
        takeaways = [*takeaways, left_out] if fit else []
        reason = f"{reason} {left_out}" if reason else None
    return Law(family.label, [row.group for row, _ in points], loads, throughputs, fit, reason, takeaways)


def _fitted(loads: list[float], throughputs: list[float], finished: int) -> tuple[UslFit | None, str | None]:
    if not loads:
        none = "No cell finished." if not finished else "No cell has figures that can be used."
        return None, none
    try:
        fit = fit_usl(loads, throughputs)
    except ValueError as error:
        sentence = str(error)
        return None, f"{sentence[0].upper()}{sentence[1:]}."
    if fit.sigma_ci[0] <= 0 and fit.sigma_ci[1] >= 1:
        far = "Throughputs vary so much that σ may be anything from 0 to 1"
        return None, f"{far}: repeat more often, or measure longer."
    return fit, None


def _meaning(fit: UslFit, noun: str) -> list[str]:
    if fit.sigma == 0 and fit.kappa == 0:
        return [f"σ = κ = 0: throughput grew in proportion to the {noun}s, so these loads show no limit."]
    takeaways = []
    if fit.sigma == 0:
        takeaways.append(f"σ = 0: no contention shows; {noun}s do not queue for anything that they share.")
    else:
        alone = f"that alone would cap throughput at {factor(1 / fit.sigma)} times what one {noun} gets"
        sure = "" if fit.sigma_ci[0] > 0 else "; the data would allow none, too"
        takeaways.append(
            f"σ = {fit.sigma:.2g} (contention): {_per_cent(fit.sigma)} of the work of a {noun} waits for "
            f"something that all share; {alone}{sure}."
        )
    if fit.kappa == 0 or fit.peak_concurrency is None:
        takeaways.append(
            f"κ = 0 (coherency): {noun}s do not slow each other down, so throughput levels off and "
            "does not fall."
        )
        return takeaways
    beyond = fit.peak_concurrency > fit.largest_load
    where = "beyond the largest load measured, so a guess" if beyond else "within the loads measured"
    sure = "" if fit.kappa_ci[0] > 0 else "; the data would allow no fall, too"
    takeaways.append(
        f"κ = {power_of_ten(fit.kappa)} (coherency): every further {noun} slows all others down a little, so "
        f"throughput peaks at {count(round(fit.peak_concurrency), noun)} and falls beyond ({where}{sure})."
    )
    return takeaways


def _misses(fit: UslFit, loads: list[float], throughputs: list[float], noun: str) -> list[str]:
    far = []
    for load in sorted(set(loads)):
        measured = median(steps for at, steps in zip(loads, throughputs, strict=True) if at == load)
        if abs(float(fit.predicted(np.array(load))) / measured - 1) > _FAR_OFF:
            far.append(f"{load:,.0f}")
    if not far:
        return []
    unit = noun if far == ["1"] else f"{noun}s"
    misses = f"The curve misses what was measured at {listing(far)} {unit} by more than {_per_cent(_FAR_OFF)}"
    return [f"{misses}: the law does not tell the whole story here."]


def _per_cent(value: float) -> str:
    return f"{factor(100 * value)} %"


def _takeaways(groups: list[Law]) -> list[str]:
    fitted = [law for law in groups if law.fit is not None]
    if not fitted:
        return [
            "No group can be fitted: the law needs usable figures at 4 or more different numbers of users."
        ]
    takeaways = [_LEGEND]
    without = len(groups) - len(fitted)
    if without:
        takeaways.append(
            f"{count(without, 'group')} of {len(groups)} {'carries' if without == 1 else 'carry'} no fit."
        )
    return takeaways
