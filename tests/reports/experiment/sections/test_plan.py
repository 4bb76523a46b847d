from dataclasses import replace

import pytest

from reports.experiment.cells import Cell
from reports.experiment.groups import labels, ordered
from reports.experiment.sections import bottleneck, growth, max_batch, speedup, usl
from reports.experiment.sections.plan import Plan, summarize
from reports.records.schema import CapacityJson
from reports.statistics.saturation import Cpu
from tests.reports.experiment.sections.cells import GROUP, cell, missed, refused, sized
from tests.reports.sample_experiments import CAPACITY


def plan(cells: list[Cell], capacity: CapacityJson | None = None) -> Plan:
    names = labels(ordered(cell.group for cell in cells))
    laws = usl.summarize(cells, names, speedup.summarize(cells, names))
    limits = bottleneck.summarize(cells, growth.summarize(cells, names), "sustained")
    return summarize(cells, max_batch.summarize(cells, names), laws, limits, capacity)


def test_it_counts_in_machines_like_the_one_measured() -> None:
    found = plan([cell(sized(2, 4), 500, 1), missed(sized(2, 4), 1000)])
    assert [row.target_sessions for row in found.rows] == [1_000, 16_384, 100_000, 1_000_000]
    first, *_, last = found.rows
    assert (first.copies, first.replicas, first.workers, first.cores) == (2, 4, 4, 16)
    assert (last.copies, last.replicas, last.cores) == (2000, 4000, 16_000)
    assert first.reach == 1.0
    assert last.reach == 1000.0
    assert found.takeaways[0].endswith("held the most within the objective: 62 sessions per worker.")


def test_what_was_measured_needs_no_more_than_that() -> None:
    [first, *_] = plan([cell(sized(2, 4), 4000, 1)]).rows
    assert (first.replicas, first.workers, first.copies) == (1, 2, 1)
    assert first.reach == 0.25
    assert first.basis.startswith("within what was measured")


def test_it_rests_on_what_held_most_sessions() -> None:
    found = plan([cell(sized(1, 1), 128, 1), cell(sized(2, 2), 480, 1), cell(sized(1, 2), 480, 1)])
    assert found.takeaways[0].startswith("The plan rests on 1 × 2, ")


def test_a_lower_bound_is_said() -> None:
    found = plan([cell(GROUP, 100, 1)])
    assert "at least 100 sessions" in found.rows[0].basis
    assert "at least 100 sessions per worker" in found.takeaways[0]


def test_what_the_deployment_hit_first_is_said() -> None:
    found = plan([cell(GROUP, 64, 1), refused(GROUP, 96, held=64)])
    assert "at least" not in found.takeaways[0]
    assert "it holds 64. Raise MAX_CONCURRENT_ENVS" in found.takeaways[1]


def test_a_load_that_its_generator_limited_gives_a_lower_bound() -> None:
    found = plan([cell(GROUP, 64, 1), missed(GROUP, 96, cpu=Cpu(0.97, 0.97, 1.0, 0.5, 0.1))])
    assert "at least 64 sessions" in found.rows[0].basis


def law_of_workers(workers: int) -> float:
    return 100 * workers / (1 + 0.05 * (workers - 1))


def family(users: int, workers: tuple[int, ...] = (1, 2, 4, 8)) -> list[Cell]:
    return [
        c
        for w in workers
        for c in (
            cell(sized(1, w), 1, 50),
            cell(sized(1, w), users, law_of_workers(w)),
            missed(sized(1, w), 10 * users, 1, usable=False),
        )
    ]


def test_the_law_over_workers_says_how_many_more_one_machine_needs() -> None:
    cells = [c if c.group.workers == 1 else replace(c, slo_passed=False) for c in family(500)]
    [first, *_] = plan(cells).rows
    assert first.copies == 1
    assert first.replicas == 3  # 2 × 0.95 / (1 − 2 × 0.05) = 2.1 workers, in whole ones
    assert first.basis.endswith("as the law over workers predicts, if sessions grow as throughput does")


@pytest.mark.parametrize(("cores", "most"), [(64, 16), (4, 4), (None, 16)])
def test_growth_without_a_limit_is_not_followed_beyond_the_data_and_the_cores(
    cores: int | None, most: int
) -> None:
    linear = [
        c
        for workers in (1, 2, 4, 8)
        for c in (
            cell(sized(1, workers), 1, 50, cores=cores),
            cell(sized(1, workers), 500, 100 * workers, slo_passed=workers == 1, cores=cores),
            missed(sized(1, workers), 5000, 1, usable=False, cores=cores),
        )
    ]
    thousand, *_, million = plan(linear).rows
    assert (thousand.copies, thousand.replicas) == (1, 2)
    assert (million.copies, million.replicas) == (2000, 2000)
    assert f"followed up to {most} workers" in million.basis


def test_past_the_ceiling_of_the_law_more_machines_are_needed() -> None:
    last = plan(family(500)).rows[-1]
    assert last.copies == 2000
    assert "on one, the law over workers is followed up to 8 workers" in last.basis


def test_how_far_beyond_the_data_it_reaches_is_said() -> None:
    assert "10,000 times that is a guess" in plan([cell(GROUP, 100, 1)]).takeaways[1]


def test_a_capacity_search_knows_better() -> None:
    found = plan([cell(GROUP, 264, 1), missed(GROUP, 512)], CAPACITY)
    assert found.takeaways[0].endswith("the objective: 256 sessions per worker.")
    beyond = plan([cell(GROUP, 264, 1)], {**CAPACITY, "lower_bound": True})
    assert beyond.takeaways[0].endswith("the objective: at least 256 sessions per worker.")


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([missed(GROUP, 8)], "Nothing met the objective"),
        ([], "Nothing met the objective"),
        ([cell(replace(GROUP, replicas=None, workers=None), 8, 1)], "is unknown"),
    ],
)
def test_no_plan_without_something_to_rest_on(cells: list[Cell], why: str) -> None:
    found = plan(cells)
    assert found.rows == []
    assert why in found.takeaways[0]
