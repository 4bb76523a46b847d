"""Many small drawings on one ground, light enough for a page that has dozens of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import ArrayLike

from reports.page import drawing, formatting, readings
from reports.page.drawing import SMALL, Floats
from reports.page.palette import stand_in
from reports.page.plot_area import PlotArea


@dataclass(frozen=True)
class Extent:
    """The range of an axis, and whether it is logarithmic."""

    low: float
    high: float
    log: bool

    @property
    def ends(self) -> list[float]:
        return [self.low, self.high]

    def share(self, values: ArrayLike) -> Floats:
        """Where values lie between its ends, 0…1; NaN for a value that has no place there."""
        wanted = np.asarray(values, dtype=np.float64)
        if self.log:
            wanted = np.log(np.where(wanted > 0, wanted, np.nan))
            low, high = math.log(self.low), math.log(self.high)
        else:
            low, high = self.low, self.high
        found: Floats = (wanted - low) / (high - low)
        return found


@dataclass(frozen=True)
class Panel:
    """One small drawing on a board, in pixels from the figure's upper left corner."""

    left: float
    top: float
    width: float
    height: float
    across: Extent
    up: Extent

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def at(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Where points of the data lie on the board."""
        return (
            self.left + self.across.share(x) * self.width,
            self.bottom - self.up.share(y) * self.height,
        )


class Board:
    """Many small drawings on one ground: what looks alike becomes one path, so that a page stays light."""

    def __init__(self, figure: Figure) -> None:
        width, height = figure.get_size_inches() * 72
        self._axes = figure.add_axes((0, 0, 1, 1), axes_class=PlotArea)
        self._axes.set_axis_off()
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._strokes: dict[tuple[str, Any, float], list[Floats]] = {}
        self._dots: dict[tuple[str, str, str, float], list[Floats]] = {}
        self._grounds: list[Floats] = []

    def grid(self, panel: Panel, marks: Sequence[float], words: Callable[[float], str] | None) -> None:
        """The base line, a line at each mark, and the labels of the marks at the left."""
        for mark in marks:
            self.stroke(panel, panel.across.ends, [mark] * 2, "rule", "-", 1)
            if words:
                y = float(panel.at(panel.across.high, mark)[1])
                self.write(words(mark), panel.left - 6, y, ha="right", va="center_baseline")
        self.stroke(panel, panel.across.ends, [panel.up.low] * 2, "faint", "-", 1)

    def loads(self, panel: Panel, candidates: Sequence[float]) -> None:
        """Labels below a panel, for as many loads as have room."""
        if len(candidates) > 12:
            low, high = panel.across.ends
            candidates = drawing.log_ticks(low, high) if panel.across.log else drawing.linear_ticks(low, high)
        places = [(value, float(panel.at(value, panel.up.low)[0])) for value in candidates]
        for value, x in spaced(places):
            self.write(formatting.count(value), x, panel.bottom + 17, ha="center")

    def stroke(
        self, panel: Panel, x: ArrayLike, y: ArrayLike, colour: str, style: object, width: float
    ) -> None:
        found = np.column_stack(np.broadcast_arrays(*panel.at(x, y)))
        gap = np.full((1, 2), np.nan)
        self._strokes.setdefault((colour, style, width), []).append(np.concatenate((found, gap)))

    def dots(
        self, panel: Panel, x: Floats, y: Floats, face: str, edge: str, marker: str, size: float
    ) -> None:
        self._dots.setdefault((face, edge, marker, size), []).append(np.column_stack(panel.at(x, y)))

    def ground(self, panel: Panel, x: Floats, low: Floats, high: Floats) -> None:
        """The range between two lines, as a grey area."""
        known = np.isfinite(low) & np.isfinite(high)
        below = np.column_stack(panel.at(x[known], low[known]))
        above = np.column_stack(panel.at(x[known], high[known]))
        polygon = np.concatenate((below, above[::-1]))
        self._grounds.append(polygon[np.isfinite(polygon).all(axis=1)])

    def write(
        self,
        words: str,
        x: float,
        y: float,
        colour: str = "muted",
        weight: int = 400,
        ha: str = "left",
        va: str = "baseline",
    ) -> None:
        self._axes.text(x, y, words, color=stand_in(colour), size=SMALL, weight=weight, ha=ha, va=va)

    def reading(self, panel: Panel, title: str) -> readings.Panel:
        """What can be read on a panel, along its x axis."""

        def shares(x: Floats, y: Floats) -> tuple[Floats, Floats]:
            return panel.across.share(x), 1 - panel.up.share(y)

        box = (panel.left, panel.top, panel.width, panel.height)
        return readings.add_panel(self._axes, readings.Panel("x", "", "", title, lambda: box, shares))

    def finish(self) -> None:
        """Draws everything that was added."""
        if self._grounds:
            path = Path.make_compound_path(*(Path(polygon, closed=False) for polygon in self._grounds))
            self._axes.add_patch(PathPatch(path, fc=stand_in("ink"), alpha=0.07, linewidth=0, zorder=1))
        for (colour, style, width), pieces in self._strokes.items():
            self._axes.plot(
                *np.concatenate(pieces).T,
                color=stand_in(colour),
                linestyle=style,
                linewidth=width,
                solid_capstyle="butt",
                zorder=2 if colour in {"rule", "faint"} else 3,
            )
        for (face, edge, marker, size), places in self._dots.items():
            self._axes.plot(
                *np.concatenate(places).T,
                marker,
                markerfacecolor="none" if face == "none" else stand_in(face),
                markeredgecolor=stand_in(edge),
                mew=1.2,
                markersize=size,
                zorder=4,
            )


def spaced(candidates: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The rising (value, pixel) ticks whose labels do not touch; always with the last."""
    kept: list[tuple[float, float, float]] = []
    for value, middle in [candidates[-1], *candidates[:-1]]:
        half = len(formatting.count(value)) * 3.6 + 5
        if all(abs(middle - other) >= half + width for other, width, _ in kept):
            kept.append((middle, half, value))
    return sorted((value, middle) for middle, _, value in kept)
