"""Creates a run directory of any size, as a real run would leave it, for tests and benchmarks of the report.

`python -m benchmarks.synthetic_run DIR --rows 20000` writes one into DIR.
"""

import argparse
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reports.records.columns import RESOURCES, STEPS
from reports.records.run_directory import RunDirectory
from reports.records.schema import SCHEMA_VERSION, RunJson, Topology, Transport
from reports.records.tables import StreamWriter
from reports.statistics.groups import pieces

_STARTED = 1_760_000_000.0
_BATCH_ROWS = 100_000
_ROWS_AT_ONCE = 10_000_000
"""Users of larger runs connect anew every so many rows, so that memory holds whatever the size."""
_FAILURES = (
    ("timeout", "no reply within 30 s"),
    ("connection_lost", "1006: connection closed abnormally"),
    ("server_error", "EXECUTION_ERROR: the environment raised ValueError"),
)
_CONNECT, _RESET, _STEP = 0, 1, 2
_OPS = np.array(["connect", "reset", "step"])

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SyntheticRun:
    """What to create. Each user gets equally many rows, so there may be slightly fewer than asked for."""

    rows: int = 20_000
    users: int = 200
    replicas: int = 2
    workers: int = 2
    wait_s: float = 0.05
    spawn_rate: float = 100.0
    failure_share: float = 0.001
    transport: Transport = "ws"
    seed: int = 1
    episode_steps: int = 0
    """Steps after which an episode is done; 0: none ever is."""


def write_synthetic_run(
    path: Path, what: SyntheticRun | None = None, *, compacted: bool = True
) -> RunDirectory:
    """Writes run.json, the steps and the resources of a completed run into `path`, in Parquet.

    Not `compacted` they are still the streams that a run writes while it goes on.
    """
    what = what or SyntheticRun()
    path.mkdir(parents=True, exist_ok=True)
    directory = RunDirectory(path)
    random = np.random.default_rng(what.seed)
    ended_at = _write_steps(directory, what, random)
    _write_resources(directory, what, ended_at, random)
    if compacted:
        directory.compact()
    directory.write(run_json(path.name, what, ended_at))
    return directory


def run_json(run_id: str, what: SyntheticRun, ended_at: float) -> RunJson:
    """The run.json of a synthetic run that ended at `ended_at` (Unix seconds)."""
    return {
        "kind": "run",
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "status": "completed",
        "started_at": _STARTED,
        "ended_at": ended_at,
        "config": {
            "deployment": "compose",
            "url": "http://127.0.0.1:8000",
            "transport": what.transport,
            "users": what.users,
            "spawn_rate": what.spawn_rate,
            "duration_s": None,
            "wait": f"{what.wait_s:g}",
            "think_time": "0",
            "steps_per_episode": 0,
            "connect_timeout_s": 10.0,
            "step_timeout_s": 30.0,
            "action": None,
            "balancing": "round_robin",
            "processes": 1,
            "slo": {"success_rate": 0.95, "total_p99_s": None},
        },
        "topology": _topology(what),
        "versions": {"openenv": "0.10.0", "locust": "2.47.0", "python": "3.11.9"},
        "machine": {
            "hostname": "loadtest",
            "platform": "Linux x86_64",
            "cpu_model": "synthetic",
            "cores": 4,
            "memory_bytes": 16 << 30,
        },
    }


def _hosts(what: SyntheticRun) -> list[str]:
    return [f"http://172.20.0.{n + 3}:8000" for n in range(what.replicas)]


def _topology(what: SyntheticRun) -> Topology:
    hosts = _hosts(what)
    return {
        "replicas": what.replicas,
        "workers": what.workers,
        "hosts": hosts,
        "names": {host: f"env-{n + 1}" for n, host in enumerate(hosts)},
    }


def _write_steps(directory: RunDirectory, what: SyntheticRun, random: np.random.Generator) -> float:
    """Writes the stream of steps, in the order in which they ended; returns the end of the last."""
    users = min(what.users, max(what.rows // 4, 1))
    of_each = max(what.rows // users, 1)
    at_once = max(_ROWS_AT_ONCE // users, 4)
    begin_s = np.arange(users) / what.spawn_rate
    stream = StreamWriter(directory.steps.stream, STEPS)
    waiting, sessions, last_s = None, 0, 0.0
    for done in range(0, of_each, at_once):
        made = _make((users, min(at_once, of_each - done)), begin_s, sessions, what, random)
        begin_s = made.ended_s.reshape(users, -1)[:, -1]
        sessions = int(made.session.max()) + 1
        last_s = float(made.ended_s.max())
        made = made if waiting is None else waiting.then(made)
        made = made.rows(np.argsort(made.ended_s, kind="stable"))
        until = made.op.size
        if done + at_once < of_each:
            until = int(np.searchsorted(made.ended_s, begin_s.min()))
        for piece in pieces(until, _BATCH_ROWS):
            stream.append(_batch(made.rows(piece), what))
        waiting = made.rows(slice(until, None))
    stream.close()
    return _STARTED + last_s


@dataclass(frozen=True)
class _Operations:
    """Operations, a value each in every column. Times in seconds since the run's start."""

    user: Ints
    op: NDArray[np.int8]
    started_s: Floats
    latency_s: Floats
    ended_s: Floats
    waited_s: Floats
    session: Ints
    step_count: Ints
    worker: Ints
    failed: Bools
    failure: Ints
    """Which of _FAILURES it would be."""
    done: Bools

    def rows(self, chosen: Ints | slice) -> "_Operations":
        return _Operations(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def then(self, others: "_Operations") -> "_Operations":
        columns = [field.name for field in fields(self)]
        return _Operations(*(np.concatenate([getattr(self, n), getattr(others, n)]) for n in columns))


def _make(
    shape: tuple[int, int], begin_s: Floats, sessions: int, what: SyntheticRun, random: np.random.Generator
) -> _Operations:
    """The next operations of every user, which begin anew at `begin_s` after `sessions` sessions."""
    op, failed = _operations(shape, what, random)
    latency, waited = _latencies(op, failed, what, random)
    started = begin_s[:, None] + np.cumsum(latency, axis=1) - latency
    session = _sessions(op)
    step_count = _counts_since_reset(op)
    worker = _workers(op, session, what, random)
    cause = random.integers(0, len(_FAILURES), size=1000)
    row = np.arange(op.size)
    return _Operations(
        user=row // shape[1],
        op=op.ravel(),
        started_s=started.ravel(),
        latency_s=latency.ravel(),
        ended_s=(started + latency).ravel(),
        waited_s=waited.ravel(),
        session=session.ravel() + sessions,
        step_count=step_count.ravel(),
        worker=worker.ravel(),
        failed=failed.ravel(),
        failure=cause[row % cause.size],
        done=((step_count == what.episode_steps) & (op == _STEP) & (what.episode_steps > 0)).ravel(),
    )


def _batch(made: _Operations, what: SyntheticRun) -> pa.RecordBatch:
    hosts = np.array(_hosts(what), dtype=object)
    categories = np.array([category for category, _ in _FAILURES], dtype=object)
    details = np.array([detail for _, detail in _FAILURES], dtype=object)
    rows = made.op.size
    not_step, http = made.op != _STEP, what.transport == "http"
    unanswered = made.failed | (made.op == _CONNECT)
    sessions = made.worker if http else made.session
    count = None if http else made.step_count
    return pa.record_batch(
        [
            pa.array(_STARTED + made.started_s),
            pa.nulls(rows, pa.float64()),
            pa.array(_OPS[made.op]),
            pa.array([what.transport]).take(pa.array(np.zeros(rows, dtype=np.int8))),
            pa.array(made.latency_s),
            pa.array(np.full(rows, what.wait_s), mask=not_step),
            pa.array(made.waited_s, mask=not_step | made.failed),
            pa.array(hosts[made.worker // what.workers], mask=unanswered),
            pa.array(17 + made.worker % what.workers, mask=unanswered),
            pa.array(_hashes(sessions), mask=unanswered),
            pa.nulls(rows, pa.int64()) if count is None else pa.array(count, mask=unanswered),
            pa.array(_STARTED + made.started_s + made.latency_s, mask=unanswered),
            pa.array(made.user),
            pa.array(["local"]).take(pa.array(np.zeros(rows, dtype=np.int8))),
            pa.array(categories[made.failure], mask=~made.failed),
            pa.array(details[made.failure], mask=~made.failed),
            pa.array(np.full(rows, 1 / (1 + what.wait_s)), mask=unanswered),
            pa.array(made.done, mask=unanswered),
        ],
        schema=STEPS,
    )


def _operations(
    shape: tuple[int, int], what: SyntheticRun, random: np.random.Generator
) -> tuple[NDArray[np.int8], Bools]:
    """Each user's operations, one row per user: connect, reset, steps; after a failure it reconnects."""
    op = np.full(shape, _STEP, dtype=np.int8)
    over_http = what.transport == "http"
    op[:, :1] = _RESET if over_http else _CONNECT
    if not over_http:
        op[:, 1:2] = _RESET
    if what.episode_steps:
        op[:, 1 - over_http :: what.episode_steps + 1] = _RESET
    drawn = random.random(shape, dtype=np.float32) < what.failure_share
    drawn[:, :2] = False
    failed = drawn.copy()
    failed[:, 1:] &= ~drawn[:, :-1]
    failed[:, 2:] &= ~drawn[:, :-2]
    if not over_http:
        op[:, 1:][failed[:, :-1]] = _CONNECT
        op[:, 2:][failed[:, :-2]] = _RESET
    return op, failed


def _latencies(
    op: NDArray[np.int8], failed: Bools, what: SyntheticRun, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Seconds each operation took, and seconds the server waited in it."""
    overhead = random.lognormal(np.log(0.002), 0.6, op.shape)
    waited = np.where(op == _STEP, what.wait_s + random.exponential(0.0002, op.shape), 0.0)
    return overhead + waited + np.where(failed, 1.0, 0.0), waited


def _sessions(op: NDArray[np.int8]) -> Ints:
    """The number of each operation's session; a connect starts a new one."""
    first_of_user = np.arange(op.shape[0])[:, None]
    connects = np.cumsum(op == _CONNECT, axis=1)
    sessions: Ints = first_of_user + np.maximum(connects - 1, 0) * op.shape[0]
    return sessions


def _counts_since_reset(op: NDArray[np.int8]) -> Ints:
    at = np.arange(op.shape[1])[None, :]
    counts: Ints = at - np.maximum.accumulate(np.where(op == _RESET, at, 0), axis=1)
    return counts


def _workers(op: NDArray[np.int8], session: Ints, what: SyntheticRun, random: np.random.Generator) -> Ints:
    """The worker that answers each operation: the same one for a session, any one for a request over HTTP."""
    expected = what.replicas * what.workers
    weights = np.linspace(1.0, 0.6, expected)
    weights /= weights.sum()
    if what.transport == "http":
        return random.choice(expected, size=op.shape, p=weights)
    of_session: Ints = random.choice(expected, size=int(session.max()) + 1, p=weights)
    return of_session[session]


def _hashes(sessions: Ints) -> NDArray[np.object_]:
    """16 hex digits for each session number."""
    distinct, index = np.unique(sessions, return_inverse=True)
    mixed = (distinct.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return np.array([f"{value:016x}" for value in mixed], dtype=object)[index]


def _write_resources(
    directory: RunDirectory, what: SyntheticRun, ended_at: float, random: np.random.Generator
) -> None:
    at = np.arange(_STARTED, ended_at, 1.0)
    parts = [("replica", f"env-{n + 1}", 0.6, 300 << 20) for n in range(what.replicas)]
    parts += [("nginx", "nginx", 0.15, 30 << 20), ("generator", "local", 0.85, 120 << 20)]
    stream = StreamWriter(directory.resources.stream, RESOURCES)
    for role, name, cores, memory in parts:
        stream.append(
            pa.record_batch(
                [
                    pa.array(at),
                    pa.array([role] * at.size),
                    pa.array([name] * at.size),
                    pa.array(np.clip(random.normal(cores, 0.05, at.size), 0.0, None)),
                    pa.array((memory + random.normal(0.0, 1 << 20, at.size)).astype(np.int64)),
                    pa.array(np.full(at.size, 20 + what.users)),
                    _lags(role, at.size, random),
                ],
                schema=RESOURCES,
            )
        )
    stream.close()


def _lags(role: str, size: int, random: np.random.Generator) -> pa.Array:
    lags = 0.001 + random.exponential(0.0005, size)
    return pa.array(lags) if role == "generator" else pa.nulls(size, pa.float64())


def main() -> int:
    """Writes the run directory that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.synthetic_run", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to write it")
    for field in fields(SyntheticRun):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            choices=get_args(Transport) if field.name == "transport" else None,
            default=field.default,
            help="default: %(default)s",
        )
    parser.add_argument("--streams", action="store_true", help="leave the streams for the report to sort")
    options = vars(parser.parse_args())
    compacted = not options.pop("streams")
    directory = write_synthetic_run(options.pop("directory"), SyntheticRun(**options), compacted=compacted)
    sys.stdout.write(f"{directory.path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
