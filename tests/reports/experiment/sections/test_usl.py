import pytest

from reports.experiment.cells import Cell
from reports.experiment.groups import labels, ordered
from reports.experiment.sections import speedup
from reports.experiment.sections.usl import Usl, summarize
from tests.reports.experiment.sections.cells import GROUP, cell, curve, missed, sized

USERS = (1, 4, 16, 64, 256)


def law(users: float, sigma: float, kappa: float, gamma: float = 50) -> float:
    return gamma * users / (1 + sigma * (users - 1) + kappa * users * (users - 1))


def summarized(cells: list[Cell]) -> Usl:
    names = labels(ordered(cell.group for cell in cells))
    return summarize(cells, names, speedup.summarize(cells, names))


def test_the_fit_of_a_group_is_over_the_points_of_its_usable_cells() -> None:
    cells = curve(GROUP, {n: [law(n, 0.05, 1e-4)] * 2 for n in USERS})
    cells.append(cell(GROUP, 64, 1.0, 3, valid=False, usable=False))
    [found] = summarized(cells).groups
    assert found.fit is not None
    assert found.fit.sigma == pytest.approx(0.05, rel=1e-3)
    assert len(found.loads) == 10
    assert found.takeaways[0].startswith("σ = 0.05 (contention): 5 % of the work of a user")
    assert "peaks at 97 users" in found.takeaways[1]


def test_linear_growth_in_plain_words() -> None:
    [found] = summarized(curve(GROUP, {n: [50.0 * n] for n in USERS})).groups
    assert found.takeaways == [
        "σ = κ = 0: throughput grew in proportion to the users, so these loads show no limit."
    ]


def test_points_that_say_nothing_of_contention_carry_no_fit() -> None:
    [found] = summarized(curve(GROUP, {1: [10.0], 2: [5.0], 4: [40.0], 8: [80.0]})).groups
    assert found.fit is None
    assert "anything from 0 to 1" in (found.reason or "")


def test_points_far_from_the_curve_are_named() -> None:
    throughputs = {1: [10.0], 2: [14.0], 4: [40.0], 8: [75.0], 16: [120.0], 32: [150.0], 64: [160.0]}
    [found] = summarized(curve(GROUP, throughputs)).groups
    assert "misses what was measured at" in found.takeaways[-1]


def test_too_few_loads_are_a_reason_not_a_fit() -> None:
    usl = summarized(curve(GROUP, {1: [10], 2: [20], 4: [30]}))
    assert usl.groups[0].fit is None
    assert usl.groups[0].reason == (
        "3 distinct loads cannot carry a fit of 3 parameters: measure at least 4."
    )
    assert usl.takeaways[0].startswith("No group can be fitted")


def test_a_group_in_which_all_fail_has_no_fit() -> None:
    [found] = summarized([missed(GROUP, n, 0.0, usable=False) for n in USERS]).groups
    assert found.reason == "No cell has figures that can be used."


def test_the_law_over_workers_needs_four_numbers_of_workers() -> None:
    three = [c for w in (1, 2, 4) for c in curve(sized(1, w), {1: [10], 64: [law(w, 0.1, 0)]})]
    [found] = summarized(three).workers
    assert found.reason is not None
    assert "3 distinct loads" in found.reason
    [found] = summarized(three + curve(sized(2, 4), {1: [10], 64: [law(8, 0.1, 0)]})).workers
    assert found.fit is not None
    assert found.fit.sigma == pytest.approx(0.1, rel=1e-3)
    assert found.loads == [1, 2, 4, 8]


def test_a_size_that_was_not_saturated_is_left_out_of_the_law_over_workers() -> None:
    cells = [c for w in (1, 2, 4, 8) for c in curve(sized(1, w), {1: [10], 64: [law(w, 0.1, 0)]})]
    cells += curve(sized(1, 16), {1: [10], 64: [640]})
    [found] = summarized(cells).workers
    assert found.loads == [1, 2, 4, 8]
    assert found.fit is not None
    assert found.takeaways[-1].startswith("1 size carried even the largest load")
    [found] = summarized([c for c in cells if c.group.workers in (1, 2, 4, 16)]).workers
    assert found.reason is not None
    assert "3 distinct loads" in found.reason
    assert "1 size carried even the largest load" in found.reason


def test_unsaturated_sizes_say_nothing_of_workers() -> None:
    cells = [c for w in (1, 2, 4, 8) for c in curve(sized(1, w), {1: [10], 8: [80]})]
    [found] = summarized(cells).workers
    assert found.fit is None
    assert found.reason is not None
    assert found.reason.startswith("Nothing was saturated")
