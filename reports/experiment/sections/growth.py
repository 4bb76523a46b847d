"""Throughput, latency and success against the number of users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.experiment.cells import Cell, by_group
from reports.experiment.groups import Group
from reports.experiment.sections.spread import Spread, median_of, spread_of
from reports.page.words import count, factor, share

_STILL_GROWING = 0.9
_STILL_RISING = 0.8
_WIDE_SPREAD = 0.1


@dataclass(frozen=True)
class Point:
    """One group at one number of users, over its repetitions."""

    users: int
    repetitions: int
    """Finished ones that the figures rest on: the valid ones, or all where none is valid."""
    valid: bool
    """Whether they rest on valid ones."""
    usable: int
    """How many of them may be used for fits and best loads."""
    throughput: Spread
    """Steps a second."""
    step_p50: Spread
    """Seconds, as all latencies."""
    step_p99: Spread
    total_p99: Spread
    success_rate: Spread
    """0…1."""
    slo_share: float
    """The share of the repetitions that met the objective, 0…1."""


@dataclass(frozen=True)
class GroupGrowth:
    """The points of one group by rising number of users; none where nothing finished."""

    group: Group
    label: str
    points: list[Point]


@dataclass(frozen=True)
class Growth:
    """Every group's points, groups in their fixed order."""

    groups: list[GroupGrowth]
    spread: float | None
    """Typical spread of repetitions: the median over points of (highest − lowest) / median throughput;
    None where nothing was repeated."""
    takeaways: list[str]
    widest_spread: float | None = None
    """The largest of them."""


def summarize(cells: Sequence[Cell], labels: Mapping[Group, str]) -> Growth:
    """Every group's points, groups in the order of `labels`."""
    cells_of = by_group(cells)
    groups = [
        GroupGrowth(group, label, points_of(cells_of.get(group, []))) for group, label in labels.items()
    ]
    spreads = [
        (point.throughput.high - point.throughput.low) / point.throughput.median
        for growth in groups
        for point in growth.points
        if point.repetitions > 1 and point.usable and point.throughput.median > 0
    ]
    spread, widest = median_of(spreads), max(spreads, default=None)
    return Growth(groups, spread, _takeaways(groups, spread, widest), widest)


def points_of(cells: Sequence[Cell]) -> list[Point]:
    """The points of one group's cells by rising number of users."""
    finished = [cell for cell in cells if cell.finished]
    return [
        _point(users, [cell for cell in finished if cell.users == users])
        for users in sorted({cell.users for cell in finished})
    ]


def still_growing(points: Sequence[Point]) -> bool:
    """Whether throughput still grew in step with the users at the largest load.

    So it did where throughput per user there is at least 90 % of that at the smallest load, or where from the
    load before it grew nearly as the users did: by their ratio to the power of 0.8 or more. Of usable points;
    False where there are fewer than two, which tell nothing.
    """
    usable = [point for point in points if point.usable and point.throughput.median > 0]
    if len(usable) < 2:
        return False
    first, before, last = usable[0], usable[-2], usable[-1]
    each = (last.throughput.median / last.users) / (first.throughput.median / first.users)
    grown = last.throughput.median / before.throughput.median
    return each >= _STILL_GROWING or grown >= (last.users / before.users) ** _STILL_RISING


def shows_limit(points: Sequence[Point]) -> bool:
    """Whether some load was more than could be served: throughput per user fell, or operations failed."""
    usable = [point for point in points if point.usable]
    failed = any(point.valid and not point.usable for point in points)
    return failed or (len(usable) > 1 and not still_growing(points))


def _point(users: int, finished: list[Cell]) -> Point:
    cells = [cell for cell in finished if cell.valid] or finished
    return Point(
        users=users,
        repetitions=len(cells),
        valid=cells[0].valid,
        usable=sum(cell.usable for cell in cells),
        throughput=spread_of(cell.throughput for cell in cells),
        step_p50=spread_of(cell.p("step", "p50") for cell in cells),
        step_p99=spread_of(cell.p("step", "p99") for cell in cells),
        total_p99=spread_of(cell.p("total", "p99") for cell in cells),
        success_rate=spread_of(cell.success_rate for cell in cells),
        slo_share=sum(cell.slo_passed is True for cell in cells) / len(cells),
    )


def _takeaways(groups: list[GroupGrowth], spread: float | None, widest: float | None) -> list[str]:
    known = [
        (point.throughput.median, point, growth)
        for growth in groups
        for point in growth.points
        if point.usable
    ]
    if not known:
        return ["No cell has figures that can be used, so nothing can be said about growth."]
    _, point, growth = max(known, key=lambda item: item[0])
    best = f"The highest throughput was {point.throughput.median:,.1f} steps/s, by {growth.label}"
    takeaways = [f"{best} with {count(point.users, 'user')}."]
    growing = [growth.label for growth in groups if still_growing(growth.points)]
    if growing and len(growing) == len(groups):
        takeaways.append(
            "Throughput still grew in step with the users at the largest load of every group: "
            "none has shown its limit."
        )
    elif growing:
        takeaways.append(
            f"{len(growing)} of {count(len(groups), 'group')} had not shown a limit at the largest load: "
            "throughput still grew in step with the users."
        )
    takeaways += _slowest_growth(groups)
    if spread is None or widest is None:
        takeaways.append("Nothing was repeated, so how far results vary from run to run is unknown.")
    else:
        wide = ": small differences mean nothing here" if spread > _WIDE_SPREAD else ""
        takeaways.append(
            f"Repetitions of a cell differ by {share(round(spread, 3))} in throughput at the median, "
            f"{100 * widest:,.0f} % at most{wide}."
        )
    return takeaways


def _slowest_growth(groups: list[GroupGrowth]) -> list[str]:
    """The group whose latency grew most from its smallest load to its largest."""
    grown = []
    for growth in groups:
        known = [point for point in growth.points if point.step_p99.known and point.step_p99.median > 0]
        if len(known) > 1:
            first, last = known[0], known[-1]
            grown.append((last.step_p99.median / first.step_p99.median, first, last, growth.label))
    return [
        f"The slowest steps (p99) of {label} took {factor(ratio)} times as long with "
        f"{count(last.users, 'user')} as with {first.users:,}."
        for ratio, first, last, label in sorted(grown, key=lambda item: -item[0])[:1]
        if ratio >= 2
    ]
