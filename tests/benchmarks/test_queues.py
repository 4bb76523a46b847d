"""The simulated queues against closed forms."""

import random

import pytest

from benchmarks.queues import Job, Work, served


def finish_times(machines: list[int], processes: list[int], jobs: list[Job]) -> list[float]:
    return [done for _, done in served(machines, processes, jobs)]


def test_work_takes_its_cpu_seconds_and_a_delay_its_time() -> None:
    (end,) = finish_times([1], [0], [Job([Work(0, 0.5), 2.0, Work(0, 0.25)], starts_at=1.0)])
    assert end == pytest.approx(3.75)


def test_a_process_serves_first_come_first_served() -> None:
    ends = finish_times([4], [0], [Job([Work(0, 1.0)]) for _ in range(5)])
    assert ends == pytest.approx([1, 2, 3, 4, 5])


def test_a_job_begins_when_its_process_gets_to_it() -> None:
    spans = served([1], [0], [Job([Work(0, 1.0), Work(0, 0.5)]), Job([Work(0, 1.0)])])
    assert [began for began, _ in spans] == pytest.approx([0, 1])
    assert [done for _, done in spans] == pytest.approx([2.5, 2])


def test_processes_have_a_core_each_while_there_are_cores_and_share_them_otherwise() -> None:
    jobs = [Job([Work(process, 1.0)]) for process in range(4)]
    assert finish_times([4], [0, 0, 0, 0], jobs) == pytest.approx([1] * 4)
    assert finish_times([2], [0, 0, 0, 0], jobs) == pytest.approx([2] * 4)
    assert finish_times([2, 2], [0, 0, 1, 1], jobs) == pytest.approx([1] * 4)


def test_a_process_that_gets_company_slows_down_from_then_on() -> None:
    jobs = [Job([Work(0, 1.0)]), Job([Work(1, 1.0)], starts_at=0.5)]
    assert finish_times([1], [0, 0], jobs) == pytest.approx([1.5, 2.0])


def test_a_queue_with_poisson_arrivals_and_constant_work_waits_as_long_as_theory_says() -> None:
    rng, load, count = random.Random(7), 0.7, 40_000
    at, jobs = 0.0, []
    for _ in range(count):
        at += rng.expovariate(load)
        jobs.append(Job([Work(0, 1.0)], starts_at=at))
    ends = finish_times([1], [0], jobs)
    times = [end - job.starts_at for end, job in zip(ends, jobs, strict=True)]
    # M/D/1 (Pollaczek and Khinchine): 1 + load / (2 (1 - load)).
    assert sum(times) / count == pytest.approx(1 + load / (2 * (1 - load)), rel=0.05)


def test_a_closed_loop_of_many_users_is_as_fast_as_its_slowest_process() -> None:
    steps, users = 50, 20
    stages = [stage for _ in range(steps) for stage in (Work(0, 0.001), Work(1, 0.004))]
    ends = finish_times([2], [0, 0], [Job(stages) for _ in range(users)])
    assert max(ends) == pytest.approx(steps * users * 0.004, rel=0.02)
