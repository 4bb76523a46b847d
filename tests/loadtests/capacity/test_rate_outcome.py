from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadtests.capacity.outcome import Outcome
from loadtests.capacity.rate_outcome import rate_outcome
from reports.records.columns import RESOURCES, STEPS
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter
from reports.run.report import report_run
from tests.loadtests.batches import row, run_json

SECONDS = 12
SERVICE_S = 0.05


def one_at_a_time(rate: int, users: int = 400) -> list[dict[str, Any]]:
    """Steps that come evenly to a server which takes them one by one, 20 a second, after a second's ramp."""
    rows, free_at = [], 0.0
    for user in range(users):
        rows.append(row(user, "connect", 9.0, 0.01, pid=1))
        rows.append(row(user, "reset", 9.1, 0.01, pid=1, session_hash=f"s{user}"))
    for number in range(rate * SECONDS):
        due = 10 + number / rate
        free_at = max(free_at, due) + SERVICE_S
        user = number % users
        more = {"session_hash": f"s{user}", "step_count": number // users + 1, "intended_at": due}
        rows.append(row(user, "step", due, free_at - due, pid=1, wait_s=SERVICE_S, waited_s=SERVICE_S) | more)
    return rows


def outcome_of(
    folder: Path,
    rate: int,
    rows: list[dict[str, Any]],
    *,
    bound_s: float = 1.0,
    unbegun: int = 0,
    generator_cores: float | None = None,
) -> Outcome:
    directory = RunDirectory.create(folder, f"rate-{rate}")
    run = run_json(directory.path.name, users=400, workers=1)
    run["config"] |= {"scenario": "sustained", "arrivals": f"constant:{rate}", "arrivals_of": "steps"}
    run["config"]["warmup_s"] = 1.0
    run["config"]["duration_s"] = float(SECONDS)
    run["config"]["slo"]["total_p99_s"] = bound_s
    begun = sum(each["intended_at"] is not None for each in rows)
    run["arrivals"] = {"due": begun + unbegun, "begun": begun, "late": unbegun, "longest_wait_s": 0.0}
    directory.write({**run, "status": "completed"})
    used = [] if generator_cores is None else range(10, 10 + SECONDS)
    resources = [
        {
            "at": float(at),
            "role": "generator",
            "name": "here:1",
            "cpu_cores": generator_cores,
            "memory_bytes": 1,
            "open_files": 1,
        }
        for at in used
    ]
    for path, schema, table in (
        (directory.steps.stream, STEPS, rows),
        (directory.resources.stream, RESOURCES, resources),
    ):
        writer = StreamWriter(path, schema)
        writer.append(pa.RecordBatch.from_pylist(table, schema=schema))
        writer.close()
    return rate_outcome(rate, report_run(directory))


def test_a_rate_that_the_server_can_do_is_met(tmp_path: Path) -> None:
    found = outcome_of(tmp_path, 19, one_at_a_time(19))
    assert (found.load, found.met, found.clear, found.missed, found.behind) == (19, True, True, "", False)
    assert not found.hopeless
    assert found.carried == pytest.approx(1, abs=0.01)
    assert found.total_p99_s == pytest.approx(SERVICE_S)
    assert found.succeeded == 19 * SECONDS


def test_a_server_that_falls_behind_has_missed_it_though_its_bound_is_far(tmp_path: Path) -> None:
    found = outcome_of(tmp_path, 25, one_at_a_time(25), bound_s=60)
    assert not found.met
    assert found.behind
    assert found.carried == pytest.approx(20 / 25, abs=0.02)
    assert found.missed == f"only {100 * found.carried:.0f} % of what arrived was carried"


def test_a_p99_from_the_intended_time_beyond_its_bound_has_missed_it(tmp_path: Path) -> None:
    found = outcome_of(tmp_path, 19, one_at_a_time(19), bound_s=0.04)
    assert (found.met, found.missed, found.behind) == (False, "latency", False)
    rows = one_at_a_time(10)
    for each in rows:
        if each["intended_at"] is not None:  # sent late, though answered at once
            each["started_at"] += 3
    assert not found.hopeless
    late = outcome_of(tmp_path, 10, rows)
    assert late.hopeless
    assert late.total_p99_s == pytest.approx(3 + SERVICE_S)
    assert not late.met


def test_what_nobody_took_was_not_carried(tmp_path: Path) -> None:
    found = outcome_of(tmp_path, 19, one_at_a_time(19), unbegun=60)
    assert found.carried == pytest.approx(1 - 60 / (19 * SECONDS + 60), abs=0.001)
    assert found.behind
    assert not found.met


def test_too_many_failures_have_missed_it(tmp_path: Path) -> None:
    rows = one_at_a_time(10)
    for each in rows[::8]:
        if each["op"] == "step":
            each["error"] = "timeout"
    found = outcome_of(tmp_path, 10, rows)
    assert (found.met, found.missed) == (False, "success rate")
    assert found.errors["timeout"] > 10


def test_nothing_says_that_a_run_whose_generator_was_full_met_it(tmp_path: Path) -> None:
    found = outcome_of(tmp_path, 10, one_at_a_time(10), generator_cores=0.99)
    assert (found.met, found.missed) == (False, "the load generator was at its limit")
    assert found.cpu is not None
    assert found.cpu.saturated_generator(brief=False) == pytest.approx(0.99)


def test_a_run_in_which_nothing_arrived_has_missed_it(tmp_path: Path) -> None:
    found = outcome_of(tmp_path, 10, [row(0, "connect", 9.0, 0.01, pid=1)])
    assert not found.met
    assert "no step succeeded" in found.missed
