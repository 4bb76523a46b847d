"""The figures of a run's report: each function turns a result object into one inline SVG of a given width."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reports.page import drawing, flags, formatting, readings
from reports.page.curves import PercentileLine, percentile_curves
from reports.page.drawing import NARROW, End, Floats
from reports.page.flags import Flag, Strip
from reports.page.palette import HEAT, stand_in
from reports.page.readings import Panel
from reports.page.words import count
from reports.run.sections.arrivals import Arrivals
from reports.run.sections.errors import Errors
from reports.run.sections.generator_lag import GeneratorLag
from reports.run.sections.latency import HeatMap, Latency, OverTime
from reports.run.sections.resources import PartUsage, Resources
from reports.run.sections.rollouts import Rollouts
from reports.run.sections.timeline import Timeline

_OPERATIONS: dict[str, tuple[str, object]] = {
    "total": ("ink", (0, (5, 2))),
    "step": ("blue", "-"),
    "reset": ("purple", (0, (6, 2, 1, 2))),
    "connect": ("green", (0, (1.5, 1.5))),
    "overhead": ("vermilion", "-"),
}
_ROLES: dict[str, tuple[str, object]] = {
    "replica": ("blue", "-"),
    "nginx": ("green", (0, (1.5, 1.5))),
    "generator": ("vermilion", (0, (5, 2))),
    "others": ("muted", (0, (1, 2))),
}


_ROW_WORDS = 17
"""Height in pixels of the words above a row of errors."""


@dataclass(frozen=True)
class Frame:
    """What the time axes of a run share: its length and its measured window, in seconds since its start."""

    duration_s: float
    window_s: tuple[float, float]
    faults: tuple[Flag, ...] = ()
    """Which the time lines of operations mark."""


def percentile_curve(latency: Latency, total_limit_s: float | None, width: float) -> str:
    """Latency of each kind of operation at each percentile, with the limit of the 99th of total."""
    lines = [
        PercentileLine(name, colour, style, curve.quantiles, curve.seconds)
        for name, (colour, style) in _OPERATIONS.items()
        if (curve := latency.curves.get(name))
    ]
    title = "Latency percentile curves of " + ", ".join(latency.curves)
    words = "operations at most this slow"
    return percentile_curves("percentile-curve", title, lines, words, width, right=72, limit_s=total_limit_s)


def percentiles_over_time(over_time: OverTime, frame: Frame, width: float) -> str:
    """Step latency's p50, p90 and p99 in each slice of the run."""
    strip = _strip(frame, width)

    def paint(figure: Figure) -> None:
        axes = _time_axes(figure, frame, width, top=34 + strip.height, bottom=44)
        lines = (
            ("p99", "vermilion", over_time.p99),
            ("p90", "purple", over_time.p90),
            ("p50", "blue", over_time.p50),
        )
        panel, ends = _time_panel(axes), []
        for at, (name, colour, values) in enumerate(lines):
            toggle = f"{at}"
            drawing.line(axes, over_time.at_s, values, colour, toggle=toggle)
            panel.add(
                name,
                colour,
                over_time.at_s,
                values,
                formatting.duration,
                formatting.seconds,
                toggle=toggle,
            )
            if (end := _last(values)) is not None:
                ends.append(End(name, colour, end, toggle))
        drawing.latency_axis(axes, np.concatenate([values for _, _, values in lines]), most=4)
        _shade_window(axes, frame, worded=width > NARROW, above=strip.height)
        strip.lines(axes)
        strip.names(axes)
        drawing.headline(axes, "Percentiles of step latency", 12 + strip.height)
        drawing.label_ends(axes, ends, frame.duration_s)

    return drawing.draw("over-time", "Step latency percentiles over time", width, 260 + strip.height, paint)


def heat_map(heat: HeatMap, frame: Frame, width: float) -> str:
    """How many steps ended in each slice of time and latency; darker is more."""

    def paint(figure: Figure) -> None:
        axes = _time_axes(figure, frame, width, top=34, bottom=44)
        most = int(heat.counts.max(initial=0))
        shades = np.zeros((*heat.counts.T.shape, 4))
        shades[..., :3] = to_rgb(HEAT)
        shades[..., 3] = _shade(heat.counts.T, most)
        low, high = (float(np.log10(max(edge, 1e-9))) for edge in heat.latency_edges_s[[0, -1]])
        extent = (float(heat.time_edges_s[0]), float(heat.time_edges_s[-1]), low, high)
        axes.imshow(shades, extent=extent, origin="lower", aspect="auto", interpolation="none", zorder=2)
        axes.set_xlim(0, frame.duration_s)
        axes.set_ylim(low, high)
        at = [float(np.log10(tick)) for tick in drawing.log_ticks(10**low, 10**high)]
        drawing.ticks(axes, "y", at, lambda value: formatting.tick_seconds(10**value), grid=True)
        drawing.headline(axes, "All steps by latency")
        _time_panel(axes).add_cells(
            _ranges(heat.latency_edges_s, formatting.seconds),
            _ranges(heat.time_edges_s, formatting.duration),
            heat.counts,
        )
        _shade_key(figure, most, width)

    return drawing.draw("heat-map", "Heat map of step latency over time", width, 280, paint)


def throughput_and_users(timeline: Timeline, frame: Frame, width: float) -> str:
    """Steps per second, failures per second if there are any, and users, one below the other."""
    panels = [("Steps per second", "blue", timeline.steps_per_s)]
    if np.nansum(timeline.failures_per_s) > 0:
        panels.append(("Failures per second", "vermilion", timeline.failures_per_s))
    panels.append(("Users", "ink", timeline.users))
    heights = [170] + [84] * (len(panels) - 1)
    strip = _strip(frame, width, right=14)
    total = sum(height + 42 for height in heights) + 36 + strip.height

    def paint(figure: Figure) -> None:
        edges = np.append(timeline.at_s - timeline.slice_s / 2, timeline.at_s[-1] + timeline.slice_s / 2)
        top = 34 + strip.height
        for at, ((name, colour, values), height) in enumerate(zip(panels, heights, strict=True)):
            last = at == len(panels) - 1
            axes = _time_axes(figure, frame, width, top, total - top - height, right=14, worded=last)
            top += height + 42
            drawing.steps(axes, edges, values, colour, 0.13)
            drawing.from_zero(axes, float(np.nanmax(values, initial=0)), 4 if at == 0 else 2)
            above = strip.height if at == 0 else 0
            _shade_window(axes, frame, worded=at == 0, above=above)
            strip.lines(axes)
            if at == 0:
                strip.names(axes)
            drawing.headline(axes, name, 12 + above)
            said = formatting.count if name == "Users" else formatting.significant
            _time_panel(axes).add(name, colour, timeline.at_s, values, formatting.duration, said)

    return drawing.draw("throughput", "Throughput and users over time", width, total, paint)


def lag_over_time(lag: GeneratorLag, frame: Frame, width: float) -> str:
    """How late the latest generator process was in each slice of the run."""

    def paint(figure: Figure) -> None:
        axes = _time_axes(figure, frame, width, top=34, bottom=44, right=14)
        edges = np.append(lag.at_s - lag.slice_s / 2, lag.at_s[-1] + lag.slice_s / 2)
        drawing.steps(axes, edges, lag.lag_s, "vermilion", 0.13)
        axes.set_ylim(0, (float(np.nanmax(lag.lag_s, initial=0)) or 0.001) * 1.12)
        drawing.ticks(
            axes, "y", drawing.linear_ticks(*axes.get_ylim(), 3), formatting.tick_seconds, grid=True
        )
        _shade_window(axes, frame, worded=False)
        drawing.headline(axes, "Lag of the generator")
        _time_panel(axes).add(
            "lag", "vermilion", lag.at_s, lag.lag_s, formatting.duration, formatting.seconds
        )

    return drawing.draw("lag", "Lag of the generator over time", width, 162, paint)


def arrivals_over_time(arrivals: Arrivals, frame: Frame, width: float) -> str:
    """Arrivals due and begun per second, and those in flight, one below the other."""
    strip = _strip(frame, width)
    heights, top = (170, 84), 34 + strip.height
    total = sum(height + 42 for height in heights) + 36 + strip.height

    def paint(figure: Figure) -> None:
        edges = np.append(arrivals.at_s - arrivals.slice_s / 2, arrivals.at_s[-1] + arrivals.slice_s / 2)
        axes = _time_axes(figure, frame, width, top, total - top - heights[0], worded=False)
        panel, ends = _time_panel(axes), []
        lines = (("due", "ink", arrivals.due_per_s), ("begun", "blue", arrivals.begun_per_s))
        for at, (name, colour, values) in enumerate(lines):
            toggle = f"{at}"
            drawing.line(axes, arrivals.at_s, values, colour, toggle=toggle)
            panel.add(
                name,
                colour,
                arrivals.at_s,
                values,
                formatting.duration,
                formatting.significant,
                toggle=toggle,
            )
            ends.append(End(name, colour, float(values[-1]), toggle))
        drawing.from_zero(axes, max(float(values.max()) for _, _, values in lines), 4)
        _shade_window(axes, frame, worded=True, above=strip.height)
        strip.lines(axes)
        strip.names(axes)
        drawing.headline(axes, f"{arrivals.of.capitalize()} per second", 12 + strip.height)
        drawing.label_ends(axes, ends, frame.duration_s)
        below = top + heights[0] + 42
        axes = _time_axes(figure, frame, width, below, total - below - heights[1])
        drawing.steps(axes, edges, arrivals.in_flight, "ink", 0.13)
        drawing.from_zero(axes, float(arrivals.in_flight.max()), 3)
        _shade_window(axes, frame, worded=False)
        strip.lines(axes)
        drawing.headline(axes, "In flight")
        _time_panel(axes).add(
            "in flight", "ink", arrivals.at_s, arrivals.in_flight, formatting.duration, formatting.count
        )

    return drawing.draw("arrivals", "Arrivals over time", width, total, paint)


def rollout_times(rollouts: Rollouts, width: float) -> str:
    """How long rollouts and groups took at each percentile."""
    looks = {"group": ("vermilion", (0, (5, 2))), "rollout": ("blue", "-")}
    lines = [
        PercentileLine(name, *looks[name], curve.quantiles, curve.seconds)
        for name, curve in rollouts.curves.items()
    ]
    title = "Percentile curves of the time of rollouts and groups"
    return percentile_curves(
        "rollouts", title, lines, "that take at most so long", width, right=72, heading="Time"
    )


def errors_over_time(errors: Errors, frame: Frame, width: float) -> str:
    """When each category of error occurred: one row for each category, all on one scale."""
    row = 46
    strip = _strip(frame, width, left=14, right=14)
    height = len(errors.categories) * row + 62 + strip.height

    def paint(figure: Figure) -> None:
        most = int(errors.counts.max(initial=0)) or 1
        slice_s = float(np.diff(errors.at_s).min()) if len(errors.at_s) > 1 else frame.duration_s
        for at, (category, counts) in enumerate(zip(errors.categories, errors.counts, strict=True)):
            top, last = 26 + strip.height + at * row, at == len(errors.categories) - 1
            axes = _time_axes(figure, frame, width, top, height - top - row + 18, 14, 14, worded=last)
            seen = np.where(counts > 0, np.maximum(counts, most * 0.06), 0)
            left, ground = errors.at_s - slice_s * 0.46, np.zeros(len(counts))
            drawing.bars(axes, left, ground, slice_s * 0.92, seen, "vermilion")
            axes.set_ylim(0, most)
            drawing.no_ticks(axes, "y")
            strip.lines(axes)
            if at == 0:
                strip.names(axes, above=_ROW_WORDS)
            _time_panel(axes).add(
                category,
                "vermilion",
                errors.at_s[counts > 0],
                seen[counts > 0],
                formatting.duration,
                [formatting.count(number) for number in counts[counts > 0].tolist()],
                reach=slice_s * 0.55 / (frame.duration_s or 1.0),
            )
            words = f"{formatting.shortened(category, 20)}  {formatting.count(counts.sum())}"
            drawing.note(axes, words, (0, 1), "axes fraction", (0, 2), "ink", weight=drawing.BOLD)
            peak = f"most at once {formatting.count(counts.max(initial=0))}"
            drawing.note(axes, peak, (1, 1), "axes fraction", (0, 2), ha="right")

    return drawing.draw("errors", "Errors by category over time", width, height, paint)


def cpu_usage(resources: Resources, frame: Frame, width: float) -> str:
    """CPU cores that every part kept busy."""
    series = [(part, part.cpu_cores) for part in resources.parts]
    return _usage("cpu", "CPU cores busy", series, frame, width, 1, formatting.significant)


def memory_usage(resources: Resources, frame: Frame, width: float) -> str:
    """Memory that every part held."""
    series = [(part, part.memory_bytes) for part in resources.parts if part.role != "others"]
    most = max((part.memory_max for part in resources.parts if np.isfinite(part.memory_max)), default=0)
    unit, scale = ("GB", 1e9) if most >= 1e9 else ("MB", 1e6)
    return _usage("memory", f"Memory, {unit}", series, frame, width, scale, formatting.memory)


def _usage(
    name: str,
    heading: str,
    series: list[tuple[PartUsage, Floats]],
    frame: Frame,
    width: float,
    scale: float,
    said: Callable[[float], str],
) -> str:
    def paint(figure: Figure) -> None:
        axes = _time_axes(figure, frame, width, top=34, bottom=44, right=92)
        panel, ends = _time_panel(axes), list[End]()
        high = 0.0
        most = int(min(axes.bbox.width, 6000 / max(len(series), 1)))
        for role, (colour, style) in _ROLES.items():
            of_role = [(part, values / scale) for part, values in series if part.role == role]
            many = sum(_last(values) is not None for _, values in of_role) > 3
            last = []
            for number, (part, values) in enumerate(of_role):
                toggle = role if many else f"{role}-{number}"
                at, drawn = drawing.thinned(part.at_s, values, most)
                drawing.line(axes, at, drawn, colour, style, 1.6 if len(of_role) <= 4 else 0.9, toggle)
                high = max(high, float(np.nanmax(values, initial=0)))
                panel.add(
                    "others" if part.role == "others" else part.name,
                    colour,
                    part.at_s,
                    values,
                    formatting.duration,
                    lambda value: said(value * scale),
                    toggle=toggle,
                )
                if (end := _last(values)) is not None:
                    last.append(End(_short_name(part), colour, end, toggle))
            if many:
                middle = float(np.median([end.y for end in last]))
                last = [End(f"{len(last)} {role}s", colour, middle, role)]
            ends += last
        drawing.from_zero(axes, high, 4)
        _shade_window(axes, frame, worded=False)
        drawing.headline(axes, heading)
        drawing.label_ends(axes, ends, frame.duration_s)

    return drawing.draw(name, f"{heading} over time", width, 240, paint)


def _time_axes(
    figure: Figure,
    frame: Frame,
    width: float,
    top: float,
    bottom: float,
    left: float = 52,
    right: float = 38,
    worded: bool = True,
) -> Axes:
    axes = drawing.plot_area(figure, left=left, right=right, top=top, bottom=bottom)
    span = frame.duration_s if frame.duration_s > 0 else 1.0
    at, words, unit = drawing.time_ticks(span, width - left - right)
    axes.set_xlim(0, span)
    drawing.ticks(axes, "x", at, words if worded else lambda _: "", grid=False)
    if worded:
        drawing.x_label(axes, f"{unit} since the start")
    return axes


def _strip(frame: Frame, width: float, left: float = 52, right: float = 38) -> Strip:
    """The names of faults, above time axes with these margins."""
    return flags.strip(frame.faults, frame.duration_s or 1.0, left, right, width)


def _time_panel(axes: Axes) -> Panel:
    return readings.panel_of(axes, "x", link=readings.TIME, after=readings.SINCE_START)


def _ranges(edges: Floats, words: Callable[[float], str]) -> list[str]:
    said = [words(edge) for edge in edges.tolist()]
    return [formatting.between(low, high) for low, high in pairwise(said)]


def _shade_window(axes: Axes, frame: Frame, worded: bool, above: float = 0) -> None:
    start, end = frame.window_s
    if not end > start or (start <= 0 and end >= frame.duration_s):
        return
    axes.axvspan(start, end, color=stand_in("ink"), alpha=0.045, linewidth=0, zorder=0)
    if worded:
        drawing.note(axes, "measured window", (end, 1), ("data", "axes fraction"), (0, 4 + above), ha="right")


def _shade(counts: NDArray[np.int64], most: int) -> Floats:
    share = np.log1p(counts) / np.log1p(max(most, 1))
    shades: Floats = np.where(counts > 0, 0.14 + 0.86 * share, 0)
    return shades


def _shade_key(figure: Figure, most: int, width: float) -> None:
    if most < 1:
        return
    amounts = sorted({1, *(round(most**power) for power in (1 / 3, 2 / 3)), most})
    right = width
    for amount in reversed(amounts):
        words = count(amount, "step") if amount == most else formatting.count(amount)
        right -= 6.6 * len(words)
        figure.text(right / width, 1 - 17 / 280, words, color=stand_in("muted"), size=drawing.SMALL)
        right -= 17
        at, colour = (right / width, 1 - 18 / 280), (*to_rgb(HEAT), float(_shade(np.array(amount), most)))
        figure.add_artist(Rectangle(at, 13 / width, 11 / 280, facecolor=colour, linewidth=0))
        right -= 12


def _short_name(part: PartUsage) -> str:
    return "others" if part.role == "others" else formatting.shortened(part.name, 12)


def _last(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else None
