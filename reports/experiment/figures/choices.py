"""How evenly workers were loaded, by what was chosen."""

from matplotlib.figure import Figure

from reports.experiment.figures.axes import floor, named_rows
from reports.experiment.sections.fairness import FairnessComparison
from reports.experiment.sections.spread import Spread
from reports.page import drawing, formatting, readings
from reports.page.drawing import BOLD
from reports.page.palette import stand_in

_CHARACTER = 7.2
"""Pixels that a character of a row's name takes."""


def fairness(name: str, comparison: FairnessComparison, width: float) -> str:
    """Jain's index over workers for each choice: median as a dot, range as a line; 1 is even."""
    choices = comparison.choices
    names = labels = [choice.choice for choice in choices]
    left = min(12 + _CHARACTER * max(map(len, labels)), width * 0.36)
    labels = [formatting.shortened(label, int((left - 12) / _CHARACTER)) for label in labels]
    row, value_room = 30, 60.0
    height = len(choices) * row + 76
    least = min((choice.jain.low for choice in choices if choice.jain.known), default=0.0)
    start = floor(least)

    def paint(figure: Figure) -> None:
        axes = named_rows(figure, labels, left, value_room, top=34, bottom=42)
        axes.set_xlim(start, 1)
        drawing.ticks(axes, "x", drawing.linear_ticks(start, 1, 5), drawing.plain, grid=True)
        for at, choice in enumerate(choices):
            spread = choice.jain
            if spread.known:
                axes.plot([spread.low, spread.high], [at, at], color=stand_in("blue"), linewidth=3, alpha=0.4)
                axes.plot([spread.median], [at], "o", color=stand_in("blue"), markersize=8, clip_on=False)
            drawing.note(
                axes,
                formatting.significant(spread.median),
                (1, at),
                ("axes fraction", "data"),
                (value_room - 8, 0),
                "ink",
                ha="right",
                va="center_baseline",
                weight=BOLD,
            )
        drawing.headline(axes, "Jain’s index over workers")
        medians = [choice.jain.median for choice in choices]
        said = [_said(choice.jain) for choice in choices]
        panel = readings.panel_of(axes, "y")
        panel.add("Jain’s index", "blue", medians, range(len(choices)), names, said)
        drawing.x_label(axes, "1 is even")

    return drawing.draw(name, f"{comparison.title}: Jain’s index over workers", width, height, paint)


def _said(jain: Spread) -> str:
    low, middle, high = (formatting.significant(each) for each in (jain.low, jain.median, jain.high))
    return f"{middle} ({low} to {high})" if jain.high > jain.low else middle
