import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks import capacity_truth
from benchmarks.capacity_truth import (
    RateTruth,
    Truth,
    fault,
    fault_of_rate,
    highest_rate,
    judged,
)
from benchmarks.queueing_theory import chance_beyond_in_md1
from loadtests.capacity.outcome import Outcome
from loadtests.capacity.search import SearchPlan, answer, next_batch
from reports.records.schema import CapacityJson

FOUR_BY_64 = Truth("local", replicas=1, workers=4, cap=64)


def found(sessions: int, *, limit: str = "errors", explanation: str = "CAPACITY_REACHED") -> CapacityJson:
    return CapacityJson(
        sessions=sessions,
        max_batch=sessions,
        low=sessions,
        high=None,
        confidence=0.97,
        lower_bound=False,
        server_cap=sessions,
        cores=2,
        limit=limit,
        explanation=explanation,
        remedy="",
        tries=[],
    )


def test_an_answer_is_right_where_it_is_the_cap_and_says_that_the_server_refuses_more() -> None:
    assert fault(found(256), FOUR_BY_64) is None
    assert fault(found(255), FOUR_BY_64) == "255 sessions instead of 256"
    assert "latency" in (fault(found(256, limit="latency"), FOUR_BY_64) or "")
    assert "refused" in (fault(found(256, explanation="refused"), FOUR_BY_64) or "")


def test_the_known_rate_is_the_highest_of_which_99_percent_are_done_in_time() -> None:
    known = highest_rate(0.02, 0.2)
    assert chance_beyond_in_md1(known, 0.02, 0.2) == pytest.approx(0.01, abs=1e-6)
    assert 38 < known < 39


def test_a_rate_is_right_near_the_known_one_and_never_above_what_the_worker_can_do() -> None:
    truth = RateTruth()
    known = highest_rate(0.02, truth.p99_s)
    assert fault_of_rate(found(round(known), limit="latency"), truth, 0.02) is None
    assert "instead of" in (fault_of_rate(found(round(0.8 * known)), truth, 0.02) or "")
    assert "instead of" in (fault_of_rate(found(48), truth, 0.02) or "")
    assert "more than the 50.0 that the worker can do" in (fault_of_rate(found(50), truth, 0.02) or "")
    bounded = found(round(known)) | {"lower_bound": True}
    assert "lower bound" in (fault_of_rate(bounded, truth, 0.02) or "")


def one_try(rate: int, seed: int, service_s: float, bound_s: float, length_s: float = 8.0) -> Outcome:
    """A try at a rate of a simulated worker that serves one step at a time, after a second that fills it."""
    chance, due, free_at, took = random.Random(seed), 0.0, 0.0, []
    while (due := due + chance.expovariate(rate)) < 1 + max(length_s, 400 / rate):
        free_at = max(free_at, due) + service_s
        if due >= 1:
            took.append(free_at - due)
    p99 = float(np.percentile(took, 99))
    return Outcome(
        load=rate,
        run_id="",
        met=p99 < bound_s,
        success_rate=1.0,
        total_p99_s=p99,
        total_limit_s=bound_s,
        hopeless=p99 >= 2 * bound_s,
    )


def test_what_searches_of_a_simulated_worker_find_is_within_what_is_right() -> None:
    truth, service_s = RateTruth(), 0.0105
    plan = SearchPlan(start=16, most=16384, tries=3, precision=0.05, success_rate=0.95)
    known, found_rates = highest_rate(service_s, truth.p99_s), []
    for call in range(40):
        tries: list[Outcome] = []
        while (rate := next_batch(tries, plan)) is not None:
            number = sum(each.load == rate for each in tries)
            tries.append(one_try(rate, 1000 * call + number, service_s, truth.p99_s))
        found_rates.append(answer(tries).sessions)
    apart = np.array(found_rates) / known - 1
    assert np.abs(apart).max() <= truth.within
    assert abs(np.median(apart)) < 0.06


@pytest.mark.servers
def test_a_search_that_gives_no_answer_is_wrong_and_the_next_one_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--calls", "2", "--workers", "0", "--only", "sessions", "--results", str(tmp_path)]
    assert capacity_truth.main(options) == 1
    output = capsys.readouterr().out
    assert "sessions, call 1: no answer: the search ended with exit code 2" in output
    assert "sessions, call 2: no answer" in output
    assert "WORKERS=0" in output
    assert output.endswith("0 of 2 right\n")


@pytest.mark.servers
def test_an_answer_of_an_earlier_search_is_not_taken_for_this_one_s(tmp_path: Path) -> None:
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "experiment.json").write_text("{}")
    is_right, line = judged(Truth("local", replicas=1, workers=0, cap=64), tmp_path)
    assert not is_right
    assert "exit code 2" in line
