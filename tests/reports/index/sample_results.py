"""Results folders made up: run.json and report.json as real runs leave them, without steps."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory
from reports.records.schema import CellJson, ExperimentJson, RunJson, RunStatus
from reports.run.report import to_json
from tests.reports import sample_reports

DAY = 86_400.0
FIRST = 1_790_000_000.0
_FORM = json.dumps(to_json(sample_reports.normal()))
SHIFT_AT, SHIFT = 12, 0.8
"""From which run of the series `shifted` on it is how much of the throughput."""


@dataclass(frozen=True)
class SampleRun:
    """What is said of one run."""

    name: str
    at: float = FIRST
    throughput: float = 1000.0
    p50: float = 0.053
    p99: float = 0.075
    users: int = 200
    workers: int = 2
    transport: str = "ws"
    status: RunStatus = "completed"
    slo_passed: bool = True
    code: str | None = None
    """Of a warning that makes it invalid."""
    tags: tuple[str, ...] = ()
    openenv: str = "0.10.0"
    page: bool = True


def write_run(results: Path, sample: SampleRun) -> RunDirectory:
    directory = RunDirectory(results / sample.name)
    directory.path.mkdir(parents=True)
    directory.write(run_json(sample))
    if sample.status != "running":
        directory.report_json.write_text(json.dumps(report_json(sample)))
    if sample.page:
        directory.report_html.write_text("<!doctype html><title>A report</title>")
    return directory


def run_json(sample: SampleRun) -> RunJson:
    run: Any = sample_reports.run_json(2, sample.workers)
    run |= {
        "run_id": sample.name,
        "started_at": sample.at,
        "ended_at": sample.at + 20,
        "status": sample.status,
    }
    run["config"] |= {"users": sample.users, "transport": sample.transport}
    run["versions"] |= {"openenv": sample.openenv}
    if sample.tags:
        run["config"]["tags"] = list(sample.tags)
    checked: RunJson = run
    return checked


def report_json(sample: SampleRun) -> dict[str, Any]:
    form: dict[str, Any] = json.loads(_FORM)
    valid = sample.status == "completed" and sample.code is None
    form["status"], form["passed"] = sample.status, valid and sample.slo_passed
    form["totals"] |= {"throughput_steps_per_s": sample.throughput, "sessions": sample.users}
    form["latency_in_window"]["step"] |= {"p50": sample.p50, "p99": sample.p99}
    form["slo"]["passed"] = sample.slo_passed
    if not sample.slo_passed:
        form["slo"]["criteria"][1] |= {
            "passed": False,
            "sentence": "99 % of the steps took at most 1.42 s in total; it must be below 1.10 s.",
        }
    code = sample.code or ("not_completed" if sample.status != "completed" else None)
    form["validity"] = {
        "valid": valid,
        "warnings": [{"code": code, "message": "The load generator was the limit."}] if code else [],
    }
    return form


def write_series(results: Path, name: str, runs: int, seed: int, **kept: Any) -> None:
    """Nightly runs of one configuration; the figures of the series `shifted` are worse from SHIFT_AT on."""
    random = np.random.default_rng(seed)
    for number in range(runs):
        level = SHIFT if name == "shifted" and number >= SHIFT_AT else 1.0
        noise = np.exp(random.normal(0, 0.02, 3))
        write_run(
            results,
            SampleRun(
                **{
                    "name": f"{name}-{number:03}",
                    "at": FIRST + number * DAY + 60 * seed,
                    "throughput": 1000 * level * noise[0],
                    "p50": 0.053 / level * noise[1],
                    "p99": 0.075 / level * noise[2],
                    "openenv": "0.10.1" if level < 1 else "0.10.0",
                    "tags": ("nightly",) if number % 2 else (),
                    **kept,
                }
            ),
        )


def write_experiment(results: Path, name: str, at: float = FIRST, status: RunStatus = "completed") -> None:
    directory = ExperimentDirectory(results / name)
    directory.runs.mkdir(parents=True)
    cell = {
        "deployment": "compose",
        "replicas": 1,
        "workers": 2,
        "balancing": "round_robin",
        "reuse_port": True,
        "transport": "ws",
        "wait": "0.01",
        "repetition": 1,
        "status": "completed",
        "reason": None,
        "run_id": "a",
    }
    experiment: ExperimentJson = {
        "kind": "experiment",
        "schema_version": 1,
        "experiment_id": name,
        "purpose": "scaling",
        "status": status,
        "started_at": at,
        "ended_at": at + 60,
        "config": {
            "scenario": "sustained",
            "targets": {"compose": "compose"},
            "seed": 1,
            "repetitions": 1,
            "duration_s": 4.0,
            "slo": {"success_rate": 0.95, "total_p99_s": None},
            "tags": ["weekly"],
        },
        "machine": {},
        "cells": cast(list[CellJson], [{**cell, "users": 8}, {**cell, "users": 64}]),
    }
    directory.write(experiment)
    report = {
        "kind": "experiment",
        "cells": [
            {"throughput_steps_per_s": 420.0, "valid": True},
            {"throughput_steps_per_s": 9000.0, "valid": False},
            {"throughput_steps_per_s": None, "valid": True},
        ],
        "max_batch": [{"max_batch": 64}, {"max_batch": None}],
    }
    directory.report_json.write_text(json.dumps(report))
    directory.report_html.write_text("<!doctype html><title>A report</title>")


def write_comparison(results: Path, a: str, b: str, verdict: str = "slower") -> None:
    folder = results / b / f"compare-{a}"
    folder.mkdir()
    changes = [{"metric": "throughput", "change": -0.12}, {"metric": "p50", "change": None}]
    form = {
        "kind": "comparison",
        "a": {"id": a},
        "b": {"id": b},
        "rows": [{"verdict": verdict, "changes": changes}],
    }
    (folder / "report.json").write_text(json.dumps(form))
    (folder / "report.html").write_text("<!doctype html><title>A report</title>")


def write_results(results: Path) -> None:
    """Some sixty runs in several configurations, of which one shifts, and what else may lie there."""
    write_series(results, "shifted", 22, 1)
    write_series(results, "steady", 18, 2, users=64)
    write_series(results, "http", 12, 3, transport="http", tags=("main", "http"))
    write_series(results, "few", 4, 4, workers=4)
    end = FIRST + 21 * DAY
    write_run(results, SampleRun("missed", end + 100, slo_passed=False, throughput=400.0, users=900))
    write_run(results, SampleRun("limited", end + 200, code="generator_saturated"))
    write_run(results, SampleRun("stopped", end + 300, status="interrupted", page=False))
    write_run(results, SampleRun("going-on", end + 400, status="running", page=False))
    write_experiment(results, "scaling-compose", end + 500)
    write_experiment(results, "scaling-cut", end - 500, status="interrupted")
    write_comparison(results, "shifted-011", "shifted-012")
    write_comparison(results, "steady-001", "steady-002", "no difference shown")
