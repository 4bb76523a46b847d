"""Batches made by hand, for tests: their rows, their run.json, and what they came to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loadtests.capacity.batch_outcome import BatchOutcome, WorkerLoad
from loadtests.capacity.ceiling import Ceiling
from loadtests.capacity.limits import Setup
from loadtests.capacity.outcome import Outcome
from loadtests.load.spread import Worker
from reports.experiment.searched import Searched
from reports.records.schema import SCHEMA_VERSION, RunConfig, RunJson, Slo, Topology
from reports.statistics.saturation import Cpu

CEILING = Ceiling(
    16384, "cap", "a batch of 16,384 sessions meets the objective", "search further, MOST=65536"
)
SETUP = Setup(
    ceiling=CEILING,
    budget_s=600,
    step_timeout_s=30,
    connect_timeout_s=10,
    processes=1,
    cores=2,
    success_rate=0.95,
    workers=4,
    reuse_port=True,
)

AT_RATES = replace(SETUP, searched=Searched("steps/s"), brief=False)
"""The same of a search over rates."""


def served(
    user: int,
    *,
    connect_at: float = 10.0,
    connect_s: float = 0.01,
    reset_s: float = 0.01,
    step_s: float = 1.01,
    pid: int | None = 1,
) -> list[dict[str, Any]]:
    """The rows of a session that connected, reset and stepped."""
    reset_at = connect_at + connect_s
    return [
        row(user, "connect", connect_at, connect_s, pid=pid),
        row(user, "reset", reset_at, reset_s, pid=pid, session_hash=f"s{user}"),
        row(
            user,
            "step",
            reset_at + reset_s,
            step_s,
            pid=pid,
            session_hash=f"s{user}",
            wait_s=1.0,
            waited_s=1.0,
        ),
    ]


def refused(user: int, *, at: float = 10.0, pid: int | None = 1) -> list[dict[str, Any]]:
    """The rows of a session that a full worker turned away."""
    error = {"error": "capacity", "error_detail": "CAPACITY_REACHED: Server at capacity: 3/3 sessions active"}
    return [row(user, "connect", at, 0.01, pid=pid), row(user, "reset", at + 0.01, 0.01, pid=pid, **error)]


def row(user: int, op: str, at: float, seconds: float, *, pid: int | None, **more: Any) -> dict[str, Any]:
    """One row of the steps table."""
    return {
        "started_at": at,
        "intended_at": None,
        "op": op,
        "transport": "ws",
        "latency_s": seconds,
        "wait_s": None,
        "waited_s": None,
        "host": None if pid is None else "a:1",
        "pid": pid,
        "session_hash": None,
        "step_count": 1 if op == "step" else None,
        "server_timestamp": None,
        "user": user,
        "generator": "here:1",
        "error": None,
        "error_detail": None,
        "reward": None,
        "done": None,
    } | more


def run_json(run_id: str, *, users: int, workers: int) -> RunJson:
    """run.json of a batch on one replica."""
    return RunJson(
        kind="run",
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        status="running",
        started_at=9.0,
        ended_at=12.0,
        config=RunConfig(
            deployment="local",
            url="http://127.0.0.1:1",
            transport="ws",
            users=users,
            spawn_rate=float(users),
            duration_s=None,
            wait="1",
            think_time="0",
            steps_per_episode=50,
            connect_timeout_s=10.0,
            step_timeout_s=30.0,
            action=None,
            balancing="round_robin",
            scenario="batch",
            processes=1,
            slo=Slo(success_rate=0.95, total_p99_s=None),
        ),
        topology=Topology(replicas=1, workers=workers, hosts=["a:1"], names={}),
        versions={},
        machine={"cores": 2},
    )


def outcome(
    users: int,
    *,
    met: bool = True,
    succeeded: int | None = None,
    p99: float | None = 1.2,
    errors: Mapping[str, int] | None = None,
    example: str = "",
    workers: dict[Worker, WorkerLoad] | None = None,
    expected_workers: int | None = 4,
    slowest: Mapping[str, float] | None = None,
    connect_spread_s: float = 0.1,
    shortest_stay_s: float | None = 1.0,
    generator_cores: float | None = None,
    busy_cores: float | None = None,
    other_cores: float | None = None,
    broken: str | None = None,
    ended: tuple[str, ...] = (),
) -> BatchOutcome:
    """What a batch came to; unless said otherwise all its sessions were served in good time."""
    served_sessions = users if succeeded is None else succeeded
    failures = errors or {}
    return BatchOutcome(
        load=users,
        run_id=f"20260101-000000-{users}",
        met=met,
        succeeded=served_sessions,
        success_rate=served_sessions / users,
        success_limit=0.95,
        total_p99_s=p99,
        total_limit_s=3.0,
        slowest=slowest or {"connect": 0.1, "reset": 0.05, "overhead": 0.02},
        errors=failures,
        example=dict.fromkeys(failures, example),
        workers=workers or {},
        expected_workers=expected_workers,
        connect_spread_s=connect_spread_s,
        shortest_stay_s=shortest_stay_s,
        cpu=Cpu(
            generator_mean=generator_cores,
            generator_busiest_mean=generator_cores,
            generator_max=None,
            replicas_mean=None if busy_cores is None else busy_cores - (generator_cores or 0.0),
            nginx_mean=None,
            others_mean=other_cores,
        ),
        broken=broken,
        ended=ended,
    )


def at_rate(
    rate: int,
    *,
    missed: str = "",
    p99: float | None = 0.9,
    carried: float = 1.0,
    generator_cores: float | None = None,
    ended: tuple[str, ...] = (),
) -> Outcome:
    """What a run at a rate came to; unless said otherwise it met the objective."""
    return Outcome(
        load=rate,
        run_id=f"20260101-000000-{rate}",
        met=not missed and not ended,
        succeeded=8 * rate,
        success_rate=1.0,
        success_limit=0.95,
        total_p99_s=p99,
        total_limit_s=1.2,
        slowest={"connect": 0.01, "reset": 0.02, "overhead": 0.8},
        missed=missed,
        carried=carried,
        behind=carried < 1,
        cpu=Cpu(
            generator_mean=generator_cores,
            generator_busiest_mean=generator_cores,
            generator_max=generator_cores,
            replicas_mean=None if generator_cores is None else 0.5,
            nginx_mean=None,
        ),
        ended=ended,
    )
