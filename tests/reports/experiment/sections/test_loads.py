import dataclasses
from typing import Any

import pytest

from reports.experiment.cells import Cell, Quantiles
from reports.experiment.groups import Group
from reports.experiment.sections.loads import Loads, summarize

GROUP = Group("local", 1, 2, "round_robin", True, "ws", "0.01")


def cell(load: float, carried: float, p99: float, good: float, **changes: Any) -> Cell:
    made = Cell(
        group=GROUP,
        users=64,
        repetition=1,
        status="completed",
        reason=None,
        run_id="a-run",
        valid=True,
        throughput=carried,
        latency={"total": Quantiles(p99 / 4, p99 / 2, p99 / 1.5, p99)},
        slo_passed=p99 < 1,
        load=load,
        load_unit="steps/s",
        goodput=good,
    )
    return dataclasses.replace(made, **changes)


CELLS = [
    cell(100, 100, 0.1, 100),
    cell(200, 199, 0.2, 198),
    cell(400, 310, 2.5, 120, reached=False),
    cell(800, 320, 9.0, 5),
]


def loads(cells: list[Cell]) -> Loads:
    found = summarize(cells, {GROUP: "1 × 2"})
    assert found is not None
    return found


def test_the_highest_rate_that_met_the_objective_and_the_lowest_that_missed_it_are_named() -> None:
    found = loads(CELLS)
    (curve,) = found.curves
    assert (found.kind, found.unit, found.goodput_unit) == ("rates", "steps/s", "steps/s")
    assert curve.highest_met is not None
    assert curve.first_missed is not None
    assert (curve.highest_met.load, curve.first_missed.load) == (200, 400)
    assert found.takeaways[0] == (
        "200 steps/s met the objective (p99 of total 200 ms); 400 steps/s missed it (p99 2.50 s, with too "
        "few users for the rate)."
    )


def test_goodput_is_best_where_it_is_highest_not_where_throughput_is() -> None:
    best = loads(CELLS).most_good
    assert best is not None
    assert best[1].load == 200


def test_a_rate_that_missed_it_ends_what_counts_as_met_though_a_higher_one_was_lucky() -> None:
    lucky = [*CELLS[:1], cell(200, 199, 1.2, 10), cell(300, 299, 0.3, 299)]
    (curve,) = loads(lucky).curves
    assert curve.highest_met is not None
    assert curve.highest_met.load == 100


def test_repetitions_are_summed_up_and_invalid_ones_left_out() -> None:
    found = loads(
        [
            cell(100, 90, 0.1, 90),
            cell(100, 100, 0.3, 100),
            cell(100, 500, 9.0, 0, valid=False),
        ]
    )
    (point,) = found.curves[0].points
    assert (point.repetitions, point.valid, point.slo_share) == (2, True, 1.0)
    assert (point.throughput.low, point.throughput.median, point.throughput.high) == (90, 95, 100)


def test_of_rollouts_the_best_number_of_groups_is_named() -> None:
    rollouts = [
        cell(n, n * 50, 0.5, good, load_unit="groups", episodes_per_s=n * 2.0, group_p99=n / 2)
        for n, good in ((1, 2.0), (2, 4.0), (4, 7.95), (8, 8.0), (16, 3.0))
    ]
    found = loads(rollouts)
    assert (found.kind, found.goodput_unit) == ("groups", "episodes/s")
    assert found.curves[0].points[2].throughput.median == 8.0
    assert found.takeaways == ["4 groups were best: 8.0 episodes/s, with groups done in 2.00 s (p99)."]


@pytest.mark.parametrize(
    "cells",
    [[], [dataclasses.replace(CELLS[0], load=None)], [dataclasses.replace(CELLS[0], status="failed")]],
)
def test_an_experiment_over_users_has_none(cells: list[Cell]) -> None:
    assert summarize(cells, {GROUP: ""}) is None
