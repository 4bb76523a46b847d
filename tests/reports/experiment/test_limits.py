from collections.abc import Mapping

import pytest

from reports.experiment.limits import (
    Evidence,
    FullWorkers,
    Limit,
    Outcome,
    Setup,
    find_limit,
    most_sessions,
    sentence,
)
from reports.statistics.saturation import Cpu

SETUP = Setup(
    cores=8,
    processes=1,
    workers=2,
    total_workers=2,
    reuse_port=True,
    connect_timeout_s=10.0,
    step_timeout_s=30.0,
)
BUSY_GENERATOR = Cpu(0.99, 0.99, 1.0, 0.5, 0.1)


def limit(
    errors: Mapping[str, int] | None = None,
    *,
    cpu: Cpu | None = None,
    outcome: Outcome = "missed",
    full: FullWorkers | None = None,
) -> Limit:
    return find_limit(Evidence("with 96 users", outcome, cpu, errors or {}, full=full), SETUP)


def test_what_failed_comes_before_what_was_busy() -> None:
    away = limit({"capacity": 32}, cpu=BUSY_GENERATOR)
    assert (away.kind, away.lower_bound, away.busy) == ("errors", False, "generator")
    assert limit(cpu=BUSY_GENERATOR).kind == "generator"


def test_time_outs_of_a_busy_generator_are_its_own() -> None:
    late = limit({"timeout": 32}, cpu=BUSY_GENERATOR)
    assert (late.kind, late.lower_bound) == ("generator", True)
    assert "PROCESSES=2" in late.remedy
    assert limit({"connection_lost": 32}, cpu=BUSY_GENERATOR).kind == "errors"


def test_other_failures_are_named_where_they_are_not_few() -> None:
    assert limit({"refused": 90, "timeout": 10}).explanation == (
        "with 96 users, 90 connections were refused; besides, 10 resets or steps had no reply within 30 s"
    )
    assert "besides" not in limit({"refused": 91, "timeout": 9}).explanation


@pytest.mark.parametrize(
    ("outcome", "kind"), [("missed", "latency"), ("fell", "throughput"), ("met", "none")]
)
def test_without_failures_the_outcome_says_what_kind_of_limit_it_is(outcome: Outcome, kind: str) -> None:
    assert limit(outcome=outcome, cpu=Cpu(0.1, 0.1, 0.2, 0.5, 0.1)).kind == kind


@pytest.mark.parametrize(
    ("full", "words"),
    [
        (None, "(CAPACITY_REACHED)"),
        (FullWorkers(None, 64), ": a full worker holds 64"),
        (FullWorkers(1, 64, 64), ": it holds 64"),
        (FullWorkers(2, 64, 128), ": it holds 64 in each of 2 workers"),
        (FullWorkers(2, 64, 120), ": it holds 120 in 2 workers"),
        (FullWorkers(2, 64, 128, noun="host"), ": it holds 128"),
    ],
)
def test_what_a_full_server_holds(full: FullWorkers | None, words: str) -> None:
    assert limit({"capacity": 1}, full=full).explanation.endswith(words)


def test_the_cap_of_a_process_is_read_from_its_refusal() -> None:
    assert most_sessions("CAPACITY_REACHED: Server at capacity: 64/64 sessions active") == 64
    assert most_sessions("full") is None


def test_words_become_a_sentence() -> None:
    assert sentence("add\nworkers") == "Add workers."
    assert sentence("Done…") == "Done…"
