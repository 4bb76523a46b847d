"""What more workers and replicas buy: speed-up, efficiency, and where adding one stops paying."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reports.experiment.cells import Cell, by_group
from reports.experiment.groups import Group, family_labels
from reports.experiment.sections.growth import Point, points_of, shows_limit
from reports.experiment.sections.spread import Spread
from reports.page.words import count, factor, listing, share

_LEAST_GAIN = 0.1
_LEAST_DIFFERENCE = 0.05

Axis = Literal["workers", "replicas"]
_OTHER: dict[Axis, Axis] = {"workers": "replicas", "replicas": "workers"}


@dataclass(frozen=True)
class Gain:
    """The change of peak throughput from one size to the next larger one along one axis."""

    axis: Axis
    smaller: int
    larger: int
    """How many of them before and after."""
    beside: int
    """How many of the other axis there were, before and after."""
    gain: float
    """0.35: 35 % more."""
    low: float
    high: float
    """What the repetitions' spread allows; both the gain itself where nothing was repeated."""
    pays: bool
    """At least 10 % more, and more than the repetitions' spread."""

    @property
    def within_spread(self) -> bool:
        """Whether the repetitions lie so far apart that the change may be none."""
        return self.low < self.high and self.low <= 0 <= self.high


@dataclass(frozen=True)
class SpeedupRow:
    """One size of a family against its base."""

    group: Group
    peak_throughput: float
    """Steps a second: the best median over loads, of usable cells."""
    peak_users: int
    """The load at which that was."""
    largest_within_slo: int | None
    """The largest load at which most repetitions met the objective; None where none did."""
    speedup: float
    """Peak throughput over the base's."""
    speedup_low: float
    speedup_high: float
    """What the repetitions' spread allows."""
    efficiency: float
    """Speed-up over the ratio of total workers; 1 is ideal."""
    gain_of_workers: Gain | None
    """Over the next smaller number of workers with as many replicas; None where there is none."""
    gain_of_replicas: Gain | None
    """Over the next smaller number of replicas with as many workers; None where there is none."""
    saturated: bool
    """False where its largest load was served as well as its smallest: its peak is a lower bound."""

    @property
    def label(self) -> str:
        """`2 × 2`: replicas × workers."""
        return self.group.size

    @property
    def total_workers(self) -> int:
        return self.group.total_workers or 1


@dataclass(frozen=True)
class Family:
    """Deployments that differ in size only."""

    label: str
    """What tells this family from the others; empty where there is one only."""
    saturated: bool
    """False where no size had more users than it could serve, so that more workers cannot show anything."""
    rows: list[SpeedupRow]
    """By total workers, then replicas. The first is the base: 1 × 1, or the smallest with usable figures."""
    takeaways: list[str]

    @property
    def base(self) -> SpeedupRow:
        """What the others are compared with."""
        return self.rows[0]

    @property
    def largest(self) -> SpeedupRow:
        """The row with most workers."""
        return max(self.rows, key=lambda row: (row.total_workers, row.peak_throughput))

    @property
    def gains(self) -> list[Gain]:
        """What each size brought over the next smaller ones, of those that were saturated."""
        rows = [row for row in self.rows if row.saturated]
        return [gain for row in rows for gain in (row.gain_of_workers, row.gain_of_replicas) if gain]

    @property
    def fastest(self) -> SpeedupRow:
        """The row with the highest peak throughput."""
        return max(self.rows, key=lambda row: row.peak_throughput)


@dataclass(frozen=True)
class Speedup:
    """Every family with at least one size of usable figures, in a fixed order."""

    families: list[Family]
    takeaways: list[str]
    """Where there is nothing to compare, why; else of the family with most sizes."""

    @property
    def main(self) -> Family | None:
        """The family that answers "what do more workers buy": the one with most sizes."""
        return max(self.families, key=lambda family: len(family.rows), default=None)


@dataclass(frozen=True)
class _Size:
    """One size with usable figures."""

    group: Group
    points: list[Point]
    peak: Point

    @property
    def total(self) -> int:
        return self.group.total_workers or 1


def summarize(cells: Sequence[Cell], labels: Mapping[Group, str]) -> Speedup:
    """Compares the sizes of every family, from its usable cells."""
    families: dict[tuple[object, ...], list[_Size]] = {}
    cells_of = by_group(cells)
    for group in labels:
        size = _size(group, cells_of.get(group, []))
        if size:
            families.setdefault(group.family, []).append(size)
    names = family_labels(labels)
    speedup = Speedup([_family(sizes, names[key]) for key, sizes in families.items()], [])
    if speedup.main:
        return replace(speedup, takeaways=speedup.main.takeaways)
    why = "No size of a deployment has figures that can be used, so there is no speed-up to show."
    if labels and all(group.total_workers is None for group in labels):
        why = "How many replicas and workers stand behind a URL is unknown, so no speed-up can be shown."
    return Speedup([], [why])


def peak_of(points: Sequence[Point]) -> Point | None:
    """The point with the highest median throughput that rests on usable cells; None where none does."""
    usable = [point for point in points if point.usable and point.throughput.known]
    return max(usable, key=lambda point: point.throughput.median, default=None)


def _size(group: Group, cells: list[Cell]) -> _Size | None:
    points = points_of([cell for cell in cells if cell.usable])
    peak = peak_of(points)
    if peak is None or peak.throughput.median <= 0 or group.total_workers is None:
        return None
    return _Size(group, points_of(cells), peak)


def _family(sizes: list[_Size], label: str) -> Family:
    sizes = sorted(sizes, key=lambda size: (size.total, size.group.replicas))
    one_load = all(len(size.points) < 2 for size in sizes)
    saturated = one_load or any(shows_limit(size.points) for size in sizes)
    family = Family(label, saturated, [_row(size, sizes) for size in sizes], takeaways=[])
    loads = {tuple(point.users for point in size.points if point.valid) for size in sizes}
    return replace(family, takeaways=_takeaways(family, len(loads) > 1))


def _row(size: _Size, sizes: list[_Size]) -> SpeedupRow:
    base = sizes[0]
    speedup, low, high = _ratio(size.peak.throughput, base.peak.throughput)
    if size is base:
        low = high = speedup
    met = [point.users for point in size.points if point.valid and point.slo_share > 0.5]
    return SpeedupRow(
        group=size.group,
        peak_throughput=size.peak.throughput.median,
        peak_users=size.peak.users,
        largest_within_slo=max(met, default=None),
        speedup=speedup,
        speedup_low=low,
        speedup_high=high,
        efficiency=speedup * base.total / size.total,
        gain_of_workers=_gain("workers", size, sizes),
        gain_of_replicas=_gain("replicas", size, sizes),
        saturated=len(size.points) < 2 or shows_limit(size.points),
    )


def _ratio(larger: Spread, smaller: Spread) -> tuple[float, float, float]:
    """The ratio of the medians, and its least and largest value that the repetitions allow."""
    least = larger.low / smaller.high if smaller.high > 0 else 0.0
    most = larger.high / smaller.low if smaller.low > 0 else math.inf
    return larger.median / smaller.median, least, most


def _gain(axis: Axis, size: _Size, sizes: list[_Size]) -> Gain | None:
    number, beside = (getattr(size.group, name) for name in (axis, _OTHER[axis]))
    smaller = [
        other
        for other in sizes
        if getattr(other.group, axis) < number and getattr(other.group, _OTHER[axis]) == beside
    ]
    if not smaller:
        return None
    before = smaller[-1]
    ratio, low, high = _ratio(size.peak.throughput, before.peak.throughput)
    return Gain(
        axis=axis,
        smaller=getattr(before.group, axis),
        larger=number,
        beside=beside,
        gain=ratio - 1,
        low=low - 1,
        high=high - 1,
        pays=ratio - 1 >= _LEAST_GAIN and low > 1,
    )


def _takeaways(family: Family, differing_loads: bool) -> list[str]:
    if len(family.rows) < 2:
        return [
            f"Only {family.base.label} (replicas × workers) has figures that can be used: nothing to compare."
        ]
    takeaways = []
    base = family.base
    if base.total_workers > 1:
        takeaways.append(
            f"There are no usable figures of 1 replica × 1 worker, so sizes are compared with {base.label}."
        )
    if not family.saturated:
        takeaways.append(
            "Nothing was saturated: every size carried its largest load as well as its smallest, so more "
            "workers cannot show anything. Try more users (USERS=…) or a shorter wait (WAIT=…)."
        )
        return takeaways
    unsaturated = [row.label for row in family.rows if not row.saturated]
    if differing_loads:
        takeaways.append("Not all sizes were measured at the same loads, so compare their peaks with care.")
    largest, fastest = family.largest, family.fastest
    workers = factor(largest.total_workers / base.total_workers)
    takeaways.append(
        f"{largest.label} carried {_times(largest.speedup)} {base.label} with "
        f"{'as many' if workers == '1' else f'{workers} times its'} workers, an efficiency of "
        f"{share(round(largest.efficiency, 2))}."
    )
    if fastest is base:
        takeaways.append(f"No larger size was faster than {base.label}.")
    elif fastest.speedup > (1 + _LEAST_DIFFERENCE) * largest.speedup:
        takeaways.append(
            f"{fastest.label} was the fastest size, with {_times(fastest.speedup)} {base.label}."
        )
    if unsaturated:
        takeaways.append(
            f"{listing(unsaturated)} carried even the largest load without falling behind, so what "
            f"{'it buys' if len(unsaturated) == 1 else 'they buy'} is at least this: try more users."
        )
    takeaways += _stops_paying(family, "workers") + _stops_paying(family, "replicas")
    if family.gains and all(gain.pays for gain in family.gains):
        takeaways.append("Every size paid for itself: where adding one stops paying lies beyond these sizes.")
    return takeaways


def _stops_paying(family: Family, axis: Axis) -> list[str]:
    """For each number of the other axis the first step along this one that does not pay."""
    takeaways = []
    first: dict[int, Gain] = {}
    for gain in sorted(family.gains, key=lambda gain: gain.larger):
        if gain.axis == axis and not gain.pays:
            first.setdefault(gain.beside, gain)
    for beside, gain in sorted(first.items()):
        unit = axis if gain.larger != 1 else axis[:-1]
        where = f"With {count(beside, _OTHER[axis][:-1])}{' each' if axis == 'replicas' else ''}"
        change, stops = round(gain.gain, 2), f"adding {unit} stops paying there"
        if gain.within_spread:
            what = "brought nothing beyond the spread of repetitions"
            stops = f"whether adding {unit} still pays there is open"
        elif change == 0:
            what = "brought nothing"
        elif change < 0:
            what = f"lost {share(-change)}"
        else:
            what = f"brought only {share(change)}"
        takeaways.append(f"{where}, going from {gain.smaller} to {gain.larger} {unit} {what}: {stops}.")
    return takeaways


def _times(ratio: float) -> str:
    if abs(ratio - 1) < _LEAST_DIFFERENCE or factor(ratio) == "1":
        return "about the same throughput as"
    return f"{factor(ratio)} times the throughput of"
