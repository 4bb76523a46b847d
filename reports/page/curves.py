"""Percentile curves: latency against how rare it is, the tail stretched until one in millions can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.page import drawing, formatting, readings
from reports.page.drawing import NARROW, End, Floats
from reports.page.palette import stand_in

_NINES = [2.0, *(10.0**power for power in range(1, 8))]


@dataclass(frozen=True)
class PercentileLine:
    """One curve: latency in seconds at rising quantiles, 0…1."""

    name: str
    colour: str
    style: object
    quantiles: Floats
    seconds: Floats


def percentile_curves(
    name: str,
    title: str,
    lines: Sequence[PercentileLine],
    words: str,
    width: float,
    *,
    right: float,
    limit_s: float | None = None,
    heading: str = "Latency",
) -> str:
    """The curves with each further nine taking the same room; `words` say what a percentile counts.

    `right` is the room for their names, in pixels. `limit_s` is a limit of the 99th percentile to be marked.
    """

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left=52, right=right, top=34, bottom=44)
        curves = [(line, *_known(line)) for line in lines]
        curves = [(line, rarity, seconds) for line, rarity, seconds in curves if rarity.size]
        reach = max([10.0, *(float(rarity[-1]) for _, rarity, _ in curves)])
        panel = readings.panel_of(axes, "x", after=" took at most")
        ends = []
        for at, (line, rarity, seconds) in enumerate(curves):
            toggle, thickness = f"{at}", 2.2 if line.style == "-" else 1.8
            drawing.line(axes, rarity, seconds, line.colour, line.style, thickness, toggle)
            if rarity[-1] < reach * 0.9:
                across = (float(rarity[-1]), reach)
                drawing.leader(axes, across, float(seconds[-1]), line.colour, toggle)
            ends.append(End(line.name, line.colour, float(seconds[-1]), toggle))
            panel.add(
                line.name,
                line.colour,
                rarity,
                seconds,
                _percentile_reached,
                formatting.seconds,
                toggle=toggle,
            )
        axes.set_xscale("log")
        axes.set_xlim(1, reach)
        limit = [limit_s] if limit_s and reach >= 100 else []
        drawing.latency_axis(axes, np.concatenate([*(seconds for *_, seconds in curves), limit]))
        shown = [nine for nine in _NINES if nine <= reach * 1.001]
        drawing.ticks(axes, "x", shown, _percentile, grid=False)
        for nine in _NINES[1:]:
            if nine < reach:
                axes.axvline(nine, color=stand_in("rule"), linewidth=1, zorder=0)
        for each in limit:
            _mark_limit(axes, each)
        drawing.headline(axes, heading)
        drawing.x_label(axes, words)
        drawing.label_ends(axes, ends, reach)

    return drawing.draw(name, title, width, 340 if width > NARROW else 320, paint)


def _known(line: PercentileLine) -> tuple[Floats, Floats]:
    """How rare each known latency is, as one in so many, and the latency."""
    known = (line.quantiles < 1) & np.isfinite(line.seconds)
    return 1 / (1 - line.quantiles[known]), line.seconds[known]


def _mark_limit(axes: Axes, limit_s: float) -> None:
    axes.plot([100], [limit_s], marker="v", color=stand_in("ink"), markersize=7, zorder=5)
    words = f"limit of p99 total, {formatting.seconds(limit_s)}"
    drawing.note(axes, words, (100, limit_s), offset=(0, -18), ha="center")


def _percentile(rarity: float) -> str:
    return f"{100 - 100 / rarity:.8g}{formatting.SPACE}%"


def _percentile_reached(rarity: float) -> str:
    """Any percentile in as many digits as tell it from the next: `91.7 %`, `99.95 %`."""
    places = max(int(np.log10(rarity) + 1e-9), 0)
    return f"{100 - 100 / rarity:.{places}f}{formatting.SPACE}%"
