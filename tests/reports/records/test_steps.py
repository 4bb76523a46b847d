import numpy as np
import pyarrow as pa
import pytest

from reports.records.steps import STEP, StepColumns, sessions_of, user_spans
from tests.reports.operations import answers, columns, connect, failures, reset, session, step, steps


def test_times_count_from_the_first_operation() -> None:
    loaded = steps([connect(5.0), reset(5.25), step(6.0, latency_s=0.5)])
    assert loaded.started_s.tolist() == [0.0, 0.25, 1.0]
    assert loaded.duration_s == pytest.approx(1.5)


def test_failed_operations_are_no_successes() -> None:
    rows = [step(0), step(1, error="timeout", error_detail="30 s"), step(2)]
    assert steps(rows).successes(STEP).tolist() == [True, False, True]
    found = failures(rows)
    assert found.rows.tolist() == [1]
    assert [found.categories[code] for code in found.category] == ["timeout"]


def test_a_worker_is_known_by_host_and_pid_together() -> None:
    found = answers([step(0, host="a", pid=7), step(1, host="b", pid=7), step(2, host="a", pid=7), step(3)])
    assert found.worker.tolist() == [0, 1, 0, -1]
    assert [(found.hosts[host], pid) for host, pid in found.workers] == [("a", 7), ("b", 7)]


def test_a_host_without_pid_is_no_known_worker() -> None:
    found = answers([step(0, host="a"), step(1, pid=7), step(2, host="a", pid=7)])
    assert found.worker.tolist() == [-1, -1, 0]
    assert found.host.tolist()[0] == found.host.tolist()[2] >= 0


def test_columns_without_any_value_are_none() -> None:
    loaded = columns([step(0), step(1)])
    assert loaded.floats("intended_at") is None
    assert loaded.ints("step_count") is None


def test_unknown_values_among_known_ones() -> None:
    loaded = columns([step(0, waited_s=1.0, step_count=4), step(1)])
    waited = loaded.floats("waited_s")
    counts = loaded.ints("step_count")
    assert waited is not None
    assert waited[0] == 1.0
    assert np.isnan(waited[1])
    assert counts is not None
    assert counts.tolist() == [4, -1]


def test_pieces_with_different_codes_are_one_column() -> None:
    pieces = [["b", None], [None, None], ["a", "b"], [], ["c", "a"]]
    arrays = [pa.array(piece, pa.string()).dictionary_encode() for piece in pieces]
    found = StepColumns(lambda _: arrays, 8).encoded("host")
    assert found.values.to_pylist() == ["b", "a", "c"]
    assert found.codes.tolist() == [0, -1, -1, -1, 1, 0, 2, 1]


def test_a_column_known_only_in_a_later_piece() -> None:
    arrays = [pa.nulls(2, pa.float64()), pa.array([1.5, None])]
    found = StepColumns(lambda _: arrays, 4).floats("waited_s")
    assert found is not None
    assert np.array_equal(found, [np.nan, np.nan, 1.5, np.nan], equal_nan=True)


def test_users_are_there_from_their_first_operation_to_their_last_reply() -> None:
    rows = [*session("s", [1], user=40), connect(3.0, user=7), step(4.0, user=7, latency_s=2.0)]
    loaded = steps(rows)
    spans = user_spans(loaded)
    first, last = loaded.user[0], loaded.user[-1]
    assert spans.first_s[[first, last]].tolist() == [0.0, 3.0]
    assert spans.last_s[[first, last]] == pytest.approx([0.3, 6.0])


def test_a_session_is_known_by_its_hash_or_else_by_its_connection() -> None:
    nameless = [connect(1, user=2), reset(1.1, user=2), step(1.2, user=2), connect(1.3, user=2)]
    rows = [*session("s", [1]), *nameless, step(1.4, user=2), step(1.5, user=2, error="timeout")]
    loaded = steps(rows)
    found = sessions_of(loaded, answers(rows))
    assert found.count == 3
    assert found.of_row.tolist() == [-1, 0, 0, -1, 1, 1, -1, 2, -1]


def test_replies_without_a_hash_belong_to_the_session_that_the_others_of_the_connection_name() -> None:
    rows = [connect(0), reset(1), step(2, session_hash="s"), step(3)]
    found = sessions_of(steps(rows), answers(rows))
    assert (found.count, found.of_row.tolist()) == (1, [-1, -1, 0, -1])


def test_over_http_there_are_no_sessions() -> None:
    rows = [reset(0, transport="http"), step(1, transport="http", session_hash="w")]
    assert sessions_of(steps(rows), answers(rows)).of_row.tolist() == [-1, -1]
