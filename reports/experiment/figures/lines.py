"""Throughput, latency and success rate against the number of users, or against another load."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.experiment.figures.axes import (
    DASHED,
    LETTER,
    columns_for,
    floor,
    heading,
    load_axis,
    load_extent,
    percent,
)
from reports.experiment.sections.growth import Growth, Point
from reports.experiment.sections.loads import LoadPoint, Loads
from reports.experiment.sections.spread import Spread
from reports.page import drawing, formatting, readings
from reports.page.board import Board, Extent, Panel
from reports.page.drawing import BOLD, NARROW, End, Floats
from reports.page.palette import stand_in
from reports.page.words import count as quantity

MOST_LINES = 4
"""Lines that share one drawing, told apart by colour, dashes and marker; more get a small drawing each."""

_STYLES: tuple[tuple[str, object, str], ...] = (
    ("blue", "-", "o"),
    ("vermilion", (0, (6, 2)), "s"),
    ("green", (0, (1.5, 1.5)), "^"),
    ("purple", (0, (7, 2, 1.5, 2)), "D"),
)
_LOG_VALUES = 30.0
"""From this ratio of the largest to the smallest value on, an axis goes by powers of ten."""


@dataclass(frozen=True)
class _Line:
    label: str
    x: Floats
    y: Floats
    low: Floats
    high: Floats
    met: NDArray[np.bool_]
    """Whether a point is drawn filled: most of its repetitions met the objective."""
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class _Scale:
    """What a value axis shows and how."""

    words: Callable[[float], str]
    said: Callable[[float], str]
    """The words of a single value."""
    limits: tuple[float, float] | None = None
    """None: from zero to a little above the highest, or by powers of ten where values span many."""
    target: float | None = None
    """A value to reach, drawn as a dashed line."""
    target_words: str = ""


@dataclass(frozen=True)
class _Across:
    """What the axis of loads shows."""

    words: str
    said: Callable[[float], str]
    """The words of a single load."""


_USERS = _Across("users", lambda users: quantity(round(users), "user"))


def throughput(growth: Growth, width: float) -> str:
    """Steps a second against users: one drawing for a few groups, a small one for each of many."""
    lines = _lines(growth, lambda point: point.throughput)
    scale = _Scale(drawing.plain, formatting.rate)
    return _lines_or_panels("throughput", "Steps per second", lines, scale, width)


def success(growth: Growth, wanted: float, width: float) -> str:
    """The success rate against users; `wanted` is the objective's, 0…1."""
    lines = _lines(growth, lambda point: point.success_rate)
    known = [value for line in lines for value in (*line.y, *line.low) if math.isfinite(value)]
    low = floor(min([*known, wanted]))
    scale = _Scale(
        percent, formatting.percent, (low, 1 + (1 - low) * 0.04), wanted, f"objective {percent(wanted)}"
    )
    return _lines_or_panels("success", "Success rate", lines, scale, width)


def latency(growth: Growth, width: float) -> str:
    """The median of step latency and p99 of total time against users."""
    step = _lines(growth, lambda point: point.step_p50)
    total = _lines(growth, lambda point: point.total_p99)
    title, names = "Latency against users: p50 of step and p99 of total", ("p50 of step", "p99 of total")
    scale = _Scale(formatting.tick_seconds, formatting.seconds)
    if len(step) > MOST_LINES:
        return _panels("latency", title, names, [step, total], scale, width)
    stacked = width <= NARROW
    height = 560.0 if stacked else 290.0

    def paint(figure: Figure) -> None:
        for at, (name, lines) in enumerate(zip(names, (step, total), strict=True)):
            left = 0.0 if stacked else at * width / 2
            room = width if stacked else width / 2 - 12 * (1 - at)
            top = at * height / 2 if stacked else 0.0
            bottom = height / 2 * (1 - at) if stacked else 0.0
            _overlay(figure, name, lines, scale, (left, width - left - room, top, bottom), room)

    return drawing.draw("latency", title, width, height, paint)


def _lines(growth: Growth, value: Callable[[Point], Spread]) -> list[_Line]:
    return [
        _Line(
            group.label,
            x=np.array([float(point.users) for point in group.points]),
            y=np.array([value(point).median for point in group.points]),
            low=np.array([value(point).low for point in group.points]),
            high=np.array([value(point).high for point in group.points]),
            met=np.array([point.slo_share > 0.5 for point in group.points]),
            valid=np.array([point.valid for point in group.points]),
        )
        for group in growth.groups
        if group.points
    ]


def hockey_stick(loads: Loads, width: float) -> str:
    """The p99 of total time against what was carried, each point a load."""
    across = _Across(f"carried, {loads.goodput_unit}", _rate(loads.goodput_unit))
    scale = _Scale(formatting.tick_seconds, formatting.seconds)
    if loads.kind == "groups":
        lines = _load_lines(
            loads, lambda point: point.group_p99, against=lambda point: point.throughput.median
        )
        return _lines_or_panels("hockey", "p99 of a group", lines, scale, width, across)
    lines = _load_lines(loads, lambda point: point.total_p99, against=lambda point: point.throughput.median)
    return _lines_or_panels("hockey", "p99 of total", lines, scale, width, across)


def goodput(loads: Loads, width: float) -> str:
    """What met the objective a second, against the load."""
    across = _Across(
        loads.unit if loads.kind == "groups" else f"{loads.unit} that were due",
        (lambda load: quantity(round(load), "group")) if loads.kind == "groups" else _rate(loads.unit),
    )
    lines = _load_lines(loads, lambda point: point.goodput, against=lambda point: point.load)
    scale = _Scale(drawing.plain, _rate(loads.goodput_unit))
    return _lines_or_panels("goodput", f"Goodput, {loads.goodput_unit}", lines, scale, width, across)


def _rate(unit: str) -> Callable[[float], str]:
    return lambda value: f"{formatting.significant(value)} {unit}"


def _load_lines(
    loads: Loads, value: Callable[[LoadPoint], Spread], against: Callable[[LoadPoint], float]
) -> list[_Line]:
    lines = []
    for curve in loads.curves:
        points = [point for point in curve.points if math.isfinite(against(point))]
        if points:
            spreads = [value(point) for point in points]
            lines.append(
                _Line(
                    curve.label,
                    x=np.array([against(point) for point in points]),
                    y=np.array([spread.median for spread in spreads]),
                    low=np.array([spread.low for spread in spreads]),
                    high=np.array([spread.high for spread in spreads]),
                    met=np.array([point.slo_share > 0.5 for point in points]),
                    valid=np.array([point.valid for point in points]),
                )
            )
    return lines


def _lines_or_panels(
    name: str, what: str, lines: list[_Line], scale: _Scale, width: float, across: _Across = _USERS
) -> str:
    title = f"{what} against {across.words}"
    if len(lines) > MOST_LINES:
        return _panels(name, title, [what], [lines], scale, width, across)
    height = 330.0 if width > NARROW else 290.0

    def paint(figure: Figure) -> None:
        _overlay(figure, what, lines, scale, (0, 0, 0, 0), width, across)

    return drawing.draw(name, title, width, height, paint)


def _overlay(
    figure: Figure,
    title: str,
    lines: list[_Line],
    scale: _Scale,
    inset: tuple[float, float, float, float],
    room: float,
    across: _Across = _USERS,
) -> None:
    """All lines on one ground, `room` pixels wide, named at their ends; `inset`: left, right, top, bottom."""
    left, right, top, bottom = inset
    longest = max((len(line.label) for line in lines), default=0)
    label_room = min(14 + 7.4 * longest, room * 0.32)
    axes = drawing.plot_area(figure, left + 54, right + label_room, top + 34, bottom + 44)
    loads = np.unique(np.concatenate([line.x for line in lines]))
    load_axis(axes, loads)
    _value_axis(axes, lines, scale, most=5)
    panel, ends = readings.panel_of(axes, "x"), []
    for at, (line, (colour, style, marker)) in enumerate(zip(lines, _STYLES, strict=False)):
        toggle = f"{at}"
        _points(axes, line, colour, style, marker, toggle)
        said = _said(line, scale)
        panel.add(line.label or title, colour, line.x, line.y, across.said, said, toggle=toggle)
        known = line.y[np.isfinite(line.y)]
        if known.size:
            name = formatting.shortened(line.label, int((label_room - 10) / 7.2))
            ends.append(End(name, colour, float(known[-1]), toggle))
    heading(axes, title, -54, 12)
    drawing.x_label(axes, across.words)
    if longest:
        drawing.label_ends(axes, ends, axes.get_xlim()[1])


def _panels(
    name: str,
    title: str,
    names: Sequence[str],
    layers: list[list[_Line]],
    scale: _Scale,
    width: float,
    across: _Across = _USERS,
) -> str:
    """A small drawing for each group, all on the same axes; `names` says what each layer of lines is."""
    count = len(layers[0])
    columns = columns_for([line.label for line in layers[0]], width - 50)
    rows = math.ceil(count / columns)
    tall, between, above, left = 104.0, 40.0, 52.0, 50.0
    height = above + rows * (tall + between) + 22
    room = (width - left) / columns
    every = [line for layer in layers for line in layer]
    loads = np.unique(np.concatenate([line.x for line in every]))
    extent = load_extent(loads)
    up, marks = _value_extent(every, scale, most=3)

    def paint(figure: Figure) -> None:
        board = Board(figure)
        low, high = _envelope(layers[0], loads)
        for at in range(count):
            column, row = at % columns, at // columns
            panel = Panel(
                left + column * room,
                above + row * (tall + between),
                room - (20 if column < columns - 1 else 8),
                tall,
                extent,
                up,
            )
            board.grid(panel, marks, scale.words if column == 0 else None)
            if at + columns >= count:
                board.loads(panel, list(loads))
                board.write(across.words, panel.left + panel.width / 2, panel.bottom + 32, ha="center")
            if len(layers) == 1 and scale.target is None and across is _USERS:
                board.ground(panel, loads, low, high)
            if scale.target is not None:
                board.stroke(panel, extent.ends, [scale.target] * 2, "ink", DASHED, 1.0)
            reading = board.reading(panel, layers[0][at].label)
            for layer, style, layer_name in zip(layers, _STYLES, names, strict=False):
                line = layer[at]
                _points_on(board, panel, line, style)
                reading.add(layer_name, style[0], line.x, line.y, across.said, _said(line, scale))
            if not any(np.isfinite(layer[at].y).any() for layer in layers):
                board.write("no figures", panel.left + panel.width / 2, panel.top + tall / 2, ha="center")
            label = formatting.shortened(layers[0][at].label, int((room - 10) / LETTER))
            board.write(label, panel.left, panel.top - 6, "ink", BOLD)
        board.finish()
        _key(figure, names, width, height)

    return drawing.draw(name, title, width, height, paint)


def _key(figure: Figure, names: Sequence[str], width: float, height: float) -> None:
    """Says above small drawings what they show: of several lines in the lines' colours."""
    colours = [colour for colour, _, _ in _STYLES] if len(names) > 1 else ["ink"]
    at = 0.0
    for name, colour in zip(names, colours, strict=False):
        figure.text(
            at / width,
            1 - 14 / height,
            name,
            color=stand_in(colour),
            size=drawing.TEXT,
            weight=BOLD,
            va="baseline",
        )
        at += 8.2 * len(name) + 14


def _marks(line: _Line, colour: str, marker: str) -> Iterator[tuple[NDArray[np.bool_], str, str]]:
    """Points that look alike, with fill and marker: filled where the objective was met, × where invalid."""
    for chosen, face, shape in (
        (line.met & line.valid, colour, marker),
        (~line.met & line.valid, "surface", marker),
        (~line.valid, colour, "x"),
    ):
        if chosen.any():
            yield chosen, face, shape


def _said(line: _Line, scale: _Scale) -> list[str]:
    """Each median in words, with the range of the repetitions, and with what a mark says by its look."""
    rows = zip(line.y, line.low, line.high, line.met, line.valid, strict=True)
    return [
        scale.said(middle)
        + (f" ({formatting.between(scale.said(low), scale.said(high))})" if high > low else "")
        + ("" if met else ", missed the objective")
        + ("" if valid else ", invalid")
        for middle, low, high, met, valid in rows
    ]


def _points(axes: Axes, line: _Line, colour: str, style: object, marker: str, toggle: str) -> None:
    """A line through the medians, bars from the lowest to the highest, and a mark at each median."""
    ink, gid = stand_in(colour), readings.mark(toggle)
    axes.plot(line.x, line.y, color=ink, linestyle=style, linewidth=1.6, zorder=3, gid=gid)
    apart = np.isfinite(line.high) & (line.high > line.low)
    if apart.any():
        x, low, high = line.x[apart], line.low[apart], line.high[apart]
        axes.vlines(x, low, high, color=ink, linewidth=1.2, zorder=3, gid=gid)
        for edge in (low, high):
            axes.plot(x, edge, "_", color=ink, markersize=6, mew=1.2, zorder=3, gid=gid)
    for chosen, face, shape in _marks(line, colour, marker):
        axes.plot(
            line.x[chosen],
            line.y[chosen],
            shape,
            markerfacecolor=stand_in(face),
            markeredgecolor=ink,
            mew=1.4,
            markersize=6,
            zorder=4,
            clip_on=False,
            gid=gid,
        )


def _points_on(board: Board, panel: Panel, line: _Line, style: tuple[str, object, str]) -> None:
    """The same on a small drawing."""
    colour, dashes, marker = style
    board.stroke(panel, line.x, line.y, colour, dashes, 1.6)
    for x, low, high in zip(line.x, line.low, line.high, strict=True):
        if math.isfinite(high) and high > low:
            board.stroke(panel, [x, x], [low, high], colour, "-", 1.2)
    for chosen, face, shape in _marks(line, colour, marker):
        board.dots(panel, line.x[chosen], line.y[chosen], face, colour, shape, 4)


def _envelope(lines: list[_Line], loads: Floats) -> tuple[Floats, Floats]:
    at_loads = np.full((len(lines), len(loads)), np.nan)
    for row, line in enumerate(lines):
        at_loads[row, np.searchsorted(loads, line.x)] = line.y
    return np.fmin.reduce(at_loads), np.fmax.reduce(at_loads)


def _value_extent(lines: Sequence[_Line], scale: _Scale, most: int) -> tuple[Extent, list[float]]:
    """What a value axis spans, and its ticks."""
    if scale.limits:
        return Extent(*scale.limits, False), drawing.linear_ticks(scale.limits[0], 1, most)
    values = np.concatenate([np.concatenate((line.y, line.low, line.high)) for line in lines])
    known = values[np.isfinite(values)]
    high = float(known.max(initial=0)) or 1.0
    low = float(known.min(initial=high))
    if low > 0 and high / low > _LOG_VALUES:
        found = drawing.log_ticks(low / 1.3, high * 1.3)
        return Extent(low / 1.3, high * 1.3, True), found[:: math.ceil(len(found) / (most + 1))]
    return Extent(0, high * 1.1, False), drawing.linear_ticks(0, high * 1.1, most)


def _value_axis(axes: Axes, lines: Sequence[_Line], scale: _Scale, most: int) -> None:
    extent, marks = _value_extent(lines, scale, most)
    if extent.log:
        axes.set_yscale("log")
    axes.set_ylim(extent.low, extent.high)
    drawing.ticks(axes, "y", marks, scale.words, grid=True)
    if scale.target is not None:
        axes.axhline(scale.target, color=stand_in("ink"), linewidth=1.1, linestyle=DASHED, zorder=2)
        at = (1, scale.target)
        drawing.note(axes, scale.target_words, at, ("axes fraction", "data"), (-4, -14), ha="right")
