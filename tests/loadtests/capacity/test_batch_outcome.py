from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from loadtests.capacity.batch_outcome import (
    BatchOutcome,
    WorkerLoad,
    batch_outcome,
    most_at_once,
    sessions_of,
    worker_loads,
)
from loadtests.load.spread import Worker
from reports.records.columns import RESOURCES, STEPS
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunJson
from reports.records.tables import StreamWriter
from reports.run.report import report_run
from tests.loadtests.batches import outcome, refused, run_json, served


def test_a_session_is_there_from_its_reset_to_its_step() -> None:
    (stay,) = sessions_of(served(0, connect_at=10.0, connect_s=0.2, reset_s=0.3, step_s=1.0))
    begin, end, worker = stay
    assert (begin, end) == pytest.approx((10.5, 11.5))
    assert worker == ("a:1", 1)


def test_a_session_that_failed_was_not_there() -> None:
    rows = served(0)
    rows[2]["error"] = "timeout"
    assert sessions_of(rows) == []
    assert sessions_of(refused(1)) == []


def test_spans_that_touch_do_not_overlap() -> None:
    assert most_at_once([]) == 0
    assert most_at_once([(0, 1), (1, 2)]) == 1
    assert most_at_once([(0, 2), (1, 3), (1.5, 1.6)]) == 3


def test_every_worker_held_what_was_there_at_once_and_turned_others_away() -> None:
    rows = [*served(0, pid=1), *served(1, pid=1), *served(2, pid=2), *refused(3, pid=1), *refused(4, pid=1)]
    assert worker_loads(rows) == {("a:1", 1): WorkerLoad(2, 2), ("a:1", 2): WorkerLoad(1, 0)}


def test_sessions_one_after_another_do_not_count_as_held_together() -> None:
    rows = [*served(0, connect_at=10.0), *served(1, connect_at=20.0), *refused(2)]
    assert worker_loads(rows) == {("a:1", 1): WorkerLoad(1, 1)}


def test_workers_that_do_not_say_who_they_are_count_as_one() -> None:
    rows = [*served(0, pid=None), *served(1, pid=1), *refused(2, pid=None)]
    assert worker_loads(rows) == {("", None): WorkerLoad(2, 1)}


def on_host(host: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as a balancer's header names their host, and nothing else does."""
    unknown = {"pid": None, "session_hash": None, "waited_s": None, "step_count": None}
    return [row | unknown | {"host": host} for row in rows]


def test_hosts_that_do_not_name_their_processes_count_as_one_worker_each() -> None:
    rows = [*on_host("a", served(0)), *on_host("b", served(1)), *on_host("a", refused(2)), *served(3)]
    assert worker_loads(rows) == {
        ("a", None): WorkerLoad(1, 1),
        ("a:1", None): WorkerLoad(1, 0),
        ("b", None): WorkerLoad(1, 0),
    }


def test_a_server_is_not_full_while_one_of_its_named_hosts_turned_nobody_away(tmp_path: Any) -> None:
    rows = [*on_host("a", served(0)), *on_host("b", served(1))]
    rows += [row for user in range(2, 8) for row in on_host("a", refused(user))]
    run = run_json("uneven", users=8, workers=1)
    run["topology"] |= {"replicas": None, "workers": None}
    directory = RunDirectory.create(tmp_path, "uneven")
    found = write(directory, run, rows)
    assert (found.held, found.turned_away) == (None, 6)
    assert set(found.slowest) == {"connect", "reset", "step"}
    rows += on_host("b", refused(8))
    run["config"]["users"] = 9
    assert write(RunDirectory.create(tmp_path, "full"), run, rows).held == 2


def test_a_server_is_full_where_each_of_its_workers_turned_sessions_away() -> None:
    full: dict[Worker, WorkerLoad] = {("a", 1): WorkerLoad(64, 3), ("a", 2): WorkerLoad(64, 1)}
    assert outcome(200, workers=full, expected_workers=2).held == 128
    assert outcome(200, workers=full, expected_workers=3).held is None
    with_room = full | {("a", 2): WorkerLoad(50, 0)}
    assert outcome(200, workers=with_room, expected_workers=2).held is None
    assert outcome(200, workers={}).held is None


def test_unknown_workers_are_full_when_far_more_sessions_came_than_were_served() -> None:
    nobody: dict[Worker, WorkerLoad] = {("", None): WorkerLoad(100, 60)}
    assert outcome(160, succeeded=100, workers=nobody, expected_workers=None).held == 100
    assert outcome(120, succeeded=100, workers=nobody, expected_workers=None).held is None


def test_only_a_batch_without_failures_far_below_its_bound_is_clear() -> None:
    assert outcome(64, p99=1.2).clear
    assert not outcome(64, p99=2.9).clear
    assert not outcome(64, succeeded=63, p99=1.2).clear
    assert not outcome(64, met=False, p99=1.2).clear


def test_a_batch_misses_by_far_where_twice_as_many_sessions_fail_as_may() -> None:
    assert outcome(100, met=False, succeeded=89).far
    assert not outcome(100, met=False, succeeded=91).far
    assert not outcome(100, met=False, p99=9.0).far


def test_sessions_that_began_after_others_were_done_were_not_there_together() -> None:
    assert outcome(64, connect_spread_s=0.4, shortest_stay_s=0.9).together
    assert not outcome(64, connect_spread_s=2.0, shortest_stay_s=0.9).together


def write(
    directory: RunDirectory,
    run: RunJson,
    rows: list[dict[str, Any]],
    resources: Sequence[dict[str, Any]] = (),
) -> BatchOutcome:
    directory.write({**run, "status": "completed"})
    for path, schema, table in (
        (directory.steps.stream, STEPS, rows),
        (directory.resources.stream, RESOURCES, list(resources)),
    ):
        writer = StreamWriter(path, schema)
        writer.append(pa.RecordBatch.from_pylist(table, schema=schema))
        writer.close()
    return batch_outcome(directory, report_run(directory))


def test_an_outcome_is_read_from_a_run_and_its_report(tmp_path: Any) -> None:
    directory = RunDirectory.create(tmp_path, "batch")
    rows = [row for user in range(6) for row in served(user, connect_at=10.0 + user / 100, pid=1 + user % 2)]
    rows += [*refused(6, pid=1), *refused(7, pid=2)]
    found = write(directory, run_json(directory.path.name, users=8, workers=2), rows)
    assert (found.users, found.succeeded, found.success_rate, found.met) == (8, 6, 0.75, False)
    assert found.run_id == directory.path.name
    assert found.errors == {"capacity": 2}
    assert "CAPACITY_REACHED" in found.example["capacity"]
    assert found.held == 6
    assert found.turned_away == 2
    assert found.total_p99_s == pytest.approx(1.03, abs=0.05)
    assert found.total_limit_s == 3.0
    assert set(found.slowest) == {"connect", "reset", "overhead"}
    assert found.cpu is None
    assert found.broken is None
    assert found.ended == ()


def test_a_replica_that_died_is_told(tmp_path: Any) -> None:
    directory = RunDirectory.create(tmp_path, "batch")
    run = run_json(directory.path.name, users=1, workers=1)
    run["incidents"] = ["replica-1 ended before the load did."]
    found = write(directory, run, served(0))
    assert found.ended == ("replica-1 ended before the load did.",)


def test_a_batch_whose_sessions_were_mixed_up_has_not_met_the_objective(tmp_path: Any) -> None:
    directory = RunDirectory.create(tmp_path, "batch")
    run = run_json(directory.path.name, users=2, workers=1)
    rows = [row | {"session_hash": "the same"} for user in range(2) for row in served(user)]
    found = write(directory, run, rows)
    assert not found.met
    assert "Sessions were not kept apart" in found.ended[0]


def test_what_other_programs_kept_busy_is_not_counted_as_the_batch_s(tmp_path: Any) -> None:
    directory = RunDirectory.create(tmp_path, "batch")
    cores = {("generator", "locust 1"): 0.5, ("replica", "a:1"): 0.75, ("others", "other programs"): 0.6}
    resources = [
        {"at": at, "role": role, "name": name, "cpu_cores": used, "memory_bytes": 1, "open_files": 1}
        for at in (10.0, 11.0, 12.0)
        for (role, name), used in cores.items()
    ]
    found = write(directory, run_json(directory.path.name, users=1, workers=1), served(0), resources)
    assert found.cpu is not None
    assert found.cpu.generator_busiest_mean == pytest.approx(0.5)
    assert found.cpu.total_mean == pytest.approx(1.25)
    assert found.cpu.others_mean == pytest.approx(0.6)
