"""The figures of a calibration: each function turns result objects into one inline SVG of a given width."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.calibration.measurement import Measurement
from reports.calibration.verdict import signed_seconds
from reports.experiment.figures.axes import load_axis
from reports.page import curves, drawing, formatting, readings
from reports.page.curves import PercentileLine
from reports.page.drawing import End, Floats
from reports.page.palette import stand_in
from reports.page.words import count

_COLOURS = ("blue", "vermilion", "green", "purple", "ochre", "ink", "muted")
_DASHES: tuple[object, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))
_LETTER = 7.2
"""Pixels that a character of a line's name takes."""


def bias(measurements: Sequence[Measurement], percentile: str, width: float) -> str:
    """How far a percentile was reported beyond the true one, against users: a line for each kind."""
    kinds = list(dict.fromkeys(each.name for each in measurements))
    loads = np.array(sorted({float(each.users) for each in measurements}))
    room = min(18 + _LETTER * max(map(len, kinds), default=0), width * 0.36)
    title = f"Reported minus true {percentile}"

    def paint(figure: Figure) -> None:
        axes = drawing.plot_area(figure, left=60, right=room, top=34, bottom=44)
        load_axis(axes, loads)
        found = np.array([each.difference(percentile).difference_s for each in measurements])
        _difference_axis(axes, found)
        panel, ends = readings.panel_of(axes, "x"), []
        for at, kind in enumerate(kinds):
            of_kind = [each for each in measurements if each.name == kind]
            x = np.array([float(each.users) for each in of_kind])
            y = np.array([each.difference(percentile).difference_s for each in of_kind])
            colour, toggle = _COLOURS[at % len(_COLOURS)], f"{at}"
            drawing.line(axes, x, y, colour, _DASHES[at % len(_DASHES)], toggle=toggle)
            _marks(axes, of_kind, x, y, colour, toggle)
            panel.add(
                kind, colour, x, y, _users, [_said(each, percentile) for each in of_kind], toggle=toggle
            )
            ends.append(
                End(formatting.shortened(kind, int((room - 10) / _LETTER)), colour, float(y[-1]), toggle)
            )
        drawing.headline(axes, title)
        drawing.x_label(axes, "users")
        drawing.label_ends(axes, ends, axes.get_xlim()[1])

    return drawing.draw(f"bias-{percentile}", f"{title} against users", width, 340, paint)


def percentile_curves(measured: Measurement, width: float) -> str:
    """Latency at each percentile as it was reported and as it was."""
    lines = [
        PercentileLine("reported", "blue", "-", measured.reported.quantiles, measured.reported.seconds),
        PercentileLine("true", "ink", (0, (3, 3)), measured.true.quantiles, measured.true.seconds),
    ]
    name = f"curves-{measured.run_id}"
    title = f"{measured.name}: latency percentiles, reported and true"
    return curves.percentile_curves(name, title, lines, "at most this slow", width, right=76)


def _difference_axis(axes: Axes, found: Floats) -> None:
    """By powers of ten where all differences are above zero and span a lot, else around zero."""
    if found.size and found.min() > 0:
        drawing.latency_axis(axes, found)
        return
    low, high = min(float(found.min(initial=0)), 0.0), max(float(found.max(initial=0)), 0.0)
    reach = (high - low or 0.001) * 0.08
    axes.set_ylim(low - reach, high + reach)
    drawing.ticks(
        axes, "y", drawing.linear_ticks(low - reach, high + reach), formatting.tick_seconds, grid=True
    )
    axes.axhline(0, color=stand_in("ink"), linewidth=1.1, zorder=2)


def _marks(
    axes: Axes, measurements: Sequence[Measurement], x: Floats, y: Floats, colour: str, toggle: str
) -> None:
    """Filled where the bounds were kept, × where they were not, hollow where that is not judged."""
    for verdict, face, shape in (
        ("within", colour, "o"),
        ("not judged", "surface", "o"),
        ("beyond", colour, "x"),
    ):
        chosen = np.array([each.verdict == verdict for each in measurements])
        axes.plot(
            x[chosen],
            y[chosen],
            shape,
            markerfacecolor=stand_in(face),
            markeredgecolor=stand_in(colour),
            mew=1.4,
            markersize=6,
            zorder=4,
            clip_on=False,
            gid=readings.mark(toggle),
        )


def _said(measured: Measurement, percentile: str) -> str:
    difference = measured.difference(percentile)
    return f"{signed_seconds(difference.difference_s)}, {measured.verdict}"


def _users(users: float) -> str:
    return count(round(users), "user")
