import numpy as np
import pytest

from reports.run.sections.evenness_over_time import EvennessOverTime, evenness_over_time
from tests.reports.operations import Row, answers, step, steps, table


def worker(pid: int, begin: float, end: float, rate: float = 100.0) -> list[Row]:
    """Steps of one worker that end at an even rate."""
    return [step(at, latency_s=0.0, host="a", pid=pid) for at in np.arange(begin, end, 1 / rate)]


def over_time(*rows: list[Row]) -> EvennessOverTime:
    ordered = table([row for of_worker in rows for row in of_worker]).to_pylist()
    return evenness_over_time(steps(ordered), answers(ordered))


def test_a_load_that_stays_even_is_even_at_once() -> None:
    found = over_time(worker(1, 0, 20), worker(2, 0, 20))
    assert found.over == "worker"
    assert found.window_s == pytest.approx(2, rel=0.01)
    assert found.lowest(0, 10) == pytest.approx(1, abs=1e-3)
    assert found.even_again(10, 20, 1.0) == ("even", 0.0)


def test_a_worker_that_pauses_makes_it_uneven_until_it_goes_on() -> None:
    found = over_time(worker(1, 0, 20), worker(2, 0, 10), worker(2, 13, 20))
    ending, after_s = found.even_again(10, 20, 1.0)
    assert ending == "even"
    assert after_s == pytest.approx(3, abs=0.55)


def test_a_worker_that_is_gone_does_not_count_any_more() -> None:
    found = over_time(worker(1, 0, 20), worker(2, 0, 20), worker(3, 0, 10))
    assert found.even_again(10, 20, 1.0) == ("even", 0.0)


def test_a_new_worker_with_less_than_its_share_makes_it_uneven_for_good() -> None:
    found = over_time(worker(1, 0, 20), worker(2, 0, 10), worker(3, 10.5, 20, rate=40))
    assert found.even_again(10, 20, 1.0) == ("not even", None)


def test_even_again_is_for_good_and_not_between_two_troubles() -> None:
    later = over_time(worker(1, 0, 20), worker(2, 0, 13), worker(2, 15, 20))
    ending, after_s = later.even_again(10, 20, 1.0)
    assert ending == "even"
    assert after_s == pytest.approx(5, abs=0.55)
    last = over_time(worker(1, 0, 20), worker(2, 0, 20), worker(3, 15, 20, rate=40))
    assert last.even_again(10, 20, 1.0) == ("not even", None)


def test_a_little_less_even_is_even() -> None:
    found = over_time(worker(1, 0, 20), worker(2, 0, 10), worker(2, 10, 20, rate=90))
    assert found.even_again(11, 20, 1.0) == ("even", 0.0)


def test_a_few_steps_are_no_even_load() -> None:
    few = (worker(1, 10, 20, rate=1), worker(2, 10, 20, rate=1))
    found = over_time(worker(1, 0, 10), worker(2, 0, 10), *few)
    assert found.even_again(10, 20, 1.0) == ("not even", None)


def test_it_need_not_be_more_even_than_it_was_before() -> None:
    found = over_time(worker(1, 0, 20), worker(2, 0, 20, rate=40))
    usual = found.lowest(0, 10)
    assert usual == pytest.approx(140**2 / (2 * (100**2 + 40**2)), rel=0.01)
    assert found.even_again(10, 20, usual) == ("even", 0.0)
    assert found.even_again(10, 20, 1.0) == ("not even", None)


def test_a_load_that_stalls_is_not_even() -> None:
    found = over_time(worker(1, 0, 10), worker(2, 0, 10), worker(1, 15, 20), worker(2, 15, 20))
    ending, after_s = found.even_again(10, 20, 1.0)
    assert ending == "even"
    assert after_s is not None
    assert 2.5 < after_s <= 5.1


def test_too_short_a_time_or_nobody_who_answered_is_unknown() -> None:
    assert over_time(worker(1, 0, 20)).even_again(19, 19.5, 1.0) == ("unknown", None)
    nameless = over_time([step(at, latency_s=0.0) for at in np.arange(0, 20, 0.01)])
    assert nameless.over is None
    assert nameless.even_again(10, 20, 1.0) == ("unknown", None)


def test_where_no_process_is_named_replicas_count() -> None:
    rows = [step(at, latency_s=0.0, host=host) for at in np.arange(0, 20, 0.01) for host in "ab"]
    assert over_time(rows).over == "replica"


def test_a_run_of_a_day_has_no_more_windows_than_can_be_looked_at() -> None:
    rows = [step(at, latency_s=0.0, host="a", pid=n % 2) for n, at in enumerate(np.arange(0, 86_400, 4.0))]
    found = over_time(rows)
    assert found.begin_s.size <= 4 * 2000
    assert found.window_s == pytest.approx(43.2, rel=0.01)
