"""The tries of a capacity search."""

import math

import numpy as np
from matplotlib.figure import Figure

from reports.experiment.figures.axes import DASHED, floor, heading, load_axis, percent
from reports.page import drawing, formatting, readings
from reports.page.drawing import BOLD
from reports.page.palette import stand_in
from reports.page.words import count
from reports.records.schema import CapacityJson, CapacityTry


def capacity_tries(capacity: CapacityJson, wanted: float, width: float) -> str:
    """Every try of a capacity search: its batch and success rate, and whether it met the objective."""
    tries = capacity["tries"]

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left=52, right=20, top=58, bottom=44)
        loads = np.array(sorted({float(each["users"]) for each in tries if each["users"] > 0}) or [1.0])
        load_axis(axes, loads, log=True)
        low = floor(min([each["success_rate"] for each in tries] + [wanted]))
        axes.set_ylim(low, 1 + (1 - low) * 0.06)
        drawing.ticks(axes, "y", drawing.linear_ticks(low, 1, 4), percent, grid=True)
        axes.axhline(wanted, color=stand_in("ink"), linewidth=1.2, linestyle=DASHED, zorder=2)
        best = capacity["max_batch"]
        if best > 0:
            axes.axvline(best, color=stand_in("blue"), linewidth=1.6, zorder=1)
            place = "right" if best > math.sqrt(loads[0] * loads[-1]) else "left"
            words = f"largest that met it: {formatting.count(best)}"
            shift = -5 if place == "right" else 5
            drawing.note(
                axes, words, (best, 1), ("data", "axes fraction"), (shift, 3), "blue", ha=place, weight=BOLD
            )
        panel = readings.panel_of(axes, "xy")
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
            panel.add(
                "met the objective" if passed else "missed it",
                colour,
                [each["users"] for each in chosen],
                [each["success_rate"] for each in chosen],
                lambda users: count(round(users), "session") + " at once",
                [_said(each) for each in chosen],
            )
        heading(axes, "Sessions that succeeded", -52, 30)
        drawing.x_label(axes, "sessions at once")

    return drawing.draw("tries", "Tries of the capacity search", width, 300, paint)


def _said(each: CapacityTry) -> str:
    tail = each["total_p99_s"]
    took = "" if tail is None else f", p99 of total {formatting.seconds(tail)}"
    return f"{formatting.percent(each['success_rate'])} succeeded{took}"
