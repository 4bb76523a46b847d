"""The figures of a run's report: each function turns a result object into one inline SVG of a given width."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from reports.page import drawing, formatting
from reports.page.drawing import NARROW, Floats
from reports.page.palette import HEAT, stand_in
from reports.run.sections.distribution import Distribution, ReplicaShare, WorkerShare
from reports.run.sections.errors import Errors
from reports.run.sections.latency import HeatMap, Latency, OverTime
from reports.run.sections.resources import PartUsage, Resources
from reports.run.sections.timeline import Timeline

MOST_BARS = 40
"""Replicas or workers that get a bar of their own; more are drawn as one profile, most loaded first."""

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


@dataclass(frozen=True)
class Frame:
    """What the time axes of a run share: its length and its measured window, in seconds since its start."""

    duration_s: float
    window_s: tuple[float, float]


def percentile_curve(latency: Latency, total_limit_s: float | None, width: float) -> str:
    """Latency at each percentile, the tail stretched so that every further nine takes the same room."""

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left=52, right=72, top=34, bottom=44)
        lines: list[tuple[str, str, object, Floats, Floats]] = []
        for name, (colour, style) in _OPERATIONS.items():
            if name in latency.curves:
                curve = latency.curves[name]
                known = (curve.quantiles < 1) & np.isfinite(curve.seconds)
                if known.any():
                    lines.append(
                        (name, colour, style, 1 / (1 - curve.quantiles[known]), curve.seconds[known])
                    )
        reach = max([10.0, *(float(rarity[-1]) for _, _, _, rarity, _ in lines)])
        for _, colour, style, rarity, seconds in lines:
            drawing.line(axes, rarity, seconds, colour, style, 2.2 if style == "-" else 1.8)
            if rarity[-1] < reach * 0.9:
                drawing.leader(axes, (float(rarity[-1]), reach), float(seconds[-1]), colour)
        axes.set_xscale("log")
        axes.set_xlim(1, reach)
        limit = [np.array([total_limit_s])] if total_limit_s and reach >= 100 else []
        drawing.latency_axis(
            axes, np.concatenate([*(seconds for *_, seconds in lines), *limit, np.array([])])
        )
        nines = [2.0, *(10.0**power for power in range(1, 8))]
        drawing.ticks(axes, "x", [nine for nine in nines if nine <= reach * 1.001], _percentile, grid=False)
        for nine in nines[1:]:
            if nine < reach:
                axes.axvline(nine, color=stand_in("rule"), linewidth=1, zorder=0)
        if limit and total_limit_s:
            axes.plot([100], [total_limit_s], marker="v", color=stand_in("ink"), markersize=7, zorder=5)
            words = f"limit of p99 total, {formatting.seconds(total_limit_s)}"
            drawing.note(axes, words, (100, total_limit_s), offset=(0, -18), ha="center")
        drawing.headline(axes, "Latency")
        axes.set_xlabel("operations at most this slow", color=stand_in("muted"), size=drawing.SMALL)
        ends = [(name, colour, float(seconds[-1])) for name, colour, _, _, seconds in lines]
        drawing.label_ends(axes, ends, reach)

    title = "Latency percentile curves of " + ", ".join(latency.curves)
    return drawing.draw("percentile-curve", title, width, 340 if width > NARROW else 320, paint)


def percentiles_over_time(over_time: OverTime, frame: Frame, width: float) -> str:
    """Step latency's p50, p90 and p99 in each slice of the run."""

    def paint(figure: Figure) -> None:
        axes = _time_axes(figure, frame, width, top=34, bottom=44)
        lines = (
            ("p99", "vermilion", over_time.p99),
            ("p90", "purple", over_time.p90),
            ("p50", "blue", over_time.p50),
        )
        for _, colour, values in lines:
            drawing.line(axes, over_time.at_s, values, colour)
        drawing.latency_axis(axes, np.concatenate([values for _, _, values in lines]), most=4)
        _shade_window(axes, frame, worded=True)
        drawing.headline(axes, "Percentiles of step latency")
        drawing.label_ends(
            axes, [(n, c, end) for n, c, v in lines if (end := _last(v)) is not None], frame.duration_s
        )

    return drawing.draw("over-time", "Step latency percentiles over time", width, 260, paint)


def heat_map(heat: HeatMap, frame: Frame, width: float) -> str:
    """How many steps ended in each slice of time and latency; darker is more."""

    def paint(figure: Figure) -> None:
        axes = _time_axes(figure, frame, width, top=34, bottom=44)
        most = int(heat.counts.max(initial=0))
        shades = np.zeros((*heat.counts.T.shape, 4))
        shades[..., :3] = to_rgb(HEAT)
        shades[..., 3] = _shade(heat.counts.T, most)
        low, high = (float(np.log10(max(edge, 1e-9))) for edge in heat.latency_edges_s[[0, -1]])
        axes.imshow(
            shades,
            extent=(float(heat.time_edges_s[0]), float(heat.time_edges_s[-1]), low, high),
            origin="lower",
            aspect="auto",
            interpolation="none",
            zorder=2,
        )
        axes.set_xlim(0, frame.duration_s)
        axes.set_ylim(low, high)
        drawing.ticks(
            axes,
            "y",
            [float(np.log10(tick)) for tick in drawing.log_ticks(10**low, 10**high)],
            lambda value: formatting.tick_seconds(float(f"{10**value:.6g}")),
            grid=True,
        )
        drawing.headline(axes, "All steps by latency")
        _shade_key(figure, most, width)

    return drawing.draw("heat-map", "Heat map of step latency over time", width, 280, paint)


def throughput_and_users(timeline: Timeline, frame: Frame, width: float) -> str:
    """Steps a second, failures a second where there are any, and users, one below the other."""
    panels = [("Steps per second", "blue", timeline.steps_per_s)]
    if np.nansum(timeline.failures_per_s) > 0:
        panels.append(("Failures per second", "vermilion", timeline.failures_per_s))
    panels.append(("Users", "ink", timeline.users))
    heights = [170 if at == 0 else 84 for at in range(len(panels))]
    total = sum(height + 42 for height in heights) + 36

    def paint(figure: Figure) -> None:
        top = 0.0
        for at, (name, colour, values) in enumerate(panels):
            last = at == len(panels) - 1
            axes = _time_axes(
                figure, frame, width, top + 34, total - top - 34 - heights[at], right=14, worded=last
            )
            top += heights[at] + 42
            known = np.where(np.isfinite(values), values, 0)
            edges = np.append(timeline.at_s - timeline.slice_s / 2, timeline.at_s[-1] + timeline.slice_s / 2)
            axes.stairs(known, edges, fill=True, color=stand_in(colour), alpha=0.13, linewidth=0, zorder=2)
            axes.stairs(values, edges, baseline=None, color=stand_in(colour), linewidth=1.6, zorder=3)
            high = float(known.max(initial=0)) or 1.0
            axes.set_ylim(0, high * 1.12)
            drawing.ticks(
                axes, "y", drawing.linear_ticks(0, high * 1.12, 4 if at == 0 else 2), _plain, grid=True
            )
            _shade_window(axes, frame, worded=at == 0)
            drawing.headline(axes, name)

    return drawing.draw("throughput", "Throughput and users over time", width, total, paint)


def replica_shares(distribution: Distribution, width: float) -> str:
    """What each replica carried against its fair share; of sessions and steps those that there were."""
    rows = [(row.name, row) for row in distribution.replicas]
    return _shares("replicas", "replica", rows, distribution.unit, width)


def worker_shares(distribution: Distribution, width: float) -> str:
    """What each worker carried against its fair share, idle ones included."""
    several = len({row.host for row in distribution.workers}) > 1
    rows = [
        (f"{row.name} · {pid}" if several else f"pid {pid}", row)
        for row in distribution.workers
        for pid in [row.pid if row.pid is not None else "no pid"]
    ]
    return _shares("workers", "worker", rows, distribution.unit, width)


def errors_over_time(errors: Errors, frame: Frame, width: float) -> str:
    """When each category of error occurred: a row a category, all on one scale."""
    row = 46
    height = len(errors.categories) * row + 62

    def paint(figure: Figure) -> None:
        most = int(errors.counts.max(initial=0)) or 1
        slice_s = float(np.diff(errors.at_s).min()) if len(errors.at_s) > 1 else frame.duration_s
        for at, (category, counts) in enumerate(zip(errors.categories, errors.counts, strict=True)):
            top = 26 + at * row
            axes = _time_axes(
                figure,
                frame,
                width,
                top=top,
                bottom=height - top - row + 18,
                left=14,
                right=14,
                worded=at == len(errors.categories) - 1,
            )
            seen = np.where(counts > 0, np.maximum(counts, most * 0.06), 0)
            left, ground = errors.at_s - slice_s * 0.46, np.zeros(len(counts))
            _bars(axes, left, ground, slice_s * 0.92, seen, "vermilion")
            axes.set_ylim(0, most)
            drawing.ticks(axes, "y", [], _plain, grid=False)
            above = ("axes fraction", "axes fraction")
            words = f"{formatting.shortened(category, 20)}  {formatting.count(counts.sum())}"
            drawing.note(axes, words, (0, 1), above, (0, 2), "ink", weight=drawing.BOLD)
            peak = f"most at once {formatting.count(counts.max(initial=0))}"
            drawing.note(axes, peak, (1, 1), above, (0, 2), ha="right")

    return drawing.draw("errors", "Errors by category over time", width, height, paint)


def cpu_usage(resources: Resources, frame: Frame, width: float) -> str:
    """CPU cores that every part kept busy."""
    series = [(part, part.cpu_cores) for part in resources.parts]
    return _usage("cpu", "CPU cores busy", series, frame, width, scale=1)


def memory_usage(resources: Resources, frame: Frame, width: float) -> str:
    """Memory that every part held."""
    series = [(part, part.memory_bytes) for part in resources.parts if part.role != "others"]
    most = max((part.memory_max for part in resources.parts if np.isfinite(part.memory_max)), default=0)
    unit, scale = ("GB", 1e9) if most >= 1e9 else ("MB", 1e6)
    return _usage("memory", f"Memory, {unit}", series, frame, width, scale)


def _usage(
    name: str, heading: str, series: list[tuple[PartUsage, Floats]], frame: Frame, width: float, scale: float
) -> str:
    def paint(figure: Figure) -> None:
        axes = _time_axes(figure, frame, width, top=34, bottom=44, right=84)
        ends: list[tuple[str, str, float]] = []
        high = 0.0
        most = int(min(axes.bbox.width, 6000 / max(len(series), 1)))
        for role, (colour, style) in _ROLES.items():
            of_role = [(part, values / scale) for part, values in series if part.role == role]
            for part, values in of_role:
                at, drawn = drawing.thinned(part.at_s, values, most)
                drawing.line(axes, at, drawn, colour, style, 1.6 if len(of_role) <= 4 else 0.9)
                high = max(high, float(np.nanmax(values, initial=0)))
            last = [(part, end) for part, values in of_role if (end := _last(values)) is not None]
            if len(last) <= 3:
                ends += [(_short_name(part), colour, end) for part, end in last]
            else:
                middle = float(np.median([end for _, end in last]))
                ends.append((f"{len(last)} {role}s", colour, middle))
        axes.set_ylim(0, (high or 1) * 1.12)
        drawing.ticks(axes, "y", drawing.linear_ticks(0, (high or 1) * 1.12, 4), _plain, grid=True)
        _shade_window(axes, frame, worded=False)
        drawing.headline(axes, heading)
        drawing.label_ends(axes, ends, frame.duration_s)

    return drawing.draw(name, f"{heading} over time", width, 240, paint)


def _shares(
    name: str, part: str, rows: Sequence[tuple[str, ReplicaShare | WorkerShare]], unit: str, width: float
) -> str:
    units = ["sessions", "steps"] if unit == "sessions" else ["steps"]
    counts = {each: np.array([getattr(row, each) for _, row in rows], dtype=float) for each in units}
    loads = {each: load for each, load in counts.items() if load.any()}
    title = f"{' and '.join(loads).capitalize()} of each {part} against the fair share"
    if len(rows) > MOST_BARS:
        return _profile(name, part, loads, title, width)
    return _share_bars(name, [label for label, _ in rows], loads, title, width)


def _share_bars(name: str, labels: list[str], loads: dict[str, Floats], title: str, width: float) -> str:
    row = 24 if len(labels) <= 12 else 19
    height = len(labels) * row + 52
    left = min(8 + 7.2 * max(map(len, labels), default=0), width * 0.36)
    labels = [formatting.shortened(label, int((left - 8) / 7.2)) for label in labels]
    room = (width - left) / len(loads)
    value_room = 16 + 7.2 * max(len(formatting.count(load.max(initial=0))) for load in loads.values())

    def paint(figure: Figure) -> None:
        for at, (unit, load) in enumerate(loads.items()):
            axes = drawing.plot_area(
                figure,
                left=left + at * room,
                right=width - left - (at + 1) * room + value_room,
                top=48,
                bottom=4,
            )
            axes.spines["bottom"].set_visible(False)
            fair = float(load.mean()) if len(load) else 0.0
            _bars(axes, np.zeros(len(load)), np.arange(float(len(load))) - 0.32, load, 0.64, "blue")
            axes.set_xlim(0, max(float(load.max(initial=0)), fair) or 1)
            axes.set_ylim(len(load) - 0.5, -0.5)
            axes.axvline(0, color=stand_in("faint"), linewidth=1)
            drawing.ticks(axes, "x", [], _plain, grid=False)
            drawing.ticks(
                axes, "y", range(len(labels)) if at == 0 else [], lambda n: labels[round(n)], grid=False
            )
            for tick in axes.get_yticklabels():
                tick.set_color(stand_in("ink"))
            for position, value in enumerate(load):
                words, colour = (formatting.count(value), "ink") if value else ("idle", "vermilion")
                drawing.note(
                    axes,
                    words,
                    (1, position),
                    ("axes fraction", "data"),
                    (value_room - 8, 0),
                    colour,
                    weight=400 if value else drawing.BOLD,
                    ha="right",
                    va="center_baseline",
                )
            axes.axvline(fair, color=stand_in("ink"), linewidth=1.2, linestyle=(0, (3, 2)), zorder=4)
            drawing.note(
                axes,
                unit.capitalize(),
                (0, 1),
                "axes fraction",
                (0, 26),
                "ink",
                size=drawing.TEXT,
                weight=drawing.BOLD,
            )
            align = "right" if fair > axes.get_xlim()[1] * 0.5 else "left"
            drawing.note(
                axes,
                f"fair share {formatting.significant(fair)}",
                (fair, 1),
                ("data", "axes fraction"),
                (0, 7),
                ha=align,
            )

    return drawing.draw(name, title, width, height, paint)


def _profile(name: str, part: str, loads: dict[str, Floats], title: str, width: float) -> str:
    panel = 150
    height = len(loads) * (panel + 42) + 40

    def paint(figure: Figure) -> None:
        for at, (unit, load) in enumerate(loads.items()):
            top = at * (panel + 42) + 34
            axes = drawing.plot_area(figure, left=52, right=72, top=top, bottom=height - top - panel)
            ranked = np.sort(load)[::-1]
            edges = np.arange(len(ranked) + 1)
            axes.stairs(ranked, edges, fill=True, color=stand_in("blue"), alpha=0.25, linewidth=0)
            axes.stairs(ranked, edges, color=stand_in("blue"), linewidth=1.6)
            fair = float(load.mean())
            high = max(float(ranked[0]), fair) or 1.0
            axes.set_xlim(0, len(ranked))
            axes.set_ylim(0, high * 1.12)
            axes.axhline(fair, color=stand_in("ink"), linewidth=1.2, linestyle=(0, (3, 2)))
            drawing.ticks(axes, "y", drawing.linear_ticks(0, high * 1.12, 3), _plain, grid=True)
            last = at == len(loads) - 1
            drawing.ticks(
                axes, "x", drawing.linear_ticks(0, len(ranked), 6) if last else [], _plain, grid=False
            )
            if last:
                axes.set_xlabel(f"{part}s, most loaded first", color=stand_in("muted"), size=drawing.SMALL)
            drawing.headline(axes, f"{unit.capitalize()} of each {part}")
            drawing.label_ends(axes, [(f"fair {formatting.significant(fair)}", "ink", fair)], len(ranked))
            idle = int((load == 0).sum())
            if idle:
                axes.axvspan(
                    len(ranked) - idle, len(ranked), color=stand_in("vermilion"), alpha=0.16, linewidth=0
                )
                roomy = idle / len(ranked) * axes.bbox.width > 60
                at_idle = (len(ranked) - idle * (0.5 if roomy else 1), high * 0.06)
                drawing.note(
                    axes,
                    f"{idle} idle",
                    at_idle,
                    offset=(-5, 0),
                    colour="vermilion",
                    ha="center" if roomy else "right",
                    weight=drawing.BOLD,
                )

    return drawing.draw(name, title, width, height, paint)


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
        axes.set_xlabel(f"{unit} since the start", color=stand_in("muted"), size=drawing.SMALL)
    return axes


def _shade_window(axes: Axes, frame: Frame, worded: bool) -> None:
    start, end = frame.window_s
    if not end > start or (start <= 0 and end >= frame.duration_s):
        return
    axes.axvspan(start, end, color=stand_in("ink"), alpha=0.045, linewidth=0, zorder=0)
    if worded:
        drawing.note(axes, "measured window", (end, 1), ("data", "axes fraction"), (0, 4), ha="right")


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
        words = formatting.count(amount) + (f" step{'' if most == 1 else 's'}" if amount == most else "")
        right -= 6.6 * len(words)
        figure.text(
            right / width, 1 - 17 / 280, words, color=stand_in("muted"), size=drawing.SMALL, va="baseline"
        )
        right -= 17
        figure.add_artist(
            Rectangle(
                (right / width, 1 - 18 / 280),
                13 / width,
                11 / 280,
                facecolor=(*to_rgb(HEAT), float(_shade(np.array(amount), most))),
                linewidth=0,
                transform=figure.transFigure,
            )
        )
        right -= 12


def _bars(
    axes: Axes, left: Floats, low: Floats, width: Floats | float, height: Floats | float, colour: str
) -> None:
    widths, heights = np.broadcast_to(width, left.shape), np.broadcast_to(height, left.shape)
    seen = (widths > 0) & (heights > 0)
    x, y, right, high = left[seen], low[seen], (left + widths)[seen], (low + heights)[seen]
    corners = np.stack(
        [np.stack(each, axis=-1) for each in ((x, y), (right, y), (right, high), (x, high))], axis=1
    )
    axes.add_patch(
        PathPatch(
            Path.make_compound_path_from_polys(corners), facecolor=stand_in(colour), linewidth=0, zorder=2
        )
    )


def _short_name(part: PartUsage) -> str:
    return "others" if part.role == "others" else formatting.shortened(part.name, 12)


def _last(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else None


def _plain(value: float) -> str:
    return f"{value:,.6g}"


def _percentile(rarity: float) -> str:
    return f"{100 - 100 / rarity:.8g}{formatting.SPACE}%"
