import pytest

from reports.experiment.cells import Cell
from reports.experiment.groups import labels, ordered
from reports.experiment.sections.speedup import Family, Speedup, summarize
from tests.reports.experiment.sections.cells import GROUP, cell, curve, missed, sized


def summarized(cells: list[Cell]) -> Speedup:
    return summarize(cells, labels(ordered(cell.group for cell in cells)))


def family(cells: list[Cell]) -> Family:
    [found] = summarized(cells).families
    return found


def saturated(peaks: dict[tuple[int, int], list[float]]) -> list[Cell]:
    """Sizes whose throughput at 32 users is given, with 10 at one user and less at 64."""
    return [
        c
        for size, peak in peaks.items()
        for c in curve(sized(*size), {1: [10.0], 32: peak, 64: [0.9 * value for value in peak]})
    ]


def test_speed_up_and_efficiency_against_one_worker() -> None:
    found = family(saturated({(1, 1): [100, 100], (2, 2): [280, 320]}))
    base, row = found.rows
    assert (found.base, base.group) == (base, GROUP)
    assert (base.speedup, base.efficiency) == (1, 1)
    assert (row.label, row.total_workers, row.peak_users) == ("2 × 2", 4, 32)
    assert row.speedup == pytest.approx(3)
    assert row.efficiency == pytest.approx(0.75)
    assert found.takeaways[0] == (
        "2 × 2 carried 3 times the throughput of 1 × 1 with 4 times its workers, an efficiency of 75 %."
    )


def test_the_range_of_a_speed_up_is_what_repetitions_allow() -> None:
    row = family(saturated({(1, 1): [90, 110], (1, 2): [180, 220]})).rows[1]
    assert (row.speedup_low, row.speedup_high) == pytest.approx((180 / 110, 220 / 90))


def test_without_one_worker_the_smallest_size_is_the_base() -> None:
    found = family(saturated({(1, 2): [100], (2, 2): [150]}))
    assert found.base.total_workers == 2
    assert "no usable figures of 1 replica × 1 worker" in found.takeaways[0]
    assert found.rows[1].efficiency == pytest.approx(0.75)


def test_gains_are_over_the_next_smaller_size_along_each_axis() -> None:
    rows = {row.label: row for row in family(
        saturated({(1, 1): [100], (1, 2): [180], (2, 1): [190], (2, 2): [300], (1, 4): [185]})
    ).rows}  # fmt: skip
    workers, replicas = rows["2 × 2"].gain_of_workers, rows["2 × 2"].gain_of_replicas
    assert workers is not None
    assert replicas is not None
    assert (workers.smaller, workers.larger) == (1, 2)
    assert workers.gain == pytest.approx(300 / 190 - 1)
    assert (replicas.smaller, replicas.larger) == (1, 2)
    assert replicas.gain == pytest.approx(300 / 180 - 1)
    more = rows["1 × 4"].gain_of_workers
    assert more is not None
    assert (more.smaller, more.pays) == (2, False)


def test_where_adding_one_stops_paying_is_said() -> None:
    found = family(saturated({(1, 1): [100], (1, 2): [190], (1, 4): [196]}))
    assert (
        "With 1 replica, going from 2 to 4 workers brought only 3 %: adding workers stops paying there."
        in found.takeaways
    )


def test_a_loss_is_called_one() -> None:
    found = family(saturated({(1, 1): [100], (2, 1): [80]}))
    assert any("going from 1 to 2 replicas lost 20 %" in takeaway for takeaway in found.takeaways)


def test_a_gain_within_the_repetitions_spread_does_not_pay() -> None:
    found = family(saturated({(1, 1): [80, 120], (1, 2): [100, 130]}))
    gain = found.rows[1].gain_of_workers
    assert gain is not None
    assert not gain.pays
    assert found.takeaways[-1] == (
        "With 1 replica, going from 1 to 2 workers brought nothing beyond the spread of repetitions: whether "
        "adding workers still pays there is open."
    )


def test_a_loss_within_the_repetitions_spread_is_not_called_one() -> None:
    found = family(saturated({(1, 1): [90, 110], (1, 2): [85, 105]}))
    assert not any("lost" in takeaway or "stops paying" in takeaway for takeaway in found.takeaways)


def test_a_change_that_rounds_to_nothing_is_none() -> None:
    for peak in (99.5, 100.4):
        takeaways = family(saturated({(1, 1): [100], (1, 2): [peak]})).takeaways
        assert not any(" 0 %" in takeaway for takeaway in takeaways)


def test_as_many_workers_in_another_shape() -> None:
    found = family(saturated({(1, 2): [100], (2, 1): [102]}))
    assert (
        "2 × 1 carried about the same throughput as 1 × 2 with as many workers, an efficiency of 102 %."
        in found.takeaways
    )


def test_where_nothing_was_saturated_more_users_are_asked_for() -> None:
    cells = [c for size in ((1, 1), (1, 2)) for c in curve(sized(*size), {1: [10.0], 32: [318.0]})]
    found = family(cells)
    assert not found.saturated
    assert "Nothing was saturated" in found.takeaways[-1]
    assert "more users" in found.takeaways[-1]
    assert not any("stops paying" in takeaway for takeaway in found.takeaways)


def test_a_size_that_was_not_saturated_is_a_lower_bound() -> None:
    cells = [*curve(sized(1, 1), {1: [10.0], 32: [100.0]}), *curve(sized(1, 2), {1: [10.0], 32: [315.0]})]
    found = family(cells)
    assert [row.saturated for row in found.rows] == [True, False]
    assert any("1 × 2 carried even the largest load" in takeaway for takeaway in found.takeaways)


def test_the_largest_load_within_the_objective_is_compared_too() -> None:
    one, two = sized(1, 1), sized(1, 2)
    cells = [
        cell(one, 8, 50), missed(one, 16, 60), cell(two, 8, 70), cell(two, 16, 120), missed(two, 32, 100),
    ]  # fmt: skip
    base, row = family(cells).rows
    assert (base.largest_within_slo, row.largest_within_slo) == (8, 16)


def test_families_are_kept_apart() -> None:
    http = [c for size in ((1, 1), (2, 1)) for c in curve(sized(*size, transport="http"), {1: [1], 8: [2]})]
    found = summarized(saturated({(1, 1): [100], (1, 2): [150], (1, 4): [160]}) + http)
    assert [family.label for family in found.families] == ["WebSocket", "HTTP"]
    assert found.main is found.families[0]


def test_different_loads_are_said() -> None:
    cells = curve(sized(1, 1), {1: [10], 8: [20]}) + curve(sized(1, 2), {1: [10], 8: [30], 16: [31]})
    assert any("same loads" in takeaway for takeaway in family(cells).takeaways)


def test_nothing_usable() -> None:
    found = summarized([missed(GROUP, 1, usable=False)])
    assert found.main is None
    assert len(found.takeaways) == 1


def test_a_size_that_brings_nothing() -> None:
    found = family(saturated({(1, 1): [100], (1, 2): [99.8]}))
    assert found.takeaways == [
        "1 × 2 carried about the same throughput as 1 × 1 with 2 times its workers, an efficiency of 50 %.",
        "No larger size was faster than 1 × 1.",
        "With 1 replica, going from 1 to 2 workers brought nothing: adding workers stops paying there.",
    ]
