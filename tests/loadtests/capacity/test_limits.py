from dataclasses import replace

import pytest

from loadtests.capacity.batch_outcome import WorkerLoad
from loadtests.capacity.ceiling import Ceiling
from loadtests.capacity.limits import Setup, Stop, find_limit, success_words
from loadtests.capacity.outcome import Outcome
from loadtests.capacity.search import Answer
from loadtests.load.spread import Worker
from reports.experiment.limits import Limit
from reports.experiment.searched import Searched
from tests.loadtests.batches import AT_RATES, CEILING, SETUP, at_rate, outcome

BATCHES = Searched("sessions")
FULL: dict[Worker, WorkerLoad] = {("a", pid): WorkerLoad(64, 60) for pid in range(4)}


def found(max_batch: int, *, sessions: int | None = None, cap: int | None = None) -> Answer:
    return Answer(max_batch if sessions is None else sessions, max_batch, max_batch, None, 0.97, cap)


def limit(answer: Answer, *outcomes: Outcome, stop: Stop = "found", setup: Setup = SETUP) -> Limit:
    return find_limit(outcomes, answer, stop, setup)


def test_a_server_that_turns_sessions_away_is_named_with_what_its_workers_hold() -> None:
    away = outcome(512, met=False, succeeded=256, errors={"capacity": 256}, workers=FULL)
    slow = outcome(260, met=False, p99=3.5)
    hit = limit(found(252, sessions=256, cap=256), slow, away, away)
    assert hit.kind == "errors"
    assert "CAPACITY_REACHED" in hit.explanation
    assert "it holds 64 in each of 4 workers" in hit.explanation
    assert hit.remedy == "raise MAX_CONCURRENT_ENVS, or add workers or replicas"


def test_workers_that_are_full_while_others_have_room_are_told_from_a_full_server() -> None:
    lopsided: dict[Worker, WorkerLoad] = {("a", 1): WorkerLoad(64, 90), ("a", 2): WorkerLoad(20, 0)}
    away = outcome(160, met=False, succeeded=120, errors={"capacity": 40}, workers=lopsided)
    hit = limit(found(140), away, setup=replace(SETUP, reuse_port=False))
    assert hit.kind == "errors"
    assert "a full worker holds 64, but sessions are not spread evenly over its 4 workers" in hit.explanation
    assert "while others have room" in hit.explanation
    assert "REUSE_PORT=1" in hit.remedy
    known = limit(found(140, cap=256), away, setup=replace(SETUP, reuse_port=False))
    assert "evenly" in known.explanation
    assert "REUSE_PORT=1" in known.remedy


def test_of_a_server_that_is_not_ours_its_own_limit_and_balancer_are_named() -> None:
    hosts: dict[Worker, WorkerLoad] = {("a", None): WorkerLoad(8, 30), ("b", None): WorkerLoad(2, 0)}
    away = outcome(40, met=False, succeeded=10, errors={"capacity": 30}, workers=hosts, expected_workers=None)
    hit = limit(found(10), away, setup=replace(SETUP, workers=None, reuse_port=None, is_url=True))
    assert "are not spread evenly over its 2 hosts" in hit.explanation
    assert "its balancer" in hit.remedy
    assert "max_concurrent_envs" in hit.remedy
    assert "BALANCING" not in hit.remedy


@pytest.mark.parametrize(
    ("category", "explanation", "remedy"),
    [
        ("refused", "12 connections were refused", "somaxconn"),
        ("connect_timeout", "were not open within 10 s", "BACKLOG"),
        ("handshake", "connections ended before they were open", "open files"),
        ("timeout", "no reply within 30 s", "workers"),
        ("connection_lost", "broke while in use", "log"),
        ("http_5xx", "500 or more", "log"),
        ("server_error", "server_error", "log"),
    ],
)
def test_the_most_frequent_error_is_the_limit(category: str, explanation: str, remedy: str) -> None:
    failed = outcome(
        256, met=False, succeeded=200, errors={category: 12, "protocol": 1}, example="it said so"
    )
    hit = limit(found(240), failed)
    assert hit.kind == "errors"
    assert explanation in hit.explanation
    assert "256 sessions" in hit.explanation
    assert "it said so" in hit.explanation
    assert remedy in hit.remedy


def test_open_files_and_ports_are_known_by_what_the_system_said() -> None:
    files = outcome(
        256, met=False, succeeded=9, errors={"refused": 9}, example="[Errno 24] Too many open files"
    )
    assert limit(found(240), files).kind == "open_files"
    assert "ulimit -n" in limit(found(240), files).remedy
    ports = outcome(
        256, met=False, succeeded=9, errors={"refused": 9}, example="Cannot assign requested address"
    )
    assert limit(found(240), ports).kind == "generator"
    assert "ip_local_port_range" in limit(found(240), ports).remedy


def test_a_slow_batch_names_its_time_its_bound_and_where_most_of_it_went() -> None:
    slow = outcome(256, met=False, p99=3.4, slowest={"connect": 0.2, "reset": 2.1, "overhead": 0.1})
    hit = limit(found(240), slow)
    assert hit.kind == "latency"
    assert "3.40 s" in hit.explanation
    assert "3.00 s" in hit.explanation
    assert "the reset (p99 2.10 s)" in hit.explanation
    assert "workers" in hit.remedy


def test_a_slow_batch_whose_generator_was_busy_says_nothing_against_the_server() -> None:
    hit = limit(found(240), outcome(256, met=False, p99=3.4, generator_cores=0.99))
    assert hit.kind == "generator"
    assert "PROCESSES=2" in hit.remedy


def test_a_machine_that_was_busy_throughout_is_told() -> None:
    hit = limit(found(240), outcome(256, met=False, p99=3.4, generator_cores=0.5, busy_cores=1.9))
    assert hit.kind == "latency"
    assert "the whole machine of 2 cores was busy" in hit.explanation
    assert "load generator 0.50 and replicas 1.40" in hit.explanation
    assert "more cores" in hit.remedy


def test_other_programs_that_kept_much_of_the_machine_busy_are_named() -> None:
    hit = limit(
        found(240),
        outcome(256, met=False, p99=3.4, generator_cores=0.4, busy_cores=0.9, other_cores=0.5),
    )
    assert hit.kind == "latency"
    assert hit.explanation.endswith("other programs kept 0.5 of 2 cores busy meanwhile")
    assert hit.remedy == "measure again when the machine is quiet; else add workers or replicas"
    full = limit(
        found(240),
        outcome(256, met=False, p99=3.4, generator_cores=0.4, busy_cores=0.9, other_cores=1.0),
    )
    assert "load generator 0.40, replicas 0.50 and other programs 1.00" in full.explanation
    assert "part of it with other programs" in full.explanation
    late = outcome(
        256, met=False, succeeded=200, errors={"timeout": 56}, generator_cores=0.4, other_cores=0.5
    )
    assert "other programs" in limit(found(240), late).explanation


def test_other_programs_are_not_named_where_they_did_little_or_do_not_matter() -> None:
    assert "other" not in limit(found(240), outcome(256, met=False, p99=3.4, other_cores=0.3)).explanation
    away = outcome(512, met=False, succeeded=256, errors={"capacity": 256}, workers=FULL, other_cores=1.0)
    assert "other programs" not in limit(found(240), away).explanation


def test_an_answer_that_the_deployment_itself_did_not_limit_is_a_lower_bound() -> None:
    slow = outcome(256, met=False, p99=3.4)
    ports = outcome(
        256, met=False, succeeded=9, errors={"refused": 9}, example="Cannot assign requested address"
    )
    late = outcome(256, met=False, succeeded=9, errors={"timeout": 9}, generator_cores=0.99)
    files = Ceiling(9900, "open_files", "9,900 sessions", "ulimit -n")
    assert limit(found(240), outcome(256, met=False, p99=3.4, generator_cores=0.99)).lower_bound
    assert limit(found(240), ports).lower_bound
    assert limit(found(240), late).lower_bound
    assert limit(found(9900), outcome(9900), setup=replace(SETUP, ceiling=files)).lower_bound
    for stop in ("budget", "interrupted", "broken", "failed"):
        assert limit(found(240), outcome(240), stop=stop).lower_bound
        assert limit(found(240), slow, stop=stop).lower_bound


def test_an_answer_that_the_deployment_limited_is_no_lower_bound() -> None:
    slow = outcome(256, met=False, p99=3.4)
    files = outcome(
        256, met=False, succeeded=9, errors={"refused": 9}, example="[Errno 24] Too many open files"
    )
    away = outcome(512, met=False, succeeded=256, errors={"capacity": 256}, workers=FULL)
    died = outcome(512, met=False, succeeded=0, p99=None, ended=("replica-1 ended before the load did.",))
    assert not limit(found(240), slow).lower_bound
    assert not limit(found(240), files).lower_bound
    assert not limit(found(240, sessions=256, cap=256), away, stop="budget").lower_bound
    assert not limit(found(240), died, stop="ended").lower_bound


def test_the_nearest_batch_that_missed_tells_the_limit_not_a_hopeless_one() -> None:
    slow = outcome(260, met=False, p99=3.4)
    away = outcome(512, met=False, succeeded=256, errors={"capacity": 256}, workers=FULL)
    assert limit(found(240), away, slow).kind == "latency"


def test_without_a_failure_the_largest_batch_allowed_is_the_limit() -> None:
    cap = Limit("cap", CEILING.explanation, CEILING.remedy, lower_bound=True)
    assert limit(found(16384), outcome(16384)) == cap
    files = Ceiling(9900, "open_files", "9,900 sessions", "ulimit -n")
    assert limit(found(9900), outcome(9900), setup=replace(SETUP, ceiling=files)).kind == "open_files"


def test_a_search_whose_time_was_up_says_so_where_nothing_had_failed() -> None:
    hit = limit(found(64), outcome(64), stop="budget")
    assert hit.kind == "time"
    assert "BUDGET=1200" in hit.remedy
    assert limit(found(64), outcome(64), outcome(128, met=False, p99=4.0), stop="budget").kind == "latency"
    assert limit(found(64), outcome(64), stop="interrupted").kind == "time"


def test_a_deployment_that_died_is_the_limit() -> None:
    died = outcome(512, met=False, succeeded=0, p99=None, ended=("replica-1 ended before the load did.",))
    hit = limit(found(256), outcome(256), died, stop="ended")
    assert hit.kind == "errors"
    assert "replica-1 ended" in hit.explanation
    assert "memory" in hit.remedy


def test_a_batch_that_its_generator_broke_says_nothing() -> None:
    broken = outcome(512, met=False, succeeded=0, p99=None, broken="Locust generated no load")
    assert limit(found(256), outcome(256), broken, stop="broken").kind == "time"


def test_a_batch_in_words() -> None:
    assert success_words(outcome(256, succeeded=245, p99=1.31), BATCHES) == (
        "95.7 % succeeded, p99 of total 1.31 s — met"
    )
    assert success_words(outcome(8, met=False, succeeded=0, p99=None), BATCHES) == "0 % succeeded — missed"


def test_a_rate_that_was_too_slow_names_its_time_from_the_intended_time() -> None:
    hit = limit(found(412), at_rate(430, missed="latency", p99=3.1, generator_cores=0.3), setup=AT_RATES)
    assert (hit.kind, hit.lower_bound) == ("latency", False)
    assert hit.explanation.startswith(
        "total time from the intended time: at 430 steps/s 99 % took up to 3.10 s, and must take less than "
        "1.20 s"
    )
    assert "the step beyond its wait (p99 800 ms)" in hit.explanation
    assert "batch" not in hit.explanation + hit.remedy


def test_a_rate_that_was_not_carried_is_a_limit_of_throughput() -> None:
    behind = at_rate(430, missed="only 93 % of what arrived was carried", carried=0.93)
    hit = limit(found(412), behind, setup=AT_RATES)
    assert hit.kind == "throughput"
    assert hit.explanation.startswith("at 430 steps/s only 93 % of what arrived was carried")
    assert "must take less" not in hit.explanation


def test_a_generator_at_its_limit_ends_a_search_over_rates_with_a_lower_bound() -> None:
    full = at_rate(430, missed="the load generator was at its limit", generator_cores=0.99)
    hit = limit(found(412), full, setup=AT_RATES)
    assert (hit.kind, hit.lower_bound) == ("generator", True)
    assert "PROCESSES=2" in hit.remedy
    assert "must take less" not in hit.explanation


def test_a_deployment_that_died_at_a_rate_is_told_without_batches() -> None:
    hit = limit(found(400), at_rate(430, ended=("replica-1 ended.",)), stop="ended", setup=AT_RATES)
    assert hit.explanation == "the deployment failed at 430 steps/s: replica-1 ended."
    assert "that run" in hit.remedy
    late = limit(found(400), at_rate(400), stop="budget", setup=AT_RATES)
    assert late.explanation.endswith("no larger rate was tried")


def test_a_try_at_a_rate_in_words() -> None:
    assert success_words(at_rate(430, missed="latency", p99=3.1), Searched("steps/s")) == (
        "100 % succeeded, p99 from the intended time 3.10 s — missed: latency"
    )
