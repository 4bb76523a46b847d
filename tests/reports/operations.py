"""Small steps tables made by hand."""

from typing import Any

import pyarrow as pa

from reports.records.columns import STEPS
from reports.records.schema import RunConfig, Topology
from reports.records.steps import (
    Answers,
    Failures,
    StepColumns,
    Steps,
    load_answers,
    load_failures,
    load_steps,
)

START = 1_000_000.0
Row = dict[str, Any]


def row(op: str, at: float, **columns: Any) -> Row:
    """An operation that starts `at` seconds after START; by default user 1's, 0.1 s, answered over ws."""
    return {
        "started_at": START + at,
        "op": op,
        "transport": "ws",
        "latency_s": 0.1,
        "user": 1,
        "generator": "local",
    } | columns


def connect(at: float, **columns: Any) -> Row:
    return row("connect", at, **columns)


def reset(at: float, **columns: Any) -> Row:
    return row("reset", at, **columns)


def step(at: float, **columns: Any) -> Row:
    return row("step", at, **columns)


def session(name: str, counts: list[int], at: float = 0.0, **columns: Any) -> list[Row]:
    """A connect, a reset, and a step for each of `counts`, 0.1 s apart, answered by worker 7 on host a."""
    answered = {"host": "a", "pid": 7} | columns
    return [
        connect(at, user=answered.get("user", 1)),
        reset(at + 0.1, session_hash=name, step_count=0, **answered),
        *(
            step(at + 0.2 + 0.1 * n, session_hash=name, step_count=count, **answered)
            for n, count in enumerate(counts)
        ),
    ]


def table(rows: list[Row]) -> pa.Table:
    """The rows as a steps table, sorted as one on disk."""
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["started_at"]), schema=STEPS)


def columns(rows: list[Row]) -> StepColumns:
    return StepColumns(lambda name: table(rows).column(name).chunks, len(rows))


def failures(rows: list[Row]) -> Failures:
    return load_failures(columns(rows))


def steps(rows: list[Row]) -> Steps:
    return load_steps(columns(rows), failures(rows))


def answers(rows: list[Row]) -> Answers:
    return load_answers(columns(rows))


def topology(replicas: int | None = 1, workers: int | None = 1, hosts: str = "a") -> Topology:
    """A deployment with a host for each letter of `hosts`, named env-a, env-b …"""
    return {
        "replicas": replicas,
        "workers": workers,
        "hosts": list(hosts),
        "names": {host: f"env-{host}" for host in hosts},
    }


def config(**changes: Any) -> RunConfig:
    """A configuration, ws with round_robin by default."""
    values: Any = {
        "deployment": "local",
        "url": "http://127.0.0.1:8000",
        "transport": "ws",
        "users": 1,
        "spawn_rate": 1.0,
        "duration_s": None,
        "wait": "0",
        "think_time": "0",
        "steps_per_episode": 0,
        "connect_timeout_s": 10.0,
        "step_timeout_s": 30.0,
        "action": None,
        "balancing": "round_robin",
        "processes": 1,
        "slo": {"success_rate": 0.95, "total_p99_s": None},
    } | changes
    result: RunConfig = values
    return result
