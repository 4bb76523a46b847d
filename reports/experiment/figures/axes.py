"""What the figures of an experiment share: their axes, their headings, and how many stand side by side."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.page import drawing, formatting
from reports.page.board import Extent, spaced
from reports.page.drawing import BOLD, NARROW, Floats

LETTER = 6.6
"""Pixels that a character takes in a small drawing's name."""
LOG_LOADS = 12.0
"""From this ratio of the largest to the smallest load on, an axis goes by powers of ten."""
DASHED = (0, (3, 2))


def load_extent(loads: Floats, log: bool = False) -> Extent:
    """For numbers of users: by powers of ten where they span many, else from zero."""
    least, most = float(loads[0]), float(loads[-1])
    if most > least > 0 and (log or most / least > LOG_LOADS):
        reach = (most / least) ** 0.04
        return Extent(least / reach, most * reach, True)
    return Extent(0, most * 1.05 or 1.0, False)


def load_axis(axes: Axes, loads: Floats, log: bool = False) -> None:
    """Scales the x axis for numbers of users and marks as many as have room."""
    extent = load_extent(loads, log)
    if extent.log:
        axes.set_xscale("log")
    axes.set_xlim(extent.low, extent.high)
    candidates: Sequence[float] = list(loads)
    if len(loads) > 12:
        low, high = float(loads[0]), float(loads[-1])
        candidates = drawing.log_ticks(low, high) if extent.log else drawing.linear_ticks(0, high)
    load_ticks(axes, candidates)


def load_ticks(axes: Axes, candidates: Sequence[float]) -> None:
    """Marks as many of the candidates on the x axis as have room."""
    places = [(value, float(axes.transData.transform((value, 1))[0])) for value in candidates]
    drawing.ticks(axes, "x", [value for value, _ in spaced(places)], formatting.count, grid=False)


def named_rows(
    figure: Figure, names: Sequence[str], left: float, right: float, top: float, bottom: float
) -> Axes:
    """Axes with a row for each name, the first at the top."""
    axes = drawing.plot_area(figure, left, right, top, bottom)
    axes.set_ylim(len(names) - 0.5, -0.5)
    drawing.row_names(axes, names)
    return axes


def heading(axes: Axes, text: str, right: float, up: float = 11) -> None:
    """Writes above the axes, moved by so many pixels from their upper left corner."""
    drawing.note(axes, text, (0, 1), "axes fraction", (right, up), "ink", size=drawing.TEXT, weight=BOLD)


def columns_for(labels: Sequence[str], width: float) -> int:
    """How many small drawings stand side by side: few where there are few, or where their names are long."""
    count = len(labels)
    most = 1 if count == 1 else 2 if count <= 4 else 3 if count <= 9 else 4
    if width <= NARROW:
        most = 1 if count <= 4 else 2
    longest = max(map(len, labels), default=0)
    while most > 1 and width / most < LETTER * longest + 28:
        most -= 1
    return most


def floor(least: float) -> float:
    """Where an axis of shares begins, so that differences near 1 can be seen."""
    return 0.0 if least < 0.6 else 0.5 if least < 0.85 else 0.8


def percent(value: float) -> str:
    """A share in per cent, as axes write it."""
    return f"{value * 100:.4g}{formatting.SPACE}%"
