"""The drawings of a trend: one small chart a figure, whose points link to the runs' reports."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.index.entries import Entry
from reports.index.links import page_of
from reports.index.trends import Line, Shift, Trend
from reports.page import formatting
from reports.page.board import Extent
from reports.page.drawing import linear_ticks, log_ticks

WIDTH, HEIGHT = 288.0, 116.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 8.0, 22.0, 8.0
_LEAST_SPAN = 0.2
"""Of the largest value: what varies by less is not blown up to look as if it varied more."""
_LOG_FROM = 12.0
_LABEL_WIDTH = 44.0
_NAMES = {"throughput": "Steps/s", "p50": "p50", "p99": "p99"}
_OF_A_BATCH = {"p50": "p50 of total", "p99": "p99 of total"}


@dataclass(frozen=True)
class Point:
    """One run, in pixels, with the words that name it and where its report is."""

    x: float
    y: float
    words: str
    href: str | None
    verdict: str


@dataclass(frozen=True)
class Mark:
    """A shift: a line between two runs, and by how much the figure shifted where there is room for it."""

    x: float
    verdict: str
    words: str
    anchor: str


@dataclass(frozen=True)
class Chart:
    """One figure over the runs of a configuration, in pixels."""

    title: str
    value: str
    """The newest."""
    points: list[Point]
    levels: list[tuple[float, float, float]]
    """Left, right and height of the mean between two shifts."""
    marks: list[Mark]
    grid: list[tuple[float, str]]
    summary: str
    """What the chart shows, for screen readers."""


def charts_of(trend: Trend) -> list[Chart]:
    """A chart for every figure of which two runs are known."""
    batch = all(line.metric != "throughput" for line in trend.lines)
    return [
        _chart((_OF_A_BATCH if batch else _NAMES).get(line.metric, line.metric), line, trend.runs)
        for line in trend.lines
    ]


def shown_value(metric: str, value: float | None) -> str:
    """A figure with its unit."""
    return formatting.rate(value) if metric == "throughput" else formatting.seconds(value)


def _chart(title: str, line: Line, runs: Sequence[Entry]) -> Chart:
    known = [value for value in line.values if value is not None]
    extent = _extent(known)

    def across(at: float) -> float:
        return _LEFT + (at + 0.5) / len(runs) * (WIDTH - _LEFT - _RIGHT)

    def up(value: float) -> float:
        return HEIGHT - _BOTTOM - float(extent.share(value)) * (HEIGHT - _TOP - _BOTTOM)

    newest = next(value for value in reversed(line.values) if value is not None)
    tick = formatting.tick_seconds if line.metric != "throughput" else lambda value: f"{value:,.6g}"
    ticks = (log_ticks if extent.log else lambda low, high: linear_ticks(low, high, 3))(*extent.ends)
    return Chart(
        title,
        shown_value(line.metric, newest),
        [
            Point(
                across(at),
                up(value),
                f"{entry.path}, {formatting.moment(entry.at)}: "
                f"{shown_value(line.metric, value)}, {entry.verdict}",
                page_of(entry),
                entry.verdict,
            )
            for at, (entry, value) in enumerate(zip(runs, line.values, strict=True))
            if value is not None
        ],
        [(across(level.begin - 0.5), across(level.end + 0.5), up(level.value)) for level in line.levels],
        _marks(line.shifts, [across(shift.at - 0.5) for shift in line.shifts]),
        [(up(value), tick(value)) for value in ticks],
        f"{title} of {len(known):,} runs, {shown_value(line.metric, min(known))} to "
        f"{shown_value(line.metric, max(known))}",
    )


def _extent(values: Sequence[float]) -> Extent:
    low, high = min(values), max(values)
    if high / low > _LOG_FROM:
        return Extent(low / 1.25, high * 1.25, log=True)
    span = max(1.3 * (high - low), _LEAST_SPAN * high)
    middle = (low + high) / 2
    return Extent(max(middle - span / 2, 0.0), middle + span / 2, log=False)


def _marks(shifts: Sequence[Shift], places: Sequence[float]) -> list[Mark]:
    marks: list[Mark] = []
    written = -math.inf
    for shift, x in zip(shifts, places, strict=True):
        room = x - written >= _LABEL_WIDTH
        if room:
            written = x
        anchor = "end" if x > WIDTH - _LABEL_WIDTH else "start" if x < _LEFT + _LABEL_WIDTH else "middle"
        words = formatting.signed(shift.change.change) if room else ""
        marks.append(Mark(x, shift.change.verdict, words, anchor))
    return marks
