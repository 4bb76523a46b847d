"""Draws matplotlib figures as inline SVG in the page's colours and font.

One SVG unit is one CSS pixel. Text stays text. The same figure always gives the same bytes, and its
ids begin with the figure's name, so that many figures can share one page.
"""

import io
import math
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter
from matplotlib.typing import RcKeyType
from numpy.typing import NDArray

from reports.page import formatting
from reports.page.palette import stand_in
from reports.page.plot_area import PlotArea
from reports.page.readings import Sheet, kept, mark
from reports.page.svg import inline

Floats = NDArray[np.float64]

WIDE = 900
"""Width of a figure on a desktop, in pixels."""
HALF = 434
"""Width of one of two figures side by side on a desktop."""
NARROW = 334
"""Width of a figure on a phone of 390 pixels."""

TEXT = 12.5
SMALL = 11.5
BOLD = 700

_RC: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "openenv-loadtest",
    "text.parse_math": False,
    "text.usetex": False,
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    "path.simplify": True,
    "axes.unicode_minus": True,
}
_matplotlib = threading.Lock()
"""matplotlib keeps its settings in one place for the whole process."""


def draw(name: str, title: str, width: float, height: float, paint: Callable[[Figure], None]) -> str:
    """The SVG of a figure that `paint` draws, with what its points say.

    `title`, for screen readers, may be foreign text.
    """
    with _matplotlib, mpl.rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Sheet(figsize=(width / 72, height / 72), dpi=72)
        figure.patch.set_visible(False)
        paint(figure)
        written = io.StringIO()
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            written, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        attributes = figure.attributes()
    return inline(written.getvalue(), f"{name}-{width:.0f}", title).replace("<svg", f"<svg{attributes}", 1)


def plot_area(figure: Figure, left: float, right: float, top: float, bottom: float) -> Axes:
    """Axes with the given margins in pixels: no frame but a base line, and no ticks."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height),
        axes_class=PlotArea,
    )
    axes.patch.set_visible(False)
    axes.spines["bottom"].set(position=("outward", 0), color=stand_in("faint"), linewidth=1)
    axes.tick_params(labelsize=SMALL, labelcolor=stand_in("muted"), pad=6)
    axes.set_axisbelow(True)
    axes.margins(x=0)
    return axes


def ticks(axes: Axes, side: str, at: Sequence[float], words: Callable[[float], str], grid: bool) -> None:
    """Sets the ticks of the `x` or `y` axis and their labels."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(at))
    axis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    if grid:
        axis.grid(visible=True, color=stand_in("rule"), linewidth=1)


def no_ticks(axes: Axes, side: str) -> None:
    """Leaves the `x` or `y` axis without ticks."""
    ticks(axes, side, [], str, grid=False)


def row_names(axes: Axes, names: Sequence[str]) -> None:
    """Names at the left, one for each row of axes whose y counts rows."""
    ticks(axes, "y", range(len(names)), lambda at: names[round(at)], grid=False)
    axes.tick_params(axis="y", labelcolor=stand_in("ink"))


def from_zero(axes: Axes, high: float, most: int) -> None:
    """Scales the y axis from zero to a little above `high`, with at most `most` + 1 ticks."""
    top = (high or 1.0) * 1.12
    axes.set_ylim(0, top)
    ticks(axes, "y", linear_ticks(0, top, most), plain, grid=True)


def x_label(axes: Axes, text: str) -> None:
    """Labels the x axis."""
    axes.set_xlabel(text, color=stand_in("muted"), size=SMALL)


def headline(axes: Axes, text: str, up: float = 12, left: str = "figure pixels") -> None:
    """Says above the axes what their height means, where a turned label would cost width.

    It begins at the figure's left edge, or with `left` as `axes fraction` at that of the axes.
    """
    note(axes, text, (0, 1), (left, "axes fraction"), (0, up), "ink", size=TEXT, weight=BOLD)


def plain(value: float) -> str:
    """A number on an axis."""
    return f"{value:,.6g}"


def note(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    frame: str | tuple[str, str] = "data",
    offset: tuple[float, float] = (0, 0),
    colour: str = "muted",
    **text_properties: Any,
) -> None:
    """Writes at a point of the data, or of another of matplotlib's frames, moved by `offset` pixels."""
    axes.annotate(
        text,
        at,
        offset,
        xycoords=frame,
        textcoords="offset pixels",
        color=stand_in(colour),
        annotation_clip=False,
        **{"size": SMALL, **text_properties},
    )


def line(
    axes: Axes,
    x: Floats,
    y: Floats,
    colour: str,
    style: Any = "-",
    width: float = 1.8,
    toggle: str = "",
) -> None:
    """A line that breaks at NaN; a point without neighbours, which no line would show, becomes a dot."""
    ink, gid = stand_in(colour), mark(toggle)
    axes.plot(x, y, color=ink, linestyle=style, linewidth=width, solid_capstyle="round", zorder=3, gid=gid)
    known = np.isfinite(y)
    before = np.concatenate(([False], known[:-1]))
    after = np.concatenate((known[1:], [False]))
    alone = known & ~before & ~after
    if alone.any():
        axes.plot(x[alone], y[alone], "o", color=ink, markersize=4, zorder=3, gid=gid)


def steps(axes: Axes, edges: Floats, values: Floats, colour: str, ground: float) -> None:
    """A line of steps over a ground of the same colour, `ground` of it opaque; it breaks at NaN."""
    known = np.where(np.isfinite(values), values, 0)
    axes.stairs(known, edges, fill=True, color=stand_in(colour), alpha=ground, linewidth=0, zorder=2)
    axes.stairs(values, edges, baseline=None, color=stand_in(colour), linewidth=1.6, zorder=3)


def thinned(x: Floats, y: Floats, most: int) -> tuple[Floats, Floats]:
    """At most `most` points that draw the same line: lowest and highest of each stretch, and its gaps."""
    chosen = kept(y, most)
    return x[chosen], y[chosen]


def bars(
    axes: Axes, left: Floats, low: Floats, width: Floats | float, height: Floats | float, colour: str
) -> None:
    """Rectangles of one colour as one path, so that a page of them stays light; empty ones are left out."""
    x, y, across, up = np.array(np.broadcast_arrays(left, low, width, height))
    corners = np.array([(x, y), (x + across, y), (x + across, y + up), (x, y + up)]).transpose(2, 0, 1)
    path = Path.make_compound_path_from_polys(corners[(across > 0) & (up > 0)])
    axes.add_patch(PathPatch(path, facecolor=stand_in(colour), linewidth=0, zorder=2))


def leader(axes: Axes, across: tuple[float, float], y: float, colour: str, toggle: str = "") -> None:
    """A dotted line from the end of a line that stops early, marked by a dot, to its name at the right."""
    ink, gid = stand_in(colour), mark(toggle)
    axes.plot(across[:1], [y], "o", color=ink, markersize=4.5, zorder=4, gid=gid)
    axes.plot(across, (y, y), color=ink, linewidth=0.8, linestyle=(0, (1, 3)), zorder=2, gid=gid)


class End(NamedTuple):
    """The right end of a line: its name, its colour, where it is, and what hides the line."""

    words: str
    colour: str
    y: float
    toggle: str = ""


def label_ends(axes: Axes, ends: Sequence[End], x: float, gap: float = 15) -> None:
    """Names lines at their right ends, moved apart by at least `gap` pixels."""
    if not ends:
        return
    low, high = axes.get_ylim()
    to_pixels = axes.transData.transform
    wanted = sorted((float(to_pixels((x, min(max(end.y, low), high)))[1]), end) for end in ends)
    heights = _spread([height for height, _ in wanted], gap, axes.bbox.y0, axes.bbox.y1)
    right = float(to_pixels((x, high))[0])
    for height, (_, end) in zip(heights, wanted, strict=True):
        at, gid = (right + 7, height), mark(end.toggle)
        note(
            axes,
            end.words,
            at,
            "figure pixels",
            colour=end.colour,
            weight=BOLD,
            va="center_baseline",
            gid=gid,
        )


def time_ticks(span: float, width: float) -> tuple[list[float], Callable[[float], str], str]:
    """Ticks for 0…`span` seconds, how they are labelled, and the unit: seconds, minutes or hours."""
    unit, name = (3600, "hours") if span >= 3 * 3600 else (60, "minutes") if span >= 300 else (1, "seconds")
    at = [tick * unit for tick in linear_ticks(0, span / unit, most=max(int(width / 80), 3))]
    return at, lambda value: f"{value / unit:g}", name


def linear_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most `most` + 1 round numbers inside low…high: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next((factor for factor in (1, 2, 5) if factor * power >= rough * 0.999), 10)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers inside low…high for a log axis: powers of ten, and others between where these are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if math.log10(high / low) > 2.5 else (1, 3) if math.log10(high / low) > 1.7 else (1, 2, 5)
    inside = [
        float(f"{factor * 10.0**decade:.12g}")
        for decade in decades
        for factor in factors
        if low * 0.999 <= factor * 10.0**decade <= high * 1.001
    ]
    return inside if len(inside) >= 2 else linear_ticks(low, high, 4)


def latency_axis(axes: Axes, values: Floats, most: int = 5) -> None:
    """Scales the y axis for latencies in seconds: from zero, or logarithmically where they span a lot."""
    known = values[np.isfinite(values) & (values > 0)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    if not high:
        low, high, at = 0, 1, [0.0]
    elif high / low > 12:
        axes.set_yscale("log")
        low, high = low / 1.25, high * 1.25
        at = log_ticks(low, high)
    else:
        low, high = 0, high * 1.12
        at = linear_ticks(low, high, most)
    axes.set_ylim(low, high)
    ticks(axes, "y", at, formatting.tick_seconds, grid=True)


def _spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Rising positions near the wanted ones, at least `gap` apart, from below `high` where there is room."""
    placed: list[float] = []
    for position in wanted:
        placed.append(max(position, placed[-1] + gap) if placed else max(position, low))
    ceiling = high
    for at in range(len(placed) - 1, -1, -1):
        placed[at] = min(placed[at], ceiling)
        ceiling = placed[at] - gap
    return placed
