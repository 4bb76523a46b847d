"""The figures of an experiment's report: each function turns a result object into one inline SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.experiment.cells import LatencyName
from reports.experiment.sections.breakdown import Breakdown
from reports.experiment.sections.fairness import FairnessComparison
from reports.experiment.sections.growth import GroupGrowth, Growth, Point
from reports.experiment.sections.speedup import Family, Speedup
from reports.experiment.sections.spread import Spread
from reports.experiment.sections.usl import Law
from reports.page import drawing, formatting
from reports.page.board import Board, Extent, Panel, spaced
from reports.page.drawing import BOLD, NARROW, SMALL, Floats
from reports.page.palette import stand_in
from reports.records.schema import CapacityJson
from reports.statistics.usl import UslFit

MOST_LINES = 4
"""Lines that share one drawing, told apart by colour, dashes and marker; more get a small drawing each."""

_STYLES: tuple[tuple[str, object, str], ...] = (
    ("blue", "-", "o"),
    ("vermilion", (0, (6, 2)), "s"),
    ("green", (0, (1.5, 1.5)), "^"),
    ("purple", (0, (7, 2, 1.5, 2)), "D"),
)
_CHARACTER, _LETTER = 5.9, 6.6
"""Pixels that a character takes: of a row's name, and of a small drawing's."""
_LOG_LOADS, _LOG_VALUES = 12.0, 30.0
"""From these ratios of the largest to the smallest on, an axis goes by powers of ten."""
_PARTS: tuple[LatencyName, ...] = ("connect", "reset", "step", "total")


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
    limits: tuple[float, float] | None = None
    """None: from zero to a little above the highest, or by powers of ten where values span many."""
    target: float | None = None
    """A value to reach, drawn as a dashed line."""
    target_words: str = ""


def throughput(growth: Growth, width: float) -> str:
    """Steps a second against users: one drawing for a few groups, a small one for each of many."""
    lines = _lines(growth, lambda point: point.throughput)
    heading, scale = "Steps per second", _Scale(_plain)
    return _lines_or_panels("throughput", f"{heading} against users", heading, lines, scale, width)


def success(growth: Growth, wanted: float, width: float) -> str:
    """The success rate against users; `wanted` is the objective's, 0…1."""
    lines = _lines(growth, lambda point: point.success_rate)
    known = [value for line in lines for value in (*line.y, *line.low) if math.isfinite(value)]
    floor = _floor(min([*known, wanted]))
    scale = _Scale(_percent, (floor, 1 + (1 - floor) * 0.04), wanted, f"objective {_percent(wanted)}")
    return _lines_or_panels("success", "Success rate against users", "Success rate", lines, scale, width)


def latency(growth: Growth, width: float) -> str:
    """The median of step latency and p99 of total time against users."""
    step = _lines(growth, lambda point: point.step_p50)
    total = _lines(growth, lambda point: point.total_p99)
    title = "Latency against users: p50 of step and p99 of total"
    scale = _Scale(formatting.tick_seconds)
    if len(step) > MOST_LINES:
        return _panels("latency", title, "", [step, total], scale, width, ("p50 of step", "p99 of total"))
    stacked = width <= NARROW
    height = 560.0 if stacked else 290.0

    def paint(figure: Figure) -> None:
        for at, (heading, lines) in enumerate((("p50 of step", step), ("p99 of total", total))):
            left = 0.0 if stacked else at * width / 2
            room = width if stacked else width / 2 - 12 * (1 - at)
            top = at * height / 2 if stacked else 0.0
            bottom = height / 2 * (1 - at) if stacked else 0.0
            _overlay(figure, heading, lines, scale, (left, width - left - room, top, bottom), room)

    return drawing.draw("latency", title, width, height, paint)


def speedup(result: Speedup, width: float) -> str:
    """Speed-up against the smallest deployment by total workers, with the ideal for comparison."""
    families = result.families
    columns = 1 if len(families) == 1 else 2 if len(families) <= 4 or width <= NARROW else 3
    if width <= NARROW and len(families) <= 4:
        columns = 1
    panel = 250.0 if columns == 1 and width > NARROW else 190.0
    rows = math.ceil(len(families) / columns)
    height = rows * (panel + 48) + 34

    def paint(figure: Figure) -> None:
        most = max(row.total_workers for family in families for row in family.rows)
        high = max(row.speedup_high for family in families for row in family.rows)
        for at, family in enumerate(families):
            column, row = at % columns, at // columns
            room = width / columns
            axes = drawing.plot_area(
                figure,
                left=column * room + 40,
                right=width - (column + 1) * room + (26 if columns > 1 else 60),
                top=row * (panel + 48) + 34,
                bottom=height - row * (panel + 48) - 34 - panel,
            )
            _speedup_panel(axes, family, most, high)
            heading = formatting.shortened(family.label, int(room / 7.8)) if family.label else "Speed-up"
            _panel_heading(axes, heading, -40)
            if row == rows - 1 or at + columns >= len(families):
                axes.set_xlabel("workers in all", color=stand_in("muted"), size=SMALL)

    return drawing.draw("speedup", "Speed-up by number of workers", width, height, paint)


def laws(name: str, results: Sequence[Law], unit: str, width: float) -> str:
    """The fitted Universal Scalability Law over measured points, a small drawing for each result with a fit.

    `unit` says what the load is counted in: users or workers.
    """
    fitted = [(result, result.fit) for result in results if result.fit]
    columns = _columns([result.label for result, _ in fitted], width)
    tall = 280.0 if columns == 1 and width > NARROW else 176.0 if columns <= 2 else 128.0
    rows = math.ceil(len(fitted) / columns)
    height = rows * (tall + 52) + 44
    room = width / columns

    def paint(figure: Figure) -> None:
        board = Board(figure)
        for at, (result, fit) in enumerate(fitted):
            left, top = at % columns * room + 46, at // columns * (tall + 52) + 38
            last = at + columns >= len(fitted)
            panel = _law_panel(board, result, fit, (left, top, room - 46 - 18, tall))
            label = formatting.shortened(result.label, int((room - 10) / _LETTER)) or "All cells"
            board.write(label, left - 46, top - 12, "ink", BOLD)
            if last:
                board.write(unit, left + panel.width / 2, top + tall + 33, ha="center")
        board.finish()

    title = f"Universal Scalability Law over {unit}: " + ", ".join(
        result.label for result, _ in fitted[:6] if result.label
    )
    return drawing.draw(name, title.rstrip(": "), width, height, paint)


def breakdown(result: Breakdown, width: float) -> str:
    """Median (bar) and p99 (line) of each part of a session's start, at each group's largest usable load."""
    names = [part for part in _PARTS if any(part in row.parts for row in result.rows)]
    labels = [f"{row.label or 'all'}, {formatting.count(row.users)}" for row in result.rows]
    named = 10 + _CHARACTER * max(map(len, labels))
    phone = width <= NARROW
    across = len(names) if not phone else 1 if named > width * 0.3 else 2
    left = min(named, width * (0.56 if phone else 0.32))
    labels = [formatting.shortened(label, int((left - 10) / _CHARACTER)) for label in labels]
    count = len(result.rows)
    height_of_row = 26 if count <= 12 else 20
    block = count * height_of_row + 38
    height = math.ceil(len(names) / across) * block + 8
    room, value_room = (width - left) / across, 70.0
    known = [part.p99 for row in result.rows for part in row.parts.values() if math.isfinite(part.p99)]
    high = max(known, default=0.0) or 1.0

    def paint(figure: Figure) -> None:
        for at, name in enumerate(names):
            column, line = at % across, at // across
            axes = drawing.plot_area(
                figure,
                left=left + column * room,
                right=width - left - (column + 1) * room + value_room,
                top=line * block + 34,
                bottom=height - line * block - 34 - count * height_of_row,
            )
            axes.spines["bottom"].set_visible(False)
            axes.set_xlim(0, high)
            axes.set_ylim(count - 0.5, -0.5)
            axes.axvline(0, color=stand_in("faint"), linewidth=1)
            drawing.ticks(axes, "x", [], _plain, grid=False)
            drawing.ticks(
                axes, "y", range(count) if column == 0 else [], lambda n: labels[round(n)], grid=False
            )
            for tick in axes.get_yticklabels():
                tick.set_color(stand_in("ink"))
            parts = [(at, part) for at, row in enumerate(result.rows) if (part := row.parts.get(name))]
            rows = [at for at, _ in parts]
            medians, tails = [part.p50 for _, part in parts], [part.p99 for _, part in parts]
            colour = stand_in("blue")
            axes.barh(rows, medians, 0.56, color=colour, linewidth=0)
            axes.hlines(rows, medians, tails, color=colour, linewidth=1.4)
            axes.plot(tails, rows, "|", color=colour, markersize=9, mew=1.8, clip_on=False)
            for position, row in enumerate(result.rows):
                part = row.parts.get(name)
                words = formatting.seconds(part.p99) if part else formatting.MISSING
                end = part.p99 if part and math.isfinite(part.p99) else 0
                drawing.note(axes, words, (end, position), offset=(7, 0), colour="ink", va="center_baseline")
            _panel_heading(axes, name.capitalize(), 0)

    return drawing.draw("breakdown", "Latency of each part at the largest load", width, height, paint)


def fairness(name: str, comparison: FairnessComparison, width: float) -> str:
    """Jain's index over workers for each choice: median as a dot, range as a line; 1 is even."""
    choices = comparison.choices
    labels = [choice.choice for choice in choices]
    left = min(12 + 7.2 * max(map(len, labels)), width * 0.36)
    labels = [formatting.shortened(label, int((left - 12) / 7.2)) for label in labels]
    row, value_room = 30, 60.0
    height = len(choices) * row + 76
    least = min((choice.jain.low for choice in choices if choice.jain.known), default=0.0)
    start = _floor(least)

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left, value_room, top=34, bottom=42)
        axes.set_xlim(start, 1)
        axes.set_ylim(len(choices) - 0.5, -0.5)
        drawing.ticks(axes, "x", drawing.linear_ticks(start, 1, 5), _plain, grid=True)
        drawing.ticks(axes, "y", range(len(labels)), lambda n: labels[round(n)], grid=False)
        for tick in axes.get_yticklabels():
            tick.set_color(stand_in("ink"))
        for at, choice in enumerate(choices):
            spread = choice.jain
            if spread.known:
                axes.plot([spread.low, spread.high], [at, at], color=stand_in("blue"), linewidth=3, alpha=0.4)
                axes.plot([spread.median], [at], "o", color=stand_in("blue"), markersize=8, clip_on=False)
            drawing.note(
                axes,
                formatting.significant(spread.median),
                (1, at),
                ("axes fraction", "data"),
                (value_room - 8, 0),
                "ink",
                ha="right",
                va="center_baseline",
                weight=BOLD,
            )
        drawing.headline(axes, "Jain’s index over workers")
        axes.set_xlabel("1 is even", color=stand_in("muted"), size=SMALL)

    return drawing.draw(name, f"{comparison.title}: Jain’s index over workers", width, height, paint)


def capacity_tries(capacity: CapacityJson, wanted: float, width: float) -> str:
    """Every try of a capacity search: its batch and success rate, and whether it met the objective."""
    tries = capacity["tries"]

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left=52, right=20, top=58, bottom=44)
        loads = np.array(sorted({float(each["users"]) for each in tries if each["users"] > 0}) or [1.0])
        _load_axis(axes, loads, log=True)
        floor = _floor(min([each["success_rate"] for each in tries] + [wanted]))
        axes.set_ylim(floor, 1 + (1 - floor) * 0.06)
        drawing.ticks(axes, "y", drawing.linear_ticks(floor, 1, 4), _percent, grid=True)
        axes.axhline(wanted, color=stand_in("ink"), linewidth=1.2, linestyle=(0, (3, 2)), zorder=2)
        best = capacity["max_batch"]
        if best > 0:
            axes.axvline(best, color=stand_in("blue"), linewidth=1.6, zorder=1)
            place = "right" if best > math.sqrt(loads[0] * loads[-1]) else "left"
            words = f"largest that met it: {formatting.count(best)}"
            shift = -5 if place == "right" else 5
            drawing.note(
                axes, words, (best, 1), ("data", "axes fraction"), (shift, 3), "blue", ha=place, weight=BOLD
            )
        for passed, colour, marker in ((True, "green", "o"), (False, "vermilion", "X")):
            chosen = [each for each in tries if each["passed"] is passed and each["users"] > 0]
            axes.scatter(
                [each["users"] for each in chosen],
                [each["success_rate"] for each in chosen],
                s=64,
                marker=marker,
                color=stand_in(colour),
                alpha=0.85,
                linewidths=0,
                zorder=4,
                clip_on=False,
            )
        drawing.note(
            axes,
            "Sessions that succeeded",
            (0, 1),
            ("figure pixels", "axes fraction"),
            (0, 30),
            "ink",
            size=drawing.TEXT,
            weight=BOLD,
        )
        axes.set_xlabel("sessions at once", color=stand_in("muted"), size=SMALL)

    return drawing.draw("tries", "Tries of the capacity search", width, 300, paint)


def _lines(growth: Growth, value: Callable[[Point], Spread]) -> list[_Line]:
    return [_line(group, value) for group in growth.groups if group.points]


def _line(group: GroupGrowth, value: Callable[[Point], Spread]) -> _Line:
    spreads = [value(point) for point in group.points]
    return _Line(
        group.label,
        np.array([float(point.users) for point in group.points]),
        np.array([spread.median for spread in spreads]),
        np.array([spread.low for spread in spreads]),
        np.array([spread.high for spread in spreads]),
        np.array([point.slo_share > 0.5 for point in group.points]),
        np.array([point.valid for point in group.points]),
    )


def _lines_or_panels(
    name: str, title: str, heading: str, lines: list[_Line], scale: _Scale, width: float
) -> str:
    if len(lines) > MOST_LINES:
        return _panels(name, title, heading, [lines], scale, width)
    height = 330.0 if width > NARROW else 290.0

    def paint(figure: Figure) -> None:
        _overlay(figure, heading, lines, scale, (0, 0, 0, 0), width)

    return drawing.draw(name, title, width, height, paint)


def _overlay(
    figure: Figure,
    heading: str,
    lines: list[_Line],
    scale: _Scale,
    inset: tuple[float, float, float, float],
    room: float,
) -> None:
    """All lines on one ground, `room` pixels wide, named at their ends; `inset`: left, right, top, bottom."""
    left, right, top, bottom = inset
    longest = max((len(line.label) for line in lines), default=0)
    label_room = min(14 + 7.4 * longest, room * 0.32)
    axes = drawing.plot_area(figure, left + 54, right + label_room, top + 34, bottom + 44)
    loads = np.unique(np.concatenate([line.x for line in lines]))
    _load_axis(axes, loads)
    _value_axis(axes, lines, scale, most=5)
    ends = []
    for line, (colour, style, marker) in zip(lines, _STYLES, strict=False):
        _points(axes, line, colour, style, marker)
        known = line.y[np.isfinite(line.y)]
        if known.size:
            ends.append(
                (
                    formatting.shortened(line.label, int((label_room - 10) / 7.2)),
                    colour,
                    float(known[-1]),
                )
            )
    drawing.note(
        axes,
        heading,
        (0, 1),
        "axes fraction",
        (-54, 12),
        "ink",
        size=drawing.TEXT,
        weight=BOLD,
    )
    axes.set_xlabel("users", color=stand_in("muted"), size=SMALL)
    if longest:
        drawing.label_ends(axes, ends, axes.get_xlim()[1])


def _panels(
    name: str,
    title: str,
    heading: str,
    layers: list[list[_Line]],
    scale: _Scale,
    width: float,
    names: Sequence[str] = (),
) -> str:
    """A small drawing for each group, all on the same axes, over the range of all groups."""
    count = len(layers[0])
    columns = _columns([line.label for line in layers[0]], width - 50)
    rows = math.ceil(count / columns)
    tall, between, above, left = 104.0, 40.0, 52.0, 50.0
    height = above + rows * (tall + between) + 22
    room = (width - left) / columns
    every = [line for layer in layers for line in layer]
    loads = np.unique(np.concatenate([line.x for line in every]))
    across = _load_extent(loads)
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
                across,
                up,
            )
            board.grid(panel, marks, scale.words if column == 0 else None)
            if at + columns >= count:
                board.loads(panel, list(loads))
                board.write("users", panel.left + panel.width / 2, panel.bottom + 32, ha="center")
            if len(layers) == 1 and scale.target is None:
                board.ground(panel, loads, low, high)
            if scale.target is not None:
                board.stroke(panel, across.ends, [scale.target] * 2, "ink", (0, (3, 2)), 1.0)
            for layer, style in zip(layers, _STYLES, strict=False):
                _points_on(board, panel, layer[at], style)
            if not any(np.isfinite(layer[at].y).any() for layer in layers):
                board.write("no figures", panel.left + panel.width / 2, panel.top + tall / 2, ha="center")
            label = formatting.shortened(layers[0][at].label, int((room - 10) / _LETTER))
            board.write(label, panel.left, panel.top - 6, "ink", BOLD)
        board.finish()
        _key(figure, heading, names, width, height)

    return drawing.draw(name, title, width, height, paint)


def _key(figure: Figure, heading: str, names: Sequence[str], width: float, height: float) -> None:
    baseline = 1 - 14 / height
    if heading:
        figure.text(
            0, baseline, heading, color=stand_in("ink"), size=drawing.TEXT, weight=BOLD, va="baseline"
        )
    at = 0.0
    for name, (colour, _, _) in zip(names, _STYLES, strict=False):
        figure.text(
            at / width, baseline, name, color=stand_in(colour), size=drawing.TEXT, weight=BOLD, va="baseline"
        )
        at += 8.2 * len(name) + 14


def _points(axes: Axes, line: _Line, colour: str, style: object, marker: str) -> None:
    """A line through the medians; filled where the objective was met, hollow where not, × where invalid."""
    ink = stand_in(colour)
    axes.plot(line.x, line.y, color=ink, linestyle=style, linewidth=1.6, zorder=3)
    apart = np.isfinite(line.high) & (line.high > line.low)
    if apart.any():
        axes.vlines(line.x[apart], line.low[apart], line.high[apart], color=ink, linewidth=1.2, zorder=3)
        for edge in (line.low, line.high):
            axes.plot(line.x[apart], edge[apart], "_", color=ink, markersize=6, mew=1.2, zorder=3)
    for chosen, face, shape in (
        (line.met & line.valid, ink, marker),
        (~line.met & line.valid, stand_in("surface"), marker),
        (~line.valid, ink, "x"),
    ):
        if chosen.any():
            axes.plot(
                line.x[chosen],
                line.y[chosen],
                shape,
                markerfacecolor=face,
                markeredgecolor=ink,
                mew=1.4,
                markersize=6,
                zorder=4,
                clip_on=False,
            )


def _points_on(board: Board, panel: Panel, line: _Line, style: tuple[str, object, str]) -> None:
    """The same on a small drawing."""
    colour, dashes, marker = style
    board.stroke(panel, line.x, line.y, colour, dashes, 1.6)
    for x, low, high in zip(line.x, line.low, line.high, strict=True):
        if math.isfinite(high) and high > low:
            board.stroke(panel, [x, x], [low, high], colour, "-", 1.2)
    for chosen, face, shape in (
        (line.met & line.valid, colour, marker),
        (~line.met & line.valid, "surface", marker),
        (~line.valid, colour, "x"),
    ):
        if chosen.any():
            board.dots(panel, line.x[chosen], line.y[chosen], face, colour, shape, 4)


def _envelope(lines: list[_Line], loads: Floats) -> tuple[Floats, Floats]:
    at_loads = np.full((len(lines), len(loads)), np.nan)
    for row, line in enumerate(lines):
        at_loads[row, np.searchsorted(loads, line.x)] = line.y
    known = np.isfinite(at_loads).any(axis=0)
    low, high = np.full(len(loads), np.nan), np.full(len(loads), np.nan)
    low[known] = np.nanmin(at_loads[:, known], axis=0)
    high[known] = np.nanmax(at_loads[:, known], axis=0)
    return low, high


def _load_extent(loads: Floats, log: bool = False) -> Extent:
    """For numbers of users: by powers of ten where they span many, else from zero."""
    least, most = float(loads[0]), float(loads[-1])
    if most > least > 0 and (log or most / least > _LOG_LOADS):
        reach = (most / least) ** 0.04
        return Extent(least / reach, most * reach, True)
    return Extent(0, most * 1.05 or 1.0, False)


def _load_axis(axes: Axes, loads: Floats, log: bool = False) -> None:
    extent = _load_extent(loads, log)
    if extent.log:
        axes.set_xscale("log")
    axes.set_xlim(extent.low, extent.high)
    candidates: Sequence[float] = list(loads)
    if len(loads) > 12:
        low, high = float(loads[0]), float(loads[-1])
        candidates = drawing.log_ticks(low, high) if extent.log else drawing.linear_ticks(0, high)
    _load_ticks(axes, candidates)


def _load_ticks(axes: Axes, candidates: Sequence[float]) -> None:
    places = [(value, float(axes.transData.transform((value, 1))[0])) for value in candidates]
    drawing.ticks(axes, "x", [value for value, _ in spaced(places)], formatting.count, grid=False)


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
        axes.axhline(scale.target, color=stand_in("ink"), linewidth=1.1, linestyle=(0, (3, 2)), zorder=2)
        at = (1, scale.target)
        drawing.note(axes, scale.target_words, at, ("axes fraction", "data"), (-4, -14), ha="right")


def _speedup_panel(axes: Axes, family: Family, most: int, high: float) -> None:
    base = family.base.total_workers or 1
    axes.set_xlim(0, most * 1.06)
    top = max(high, 1.0) * 1.18
    axes.set_ylim(0, top)
    axes.plot(
        [0, most * 1.06],
        [0, most * 1.06 / base],
        color=stand_in("faint"),
        linewidth=1.2,
        linestyle=(0, (3, 2)),
        zorder=1,
    )
    workers = sorted({row.total_workers for row in family.rows})
    _load_ticks(axes, [float(number) for number in workers])
    drawing.ticks(axes, "y", drawing.linear_ticks(0, top, 4), _times, grid=True)
    ideal_at = min(most * 1.06, top * base)
    right_of_top = ideal_at < most * 0.8
    drawing.note(
        axes,
        "ideal",
        (ideal_at, min(ideal_at / base, top)),
        offset=(5, -10) if right_of_top else (-6, 4),
        ha="left" if right_of_top else "right",
    )
    colour = stand_in("blue")
    by_workers: dict[int, float] = {}
    for row in family.rows:
        by_workers[row.total_workers] = max(by_workers.get(row.total_workers, 0.0), row.speedup)
    axes.plot(list(by_workers), list(by_workers.values()), color=colour, linewidth=1.4, alpha=0.5, zorder=2)
    taken: list[tuple[float, float]] = []
    for row in sorted(family.rows, key=lambda each: (each.total_workers, -each.speedup)):
        x, y = row.total_workers, row.speedup
        axes.vlines([x], [row.speedup_low], [row.speedup_high], color=colour, linewidth=1.4, zorder=3)
        axes.plot([x], [y], "o", color=colour, markersize=6.5, zorder=4, clip_on=False)
        pixel_x, pixel_y = (float(value) for value in axes.transData.transform((x, y)))
        below = any(abs(pixel_x - a) < 46 and 0 <= b - pixel_y < 30 for a, b in taken)
        if below and any(abs(pixel_x - a) < 46 and abs(b - pixel_y) < 14 for a, b in taken[:-1]):
            continue
        taken.append((pixel_x, pixel_y))
        edge = row.speedup_low if below else row.speedup_high
        offset = (0, -17) if below else (0, 7)
        drawing.note(axes, row.label, (x, edge), offset=offset, colour="ink", ha="center", weight=BOLD)


def _law_panel(board: Board, result: Law, fit: UslFit, place: tuple[float, float, float, float]) -> Panel:
    loads, measured = np.array(result.loads), np.array(result.throughputs)
    wanted = max(value for value in (fit.peak_concurrency, fit.knee, fit.largest_load) if value is not None)
    reach = min(max(wanted * 1.15, fit.largest_load * 1.2), fit.largest_load * 2)
    least = max(float(loads.min()), 1.0)
    inside = np.geomspace(least, fit.largest_load, 40)
    beyond = np.geomspace(fit.largest_load, reach, 12)
    curve, guess = fit.predicted(inside), fit.predicted(beyond)
    known = np.concatenate((measured[measured > 0], curve, guess))
    highest = float(known.max())
    log = fit.largest_load / least > 3 * _LOG_LOADS
    if log:
        across = Extent(least / (reach / least) ** 0.04, reach, True)
        up = Extent(float(known.min()) / 1.3, highest * 2.2, True)
        found = drawing.log_ticks(up.low, up.high)
        marks = found[:: math.ceil(len(found) / 4)]
        along = drawing.log_ticks(least, reach)
    else:
        across, up = Extent(0, reach, False), Extent(0, highest * 1.25, False)
        marks = drawing.linear_ticks(0, up.high, 4 if place[3] > 200 else 3)
        along = drawing.linear_ticks(0, reach, 4)
    panel = Panel(*place, across, up)
    board.grid(panel, marks, _plain)
    board.loads(panel, along)
    ideal = np.geomspace(least, reach, 40)
    seen = fit.gamma * ideal <= up.high
    board.stroke(panel, ideal[seen], fit.gamma * ideal[seen], "faint", (0, (3, 2)), 1.2)
    board.stroke(panel, inside, curve, "blue", "-", 1.8)
    board.stroke(panel, beyond, guess, "blue", (0, (4, 3)), 1.6)
    board.dots(panel, loads, measured, "none", "ink", "o", 6.0 if place[3] > 200 else 4.5)
    for word, load, value, colour, marker in (
        ("knee", fit.knee, fit.ceiling, "purple", "D"),
        ("peak", fit.peak_concurrency, fit.peak_throughput, "vermilion", "v"),
    ):
        if load is None or value is None or not across.low <= load <= reach or value > up.high:
            continue
        board.stroke(panel, [load, load], [up.low, value], colour, (0, (1, 2)), 1.3)
        x, y = (float(each) for each in panel.at(load, value))
        side = "left" if x < panel.left + panel.width * 0.6 else "right"
        words = f"{word} {formatting.significant(load)}"
        if word == "knee":
            board.write(words, x + (5 if side == "left" else -5), panel.bottom - 6, colour, BOLD, ha=side)
        else:
            board.dots(panel, np.array([load]), np.array([value]), colour, colour, marker, 6)
            board.write(words, x, y - 9, colour, BOLD, ha="center")
    return panel


def _panel_heading(axes: Axes, text: str, offset: float) -> None:
    drawing.note(axes, text, (0, 1), "axes fraction", (offset, 11), "ink", size=drawing.TEXT, weight=BOLD)


def _columns(labels: Sequence[str], width: float) -> int:
    """How many small drawings stand side by side: few where there are few, or where their names are long."""
    count = len(labels)
    most = 1 if count == 1 else 2 if count <= 4 else 3 if count <= 9 else 4
    if width <= NARROW:
        most = 1 if count <= 4 else 2
    longest = max(map(len, labels), default=0)
    while most > 1 and width / most < _LETTER * longest + 28:
        most -= 1
    return most


def _floor(least: float) -> float:
    """Where an axis of shares begins, so that differences near 1 can be seen."""
    return 0.0 if least < 0.6 else 0.5 if least < 0.85 else 0.8


def _plain(value: float) -> str:
    return f"{value:,.6g}"


def _percent(value: float) -> str:
    return f"{value * 100:.4g}{formatting.SPACE}%"


def _times(value: float) -> str:
    return f"{value:g}×"
