"""Where the time goes: each part of a session's start at the largest usable load."""

import math

from matplotlib.figure import Figure

from reports.experiment.cells import LatencyName
from reports.experiment.figures.axes import heading, named_rows
from reports.experiment.sections.breakdown import Breakdown
from reports.page import drawing, formatting, readings
from reports.page.drawing import NARROW
from reports.page.palette import stand_in

_PARTS: tuple[LatencyName, ...] = ("connect", "reset", "step", "total")
_CHARACTER = 5.9
"""Pixels that a character of a row's name takes."""


def breakdown(result: Breakdown, width: float) -> str:
    """Median (bar) and p99 (line) of each part of a session's start, at each group's largest usable load."""
    names = [part for part in _PARTS if any(part in row.parts for row in result.rows)]
    labels = [f"{row.label or 'all'}, {formatting.count(row.users)}" for row in result.rows]
    named = 10 + _CHARACTER * max(map(len, labels))
    phone = width <= NARROW
    across = len(names) if not phone else 1 if named > width * 0.3 else 2
    left = min(named, width * (0.56 if phone else 0.32))
    full, labels = labels, [formatting.shortened(label, int((left - 10) / _CHARACTER)) for label in labels]
    count = len(result.rows)
    height_of_row = 26 if count <= 12 else 20
    block = count * height_of_row + 38
    height = math.ceil(len(names) / across) * block + 8
    room, value_room = (width - left) / across, 70.0
    known = [part.p99 for row in result.rows for part in row.parts.values() if math.isfinite(part.p99)]
    high = max(known, default=0.0) or 1.0

    def paint(figure: Figure) -> None:
        for at, name in enumerate(names):
            column, line = at % across, at // across
            axes = named_rows(
                figure,
                labels,
                left=left + column * room,
                right=width - left - (column + 1) * room + value_room,
                top=line * block + 34,
                bottom=height - line * block - 34 - count * height_of_row,
            )
            if column:
                drawing.no_ticks(axes, "y")
            axes.spines["bottom"].set_visible(False)
            axes.set_xlim(0, high)
            axes.axvline(0, color=stand_in("faint"), linewidth=1)
            drawing.no_ticks(axes, "x")
            parts = [(at, part) for at, row in enumerate(result.rows) if (part := row.parts.get(name))]
            rows = [at for at, _ in parts]
            medians, tails = [part.p50 for _, part in parts], [part.p99 for _, part in parts]
            colour = stand_in("blue")
            axes.barh(rows, medians, 0.56, color=colour, linewidth=0)
            axes.hlines(rows, medians, tails, color=colour, linewidth=1.4)
            axes.plot(tails, rows, "|", color=colour, markersize=9, mew=1.8, clip_on=False)
            for position, row in enumerate(result.rows):
                part = row.parts.get(name)
                words = formatting.seconds(part.p99) if part else formatting.MISSING
                end = part.p99 if part and math.isfinite(part.p99) else 0
                drawing.note(axes, words, (end, position), offset=(7, 0), colour="ink", va="center_baseline")
            heading(axes, name.capitalize(), 0)
            readings.panel_of(axes, "y", link="breakdown").add(
                name.capitalize(),
                "blue",
                tails,
                rows,
                [full[row] for row in rows],
                [
                    f"p50 {formatting.seconds(part.p50)}, p99 {formatting.seconds(part.p99)}"
                    for _, part in parts
                ],
            )

    return drawing.draw("breakdown", "Latency of each part at the largest load", width, height, paint)
