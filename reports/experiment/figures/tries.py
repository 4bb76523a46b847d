"""The tries of a capacity search."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.experiment.figures.axes import DASHED, floor, heading, load_axis, percent
from reports.experiment.searched import searched
from reports.page import drawing, formatting, readings
from reports.page.drawing import BOLD
from reports.page.palette import stand_in
from reports.records.schema import CapacityJson, CapacityTry

_LOG_SECONDS = 12.0
"""From this ratio of the longest to the shortest time on, the axis goes by powers of ten."""


def capacity_tries(capacity: CapacityJson, wanted: float, width: float) -> str:
    """Every try of a capacity search, and whether it met the objective.

    Of batches the share of sessions that succeeded, with the `wanted` one, 0…1; of rates p99 with its bound.
    """
    kind, tries = searched(capacity), capacity["tries"]
    shown = [each for each in tries if each["users"] > 0]
    value: Callable[[CapacityTry], float] = _success_rate
    if kind.is_rate:
        value, shown = _p99, [each for each in shown if (each["total_p99_s"] or 0.0) > 0]

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left=52, right=20, top=58, bottom=44)
        loads = np.array(sorted({float(each["users"]) for each in shown}) or [1.0])
        load_axis(axes, loads, log=True)
        values = [value(each) for each in shown]
        limit = capacity.get("total_p99_limit_s") if kind.is_rate else wanted
        if kind.is_rate:
            _seconds_axis(axes, [*values, *([limit] if limit else [])])
        else:
            low = floor(min([*values, wanted]))
            axes.set_ylim(low, 1 + (1 - low) * 0.06)
            drawing.ticks(axes, "y", drawing.linear_ticks(low, 1, 4), percent, grid=True)
        if limit is not None:
            axes.axhline(limit, color=stand_in("ink"), linewidth=1.2, linestyle=DASHED, zorder=2)
        if limit is not None and kind.is_rate:
            words = f"objective {formatting.seconds(limit)}"
            drawing.note(axes, words, (0, limit), ("axes fraction", "data"), (5, 4), "ink")
        best = capacity["max_batch"]
        if best > 0:
            axes.axvline(best, color=stand_in("blue"), linewidth=1.6, zorder=1)
            place = "right" if best > math.sqrt(loads[0] * loads[-1]) else "left"
            words = f"{'highest' if kind.is_rate else 'largest'} that met it: {formatting.count(best)}"
            shift = -5 if place == "right" else 5
            drawing.note(
                axes, words, (best, 1), ("data", "axes fraction"), (shift, 3), "blue", ha=place, weight=BOLD
            )
        panel = readings.panel_of(axes, "xy")
        for passed, colour, marker in ((True, "green", "o"), (False, "vermilion", "X")):
            chosen = [each for each in shown if each["passed"] is passed]
            axes.scatter(
                [each["users"] for each in chosen],
                [value(each) for each in chosen],
                s=64,
                marker=marker,
                color=stand_in(colour),
                alpha=0.85,
                linewidths=0,
                zorder=4,
                clip_on=False,
            )
            panel.add(
                "met the objective" if passed else "missed it",
                colour,
                [each["users"] for each in chosen],
                [value(each) for each in chosen],
                lambda load: kind.amount(round(load)) + ("" if kind.is_rate else " at once"),
                [_said(each, kind.p99) for each in chosen],
            )
        name = "p99 of total time from the intended time" if kind.is_rate else "Sessions that succeeded"
        heading(axes, name, -52, 30)
        drawing.x_label(axes, kind.at_once)

    return drawing.draw("tries", "Tries of the capacity search", width, 300, paint)


def _success_rate(each: CapacityTry) -> float:
    return each["success_rate"]


def _p99(each: CapacityTry) -> float:
    return each["total_p99_s"] or 0.0


def _seconds_axis(axes: Axes, values: Sequence[float]) -> None:
    """Scales the y axis for times, all above zero: by powers of ten where they span many, else from zero."""
    low, high = min(values, default=1.0), max(values, default=1.0)
    if high / low > _LOG_SECONDS:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        marks = drawing.log_ticks(low / 1.3, high * 1.3)
        marks = marks[:: math.ceil(len(marks) / 5)]
    else:
        axes.set_ylim(0, high * 1.1)
        marks = drawing.linear_ticks(0, high * 1.1, 4)
    drawing.ticks(axes, "y", marks, formatting.tick_seconds, grid=True)


def _said(each: CapacityTry, of: str) -> str:
    tail = each["total_p99_s"]
    took = "" if tail is None else f", {of} {formatting.seconds(tail)}"
    return f"{formatting.percent(each['success_rate'])} succeeded{took}"
