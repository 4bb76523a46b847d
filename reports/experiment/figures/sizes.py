"""Speed-up by the number of workers."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.experiment.figures.axes import DASHED, heading, load_ticks
from reports.experiment.sections.speedup import Family, Speedup, SpeedupRow
from reports.page import drawing, formatting, readings
from reports.page.drawing import BOLD, NARROW
from reports.page.palette import stand_in
from reports.page.words import count


def speedup(result: Speedup, width: float) -> str:
    """Speed-up against the smallest deployment by total workers, with the ideal for comparison."""
    families = result.families
    columns = 1 if len(families) == 1 else 2 if len(families) <= 4 or width <= NARROW else 3
    if width <= NARROW and len(families) <= 4:
        columns = 1
    panel = 250.0 if columns == 1 and width > NARROW else 190.0
    rows = math.ceil(len(families) / columns)
    height = rows * (panel + 48) + 34

    def paint(figure: Figure) -> None:
        most = max(row.total_workers for family in families for row in family.rows)
        high = max(row.speedup_high for family in families for row in family.rows)
        for at, family in enumerate(families):
            column, row = at % columns, at // columns
            room = width / columns
            axes = drawing.plot_area(
                figure,
                left=column * room + 40,
                right=width - (column + 1) * room + (26 if columns > 1 else 60),
                top=row * (panel + 48) + 34,
                bottom=height - row * (panel + 48) - 34 - panel,
            )
            _speedup_panel(axes, family, most, high)
            name = formatting.shortened(family.label, int(room / 7.8)) if family.label else "Speed-up"
            heading(axes, name, -40)
            if row == rows - 1 or at + columns >= len(families):
                drawing.x_label(axes, "workers in all")

    return drawing.draw("speedup", "Speed-up by number of workers", width, height, paint)


def _speedup_panel(axes: Axes, family: Family, most: int, high: float) -> None:
    base = family.base.total_workers
    axes.set_xlim(0, most * 1.06)
    top = max(high, 1.0) * 1.18
    axes.set_ylim(0, top)
    ideal = [0, most * 1.06 / base]
    axes.plot([0, most * 1.06], ideal, color=stand_in("faint"), linewidth=1.2, linestyle=DASHED, zorder=1)
    workers = sorted({row.total_workers for row in family.rows})
    load_ticks(axes, [float(number) for number in workers])
    drawing.ticks(axes, "y", drawing.linear_ticks(0, top, 4), _times, grid=True)
    ideal_at = min(most * 1.06, top * base)
    right_of_top = ideal_at < most * 0.8
    drawing.note(
        axes,
        "ideal",
        (ideal_at, min(ideal_at / base, top)),
        offset=(5, -10) if right_of_top else (-6, 4),
        ha="left" if right_of_top else "right",
    )
    colour = stand_in("blue")
    by_workers: dict[int, float] = {}
    for row in family.rows:
        by_workers[row.total_workers] = max(by_workers.get(row.total_workers, 0.0), row.speedup)
    axes.plot(list(by_workers), list(by_workers.values()), color=colour, linewidth=1.4, alpha=0.5, zorder=2)
    readings.panel_of(axes, "xy", title=family.label).add(
        "Speed-up",
        "blue",
        [row.total_workers for row in family.rows],
        [row.speedup for row in family.rows],
        [f"{row.label}: {count(row.total_workers, 'worker')} in all" for row in family.rows],
        [_said(row) for row in family.rows],
    )
    taken: list[tuple[float, float]] = []
    for row in sorted(family.rows, key=lambda each: (each.total_workers, -each.speedup)):
        x, y = row.total_workers, row.speedup
        axes.vlines([x], [row.speedup_low], [row.speedup_high], color=colour, linewidth=1.4, zorder=3)
        axes.plot([x], [y], "o", color=colour, markersize=6.5, zorder=4, clip_on=False)
        pixel_x, pixel_y = (float(value) for value in axes.transData.transform((x, y)))
        below = any(abs(pixel_x - a) < 46 and 0 <= b - pixel_y < 30 for a, b in taken)
        if below and any(abs(pixel_x - a) < 46 and abs(b - pixel_y) < 14 for a, b in taken[:-1]):
            continue
        taken.append((pixel_x, pixel_y))
        edge = row.speedup_low if below else row.speedup_high
        offset = (0, -17) if below else (0, 7)
        drawing.note(axes, row.label, (x, edge), offset=offset, colour="ink", ha="center", weight=BOLD)


def _times(value: float) -> str:
    return f"{value:g}×"


def _said(row: SpeedupRow) -> str:
    spread = f" ({formatting.times(row.speedup_low)} to {formatting.times(row.speedup_high)})"
    gain = formatting.times(row.speedup) + (spread if row.speedup_high > row.speedup_low else "")
    return f"{gain}, {formatting.rate(row.peak_throughput)}"
