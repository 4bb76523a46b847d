"""The Universal Scalability Law over what was measured."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from reports.experiment.figures.axes import DASHED, LETTER, LOG_LOADS, columns_for
from reports.experiment.sections.usl import Law
from reports.page import drawing, formatting
from reports.page.board import Board, Extent, Panel
from reports.page.drawing import BOLD, NARROW
from reports.page.words import count
from reports.statistics.usl import UslFit


def laws(name: str, results: Sequence[Law], unit: str, width: float) -> str:
    """The fitted Universal Scalability Law over measured points, a small drawing for each result with a fit.

    `unit` says what the load is counted in: users or workers.
    """
    fitted = [(result, result.fit) for result in results if result.fit]
    across = columns_for([result.label for result, _ in fitted], width)
    tall = 280.0 if across == 1 and width > NARROW else 176.0 if across <= 2 else 128.0
    rows = math.ceil(len(fitted) / across)
    height = rows * (tall + 52) + 44
    room = width / across

    def paint(figure: Figure) -> None:
        board = Board(figure)
        for at, (result, fit) in enumerate(fitted):
            left, top = at % across * room + 46, at // across * (tall + 52) + 38
            last = at + across >= len(fitted)
            panel = _law_panel(board, result, fit, (left, top, room - 46 - 18, tall))
            _read(board, panel, result, fit, unit)
            label = formatting.shortened(result.label, int((room - 10) / LETTER)) or "All cells"
            board.write(label, left - 46, top - 12, "ink", BOLD)
            if last:
                board.write(unit, left + panel.width / 2, top + tall + 33, ha="center")
        board.finish()

    title = f"Universal Scalability Law over {unit}: " + ", ".join(
        result.label for result, _ in fitted[:6] if result.label
    )
    return drawing.draw(name, title.rstrip(": "), width, height, paint)


def _law_panel(board: Board, result: Law, fit: UslFit, place: tuple[float, float, float, float]) -> Panel:
    loads, measured = np.array(result.loads), np.array(result.throughputs)
    wanted = max(value for value in (fit.peak_concurrency, fit.knee, fit.largest_load) if value is not None)
    reach = min(max(wanted * 1.15, fit.largest_load * 1.2), fit.largest_load * 2)
    least = max(float(loads.min()), 1.0)
    inside = np.geomspace(least, fit.largest_load, 40)
    beyond = np.geomspace(fit.largest_load, reach, 12)
    curve, guess = fit.predicted(inside), fit.predicted(beyond)
    known = np.concatenate((measured[measured > 0], curve, guess))
    highest = float(known.max())
    log = fit.largest_load / least > 3 * LOG_LOADS
    if log:
        across = Extent(least / (reach / least) ** 0.04, reach, True)
        up = Extent(float(known.min()) / 1.3, highest * 2.2, True)
        found = drawing.log_ticks(up.low, up.high)
        marks = found[:: math.ceil(len(found) / 4)]
        along = drawing.log_ticks(least, reach)
    else:
        across, up = Extent(0, reach, False), Extent(0, highest * 1.25, False)
        marks = drawing.linear_ticks(0, up.high, 4 if place[3] > 200 else 3)
        along = drawing.linear_ticks(0, reach, 4)
    panel = Panel(*place, across, up)
    board.grid(panel, marks, drawing.plain)
    board.loads(panel, along)
    ideal = np.geomspace(least, reach, 40)
    seen = fit.gamma * ideal <= up.high
    board.stroke(panel, ideal[seen], fit.gamma * ideal[seen], "faint", DASHED, 1.2)
    board.stroke(panel, inside, curve, "blue", "-", 1.8)
    board.stroke(panel, beyond, guess, "blue", (0, (4, 3)), 1.6)
    board.dots(panel, loads, measured, "none", "ink", "o", 6.0 if place[3] > 200 else 4.5)
    for word, load, value, colour, marker in (
        ("knee", fit.knee, fit.ceiling, "purple", "D"),
        ("peak", fit.peak_concurrency, fit.peak_throughput, "vermilion", "v"),
    ):
        if load is None or value is None or not across.low <= load <= reach or value > up.high:
            continue
        board.stroke(panel, [load, load], [up.low, value], colour, (0, (1, 2)), 1.3)
        x, y = (float(each) for each in panel.at(load, value))
        side = "left" if x < panel.left + panel.width * 0.6 else "right"
        words = f"{word} {formatting.significant(load)}"
        if word == "knee":
            board.write(words, x + (5 if side == "left" else -5), panel.bottom - 6, colour, BOLD, ha=side)
        else:
            board.dots(panel, np.array([load]), np.array([value]), colour, colour, marker, 6)
            board.write(words, x, y - 9, colour, BOLD, ha="center")
    return panel


def _read(board: Board, panel: Panel, result: Law, fit: UslFit, unit: str) -> None:
    """What was measured and what the law says, at each load that was measured."""
    loads, measured = np.array(result.loads), np.array(result.throughputs)
    reading = board.reading(panel, result.label)

    def place(load: float) -> str:
        return count(round(load), unit.removesuffix("s"))

    reading.add("measured", "ink", loads, measured, place, formatting.rate)
    reading.add("law", "blue", loads, fit.predicted(loads), place, formatting.rate)
