"""What the records of a killed run say: how many rows are lost, and whether anything is untrue."""

import json
import re
from collections import defaultdict

import psutil

from benchmarks.kills.kinds import locust_workers
from benchmarks.kills.outcome import Outcome
from reports.records.directory import RunDirectoryError
from reports.records.run_directory import RunDirectory

_COUNTED = re.compile(r"^WS +(\w+) +(\d+) +\d+\(", re.MULTILINE)
"""A line of the first table that Locust prints: an operation, and how many of these there were."""
_RATE_S = 2.0


def count_rows(
    outcome: Outcome, directory: RunDirectory, killed_at: float, victim: psutil.Process | None
) -> None:
    """Sets how many rows are lost: by Locust's count, or by the rate of the last where it is gone."""
    rows = directory.read_steps(["started_at", "latency_s", "op", "session_hash", "step_count", "generator"])
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    if outcome.kill.kind.role != "generator":
        counted = counted_by_locust((directory.path / "locust.log").read_text(errors="replace"))
        if not counted and outcome.kill.kind.phase != "start":
            outcome.untrue.append("Locust did not tell how much it did")
        outcome.rows_lost = max(0, sum(counted.values()) - rows.num_rows) if counted else 0
        outcome.rows_lost += missing_steps(columns["session_hash"], columns["step_count"])
        return
    assert victim is not None
    ended = [
        begun + latency
        for begun, latency, generator in zip(
            columns["started_at"], columns["latency_s"], columns["generator"], strict=True
        )
        if outcome.kill.kind.find is not locust_workers or generator.endswith(str(victim.pid))
    ]
    last = max((at for at in ended if at <= killed_at), default=min(columns["started_at"]))
    recent = sum(last - _RATE_S < at <= last for at in ended)
    outcome.seconds_lost = killed_at - last
    outcome.rows_lost = round(recent / _RATE_S * outcome.seconds_lost)
    outcome.rows_lost += missing_steps(columns["session_hash"], columns["step_count"])


def counted_by_locust(log: str) -> dict[str, int]:
    """How many operations of each kind there were, from the first table in Locust's log.

    Told to end while it ends, Locust prints all of its tables again.
    """
    counted: dict[str, int] = {}
    for op, number in _COUNTED.findall(log):
        counted.setdefault(op, int(number))
    return counted


def missing_steps(sessions: list[str | None], counts: list[int | None]) -> int:
    """Steps that sessions have taken, by their own count, between those that have a row."""
    by_session: defaultdict[str, set[int]] = defaultdict(set)
    for session, number in zip(sessions, counts, strict=True):
        if session is not None and number:
            by_session[session].add(number)
    return sum(max(numbers) - len(numbers) for numbers in by_session.values())


def judge(outcome: Outcome, directory: RunDirectory, code: int, said: str, connections: int) -> None:
    """Notes where the harness or the report said something that is not true of a run that was cut."""
    kind = outcome.kill.kind
    try:
        status = directory.read()["status"]
        report = json.loads(directory.report_json.read_text())
    except (RunDirectoryError, OSError, ValueError) as error:
        outcome.untrue.append(f"the records are damaged: {error}")
        return
    if kind.role == "replaced":
        if connections and not report["totals"]["failures"]:
            outcome.untrue.append(f"{connections} connections broke, and no failure is recorded")
    elif kind.role == "harness":
        if "PASSED" in said and status != "completed":
            outcome.untrue.append(f"said PASSED of a run that is {status}")
        if report["passed"] and status != "completed":
            outcome.untrue.append(f"a run that is {status} has passed")
    elif report["passed"] or code != 1 or "PASSED" in said:
        verdict = "passed" if report["passed"] else "not passed"
        outcome.untrue.append(f"the run is {verdict} and the exit code {code}")
