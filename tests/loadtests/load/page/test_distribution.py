import json
from collections.abc import Sequence
from typing import Any

import pytest

from loadtests.load.page.distribution import Distribution, generator_answer
from loadtests.load.page.pulse import Meter, Pulse
from tests.loadtests.batches import run_json
from tests.loadtests.rows import batch

IDLE = Pulse("here:1", cpu_cores=0.2, lag_s=0.001, users=4)


def seen(*rows: dict[str, Any], workers: int = 2, transport: str = "ws") -> Distribution:
    run = run_json("20260101-000000-local-ws", users=4, workers=workers)
    run["topology"]["hosts"] = ["a:1"]
    run["topology"]["names"] = {"a:1": "replica 1"}
    run["config"]["transport"] = "http" if transport == "http" else "ws"
    distribution = Distribution(run)
    distribution.update(batch(*({"host": "a:1", "transport": transport} | row for row in rows)))
    return distribution


def sessions(*numbers: int) -> list[dict[str, Any]]:
    """A step of each session, so many with each process."""
    each = [(pid, session) for pid, number in enumerate(numbers, 1) for session in range(number)]
    return [{"pid": pid, "session_hash": f"{pid}-{n}", "user": user} for user, (pid, n) in enumerate(each)]


def answers(distribution: Distribution, pulses: Sequence[Pulse] = (IDLE,)) -> list[tuple[str, str]]:
    return [(each["verdict"], each["state"]) for each in distribution.form(pulses)["answers"]]


def test_every_worker_and_replica_is_held_against_its_fair_share() -> None:
    form = seen(*sessions(6, 2)).form([IDLE])
    parts = [(each["name"], each["pid"], each["sessions"], each["steps"]) for each in form["workers"]]
    assert parts == [("replica 1", 1, 6, 6), ("replica 1", 2, 2, 2)]
    assert form["fair"]["workers"] == {"sessions": 4, "steps": 4}
    assert form["jain"] == {"workers": pytest.approx(0.8), "replicas": None}
    assert [(each["name"], each["sessions"]) for each in form["replicas"]] == [("replica 1", 8)]
    assert json.loads(json.dumps(form))["workers"] == form["workers"]


def test_a_worker_that_got_nothing_counts_with_zero() -> None:
    distribution = seen(*sessions(8), workers=4)
    workers = distribution.workers()
    assert [(worker.pid, worker.sessions) for worker in workers] == [(1, 8), *[(None, 0)] * 3]
    assert distribution.jain(workers) == 0.25


@pytest.mark.parametrize(
    ("numbers", "answer"),
    [
        ((10, 9), ("Yes", "good")),
        ((19, 6), ("No", "bad")),
        ((15, 6), ("No", "caution")),
        ((3, 1), ("Too few to say", "unknown")),
    ],
)
def test_the_spread_is_judged_once_there_is_enough_of_it(
    numbers: tuple[int, int], answer: tuple[str, str]
) -> None:
    assert answers(seen(*sessions(*numbers)))[0] == answer


def test_a_session_that_moves_or_is_shared_is_seen_at_once() -> None:
    assert answers(seen(*sessions(2)))[1] == ("Yes, so far", "good")
    distribution = seen(
        *sessions(2),
        {"session_hash": "1-0", "pid": 2, "user": 0},
        {"session_hash": "1-1", "pid": 1, "user": 9},
    )
    assert answers(distribution)[1] == ("No", "bad")
    assert distribution.form([])["isolation"] == {
        "sessions_checked": 2,
        "moved_sessions": 1,
        "shared_sessions": 1,
    }


def test_errors_are_counted_by_category_with_the_last_example_on_one_line() -> None:
    failed: dict[str, Any] = {"op": "reset", "error": "capacity", "host": None, "pid": None}
    distribution = seen(
        *sessions(99),
        {"error": "timeout", "error_detail": None},
        {**failed, "error_detail": "full"},
        {**failed, "error_detail": "<b>\nstill full"},
    )
    assert distribution.form([])["errors"] == [
        {"category": "capacity", "op": "reset", "count": 2, "example": "<b> still full"},
        {"category": "timeout", "op": "step", "count": 1, "example": None},
    ]
    assert answers(distribution)[2] == ("3 failures", "caution")
    assert answers(seen(*sessions(2), {**failed, "error_detail": "full"}))[2] == ("1 failure", "bad")


def test_over_http_steps_are_spread_and_there_is_nothing_to_isolate() -> None:
    rows = [{"pid": pid, "user": user} for user in range(8) for pid in (1, 1, 2)]
    form = seen(*rows, transport="http").form([IDLE])
    assert [(each["sessions"], each["steps"]) for each in form["workers"]] == [(0, 16), (0, 8)]
    assert form["jain"]["workers"] == pytest.approx(0.9)
    assert form["answers"][1]["verdict"] == "Nothing to check"


def test_replies_that_name_nobody_are_counted_and_nothing_is_claimed() -> None:
    nameless = {"host": None, "pid": None, "session_hash": None}
    distribution = seen(nameless, {**nameless, "user": 1})
    form = distribution.form([])
    assert form["unattributed"] == {"sessions": 2, "steps": 2}
    assert form["workers"] == []
    verdicts = ["Hosts unknown", "Sessions unnamed", "All, so far", "Not known yet"]
    assert [each["verdict"] for each in form["answers"]] == verdicts


def test_before_the_first_reply_nothing_is_claimed() -> None:
    distribution = Distribution(run_json("x", users=1, workers=2))
    states = [each["state"] for each in distribution.form([])["answers"]]
    assert states == ["unknown"] * 4


@pytest.mark.parametrize(
    ("cores", "lag_s", "verdict"),
    [(0.3, 0.002, "Yes"), (0.8, 0, "Hardly"), (0.3, 0.2, "Hardly"), (0.99, 0, "No")],
)
def test_the_busiest_generating_process_says_what_the_generator_can_still_do(
    cores: float, lag_s: float, verdict: str
) -> None:
    master = Pulse("here:2", cpu_cores=1.0, lag_s=1.0, generates=False)
    answer = generator_answer([master, IDLE, Pulse("here:3", cores, lag_s)])
    assert answer.verdict == verdict


def test_a_process_is_measured() -> None:
    pulse = Meter().measure(3, generates=True)
    assert pulse.users == 3
    assert 0 <= pulse.cpu_cores < 4
    assert 0 <= pulse.lag_s < 60
