"""Where the time goes at each group's largest usable load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.experiment.cells import Cell, LatencyName, by_group
from reports.experiment.groups import Group
from reports.experiment.sections.spread import spread_of
from reports.page.words import count, seconds

_PARTS: tuple[LatencyName, ...] = ("connect", "reset", "step", "total")


@dataclass(frozen=True)
class Part:
    """One kind of latency in seconds: the medians over repetitions."""

    p50: float
    p99: float


@dataclass(frozen=True)
class BreakdownRow:
    """One group at its largest usable load."""

    group: Group
    label: str
    users: int
    parts: dict[LatencyName, Part]
    """By connect, reset, step, total; absent where unknown, as connect is over HTTP."""


@dataclass(frozen=True)
class Breakdown:
    """Groups with a usable cell, in their fixed order."""

    rows: list[BreakdownRow]
    takeaways: list[str]


def summarize(cells: Sequence[Cell], labels: Mapping[Group, str]) -> Breakdown:
    """Takes every group apart at its largest usable load."""
    rows = []
    cells_of = by_group(cell for cell in cells if cell.usable)
    for group, label in labels.items():
        usable = cells_of.get(group)
        if usable:
            users = max(cell.users for cell in usable)
            rows.append(BreakdownRow(group, label, users, _parts([c for c in usable if c.users == users])))
    return Breakdown(rows, _takeaways(rows))


def _parts(cells: list[Cell]) -> dict[LatencyName, Part]:
    parts: dict[LatencyName, Part] = {}
    for name in _PARTS:
        p50, p99 = (spread_of(cell.p(name, quantile) for cell in cells) for quantile in ("p50", "p99"))
        if p50.known and p99.known:
            parts[name] = Part(p50.median, p99.median)
    return parts


def _takeaways(rows: list[BreakdownRow]) -> list[str]:
    known = [row for row in rows if "total" in row.parts]
    if not known:
        return ["No cell has figures that can be used."]
    slowest = max(known, key=lambda row: row.parts["total"].p99)
    parts = {name: part.p99 for name, part in slowest.parts.items() if name != "total"}
    longest = max(parts, key=lambda name: parts[name], default=None)
    most = f", most of it in {longest} ({seconds(parts[longest])})" if longest and len(parts) > 1 else ""
    where = f"At its largest usable load of {count(slowest.users, 'user')}, {slowest.label} took longest"
    return [f"{where}: p99 of total time {seconds(slowest.parts['total'].p99)}{most}."]
