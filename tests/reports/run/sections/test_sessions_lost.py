from typing import Any

import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json
from reports.records.schema import RunJson
from reports.records.steps import user_spans
from reports.run.sections.sessions_lost import fell_silent, session_ends
from tests.reports.operations import Row, connect, failures, reset, session, step, steps, table


def run(**config: Any) -> RunJson:
    made: Any = run_json("a-run", SyntheticRun(), 1_760_000_020.0)
    made["config"] |= config
    found: RunJson = made
    return found


def lost_at(rows: list[Row]) -> list[float]:
    """When the operations started with which sessions were lost."""
    ends = session_ends(steps(rows), failures(rows))
    return sorted(round(float(steps(rows).started_s[row]), 6) for row in ends.lost)


def silent(rows: list[Row], before_s: float, made: RunJson | None = None) -> list[float]:
    ordered = table(rows).to_pylist()
    loaded = steps(ordered)
    ends = session_ends(loaded, failures(ordered))
    return list(fell_silent(made or run(), loaded, user_spans(loaded), ends, before_s))


def test_a_session_is_lost_where_its_user_connects_anew_after_a_failure() -> None:
    rows = session("s", [1, 2])
    rows += [step(1.0, error="server_error"), connect(2.0, error="refused"), connect(3.0), reset(3.1)]
    assert lost_at(rows) == [1.0]


def test_a_session_that_goes_on_after_a_failure_is_not_lost() -> None:
    assert lost_at([*session("s", [1]), step(1.0, error="validation"), step(2.0)]) == []


def test_the_last_failure_of_a_user_loses_its_session_only_if_it_ends_one_for_sure() -> None:
    for error, lost in (("timeout", [1.0]), ("connection_lost", [1.0]), ("server_error", [])):
        assert lost_at([*session("s", [1]), step(1.0, error=error)]) == lost


def test_what_had_never_been_answered_cannot_be_lost() -> None:
    rows = [connect(0.0), reset(0.1, error="capacity"), connect(1.0), reset(1.1, error="connection_lost")]
    assert lost_at(rows) == []


def test_a_failed_reset_loses_a_session_that_had_been_answered() -> None:
    assert lost_at([*session("s", [1]), reset(1.0, error="connection_lost")]) == [1.0]


def test_users_do_not_mix() -> None:
    rows = [*session("s", [1], user=1), step(1.0, user=2, error="timeout"), connect(2.0, user=1)]
    assert lost_at(rows) == []


def steady(user: int, until: float) -> list[Row]:
    return [connect(0.0, user=user), *(step(0.2 + 0.5 * n, user=user) for n in range(int(until / 0.5)))]


def test_a_session_that_is_never_heard_of_again_is_silent_since_its_reply_was_due() -> None:
    (due,) = silent([*steady(1, 30), *steady(2, 10)], before_s=9.0)
    assert due == pytest.approx(0.2 + 0.5 * 19 + 0.1 + 0.5)


def test_a_short_silence_tells_nothing() -> None:
    assert silent([*steady(1, 30), *steady(2, 26)], before_s=9.0) == []
    slow = [*steady(1, 30), connect(0.0, user=2), step(1.0, user=2), step(9.0, user=2), step(17.0, user=2)]
    assert silent(slow, before_s=12.0) == []


def test_where_users_leave_as_they_are_meant_to_silence_tells_nothing() -> None:
    rows = [*steady(1, 30), *steady(2, 10)]
    for made in (run(shape="ramp:1:0"), run(arrivals="constant:5"), run(scenario="batch")):
        assert silent(rows, 9.0, made) == []
    gone: Any = run() | {"generators": [{"name": "b:1", "lost": {}}]}
    assert silent(rows, 9.0, gone) == []
