"""Made-up load whose steps depend on each other as real ones do: in time and within a session."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reports.comparison.estimates import Estimate, Layout, Metric, sustained_estimates
from reports.comparison.measurement import QUANTILES
from reports.comparison.sections.changes import Change, change_of, judged
from reports.records.columns import STEPS
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory
from reports.records.schema import CellJson, ExperimentJson, RunJson
from reports.records.tables import StreamWriter
from reports.statistics.significance import holm
from tests.reports import sample_reports

Floats = NDArray[np.float64]

START = 1_790_000_000.0


@dataclass(frozen=True)
class Load:
    """A closed-loop load: latency is lognormal noise times the session's speed times a drift over seconds."""

    users: int = 16
    seconds: float = 30.0
    median_s: float = 0.25
    noise: float = 0.4
    session_spread: float = 0.0
    """Standard deviation of the logarithm of a session's own speed."""
    drift: float = 0.0
    """Standard deviation of the logarithm of the drift, an AR(1) process by second."""
    correlation: float = 0.8
    """Of the drift from one second to the next."""


@dataclass(frozen=True)
class Steps:
    started_s: Floats
    latency_s: Floats
    user: NDArray[np.int32]
    users: int

    def of_users(self, chosen: NDArray[np.bool_]) -> "Steps":
        number = np.cumsum(chosen) - 1
        rows = chosen[self.user]
        user = number[self.user[rows]].astype(np.int32)
        return Steps(self.started_s[rows], self.latency_s[rows], user, int(chosen.sum()))


def simulate(load: Load, random: np.random.Generator) -> Steps:
    return simulate_runs(load, random, 1)[0]


def simulate_runs(load: Load, random: np.random.Generator, count: int) -> list[Steps]:
    """So many runs that do not depend on each other."""
    drift = np.zeros((int(load.seconds) + 1, count))
    shocks = random.normal(size=drift.shape) * load.drift
    drift[0] = shocks[0]
    for second in range(1, len(drift)):
        drift[second] = load.correlation * drift[second - 1] + shocks[second] * np.sqrt(
            1 - load.correlation**2
        )
    run = np.repeat(np.arange(count), load.users)
    speed = random.normal(size=run.size) * load.session_spread
    now = random.random(run.size) * load.median_s
    started, latencies, users = [], [], []
    while (on := np.flatnonzero(now < load.seconds)).size:
        logs = speed[on] + drift[now[on].astype(int), run[on]] + load.noise * random.normal(size=on.size)
        latency = load.median_s * np.exp(logs)
        started.append(now[on])
        latencies.append(latency)
        users.append(on)
        now[on] += latency
    everyone = np.concatenate(users)
    of_run, user = np.divmod(everyone, load.users)
    order = np.argsort(of_run, kind="stable")
    ends = np.cumsum(np.bincount(of_run, minlength=count))[:-1]
    started_s, latency_s, user_of = (
        np.split(column[order], ends)
        for column in (np.concatenate(started), np.concatenate(latencies), user.astype(np.int32))
    )
    return [Steps(*columns, users=load.users) for columns in zip(started_s, latency_s, user_of, strict=True)]


def estimates(steps: Steps, window_s: tuple[float, float]) -> dict[Metric, Estimate]:
    """What a comparison takes from the steps that ended in a window."""
    ended_s = steps.started_s + steps.latency_s
    inside = (ended_s >= window_s[0]) & (ended_s <= window_s[1])
    layout = Layout.of(ended_s[inside], steps.user[inside], steps.users, window_s)
    latency_s = steps.latency_s[inside]
    return sustained_estimates(latency_s, np.sort(latency_s), layout, window_s[1] - window_s[0], QUANTILES)


def changes(a: dict[Metric, Estimate], b: dict[Metric, Estimate]) -> list[Change]:
    """The judged changes of one pair of runs."""
    found = [change_of(metric, [a[metric]], [b[metric]], None) for metric in a]
    return [judged(each, p) for each, p in zip(found, holm([each.p for each in found]), strict=True)]


def differ(a: dict[Metric, Estimate], b: dict[Metric, Estimate]) -> bool:
    return any(change.verdict != "no difference shown" for change in changes(a, b))


def run_json(run_id: str, load: Load) -> RunJson:
    run = sample_reports.run_json(2, 2)
    run["run_id"] = run_id
    run["config"]["users"] = load.users
    run["config"]["duration_s"] = load.seconds
    return run


def write_run(
    path: Path, load: Load, seed: int, failing: float = 0.0, category: str = "timeout", slowdown: float = 1.0
) -> RunDirectory:
    """A run directory with the simulated load; a share `failing` of the steps fails."""
    random = np.random.default_rng(seed)
    steps = simulate(load, random)
    return write_steps(
        path, run_json(path.name, load), steps, random.random(steps.user.size) < failing, category, slowdown
    )


def write_steps(
    path: Path,
    run: RunJson,
    steps: Steps,
    failed: NDArray[np.bool_],
    category: str = "timeout",
    slowdown: float = 1.0,
) -> RunDirectory:
    path.mkdir(parents=True)
    directory = RunDirectory(path)
    rows = steps.user.size
    hosts = np.array(run["topology"]["hosts"], dtype=object)
    nothing = pa.nulls(rows, pa.float64())
    stream = StreamWriter(directory.steps.stream, STEPS)
    stream.append(
        pa.record_batch(
            [
                pa.array(START + steps.started_s * slowdown),
                nothing,
                pa.array(["step"] * rows),
                pa.array(["ws"] * rows),
                pa.array(steps.latency_s * slowdown),
                nothing,
                nothing,
                pa.array(hosts[steps.user % 2], mask=failed),
                pa.array(10 + steps.user.astype(np.int64) // 2 % 2, mask=failed),
                pa.array(np.array([f"{user:016x}" for user in steps.user], dtype=object), mask=failed),
                pa.nulls(rows, pa.int64()),
                nothing,
                pa.array(steps.user.astype(np.int64)),
                pa.array(["local"] * rows),
                pa.array(np.full(rows, category, dtype=object), mask=~failed),
                pa.nulls(rows, pa.string()),
                nothing,
                pa.nulls(rows, pa.bool_()),
            ],
            schema=STEPS,
        )
    )
    stream.close()
    directory.compact()
    directory.write(run)
    return directory


def write_batch(path: Path, users: int, seed: int, refused: int = 0, slowdown: float = 1.0) -> RunDirectory:
    """A batch: each user connects, resets and steps once; the last `refused` are turned away at once."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        connect, reset, step = (slowdown * 0.05 * np.exp(random.normal(size=3) * 0.3)).tolist()
        common = {"transport": "ws", "user": user, "generator": "local"}
        turned_away = user >= users - refused
        rows.append(
            {
                **common,
                "op": "connect",
                "started_at": START,
                "latency_s": connect,
                "error": "capacity" if turned_away else None,
            }
        )
        if not turned_away:
            answered = {"host": "a", "pid": 7, "session_hash": f"{user:016x}", **common}
            rows.append({**answered, "op": "reset", "started_at": START + connect, "latency_s": reset})
            rows.append({**answered, "op": "step", "started_at": START + connect + reset, "latency_s": step})
    path.mkdir(parents=True)
    directory = RunDirectory(path)
    stream = StreamWriter(directory.steps.stream, STEPS)
    stream.append(pa.RecordBatch.from_pylist(rows, schema=STEPS))
    stream.close()
    directory.compact()
    run = run_json(path.name, Load(users=users))
    run["config"]["scenario"] = "batch"
    directory.write(run)
    return directory


def cell(users: int, repetition: int, **changed: object) -> CellJson:
    values: CellJson = {
        "deployment": "compose",
        "replicas": 2,
        "workers": 2,
        "balancing": "round_robin",
        "reuse_port": None,
        "transport": "ws",
        "wait": "0.05",
        "users": users,
        "repetition": repetition,
        "status": "completed",
        "reason": None,
        "run_id": f"run-{users}-{repetition}",
    }
    return cast(CellJson, {**values, **changed})


def experiment_json(experiment_id: str, cells: list[CellJson]) -> ExperimentJson:
    return {
        "kind": "experiment",
        "schema_version": 1,
        "experiment_id": experiment_id,
        "purpose": "scaling",
        "status": "completed",
        "started_at": START,
        "ended_at": START + 100,
        "config": {
            "scenario": "sustained",
            "targets": {"compose": "compose"},
            "seed": 1,
            "repetitions": 2,
            "duration_s": 20.0,
            "slo": {"success_rate": 0.95, "total_p99_s": None},
        },
        "machine": {"hostname": "bench", "cores": 2},
        "cells": cells,
    }


def write_experiment(
    path: Path,
    seed: int,
    users: tuple[int, ...] = (8, 16),
    repetitions: int = 2,
    slow: float = 1.0,
    run_spread: float = 0.0,
    cells: list[CellJson] | None = None,
    seconds: float = 15.0,
) -> ExperimentDirectory:
    """An experiment whose runs differ from each other by `run_spread` (of the logarithm of latency)."""
    random = np.random.default_rng(seed)
    path.mkdir(parents=True)
    directory = ExperimentDirectory(path)
    cells = cells or [cell(each, repetition + 1) for each in users for repetition in range(repetitions)]
    for at, each in enumerate(cells):
        if each["run_id"] and each["status"] == "completed":
            load = Load(
                users=each["users"],
                seconds=seconds,
                median_s=0.2 * slow * float(np.exp(random.normal() * run_spread)),
                session_spread=0.02,
            )
            write_run(directory.runs / each["run_id"], load, seed * 1000 + at)
    directory.write(experiment_json(path.name, cells))
    return directory
