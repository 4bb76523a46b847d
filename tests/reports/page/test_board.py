"""Many small drawings on one ground: points land where their axes say, and cost little."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.page import drawing
from reports.page.board import Board, Extent, Panel, spaced

LINEAR, LOG = Extent(0, 10, False), Extent(1, 100, True)


def test_a_point_lies_in_its_panel_as_its_axes_say() -> None:
    x, y = Panel(100, 50, 200, 80, LOG, LINEAR).at([1, 10, 100], [0, 5, 10])
    assert list(x) == pytest.approx([100, 200, 300])
    assert list(y) == pytest.approx([130, 90, 50])


def test_what_has_no_logarithm_has_no_place() -> None:
    assert np.isnan(LOG.share([0, -1])).all()


def test_ticks_that_would_touch_are_left_out_but_never_the_last() -> None:
    assert [value for value, _ in spaced([(1, 0), (2, 5), (3, 50), (1000, 90)])] == [1, 3, 1000]
    assert spaced([(7, 3)]) == [(7, 3)]


def test_lines_of_many_panels_that_look_alike_are_one_path() -> None:
    def paint(figure: Figure) -> None:
        board = Board(figure)
        for at in range(40):
            panel = Panel(at * 20, 10, 18, 50, LINEAR, LINEAR)
            board.stroke(panel, [0, 5, 10], [1, 2, 3], "blue", "-", 1)
            board.dots(panel, np.array([0.0, 5.0]), np.array([1.0, 2.0]), "blue", "blue", "o", 4)
        board.finish()

    svg = drawing.draw("panels", "Forty panels", 900, 100, paint)
    assert svg.count('style="fill: none; stroke: var(--blue)') == 1
    assert svg.count("<use") == 80
    assert "NaN" not in svg
