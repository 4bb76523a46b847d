import numpy as np
import pytest

from reports.records.steps import UserSpans, user_spans
from reports.run.sections.totals import Totals, measured_window, summarize
from tests.reports.operations import Row, answers, connect, reset, session, step, steps


def totals(rows: list[Row]) -> Totals:
    loaded = steps(rows)
    return summarize(loaded, answers(rows), user_spans(loaded))


def spans(*of_users: tuple[float, float]) -> UserSpans:
    return UserSpans(np.array([first for first, _ in of_users]), np.array([last for _, last in of_users]))


def test_steps_are_successes_and_failures_are_of_any_operation() -> None:
    counted = totals(
        [connect(0, error="refused"), *session("s", [1, 2], at=1), step(2, error="timeout")],
    )
    assert (counted.operations, counted.steps, counted.failures) == (6, 2, 2)
    assert counted.success_rate == pytest.approx(4 / 6)
    assert counted.by_op == {"connect": 2, "reset": 1, "step": 3}


def test_sessions_are_counted_by_name() -> None:
    assert totals([*session("s", [1]), *session("t", [1], at=5, user=2)]).sessions == 2


def test_sessions_without_a_name_are_counted_by_connect() -> None:
    rows = [connect(0), step(1), connect(2), step(3), connect(4, error="refused")]
    assert totals(rows).sessions == 2


def test_a_session_that_was_turned_away_is_none() -> None:
    assert totals([connect(0), step(1), connect(2), step(3, error="capacity"), connect(4)]).sessions == 1


def test_over_http_sessions_are_users_that_were_answered() -> None:
    http = {"transport": "http", "session_hash": "w", "host": "a", "pid": 7}
    rows = [step(0, **http), step(1, user=2, **http), step(2, user=2, **http)]
    rows.append(step(3, user=3, transport="http", error="refused"))
    assert totals(rows).sessions == 2


def test_throughput_leaves_out_ramp_and_end() -> None:
    early = [step(at, user=1) for at in np.arange(0, 10, 0.5)]
    late = [step(at, user=2) for at in np.arange(4, 9.5, 0.5)]
    counted = totals(early + late)
    assert counted.window_s == pytest.approx((4.0, 9.1))
    inside = [row for row in early + late if 4.0 <= row["started_at"] % 10 + 0.1 <= 9.1 + 1e-6]
    assert counted.throughput_steps_per_s == pytest.approx(len(inside) / 5.1)
    assert not counted.ramp_included


def test_a_user_that_gives_up_early_does_not_end_the_window() -> None:
    assert measured_window(spans((0, 10), (1, 9.5), (0, 3)), 10.0) == (1.0, 9.5)


def test_a_window_too_short_gives_way_to_the_whole_run() -> None:
    assert measured_window(spans((0, 10), (9, 10)), 10.0) is None
    assert measured_window(spans((0, 0.9)), 0.9) is None
    counted = totals([step(0), step(9.4, user=2)])
    assert counted.ramp_included
    assert counted.window_s == pytest.approx((0.0, 9.5))
    assert counted.throughput_steps_per_s == pytest.approx(2 / 9.5)


def test_a_run_without_operations() -> None:
    counted = totals([])
    assert (counted.operations, counted.steps, counted.sessions) == (0, 0, 0)
    assert counted.success_rate == 1.0
    assert counted.throughput_steps_per_s == 0.0


def test_a_batch_is_counted_by_users_and_measured_as_a_whole() -> None:
    rows = [row for user in (1, 2, 3) for row in session(f"s{user}", [1], at=user, user=user)]
    rows += [connect(0, user=4), reset(0.1, user=4, error="capacity")]
    loaded = steps(rows)
    counted = summarize(loaded, answers(rows), user_spans(loaded), batch_users=6)
    assert counted.success_rate == pytest.approx(3 / 6)
    assert (counted.batch_users, counted.batch_succeeded, counted.users) == (6, 3, 4)
    assert counted.window_s == pytest.approx((0.0, 3.3))
    assert counted.throughput_steps_per_s == pytest.approx(3 / 3.3)
    assert counted.left_early == 0


def test_a_batch_that_nobody_began_has_no_success() -> None:
    loaded = steps([])
    assert summarize(loaded, answers([]), user_spans(loaded), batch_users=8).success_rate == 0


def test_warm_up_begins_the_window_later() -> None:
    spans = UserSpans(np.array([0.0, 2.0]), np.array([20.0, 19.0]))
    assert measured_window(spans, 20.0, warmup_s=3.0) == (5.0, 19.0)
    assert measured_window(spans, 20.0, warmup_s=17.0) is None


def test_a_session_whose_first_reset_failed_counts_once_it_is_answered() -> None:
    assert totals([connect(0), reset(1, error="server_error"), reset(2), step(3)]).sessions == 1


def test_named_and_nameless_sessions_are_counted_together() -> None:
    nameless = [connect(0, user=2), reset(1, user=2), step(2, user=2), connect(3, user=2), step(4, user=2)]
    assert totals([*session("s", [1, 2]), *nameless]).sessions == 3


def test_users_without_a_step_that_met_failures_were_shut_out() -> None:
    rows = [step(0), connect(0, user=2), reset(1, user=2, error="capacity"), connect(0, user=3)]
    counted = totals([*rows, step(2, error="timeout")])
    assert (counted.users, counted.users_shut_out) == (3, 1)
    assert counted.served_share == pytest.approx(2 / 3)


def test_users_that_were_shut_out_did_not_leave_early() -> None:
    rows = [step(n / 10, user=0) for n in range(100)] + [reset(1, user=1, error="capacity"), step(1, user=2)]
    counted = totals(rows)
    assert (counted.left_early, counted.users_shut_out) == (1, 1)
