"""The figures of a comparison: each function turns result objects into one inline SVG of a given width."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.comparison.estimates import Metric
from reports.comparison.sections.changes import LEAST_CHANGE, Change
from reports.page import curves, drawing, formatting, readings
from reports.page.curves import PercentileLine
from reports.page.drawing import HALF, NARROW
from reports.page.palette import stand_in
from reports.page.words import signed_percent
from reports.run.sections.latency import Curve

METRICS: dict[Metric, str] = {
    "throughput": "Throughput",
    "p50": "p50 of a step",
    "p95": "p95 of a step",
    "p99": "p99 of a step",
}
BATCH_METRICS: dict[Metric, str] = {"p50": "p50 of total", "p95": "p95 of total", "p99": "p99 of total"}

_LOOKS = {
    "faster": ("green", "o", "full"),
    "slower": ("vermilion", "D", "full"),
    "no difference shown": ("muted", "o", "none"),
}
_NARROWEST = 0.02
"""The least that the axis of a forest plot reaches to each side, as a share."""


def forest(name: str, title: str, heading: str, lines: Sequence[tuple[str, Change]], width: float) -> str:
    """Changes with labels and intervals around a line at zero; mark, colour and word tell the verdict."""
    row = 26 if len(lines) <= 12 else 21
    height = 40 + row * len(lines) + 44
    values_room = 148 if width > NARROW else 104
    left = min(
        16 + 7.0 * max((len(label) for label, _ in lines), default=0),
        width * (0.34 if width > NARROW else 0.4),
    )
    most = max(int((left - 12) / 6.8), 4)
    reach = _reach([change for _, change in lines])

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left=left, right=values_room, top=40, bottom=44)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.axvspan(-LEAST_CHANGE, LEAST_CHANGE, color=stand_in("ink"), alpha=0.06, linewidth=0, zorder=0)
        axes.axvline(0, color=stand_in("ink"), linewidth=1.2, zorder=1)
        drawing.ticks(axes, "x", _around_zero(reach, width), _percent, grid=True)
        drawing.row_names(axes, [formatting.shortened(label, most) for label, _ in lines])
        for at, (_, change) in enumerate(lines):
            _interval(axes, change, at, reach)
            words, colour, bold = _told(change, width > NARROW)
            drawing.note(
                axes,
                words,
                (1, at),
                ("axes fraction", "data"),
                (10, 0),
                colour,
                weight=drawing.BOLD if bold else 400,
                va="center_baseline",
            )
        known = [(at, *line) for at, line in enumerate(lines) if line[1].change is not None]
        readings.panel_of(axes, "y").add(
            heading,
            "ink",
            [min(max(change.change or 0.0, -reach), reach) for *_, change in known],
            [at for at, *_ in known],
            [label for _, label, _ in known],
            [_in_words(change) for *_, change in known],
        )
        drawing.x_label(axes, "change from A to B")
        drawing.headline(axes, heading, 16)

    return drawing.draw(name, title, width, height, paint)


def percentile_curves(a: Curve, b: Curve, width: float) -> str:
    """Latency of A and of B at each percentile."""
    lines = [
        PercentileLine("A", "ink", (0, (5, 2)), a.quantiles, a.seconds),
        PercentileLine("B", "blue", "-", b.quantiles, b.seconds),
    ]
    title = "Latency percentile curves of A and B"
    return curves.percentile_curves("percentile-curves", title, lines, "at most this slow", width, right=40)


def _interval(axes: Axes, change: Change, at: int, reach: float) -> None:
    if change.change is None:
        return
    colour, marker, fill = _LOOKS[change.verdict]
    if change.low is not None and change.high is not None:
        low, high = max(change.low, -reach), min(change.high, reach)
        axes.plot([low, high], [at, at], color=stand_in(colour), linewidth=2.2, zorder=3)
        for bound, edge, arrow in ((change.low, -reach, "<"), (change.high, reach, ">")):
            if abs(bound) > reach:
                axes.plot([edge], [at], arrow, color=stand_in(colour), markersize=6, zorder=4, clip_on=False)
    axes.plot(
        [min(max(change.change, -reach), reach)],
        [at],
        marker,
        markersize=7,
        color=stand_in(colour),
        markerfacecolor=stand_in(colour if fill == "full" else "surface"),
        markeredgewidth=1.6,
        zorder=5,
        clip_on=False,
    )


def _told(change: Change, roomy: bool) -> tuple[str, str, bool]:
    if change.change is None:
        return "not known", "muted", False
    amount = signed_percent(change.change).replace(" ", formatting.SPACE)
    if change.low is None:
        return f"{amount}  no interval" if roomy else f"{amount}  ?", "muted", False
    if change.verdict == "no difference shown":
        return f"{amount}  not shown" if roomy else amount, "muted", False
    return f"{amount}  {change.verdict}", _LOOKS[change.verdict][0], True


def _in_words(change: Change) -> str:
    amount, verdict = formatting.signed(change.change), change.verdict
    if change.low is None or change.high is None:
        return f"{amount}, no interval"
    return f"{amount} ({formatting.signed(change.low)} to {formatting.signed(change.high)}), {verdict}"


def _reach(changes: Sequence[Change]) -> float:
    """How far the axis goes to each side: all changes, and intervals unless these dwarf the changes."""
    points = [abs(change.change) for change in changes if change.change is not None]
    bounds = [abs(bound) for change in changes for bound in (change.low, change.high) if bound is not None]
    widest, largest = max(bounds, default=0.0), max(points, default=0.0)
    return max(1.1 * min(widest, max(4 * largest, 0.25)), 1.15 * largest, _NARROWEST)


def _around_zero(reach: float, width: float) -> list[float]:
    """Ticks at zero and as far to both sides, more of them where there is room."""
    right = [tick for tick in drawing.linear_ticks(0, reach * 0.95, 3) if tick > 0]
    if width <= HALF:
        right = right[-1:]
    return [*(-tick for tick in reversed(right)), 0.0, *right]


def _percent(value: float) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{abs(100 * value):.4g}{formatting.SPACE}%"
