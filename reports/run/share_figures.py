"""Figures of who served what: sessions and steps of every replica or worker against the fair share."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.page import drawing, formatting, readings
from reports.page.drawing import End, Floats
from reports.page.palette import stand_in
from reports.run.sections.distribution import Distribution, ReplicaShare

MOST_BARS = 40
"""Replicas or workers that get a bar of their own; more are drawn as one profile, most loaded first."""


def replica_shares(distribution: Distribution, width: float) -> str:
    """What each replica carried against its fair share; sessions, steps or both, whatever there was."""
    rows = [(row.name, row) for row in distribution.replicas]
    return _shares("replicas", "replica", rows, distribution.unit, width)


def worker_shares(distribution: Distribution, width: float) -> str:
    """What each worker carried against its fair share, idle ones included."""
    several = len({row.host for row in distribution.workers}) > 1
    rows = []
    for row in distribution.workers:
        pid = "no pid" if row.pid is None else f"{row.pid}"
        rows.append((f"{row.name} · {pid}" if several else f"pid {pid}", row))
    return _shares("workers", "worker", rows, distribution.unit, width)


def _shares(name: str, part: str, rows: Sequence[tuple[str, ReplicaShare]], unit: str, width: float) -> str:
    units = ["sessions", "steps"] if unit == "sessions" else ["steps"]
    counts = {each: np.array([getattr(row, each) for _, row in rows], dtype=float) for each in units}
    loads = {each: load for each, load in counts.items() if load.any()}
    title = f"{' and '.join(loads).capitalize()} of each {part} against the fair share"
    names = [label for label, _ in rows]
    if len(rows) > MOST_BARS:
        return _profile(name, part, names, loads, title, width)
    return _share_bars(name, names, loads, title, width)


def _share_bars(name: str, labels: list[str], loads: dict[str, Floats], title: str, width: float) -> str:
    row = 24 if len(labels) <= 12 else 19
    height = len(labels) * row + 52
    left = min(8 + 7.2 * max(map(len, labels)), width * 0.36)
    short = [formatting.shortened(label, int((left - 8) / 7.2)) for label in labels]
    room = (width - left) / len(loads)
    value_room = 16 + 7.2 * max(len(formatting.count(load.max())) for load in loads.values())

    def paint(figure: Figure) -> None:
        for at, (unit, load) in enumerate(loads.items()):
            begin, end = left + at * room, left + (at + 1) * room - value_room
            axes = drawing.plot_area(figure, begin, width - end, top=48, bottom=4)
            axes.spines["bottom"].set_visible(False)
            drawing.bars(axes, np.zeros(len(load)), np.arange(float(len(load))) - 0.32, load, 0.64, "blue")
            axes.set_xlim(0, load.max())
            axes.set_ylim(len(load) - 0.5, -0.5)
            axes.axvline(0, color=stand_in("faint"), linewidth=1)
            drawing.no_ticks(axes, "x")
            drawing.row_names(axes, short if at == 0 else [])
            for position, value in enumerate(load):
                _value_beside(axes, position, value, value_room)
            drawing.headline(axes, unit.capitalize(), 26, left="axes fraction")
            fair = float(load.mean())
            axes.axvline(fair, color=stand_in("ink"), linewidth=1.2, linestyle=(0, (3, 2)), zorder=4)
            align = "right" if fair > load.max() * 0.5 else "left"
            words = f"fair share {formatting.significant(fair)}"
            drawing.note(axes, words, (fair, 1), ("data", "axes fraction"), (0, 7), ha=align)
            readings.panel_of(axes, "y", link=name).add(
                unit.capitalize(), "blue", load, np.arange(len(load)), labels, _against(fair)
            )

    return drawing.draw(name, title, width, height, paint)


def _value_beside(axes: Axes, row: int, value: float, room: float) -> None:
    words, colour, weight = (
        (formatting.count(value), "ink", 400) if value else ("idle", "vermilion", drawing.BOLD)
    )
    drawing.note(
        axes,
        words,
        (1, row),
        ("axes fraction", "data"),
        (room - 8, 0),
        colour,
        weight=weight,
        ha="right",
        va="center_baseline",
    )


def _against(fair: float) -> Callable[[float], str]:
    """Words for what a part carried, beside the fair share."""
    return lambda load: (
        f"{formatting.count(load)}, {formatting.rounded_percent(load / fair)} of the fair share"
    )


def _profile(
    name: str, part: str, labels: list[str], loads: dict[str, Floats], title: str, width: float
) -> str:
    panel = 150
    height = len(loads) * (panel + 42) + 40

    def paint(figure: Figure) -> None:
        for at, (unit, load) in enumerate(loads.items()):
            top = at * (panel + 42) + 34
            axes = drawing.plot_area(figure, left=52, right=72, top=top, bottom=height - top - panel)
            order = np.argsort(-load, kind="stable")
            ranked, parts, fair = load[order], len(load), float(load.mean())
            drawing.steps(axes, np.arange(parts + 1.0), ranked, "blue", 0.25)
            axes.set_xlim(0, parts)
            drawing.from_zero(axes, float(ranked[0]), 3)
            axes.axhline(fair, color=stand_in("ink"), linewidth=1.2, linestyle=(0, (3, 2)))
            drawing.no_ticks(axes, "x")
            if at == len(loads) - 1:
                drawing.ticks(axes, "x", drawing.linear_ticks(0, parts, 6), drawing.plain, grid=False)
                drawing.x_label(axes, f"{part}s, most loaded first")
            drawing.headline(axes, f"{unit.capitalize()} of each {part}")
            drawing.label_ends(axes, [End(f"fair {formatting.significant(fair)}", "ink", fair)], parts)
            names = [labels[place] for place in order]
            readings.panel_of(axes, "x").add(
                unit.capitalize(), "blue", np.arange(parts) + 0.5, ranked, names, _against(fair)
            )
            if idle := int((load == 0).sum()):
                _mark_idle(axes, idle, parts, float(ranked[0]))

    return drawing.draw(name, title, width, height, paint)


def _mark_idle(axes: Axes, idle: int, parts: int, high: float) -> None:
    axes.axvspan(parts - idle, parts, color=stand_in("vermilion"), alpha=0.16, linewidth=0)
    roomy = idle / parts * axes.bbox.width > 60
    place, align = (parts - idle / 2, "center") if roomy else (parts - idle, "right")
    at = (place, high * 0.96)
    drawing.note(axes, f"{idle} idle", at, "data", (-5, 0), "vermilion", ha=align, weight=drawing.BOLD)
