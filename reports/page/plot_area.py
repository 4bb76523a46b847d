"""Axes as light as our figures need them: a base line, labels at the left and below, and a grid.

matplotlib's own make five artists for each tick and four spines, and measure every label twice: with them a
page takes twice the time.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis
from matplotlib.backend_bases import RendererBase
from matplotlib.lines import Line2D
from matplotlib.spines import Spine
from matplotlib.text import Text
from matplotlib.transforms import BboxBase, offset_copy


class PlotArea(Axes):
    """Axes whose only spine is the one at the bottom, and whose axes have labels but no ticks."""

    def _init_axis(self) -> None:
        self.xaxis, self.yaxis = _LightXAxis(self, clear=False), _LightYAxis(self, clear=False)

    def _gen_axes_spines(self) -> dict[str, Spine]:
        return {"bottom": Spine.linear_spine(self, "bottom")}


class _LightAxis(Axis):
    """Writes all labels with one object, and draws the grid as one path.

    Of the parameters of ticks it knows `labelcolor`, `labelsize` and `pad`.
    """

    _along_x: bool
    _ticks: Mapping[str, Any] = MappingProxyType({})
    _grid: dict[str, Any] | None = None

    def set_clip_path(self, path: Any, transform: Any = None) -> None:
        Artist.set_clip_path(self, path, transform)

    def set_tick_params(self, which: Any = "major", reset: bool = False, **given: Any) -> None:  # noqa: ARG002
        self._ticks = given if reset else {**self._ticks, **given}

    def grid(self, visible: bool | None = None, which: Any = "major", **style: Any) -> None:  # noqa: ARG002
        self._grid = style if visible or style else None

    def draw(self, renderer: RendererBase) -> None:
        at = self._ticks_in_view()
        if self._grid is not None and at:
            self._draw_grid(renderer, at, self._grid)
        extents = self._write(renderer, at)
        if self.label.get_text():
            self.label.set_y(min([self.axes.bbox.y0, *(each.y0 for each in extents)]) - self.labelpad)
            self.label.draw(renderer)
        self.stale = False

    def _ticks_in_view(self) -> list[float]:
        low, high = sorted(self.get_view_interval())
        slack = (high - low) * 1e-9
        return [float(at) for at in self.get_majorticklocs() if low - slack <= at <= high + slack]

    def _draw_grid(self, renderer: RendererBase, at: list[float], style: dict[str, Any]) -> None:
        along, across = np.repeat(at, 3), np.tile([0, 1, np.nan], len(at))
        x, y = (along, across) if self._along_x else (across, along)
        lines = Line2D(x, y, transform=self._frame(), **style)
        lines.set_figure(self.axes.figure)
        lines.set_clip_path(self.axes.patch)
        lines.draw(renderer)

    def _write(self, renderer: RendererBase, at: list[float]) -> list[BboxBase]:
        """Writes the labels. Returns where they are, if the name of the axis must be kept clear of them."""
        pad = self._ticks["pad"]
        right, up = (0, -pad) if self._along_x else (-pad, 0)
        ha, va = ("center", "top") if self._along_x else ("right", "center_baseline")
        text = Text(color=self._ticks["labelcolor"], size=self._ticks["labelsize"], ha=ha, va=va)
        text.set_figure(self.axes.figure)
        text.set_transform(offset_copy(self._frame(), self.get_figure(root=True), right, up, "points"))
        extents: list[BboxBase] = []
        for value, label in zip(at, self.get_major_formatter().format_ticks(at), strict=True):
            text.set_position((value, 0) if self._along_x else (0, value))
            text.set_text(label)
            text.draw(renderer)
            if label and self.label.get_text():
                extents.append(text.get_window_extent(renderer))
        return extents

    def _frame(self) -> Any:
        """Data along the axis, and 0…1 across it."""
        return self.axes.get_xaxis_transform() if self._along_x else self.axes.get_yaxis_transform()


class _LightXAxis(_LightAxis, XAxis):
    _along_x = True


class _LightYAxis(_LightAxis, YAxis):
    _along_x = False
