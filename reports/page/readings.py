"""What the points of a figure say: data beside a drawing, which the page's script reads out at a pointer.

Points lie in ten-thousandths of their plot area, from its upper left corner, so that a figure drawn at two
widths needs them once; only the plot areas are in pixels.
"""

import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from reports.page import formatting

Floats = NDArray[np.float64]
Words = Callable[[float], str] | Sequence[str]
"""What each point says: a function of its number, or the words themselves."""
Along = Literal["x", "y", "xy"]
"""Points are looked for along one axis, as in a line or in rows of bars, or by their distance."""

TIME = "time"
"""The link of all time lines of a page: they show the same instant."""
SINCE_START = " since the start"

_MOST_POINTS = 300
"""Of one series: as many as a run has slices."""
_MOST_IN_PANEL = 900
_LEAST_POINTS = 24
_UNIT = 10_000
_LONGEST = 80
"""Characters of a name."""
_ATTRIBUTE = re.compile(r" data-readings='[^']*'")
_SERIES = "series-"


@dataclass(frozen=True)
class _Series:
    name: str
    colour: str
    x: Floats
    y: Floats
    place: Words
    value: Words
    toggle: str
    reach: float


@dataclass
class Panel:
    """One plot area and what can be read there.

    `along` says how points are looked for. Panels of a page with one `link` show the same place along their
    axis. `after` ends the words of a place, `title` names the panel where there are several.
    """

    along: Along
    link: str
    after: str
    title: str
    box: Callable[[], tuple[float, float, float, float]]
    """Left, top, width and height in pixels."""
    shares: Callable[[Floats, Floats], tuple[Floats, Floats]]
    """Where points lie in the box, 0…1 to the right and downwards."""
    series: list[_Series] = field(default_factory=list)
    cells: dict[str, Any] | None = None

    def add(
        self,
        name: str,
        colour: str,
        x: ArrayLike,
        y: ArrayLike,
        place: Words,
        value: Words,
        *,
        toggle: str = "",
        reach: float = 0,
    ) -> None:
        """Adds a series. `place` words the number along the axis, `value` the other.

        `toggle` is what `mark` marked its artists with. A point answers from at most `reach` (a share of the
        panel) away; 0 leaves that to the distance of the points.
        """
        across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        self.series.append(_Series(name, colour, across, up, place, value, toggle, reach))

    def add_cells(self, rows: Sequence[str], places: Sequence[str], counts: NDArray[np.int64]) -> None:
        """Adds evenly wide cells: `counts` by place along the axis and by row, from the lowest row on."""
        trimmed = []
        for column in counts:
            (seen,) = np.nonzero(column)
            first, end = (int(seen[0]), int(seen[-1]) + 1) if seen.size else (0, 0)
            trimmed.append([first, *column[first:end].tolist()])
        self.cells = {"rows": list(rows), "places": list(places), "counts": trimmed}


class Sheet(Figure):
    """A figure that knows what its points say."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self.panels: list[Panel] = []

    def attributes(self) -> str:
        """Attributes of the drawing: `data-boxes` with its plot areas, `data-readings` with all else."""
        if not any(panel.series or panel.cells for panel in self.panels):
            return ""
        boxes = [[round(each, 1) for each in panel.box()] for panel in self.panels]
        places: list[Any] = []
        panels = [_as_json(panel, places) for panel in self.panels]
        return (
            f" data-boxes='{_quoted(boxes)}' data-readings='{_quoted({'places': places, 'panels': panels})}'"
        )


def panel_of(axes: Axes, along: Along, *, link: str = "", after: str = "", title: str = "") -> Panel:
    """A new panel of axes on a `Sheet`. The axes may still be scaled afterwards."""
    sheet = _sheet_of(axes)

    def box() -> tuple[float, float, float, float]:
        area = axes.bbox
        return area.x0, sheet.bbox.height - area.y1, area.width, area.height

    def shares(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        area = axes.bbox
        with np.errstate(all="ignore"):
            pixels = axes.transData.transform(np.column_stack((x, y)))
        return (pixels[:, 0] - area.x0) / area.width, (area.y1 - pixels[:, 1]) / area.height

    panel = Panel(along, link, after, title, box, shares)
    sheet.panels.append(panel)
    return panel


def add_panel(axes: Axes, panel: Panel) -> Panel:
    """Adds a panel that has measured its area itself to the figure of the axes."""
    _sheet_of(axes).panels.append(panel)
    return panel


def mark(toggle: str) -> str | None:
    """The `gid` of the artists that show a series, so that it can be hidden."""
    return f"{_SERIES}{toggle}" if toggle else None


def marked(gid: str) -> str | None:
    """What an artist's `gid` was marked with; None for any other."""
    return gid.removeprefix(_SERIES) if gid.startswith(_SERIES) else None


def without_repeats(narrow: str, wide: str) -> str:
    """The narrow drawing without readings that the wide one has just so."""
    found = _ATTRIBUTE.search(narrow)
    return narrow.replace(found[0], "", 1) if found and found[0] in wide else narrow


def kept(values: Floats, most: int) -> NDArray[np.bool_]:
    """Which of many values draw the same line: lowest and highest of each stretch, and its gaps."""
    if len(values) <= most:
        return np.ones(len(values), dtype=np.bool_)
    chosen = np.zeros(len(values), dtype=np.bool_)
    for stretch in np.array_split(np.arange(len(values)), max(most // 3, 1)):
        within = values[stretch]
        known = np.isfinite(within)
        if known.any():
            chosen[stretch[[np.nanargmin(within), np.nanargmax(within)]]] = True
        if not known.all():
            chosen[stretch[np.argmin(known)]] = True
    return chosen


def _sheet_of(axes: Axes) -> Sheet:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Sheet)
    return figure


def _as_json(panel: Panel, places: list[Any]) -> dict[str, Any]:
    most = max(min(_MOST_POINTS, _MOST_IN_PANEL // max(len(panel.series), 1)), _LEAST_POINTS)
    found: dict[str, Any] = {
        "along": panel.along,
        "link": panel.link,
        "after": panel.after,
        "title": _name(panel.title),
        "series": [said for each in panel.series if (said := _series_as_json(panel, each, places, most))],
    }
    return {key: value for key, value in found.items() if value} | (
        {"cells": panel.cells} if panel.cells else {}
    )


def _series_as_json(panel: Panel, series: _Series, places: list[Any], most: int) -> dict[str, Any] | None:
    rows = panel.along == "y"
    across, down = panel.shares(series.x, series.y)
    chosen = kept(series.x if rows else series.y, most) & np.isfinite(across) & np.isfinite(down)
    along, aside = (down, across) if rows else (across, down)
    at, other = (series.y, series.x) if rows else (series.x, series.y)
    if not chosen.any():
        return None
    place = [_units(along[chosen]), _worded(series.place, at, chosen)]
    if place not in places:
        places.append(place)
    found: dict[str, Any] = {
        "name": _name(series.name),
        "colour": series.colour,
        "toggle": series.toggle,
        "reach": round(series.reach * _UNIT),
        "at": places.index(place),
        "points": _units(aside[chosen]),
        "words": _worded(series.value, other, chosen),
    }
    return {key: value for key, value in found.items() if value or key == "at"}


def _units(shares: Floats) -> list[int]:
    return [round(each) for each in (shares * _UNIT).tolist()]


def _worded(words: Words, values: Floats, chosen: NDArray[np.bool_]) -> list[str]:
    if callable(words):
        return [words(value) for value in values[chosen].tolist()]
    return [_name(words[at]) for at in np.flatnonzero(chosen).tolist()]


def _name(text: str) -> str:
    return formatting.shortened(text, _LONGEST)


def _quoted(value: Any) -> str:
    """JSON that may stand between single quotes in a page."""
    return html.escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")), quote=False).replace(
        "'", "&#39;"
    )
