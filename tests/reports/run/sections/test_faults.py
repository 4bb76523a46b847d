from typing import Any, get_args

import numpy as np
import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json
from reports.records.schema import RunJson
from reports.records.steps import user_spans
from reports.run.sections import totals
from reports.run.sections.faults import Faults, Price, faults_in_words, summarize
from tests.reports.operations import START, Row, answers, connect, failures, reset, step, steps, table


def fault(at: float, name: str = "kill-worker", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "asked": f"{name}@{at:g}s",
        "target": "env-1",
        "at": START + at,
        "ended_at": None,
        "outcome": "done",
        "detail": None,
    } | changes


def run(*faults: dict[str, Any], **config: Any) -> RunJson:
    made: Any = run_json("a-run", SyntheticRun(), START + 20) | {"faults": list(faults)}
    made["config"] |= config
    found: RunJson = made
    return found


def price_all(rows: list[Row], made: RunJson, *, episodes_end: bool = True) -> Faults:
    ordered = table(rows).to_pylist()
    loaded, answered = steps(ordered), answers(ordered)
    spans = user_spans(loaded)
    found = summarize(
        made,
        loaded,
        answered,
        failures(ordered),
        spans,
        totals.summarize(loaded, answered, spans),
        episodes_end=episodes_end,
    )
    assert found is not None
    return found


def prices(rows: list[Row], *faults: dict[str, Any], **config: Any) -> list[Price]:
    found = price_all(rows, run(*faults, **config))
    return [each.price for each in found.faults if each.price is not None]


def steady(
    begin: float = 0.0, end: float = 20.0, user: int = 9, took: float = 0.1, pid: int = 7
) -> list[Row]:
    """A user that connects, resets, and steps ten times a second."""
    who = {"user": user, "host": "a", "pid": pid}
    rows = [connect(begin, user=user, latency_s=0.01), reset(begin + 0.02, latency_s=0.01, **who)]
    return rows + [step(float(at), latency_s=took, **who) for at in np.arange(begin + 0.1, end - 0.1, 0.1)]


def cut(at: float, back: float, user: int = 1, error: str = "connection_lost") -> list[Row]:
    """A user whose session a failure ends, and who is back later."""
    return [
        *steady(0.0, at, user),
        step(at - 0.05, user=user, error=error),
        *steady(back, 20.0, user),
    ]


def test_a_run_without_faults_has_no_section() -> None:
    rows = steady()
    loaded, answered = steps(rows), answers(rows)
    spans = user_spans(loaded)
    whole = totals.summarize(loaded, answered, spans)
    assert summarize(run(), loaded, answered, failures(rows), spans, whole, episodes_end=True) is None


def test_sessions_steps_and_episodes_that_a_fault_cost() -> None:
    rows = [*steady(), *cut(10.0, 12.0, user=1), *cut(10.0, 11.0, user=2)]
    rows += [connect(10.5, user=1, error="refused", latency_s=0.0)]
    (price,) = prices(rows, fault(10.0))
    assert price.sessions_lost == 2
    assert price.failed == {"connect": 1, "reset": 0, "step": 2}
    assert price.episodes_lost == 2
    assert price.errors_ended_s == pytest.approx(0.5)
    assert not price.errors_went_on


def test_each_failure_counts_to_the_last_fault_before_it_ended() -> None:
    rows = [*steady(), *cut(5.0, 6.0, user=1), *cut(10.0, 12.0, user=2), *cut(15.0, 16.0, user=3)]
    found = price_all(rows, run(fault(14.0), fault(9.0)))
    first, second = [each.price for each in found.faults if each.price]
    assert found.failed_before == 1
    assert [each.at_s for each in found.faults] == pytest.approx([9.0, 14.0])
    assert (first.sessions_lost, second.sessions_lost) == (1, 1)
    assert first.errors_ended_s == pytest.approx(1.05)
    assert [each.until for each in found.faults] == ["the next fault", "the end"]
    assert "1 operation had failed before the first fault" in found.takeaways[-1]


def test_what_timed_out_counts_to_the_fault_before_its_reply_was_due() -> None:
    hung = [*steady(0.0, 6.0, user=1), step(6.5, user=1, latency_s=10.0, error="timeout")]
    first, second = prices([*steady(), *hung], fault(6.0), fault(12.0))
    assert (first.failed["step"], second.failed["step"]) == (1, 0)
    assert (first.sessions_lost, second.sessions_lost) == (1, 0)
    lost = [*steady(0.0, 6.0, user=1), step(6.5, user=1, latency_s=10.0, error="connection_lost")]
    first, second = prices([*steady(), *lost], fault(6.0), fault(12.0))
    assert (first.failed["step"], second.failed["step"]) == (0, 1)


def test_what_timed_out_before_its_reply_was_due_counts_to_the_fault_before_it_ended() -> None:
    slow = [row for user in range(20, 40) for row in steady(user=user, took=2.0)[:2]]
    slow += [step(0.1 + 2.0 * n, user=20 + user, latency_s=2.0) for user in range(20) for n in range(9)]
    timed_out = [*steady(0.0, 6.0, user=1)[:2], step(6.5, user=1, latency_s=0.5, error="timeout")]
    found = price_all([*slow, *timed_out], run(fault(6.0), fault(8.0)))
    first, second = [each.price for each in found.faults if each.price]
    assert found.p99_before_s == pytest.approx(2.0)
    assert (first.failed["step"], second.failed["step"]) == (1, 0)


def test_an_episode_is_lost_with_any_failed_step_that_ended_a_session_and_with_no_reset() -> None:
    (price,) = prices([*steady(), *cut(10.0, 12.0, error="server_error")], fault(9.5))
    assert (price.sessions_lost, price.episodes_lost) == (1, 1)
    lost = [*steady(0.0, 10.0, user=1), reset(10.0, user=1, error="connection_lost")]
    (price,) = prices([*steady(), *lost, *steady(12.0, 20.0, user=1)], fault(9.5))
    assert (price.sessions_lost, price.failed["reset"], price.episodes_lost) == (1, 1, 0)


def test_errors_that_go_on_do_not_end() -> None:
    failing = [connect(at, user=1, error="refused") for at in np.arange(10.1, 19.5, 0.5)]
    rows = [*steady(), *steady(0.0, 10.0, user=1), *failing]
    (price,) = prices(rows, fault(10.0))
    assert price.errors_went_on
    assert price.errors_ended_s is None
    assert price.p99_over_s == pytest.approx(10, abs=0.2)
    assert "errors did not end before the end" in price_all(rows, run(fault(10.0))).takeaways[0]
    first, _ = prices(rows, fault(10.0), fault(15.0))
    assert first.errors_went_on


def test_errors_with_pauses_as_long_as_what_is_left_have_not_ended() -> None:
    failing = [connect(at, user=1, error="refused", latency_s=0.0) for at in (10.0, 14.0, 17.0)]
    (price,) = prices([*steady(), *steady(0.0, 9.0, user=1), *failing], fault(10.0))
    assert price.errors_went_on


def test_where_nothing_failed_no_errors_ended() -> None:
    (price,) = prices(steady(), fault(10.0))
    assert (price.errors_ended_s, price.errors_went_on, price.sessions_lost) == (None, False, 0)
    found = price_all(steady(), run(fault(10.0)))
    assert found.takeaways[0].startswith("No session was lost, nothing failed")


def test_a_session_never_heard_of_again_is_lost_although_nothing_failed() -> None:
    rows = [*steady(), *steady(0.0, 10.05, user=1)]
    (price,) = prices(rows, fault(10.0))
    assert (price.sessions_lost, sum(price.failed.values())) == (1, 0)


def test_over_http_no_session_is_lost_but_episodes_are() -> None:
    rows = [*steady(), *steady(0.0, 10.0, user=1), step(10.0, user=1, error="connection_lost")]
    rows += [reset(11.0, user=1), step(11.2, user=1, error="http_5xx"), step(12.0, user=1)]
    (price,) = prices(
        [row | {"transport": "http"} for row in rows if row["op"] != "connect"], fault(10.0), transport="http"
    )
    assert price.sessions_lost is None
    assert price.failed["step"] == 2
    assert price.episodes_lost == 1


def test_episodes_without_an_end_are_not_counted() -> None:
    found = price_all([*steady(), *cut(10.0, 12.0)], run(fault(10.0)), episodes_end=False)
    assert found.faults[0].price is not None
    assert found.faults[0].price.episodes_lost is None


def test_the_load_is_even_again_when_a_paused_worker_goes_on() -> None:
    rows = [row for n in range(8) for row in steady(user=n, pid=1)]
    for user in range(8, 16):
        rows += [row for row in steady(user=user, pid=2) if not 10 < row["started_at"] - START + 0.1 < 13]
    found = price_all(rows, run(fault(10.0, "pause-replica", ended_at=START + 13)))
    (each,) = found.faults
    assert each.ended_s == pytest.approx(13)
    assert each.price is not None
    assert each.price.evenness == "even"
    assert each.price.even_again_s == pytest.approx(3, abs=0.8)
    assert found.over == "worker"
    assert found.takeaways[0].startswith("pause-replica at 10.0 s cost no operation; the load was even again")


def test_a_load_that_is_not_even_again_is_told() -> None:
    rows = [row for n in range(8) for row in steady(user=n, pid=1 + n % 2)]
    rows += [row for n in range(8, 16) for row in steady(0.0, 10.0, user=n, pid=3)]
    rows += [row for n in range(8, 9) for row in steady(10.5, 20.0, user=n, pid=4)]
    found = price_all(rows, run(fault(10.0)))
    assert found.faults[0].price is not None
    assert found.faults[0].price.evenness == "not even"
    assert any(
        "kill-worker at 10.0 s the load was not even again over the workers" in each
        for each in found.takeaways
    )


def test_a_load_that_was_uneven_before_the_first_fault_is_measured_by_that() -> None:
    rows = [row for n in range(10) for row in steady(user=n, pid=1 if n < 8 else 2)]
    (price,) = prices(rows, fault(10.0))
    assert (price.evenness, price.even_again_s) == ("even", 0.0)


def test_when_users_leave_at_the_end_the_load_may_be_uneven() -> None:
    rows = [row for n in range(16) for row in steady(0.0, 17.0 if n > 12 else 20.0, user=n, pid=n % 2)]
    rows += [row for n in range(16, 24) for row in steady(0.0, 17.0, user=n, pid=n % 2)]
    rows += [row for n in range(24, 32) for row in steady(0.0, 17.0 if n < 31 else 20.0, user=n, pid=1)]
    rows += [row for n in range(32, 40) for row in steady(0.0, 20.0, user=n, pid=0)]
    (price,) = prices(rows, fault(10.0))
    assert (price.evenness, price.even_again_s) == ("even", 0.0)


def test_what_was_slow_after_recovery_is_not_in_p99() -> None:
    rows = [*steady(), *steady(0.0, 15.0, user=1), *steady(15.0, 20.0, user=1, took=2.0)[2:]]
    (price,) = prices(rows, fault(10.0))
    assert price.p99_over_s < 4
    assert price.p99_s == price.max_s == pytest.approx(0.1)


def test_p99_is_of_what_ended_until_recovery_and_beside_it_that_from_before() -> None:
    slow = steady(10.0, 12.0, user=1, took=0.9)
    rows = [*steady(), *steady(0.0, 10.0, user=1), *slow[2:], *steady(12.0, 20.0, user=1, took=3.0)[2:]]
    found = price_all(rows, run(fault(10.0), fault(13.0)))
    first, second = [each.price for each in found.faults if each.price]
    assert found.p99_before_s == pytest.approx(0.1)
    assert first.p99_s == pytest.approx(0.9)
    assert second.p99_s == pytest.approx(3.0)
    assert first.max_s == pytest.approx(0.9)


def test_p99_is_of_nothing_that_ended_before_the_fault_and_the_slowest_is_told_beside_it() -> None:
    rows = [row for user in range(20, 30) for row in steady(user=user)]
    rows += [step(0.2 + 0.5 * n, user=20, latency_s=3.0) for n in range(12)]
    rows.append(step(10.2, user=20, latency_s=0.8))
    found = price_all(rows, run(fault(10.0)))
    (price,) = (each.price for each in found.faults if each.price)
    assert found.p99_before_s == pytest.approx(3.0)
    assert (price.p99_s, price.max_s) == pytest.approx((0.1, 0.8))
    assert (
        "p99 of steps was 100 ms (3.00 s before the first fault), and the slowest took 800 ms."
        in (found.takeaways[0])
    )


def test_p99_goes_on_until_errors_have_ended() -> None:
    failing = [connect(at, user=1, error="refused", latency_s=0.0) for at in (10.0, 13.0, 16.0)]
    (price,) = prices([*steady(), *steady(0.0, 9.0, user=1), *failing], fault(9.5))
    assert price.errors_ended_s == price.p99_over_s == pytest.approx(6.5)


def test_after_a_fault_without_any_success_that_is_said() -> None:
    rows = [*steady(0.0, 10.0), *(connect(at, error="refused") for at in np.arange(10.1, 19.5, 0.5))]
    found = price_all(rows, run(fault(10.0)))
    assert found.takeaways[0].endswith("After kill-worker no step succeeded.")


def test_where_not_all_users_were_there_before_the_first_fault_p99_is_of_those_that_were() -> None:
    rows = [*steady(), *steady(12.0, 20.0, user=1, took=0.9)]
    assert price_all(rows, run(fault(10.0))).p99_before_s == pytest.approx(0.1)


def test_before_the_first_fault_all_users_are_there() -> None:
    ramp = [connect(0.0, user=1), *(step(0.1 + 0.2 * n, user=1, latency_s=0.9) for n in range(10))]
    rows = [*ramp, *steady(3.0, 20.0, user=1)[1:], *steady(3.0, 20.0)]
    assert price_all(rows, run(fault(10.0))).p99_before_s == pytest.approx(0.1)


def test_faults_that_were_not_done_have_no_price_and_end_none() -> None:
    undone = [
        fault(8.0, "slow-network", outcome="left out", detail="tc may not\x1b be used", target=None),
        fault(12.0, "kill-replica", outcome="failed", detail="no such container"),
    ]
    found = price_all([*steady(), *cut(13.0, 14.0)], run(fault(10.0), *undone))
    assert [each.number for each in found.faults] == [1, 2, 3]
    assert [each.outcome for each in found.faults] == ["left out", "done", "failed"]
    assert [each.price is None for each in found.faults] == [True, False, True]
    assert found.faults[0].detail == "tc may not be used"
    assert found.faults[1].price is not None
    assert found.faults[1].price.sessions_lost == 1
    assert found.takeaways[0] == "1 of 3 faults was done; slow-network was left out and kill-replica failed."


def test_where_none_was_done_nothing_is_priced() -> None:
    found = price_all(steady(), run(fault(10.0, outcome="left out", detail="it may not")))
    assert found.done == []
    assert found.takeaways == ["No fault was done; kill-worker was left out."]


def test_the_dearest_fault_is_named_with_what_it_cost() -> None:
    rows = [*steady(), *cut(5.0, 6.0, user=1), *cut(10.0, 12.0, user=2), *cut(10.0, 12.0, user=3)]
    found = price_all(rows, run(fault(4.5, "kill-worker"), fault(9.5, "kill-replica")))
    first, second, *_ = found.takeaways
    assert first.startswith(
        "kill-replica at 9.50 s cost most: 2 sessions, 2 failed steps and 2 episodes; errors"
    )
    assert "p99 of steps was 100 ms (100 ms before the first fault)" in first
    assert second == "All 2 faults together: 3 sessions lost, 3 failed operations."


def test_sessions_weigh_more_than_operations_and_these_more_than_time() -> None:
    refused = [step(12.0 + n, user=2, error="validation") for n in range(3)]
    rows = [*steady(), *cut(8.0, 9.0), *steady(user=2), *refused]
    found = price_all(rows, run(fault(7.0, "kill-replica"), fault(11.0)))
    assert found.takeaways[0].startswith("kill-replica at 7.00 s cost most: 1 session, 1 failed step")
    refused.append(step(8.0, user=2, error="validation"))
    found = price_all([*steady(), *steady(user=2), *refused], run(fault(7.0, "kill-replica"), fault(11.0)))
    assert found.takeaways[0].startswith("kill-worker at 11.0 s cost most: 3 failed steps")


def test_of_many_faults_that_left_the_load_uneven_only_the_number_is_told() -> None:
    rows = [row for n in range(8) for row in steady(0.0, 40.0, user=n, pid=1 + n % 2)]
    rows += [row for n in range(8, 16) for row in steady(0.0, 10.0, user=n, pid=3)]
    rows += steady(10.5, 40.0, user=8, pid=4)
    faults = [fault(at) for at in (10.0, 17.0, 24.0, 31.0)]
    assert price_all(rows, run(*faults)).takeaways[-1].startswith("After 4 faults the load was not even")
    three = (
        "After kill-worker at 10.0 s, kill-worker at 17.0 s and kill-worker at 24.0 s the load was not even"
    )
    assert price_all(rows, run(*faults[:3])).takeaways[-1].startswith(three)


def test_a_fault_at_or_after_the_end_and_before_the_first_operation_are_priced_at_nothing() -> None:
    for at in (-5.0, 20.0, 50.0):
        (price,) = prices(steady(), fault(at))
        assert price.sessions_lost == 0
        assert price.evenness in get_args(type(price).__annotations__["evenness"])


def test_a_run_without_rows() -> None:
    (price,) = prices([], fault(1.0))
    assert (price.sessions_lost, price.p99_s, price.evenness) == (0, None, "unknown")


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([], ""),
        (["done"], "1 fault"),
        (["done", "done", "done"], "3 faults"),
        (["done", "left out", "failed"], "1 of 3 faults"),
    ],
)
def test_how_many_were_done_in_words(outcomes: list[str], words: str) -> None:
    assert faults_in_words(run(*(fault(1.0, outcome=outcome) for outcome in outcomes))) == words
