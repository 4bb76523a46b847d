import pytest

from reports.experiment.cells import Cell
from reports.experiment.groups import labels
from reports.experiment.sections.growth import Growth, points_of, shows_limit, still_growing, summarize
from reports.experiment.sections.spread import Spread
from tests.reports.experiment.sections.cells import GROUP, cell, curve, missed, sized


def test_points_hold_median_and_range_over_repetitions() -> None:
    [first, second] = points_of(curve(GROUP, {8: [70, 90, 80], 1: [10]}))
    assert (first.users, first.repetitions) == (1, 1)
    assert second.throughput == Spread(80, 70, 90)
    assert second.total_p99.median == 0.22
    assert second.slo_share == 1.0


def test_invalid_cells_are_shown_only_where_there_is_no_valid_one() -> None:
    bad = {"valid": False, "usable": False}
    [mixed] = points_of([cell(GROUP, 8, 80), cell(GROUP, 8, 20, 2, **bad)])
    assert (mixed.valid, mixed.throughput.median, mixed.repetitions) == (True, 80, 1)
    [invalid] = points_of([cell(GROUP, 8, 20, **bad)])
    assert (invalid.valid, invalid.usable, invalid.throughput.median) == (False, 0, 20)


def test_cells_that_did_not_finish_make_no_point() -> None:
    assert points_of([cell(GROUP, 8, 1, status="failed"), cell(GROUP, 9, 1, status="pending")]) == []


@pytest.mark.parametrize(
    ("throughputs", "growing"),
    [
        ({1: 10.0, 10: 95.0}, True),
        ({1: 10.0, 10: 70.0}, True),
        ({1: 10.0, 10: 50.0}, False),
        ({1: 10.0, 50: 300.0, 100: 400.0}, False),
        ({1: 10.0, 50: 300.0, 100: 550.0}, True),
    ],
)
def test_growth_in_step_with_the_users(throughputs: dict[int, float], growing: bool) -> None:
    points = points_of(curve(GROUP, {users: [value] for users, value in throughputs.items()}))
    assert still_growing(points) is growing


def test_one_load_tells_nothing_of_growth() -> None:
    points = points_of(curve(GROUP, {1: [10]}))
    assert not still_growing(points)
    assert not shows_limit(points)


def test_failures_at_a_larger_load_show_a_limit() -> None:
    cells = [*curve(GROUP, {1: [10], 10: [100]}), missed(GROUP, 20, usable=False)]
    assert shows_limit(points_of(cells))


def summarized(*cells: Cell) -> Growth:
    return summarize(cells, labels({cell.group for cell in cells}))


def test_the_spread_of_repetitions_is_told() -> None:
    growth = summarized(*curve(GROUP, {1: [9, 11], 10: [90, 110]}))
    assert growth.spread == pytest.approx(0.2)
    assert growth.takeaways[-1].startswith("Repetitions of a cell differ by 20 %")
    assert summarized(*curve(GROUP, {1: [9], 10: [90]})).spread is None


def test_takeaways_name_the_highest_throughput_and_that_no_limit_shows() -> None:
    other = sized(2, 2)
    growth = summarized(*curve(GROUP, {1: [10], 10: [99]}), *curve(other, {1: [10], 10: [100]}))
    assert growth.takeaways[0] == "The highest throughput was 100.0 steps/s, by 2 × 2 with 10 users."
    assert "none has shown its limit" in growth.takeaways[1]


def test_without_figures_that_is_said() -> None:
    growth = summarized(missed(GROUP, 1, usable=False))
    assert growth.takeaways == ["No cell has figures that can be used, so nothing can be said about growth."]
