"""Calibrations made by hand: runs and the truth about them, with what the harness added under control."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reports.records.calibration_directory import CalibrationDirectory
from reports.records.columns import RESOURCES
from reports.records.run_directory import RunDirectory
from reports.records.schema import SCHEMA_VERSION, CalibrationCell, CalibrationJson, RunStatus
from reports.records.steps import Floats
from reports.records.truth import TRUTH, truth_of
from reports.run.report import report_run, to_json
from tests.reports.operations import START, Row, config, connect, reset, row, table, topology


@dataclass(frozen=True)
class Load:
    """One load: its steps' true times, what the harness adds to each, and what else is to be found."""

    users: int = 4
    name: str = "lognormal"
    reply_times: str = "lognormal:0.02:0.5"
    steps: int = 400
    """Of all users together."""
    added_s: Callable[[Floats], Floats] = field(default=lambda true: np.full_like(true, 0.0002))
    """From the true times, in seconds."""
    forgotten: int = 0
    """Steps of the first user that the harness did not record."""
    made_up: int = 0
    """Steps that the harness recorded and the server does not know."""
    due_before_s: float | None = None
    """In the open model, how long before it was sent each step was due."""
    generator_cores: float = 0.3
    other_cores: float = 0.2
    """Of all other programs, the reference server among them."""
    server_cores: float = 0.1
    woken_s: tuple[float, float] = (0.00008, 0.0002)
    """How late the machine woke up the witness, at p50 and at p99."""
    status: str = "completed"


def write_calibration(
    results: Path, loads: Sequence[Load], status: RunStatus = "completed"
) -> CalibrationDirectory:
    """Writes a calibration with a run for each load that is completed."""
    directory = CalibrationDirectory.create(results, "calibration", at=START)
    cells = [_cell(load, place) for place, load in enumerate(loads)]
    for load, cell in zip(loads, cells, strict=True):
        if cell["run_id"]:
            _write_run(directory.run(cell["run_id"]), load)
    directory.write(
        CalibrationJson(
            kind="calibration",
            schema_version=SCHEMA_VERSION,
            calibration_id=directory.path.name,
            status=status,
            started_at=START,
            ended_at=START + 60,
            duration_s=5,
            machine={"hostname": "bench", "cores": 2},
            versions={"python": "3.13"},
            cells=cells,
        )
    )
    return directory


def _cell(load: Load, place: int) -> CalibrationCell:
    completed = load.status == "completed"
    return CalibrationCell(
        name=load.name,
        reply_times=load.reply_times,
        arrivals=None if load.due_before_s is None else "poisson:100",
        users=load.users,
        status="completed" if completed else "failed",
        reason=None if completed else load.status,
        run_id=f"run-{place}" if completed else None,
    )


def _write_run(directory: RunDirectory, load: Load) -> None:
    directory.path.mkdir(parents=True)
    chance = np.random.default_rng(load.users)
    rows: list[Row] = []
    truth: dict[str, list[Any]] = {name: [] for name in TRUTH.names}
    for user in range(load.users):
        rows += [connect(0.0, user=user, latency_s=0.001), reset(0.01, user=user, latency_s=0.001)]
        rows += _steps(load, user, chance, truth)
    pq.write_table(table(rows), directory.steps.parquet)
    _write_truth(directory.path, truth, load)
    duration_s = max(each["started_at"] + each["latency_s"] for each in rows) - START
    pq.write_table(_resources(load, duration_s), directory.resources.parquet)
    directory.write(
        {
            "kind": "run",
            "schema_version": SCHEMA_VERSION,
            "run_id": directory.path.name,
            "status": "completed",
            "started_at": START,
            "ended_at": START + duration_s,
            "config": config(deployment="url", users=load.users),
            "topology": topology(None, None, ""),
            "versions": {},
            "machine": {"cores": 2},
        }
    )
    directory.write_report(to_json(report_run(directory)), "")  # its page takes a second


def _steps(load: Load, user: int, chance: np.random.Generator, truth: dict[str, list[Any]]) -> list[Row]:
    number = load.steps // load.users
    true = chance.lognormal(np.log(0.02), 0.5, number)
    reported = true + load.added_s(true)
    at = 0.1 + np.concatenate([[0.0], np.cumsum(reported[:-1] + 0.01)])
    session = f"{user:016x}"
    rows = []
    for place in range(number):
        columns: Row = {"session_hash": session, "step_count": place + 1, "host": "a", "pid": 7}
        if load.due_before_s is not None:
            columns["intended_at"] = START + float(at[place]) - load.due_before_s
        known_to_harness = user or not number // 2 <= place < number // 2 + load.forgotten
        known_to_server = user or not number // 2 <= place < number // 2 + load.made_up
        if known_to_harness:
            latency_s = float(reported[place])
            rows.append(row("step", float(at[place]), user=user, latency_s=latency_s, **columns))
        if known_to_server:
            values = (session, place + 1, START + float(at[place]) + 0.0001, float(true[place]), 0.0)
            for name, value in zip(TRUTH.names, values, strict=True):
                truth[name].append(value)
    return rows


def _write_truth(path: Path, truth: dict[str, list[Any]], load: Load) -> None:
    found = pa.table(truth).set_column(0, "session_hash", pa.array(truth["session_hash"]).dictionary_encode())
    noted = {"cpu_cores": load.server_cores, "woken_p50_s": load.woken_s[0], "woken_p99_s": load.woken_s[1]}
    schema = TRUTH.with_metadata({name: str(value) for name, value in noted.items()})
    pq.write_table(found.cast(schema), truth_of(path))


def _resources(load: Load, duration_s: float) -> pa.Table:
    parts = (("generator", "bench:7", load.generator_cores), ("others", "bench", load.other_cores))
    return pa.Table.from_pylist(
        [
            {"at": START + 0.5 * second, "role": role, "name": name, "cpu_cores": cores, "memory_bytes": 1}
            for second in range(1, int(duration_s * 2) + 1)
            for role, name, cores in parts
        ],
        schema=RESOURCES,
    )
