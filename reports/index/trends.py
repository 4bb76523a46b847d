"""Runs of one configuration in the order of time, and where their figures shifted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from reports.comparison.estimates import Estimate, Metric
from reports.comparison.sections.changes import LEAST_CHANGE, Change, change_of, judged
from reports.comparison.sections.configuration import differences
from reports.index.configuration import configuration_of, peculiarities
from reports.index.entries import Entry
from reports.page import formatting
from reports.page.words import listing, signed_percent
from reports.statistics.change_points import LEAST_VALUES, ChangePoint, change_points
from reports.statistics.run_variance import run_variances

Floats = NDArray[np.float64]

TrendVerdict = Literal["slower", "faster", "no shift shown", "too few runs"]
"""By importance."""

METRICS: tuple[Metric, ...] = ("throughput", "p50", "p99")
LEAST_RUNS = 2 * LEAST_VALUES
"""Fewer valid runs of one configuration cannot show a shift."""
_MOST_DIFFERENCES = 4
_FROM_RUNS = "how far the runs differ tells how sure it is"


@dataclass(frozen=True)
class Shift:
    """A figure is at another level from one run on."""

    at: int
    """The index of the first run at the new level."""
    entry: Entry
    """That run."""
    change: Change
    """From the runs at the level before to those at the new one."""
    besides: list[str]
    """Versions and machines that differ between that run and the one before it."""


@dataclass(frozen=True)
class Level:
    """Runs between two shifts, by their indices, and the geometric mean of their figures."""

    begin: int
    end: int
    value: float


@dataclass(frozen=True)
class Line:
    """One figure over the runs of a configuration."""

    metric: Metric
    values: list[float | None]
    shifts: list[Shift]
    levels: list[Level]


@dataclass(frozen=True)
class Trend:
    """The valid runs of one configuration, from the oldest to the newest."""

    headline: str
    details: list[str]
    runs: list[Entry]
    left_out: int
    """Runs of this configuration that are not valid or have no figures."""
    lines: list[Line]

    @property
    def label(self) -> str:
        return ", ".join([self.headline, *self.details])

    @property
    def shifts(self) -> list[Shift]:
        """Of all figures, in the order of time."""
        return sorted((shift for line in self.lines for shift in line.shifts), key=lambda shift: shift.at)

    @property
    def last_shifts(self) -> list[Shift]:
        """The last shift, and those of other figures so shortly before it that they are taken for one."""
        last = max((shift.at for shift in self.shifts), default=0)
        return [shift for shift in self.shifts if shift.at > last - LEAST_VALUES]

    @property
    def verdict(self) -> TrendVerdict:
        """What the last shift brought: slower if any figure is worse from there on."""
        verdicts = {shift.change.verdict for shift in self.last_shifts}
        if not verdicts:
            return "no shift shown" if len(self.runs) >= LEAST_RUNS else "too few runs"
        return "slower" if "slower" in verdicts else "faster"

    @property
    def sentence(self) -> str:
        """The verdict, with what shifted and since when."""
        if not self.last_shifts:
            runs = f"{len(self.runs):,} valid runs"
            if len(self.runs) >= LEAST_RUNS:
                return f"No shift shown in {runs}."
            return f"{runs[0].upper()}{runs[1:]}: a shift can be seen from {LEAST_RUNS} on."
        said = [
            f"{shift.change.metric} {signed_percent(shift.change.change or 0.0)}"
            for shift in self.last_shifts
        ]
        return f"{self.verdict.capitalize()} since {self.last_shifts[0].entry.path}: {listing(said)}."


def trends_of(entries: Sequence[Entry]) -> list[Trend]:
    """A trend for every configuration of which there are two valid runs; those that shifted come first.

    What counts as a shift allows for all figures of all of them together.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.at or 0.0, entry.path)):
        if entry.run is not None:
            groups.setdefault(tuple(configuration_of(entry.run).items()), []).append(entry)
    shown = {key: runs for key, runs in groups.items() if sum(map(_has_figures, runs)) > 1}
    newest = [runs[-1] for runs in shown.values()]
    labels = [", ".join([entry.headline, *entry.details]) for entry in newest]
    peculiar = peculiarities(labels, [dict(key) for key in shown])
    valid = [[entry for entry in runs if _has_figures(entry)] for runs in shown.values()]
    figures = [(at, metric, _values(runs, metric)) for at, runs in enumerate(valid) for metric in METRICS]
    known = [_known(values) for _, _, values in figures]
    logs = [
        np.log([value for value in values if value is not None] or np.empty(0)) for _, _, values in figures
    ]
    found = change_points(logs, math.log1p(LEAST_CHANGE))
    lines: list[list[Line]] = [[] for _ in valid]
    for (at, metric, values), places, points in zip(figures, known, found, strict=True):
        if len(places) > 1:
            lines[at].append(_line(metric, values, places, points, valid[at]))
    trends = [
        Trend(entry.headline, [*entry.details, *more], good, len(runs) - len(good), of_trend)
        for entry, more, runs, good, of_trend in zip(
            newest, peculiar, shown.values(), valid, lines, strict=True
        )
    ]
    return sorted(trends, key=_importance)


def _has_figures(entry: Entry) -> bool:
    return entry.valid and any(value is not None for value in _figures(entry).values())


def _figures(entry: Entry) -> dict[Metric, float | None]:
    figures = entry.figures
    named: dict[Metric, float | None] = {
        "throughput": figures.throughput_steps_per_s,
        "p50": figures.p50,
        "p99": figures.p99,
    }
    return {metric: value if value is not None and value > 0 else None for metric, value in named.items()}


def _values(runs: Sequence[Entry], metric: Metric) -> list[float | None]:
    return [_figures(entry)[metric] for entry in runs]


def _known(values: Sequence[float | None]) -> list[int]:
    return [at for at, value in enumerate(values) if value is not None]


def _line(
    metric: Metric,
    values: list[float | None],
    places: Sequence[int],
    points: Sequence[ChangePoint],
    runs: Sequence[Entry],
) -> Line:
    """`places` are the indices of the known values, which `points` count."""
    figures = [values[at] or math.nan for at in places]
    edges = [0, *(point.at for point in points), len(figures)]
    parts = [figures[begin:end] for begin, end in pairwise(edges)]
    shifts = []
    for number, point in enumerate(points):
        entry, at = runs[places[point.at]], places[point.at]
        change = judged(_change(metric, parts[number], parts[number + 1]), point.p_adjusted)
        if change.verdict != "no difference shown":
            shifts.append(Shift(at, entry, change, _besides(runs[at - 1], entry)))
    levels = [
        Level(places[begin], places[end - 1], math.exp(math.fsum(map(math.log, part)) / len(part)))
        for (begin, end), part in zip(pairwise(edges), parts, strict=True)
    ]
    return Line(metric, values, shifts, levels)


def _change(metric: Metric, before: Sequence[float], after: Sequence[float]) -> Change:
    """The change as a comparison has it, between runs of which only their own figures are known."""
    one, other = (
        [Estimate(value, math.nan, math.nan, 0, doubt=_FROM_RUNS) for value in side]
        for side in (before, after)
    )
    [variance] = run_variances([(np.log(before), np.log(after))])
    return replace(change_of(metric, one, other, variance), reason=None)


def _besides(before: Entry, entry: Entry) -> list[str]:
    if before.run is None or entry.run is None:
        return []
    one: Mapping[str, Any] = before.run["config"].get("environment") or {}
    other: Mapping[str, Any] = entry.run["config"].get("environment") or {}
    served = [
        f"{name} of the environment {_short(a)} → {_short(b)}"
        for name in ("version", "image", "content", "digest")
        if (a := one.get(name)) != (b := other.get(name))
    ]
    differing = [
        f"{each.name} {each.a} → {each.b}"
        for each in differences(before.run, entry.run)
        if each.kind in ("versions", "machine")
    ]
    return [*served, *differing][:_MOST_DIFFERENCES]


def _short(value: Any) -> str:
    return "unknown" if value is None else formatting.shortened(str(value), 24)


def _importance(trend: Trend) -> tuple[int, float]:
    return get_args(TrendVerdict).index(trend.verdict), -(trend.runs[-1].at or 0.0)
