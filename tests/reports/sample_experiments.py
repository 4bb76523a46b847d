"""Experiment directories of made-up cells whose throughput follows a known Universal Scalability Law."""

import functools
import itertools
import json
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from reports.experiment.page import render
from reports.experiment.report import ExperimentReport, report_experiment
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.schema import (
    CapacityJson,
    CapacityTry,
    CellJson,
    CellStatus,
    ExperimentJson,
    RunJson,
    RunStatus,
    Scenario,
)
from reports.run.report import to_json
from tests.reports import sample_reports

FAILURE = "the deployment did not answer within 60 s: worker exited with code 3"
SATURATED = (
    "The load generator kept 0.99 of a core busy, all that one process can: its own slowness is in the "
    "figures. Give it more processes (PROCESSES=…)."
)

_STARTED = 1_792_245_802.0
_CORES = 8
_WIDE_LAW_SIGMA, _WIDE_LAW_KAPPA = 0.05, 0.001
_LONGEST_S = 2.0


@dataclass(frozen=True)
class SampleExperiment:
    """What to make up. Some cells are made to fail, see `write_sample_experiment`."""

    sizes: tuple[tuple[int | None, int | None], ...] = ((1, 1), (1, 2), (2, 1), (2, 2))
    users: tuple[int, ...] = (1, 8, 32, 128, 256)
    repetitions: int = 2
    targets: tuple[str, ...] = ("compose",)
    balancing: tuple[str | None, ...] = ("round_robin",)
    reuse_port: tuple[bool | None, ...] = (True,)
    transport: tuple[str, ...] = ("ws",)
    wait: tuple[str, ...] = ("0.01",)
    sigma: float = 0.02
    kappa: float = 0.0002
    gamma: float = 60.0
    """Of one worker over users; W workers have σ and κ smaller by their own law."""
    noise: float = 0.02
    """Standard deviation of throughput, relative."""
    seed: int = 1
    scenario: Scenario = "sustained"
    troubles: bool = True
    """One cell failed, one is invalid, and the size 4 × 1 is added of which nothing ever works."""
    all_fail: bool = False
    """No cell has a successful step."""
    pending: int = 0
    """Cells that were not run, so that the experiment was cut short."""
    capacity: CapacityJson | None = None
    cap: int | None = None
    """Sessions that the server holds; it turns others away."""
    pages: bool = True
    """Whether every run has a page to link to."""


CAPACITY = CapacityJson(
    sessions=256,
    max_batch=256,
    low=248,
    high=264,
    confidence=0.97,
    lower_bound=False,
    server_cap=256,
    cores=2,
    limit="errors",
    explanation="From 257 sessions on the server answered CAPACITY_REACHED: 4 workers × 64 sessions.",
    remedy="Raise MAX_CONCURRENT_ENVS, or add workers.",
    tries=[],
)


def capacity_sample() -> SampleExperiment:
    """A capacity search: one group, batches found by doubling and bisection."""
    users = (64, 128, 256, 512, 384, 320, 264)
    tries = [
        {
            "users": n,
            "run_id": f"20261017-14{place:02}00-batch-{n}",
            "passed": n <= 256,
            "succeeded": min(n, 256),
            "success_rate": min(n, 256) / n,
            "total_p99_s": 0.2 + n / 2000,
        }
        for place, n in enumerate(users)
        for _ in range(2)
    ]
    return SampleExperiment(
        sizes=((1, 4),),
        users=users,
        troubles=False,
        scenario="batch",
        capacity=cast(CapacityJson, {**CAPACITY, "tries": tries}),
    )


def rates_sample() -> SampleExperiment:
    """A capacity search over rates: one group, of which the users are only as many as a rate needs."""
    p99 = {100: 0.2, 200: 0.3, 400: 0.9, 800: 6.0, 600: 2.5, 500: 1.4, 450: 1.25, 425: 1.22, 412: 1.0}
    tries: list[CapacityTry] = []
    for place, (rate, p99_s) in enumerate(p99.items()):
        one = CapacityTry(
            users=rate,
            run_id=f"20261017-14{place:02}00-1x1-{rate}",
            passed=p99_s < 1.2,
            succeeded=8 * rate,
            success_rate=1.0,
            total_p99_s=p99_s,
        )
        if p99_s >= 1.2:
            one["missed"] = "latency & <only> 93 % of what arrived was carried"
        tries.append(one)
    found = CapacityJson(
        unit="steps/s",
        total_p99_limit_s=1.2,
        sessions=412,
        max_batch=412,
        low=412,
        high=425,
        confidence=0.97,
        lower_bound=False,
        server_cap=None,
        cores=2,
        limit="throughput",
        explanation="At 425 steps/s only 93 % of what arrived was carried.",
        remedy="Add workers or replicas.",
        tries=tries,
    )
    return SampleExperiment(sizes=((1, 1),), users=(64, 750), repetitions=1, troubles=False, capacity=found)


_ONE_SIZE = SampleExperiment(sizes=((1, 2),), users=(8, 32), repetitions=1, troubles=False)
SAMPLES = {
    "grid": SampleExperiment(),
    "four groups": SampleExperiment(troubles=False),
    "dozens of groups": SampleExperiment(
        sizes=((2, 2), (5, 2)), balancing=("round_robin", "least_conn"), reuse_port=(True, False),
        transport=("ws", "http"), repetitions=1,
    ),
    "one size": _ONE_SIZE,
    "without pages": replace(_ONE_SIZE, pages=False),
    "capacity": capacity_sample(),
    "rates": rates_sample(),
    "all failing": SampleExperiment(all_fail=True, pending=5),
    "cut short": SampleExperiment(sizes=((1, 1), (2, 1)), repetitions=1, pending=6),
    "servers by URL": SampleExperiment(
        sizes=((None, None),), targets=("first", "second"), balancing=(None,), reuse_port=(None,),
        troubles=False, users=(4, 16, 64, 256),
    ),
    "a cap": SampleExperiment(
        sizes=((1, 1),), users=(32, 64, 96, 128), repetitions=1, troubles=False, scenario="batch", cap=64,
    ),
    "transports": SampleExperiment(sizes=((1, 1), (1, 2)), transport=("ws", "http"), users=(8, 64)),
}  # fmt: skip


@functools.cache
def report(name: str) -> ExperimentReport:
    """The report of one of the SAMPLES, made once for all tests that look at it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "20261017-140322-grid"
        return report_experiment(write_sample_experiment(path, SAMPLES[name]))


@functools.cache
def page(name: str) -> str:
    """Its page, drawn once."""
    return render(report(name))


def undrawn(report: ExperimentReport) -> ExperimentReport:
    """The report without most of its figures, for tests of what its page says: they take long to draw."""
    return replace(
        report,
        growth=replace(report.growth, groups=[]),
        usl=replace(report.usl, groups=[], workers=[]),
        breakdown=replace(report.breakdown, rows=[]),
        fairness=replace(report.fairness, comparisons=[]),
    )


def write_sample_experiment(path: Path, what: SampleExperiment | None = None) -> ExperimentDirectory:
    """Writes experiment.json and for every finished cell run.json, report.json and a page into `path`.

    With troubles, the first repetition of the first size at its second load failed, the second one of it
    at its third load is invalid as the generator was saturated.
    """
    what = what or SampleExperiment()
    directory = ExperimentDirectory(path)
    directory.runs.mkdir(parents=True)
    chance = random.Random(what.seed)
    base = to_json(sample_reports.normal(2, 2))
    cells = _cells(what)
    chance.shuffle(cells)
    for place, cell in enumerate(cells):
        _fill(cell, place, len(cells) - what.pending, what)
        if cell["status"] == "completed":
            _write_run(directory, cell, what, base, chance)
    status: RunStatus = "interrupted" if what.pending else "completed"
    experiment = ExperimentJson(
        kind="experiment",
        schema_version=1,
        experiment_id=path.name,
        purpose="capacity" if what.capacity else "scaling",
        status=status,
        status_detail="Ctrl-C" if what.pending else None,
        started_at=_STARTED,
        ended_at=_STARTED + 30.0 * len(cells),
        config={
            "scenario": what.scenario,
            "targets": {target: target for target in what.targets},
            "seed": what.seed,
            "repetitions": what.repetitions,
            "duration_s": None if what.scenario == "batch" else 20.0,
            "slo": {"success_rate": 0.95, "total_p99_s": None},
        },
        machine=sample_reports.run_json(1, 1)["machine"] | {"cores": _CORES},
        cells=cells,
    )
    if what.capacity:
        experiment["capacity"] = what.capacity
        if "unit" in what.capacity:
            experiment["config"]["arrivals_of"] = "steps"
            for cell in cells:
                cell["arrivals"] = f"poisson:{cell['users'] + 100}:1"
    directory.write(experiment)
    return directory


def law(users: float, workers: int, what: SampleExperiment) -> float:
    """The throughput, without noise, of so many users on so many workers, in steps a second."""
    wide = workers / (1 + _WIDE_LAW_SIGMA * (workers - 1) + _WIDE_LAW_KAPPA * workers * (workers - 1))
    sigma, kappa = what.sigma / wide, what.kappa / wide**2
    return what.gamma * users / (1 + sigma * (users - 1) + kappa * users * (users - 1))


def _cells(what: SampleExperiment) -> list[CellJson]:
    sizes = [*what.sizes, (4, 1)] if what.troubles and (4, 1) not in what.sizes else list(what.sizes)
    return [
        cast(
            CellJson,
            {
                "deployment": target,
                "replicas": replicas,
                "workers": workers,
                "balancing": balancing,
                "reuse_port": reuse_port,
                "transport": transport,
                "wait": wait,
                "users": users,
                "repetition": repetition,
                "status": "pending",
                "reason": None,
                "run_id": None,
            },
        )
        for target, (replicas, workers), balancing, reuse_port, transport, wait in itertools.product(
            what.targets, sizes, what.balancing, what.reuse_port, what.transport, what.wait
        )
        for users in what.users
        for repetition in range(1, what.repetitions + 1)
    ]


def _fill(cell: CellJson, place: int, to_run: int, what: SampleExperiment) -> None:
    if place >= to_run:
        return
    status: CellStatus = "completed"
    if what.troubles and _is(cell, what, load=1, repetition=1):
        status = "failed"
        cell["reason"] = FAILURE
    cell["status"] = status
    if status == "completed":
        size = f"{cell['replicas']}x{cell['workers']}" if cell["replicas"] else "url"
        cell["run_id"] = f"20261017-14{place // 60:02}{place % 60:02}-{size}-{cell['users']}"


def _is(cell: CellJson, what: SampleExperiment, load: int, repetition: int) -> bool:
    return (
        (cell["replicas"], cell["workers"]) == what.sizes[0]
        and cell["users"] == what.users[min(load, len(what.users) - 1)]
        and cell["repetition"] == min(repetition, what.repetitions)
    )


def _write_run(
    directory: ExperimentDirectory,
    cell: CellJson,
    what: SampleExperiment,
    base: dict[str, Any],
    chance: random.Random,
) -> None:
    assert cell["run_id"] is not None
    run = directory.run(cell["run_id"])
    run.path.mkdir(exist_ok=True)
    run_json = _run_json(cell, what)
    run.write(run_json)
    dead = what.all_fail or (what.troubles and (cell["replicas"], cell["workers"]) == (4, 1))
    invalid = what.troubles and _is(cell, what, load=2, repetition=2)
    report = _report(cell, run_json, what, base, chance, dead=dead, invalid=invalid)
    run.report_json.write_text(json.dumps(report))
    if what.pages:
        run.report_html.write_text("<!DOCTYPE html><html lang=en><title>A run</title><p>A run.</html>\n")


def _run_json(cell: CellJson, what: SampleExperiment) -> RunJson:
    run = sample_reports.run_json(cell["replicas"] or 1, cell["workers"] or 1)
    run["run_id"] = cell["run_id"] or ""
    run["machine"] = run["machine"] | {"cores": _CORES}
    run["config"].update(
        {
            "deployment": "compose" if cell["replicas"] else "url",
            "transport": cell["transport"],
            "users": cell["users"],
            "wait": cell["wait"],
            "balancing": cell["balancing"],
            "reuse_port": cell["reuse_port"],
            "scenario": what.scenario,
            "duration_s": None if what.scenario == "batch" else 20.0,
        }
    )
    return run


def _report(
    cell: CellJson,
    run: RunJson,
    what: SampleExperiment,
    base: dict[str, Any],
    chance: random.Random,
    *,
    dead: bool,
    invalid: bool,
) -> dict[str, Any]:
    users, workers = cell["users"], (cell["replicas"] or 1) * (cell["workers"] or 1)
    throughput = 0.0 if dead else law(users, workers, what) * chance.gauss(1, what.noise)
    wait_s = float(cell["wait"])
    cycle_s = users / throughput - 1 / what.gamma if throughput else 0.0
    late = max(cycle_s / _LONGEST_S - 1, 0.0)
    success_rate = 0.0 if dead else round(max(1 - 0.1 * late, 0.2), 4)
    if what.capacity:
        success_rate = min(users, 256) / users
    turned_away = max(users - what.cap, 0) if what.cap else 0
    if turned_away:
        success_rate = (users - turned_away) / users
    step = _quantiles(wait_s + 0.001 + cycle_s, chance)
    connect = _quantiles(0.002 + 0.0001 * users, chance)
    latency = {} if dead else {
        "connect": connect,
        "reset": _quantiles(0.001 + 0.3 * cycle_s, chance),
        "step": step,
        "overhead": {name: value - wait_s if name != "count" else value for name, value in step.items()},
        "total": {name: value + connect[name] if name != "count" else value for name, value in step.items()},
    }  # fmt: skip
    if cell["transport"] == "http":
        latency.pop("connect", None)
    limit = 2 * (wait_s + 0.5)
    p99 = latency["total"]["p99"] if latency else None
    criteria = [
        {
            "name": "success_rate",
            "limit": 0.95,
            "value": success_rate,
            "passed": success_rate >= 0.95,
            "sentence": f"{100 * success_rate:.1f} % of operations succeeded; at least 95 % must.",
        },
        {
            "name": "total_p99_s",
            "limit": limit,
            "value": p99,
            "passed": p99 is not None and p99 < limit,
            "sentence": f"99 % of the steps took at most {p99:.2f} s; it must be less than {limit:.2f} s."
            if p99
            else "No step succeeded.",
        },
    ]
    steps = int(throughput * 20)
    busy = min(throughput / (what.gamma * 25), workers)
    jain = 1 - chance.uniform(0, 0.02) - (0.2 if cell["reuse_port"] is False else 0.0)
    generator = 0.99 if invalid else min(0.05 + throughput / 20_000, 0.9)
    return base | {
        "run_id": run["run_id"],
        "notices": [SATURATED] if invalid else [],
        "config": run["config"],
        "topology": run["topology"],
        "totals": base["totals"] | {
            "sessions": users,
            "steps": steps,
            "operations": steps + 2 * users,
            "failures": round((steps + 2 * users) * (1 - success_rate)),
            "success_rate": success_rate,
            "throughput_steps_per_s": throughput,
            "users": users,
        },
        "latency": latency,
        "latency_in_window": {name: latency[name] for name in ("step", "overhead") if name in latency},
        "distribution": base["distribution"] | {
            "fairness": {
                "replica": {"jain": None if dead else (1 + jain) / 2, "chi2_p": 0.5, "max_over_min": 1.2},
                "worker": {"jain": None if dead else jain, "chi2_p": 0.4, "max_over_min": 1.3},
            },
            "expected_workers": workers,
        },
        "errors": [_refusals(turned_away, what.cap)] if turned_away else base["errors"],
        "slo": {"passed": all(c["passed"] for c in criteria), "criteria": criteria},
        "validity": {
            "valid": not invalid,
            "warnings": [{"code": "generator_saturated", "message": SATURATED}] if invalid
            else [{"code": "no_steps", "message": "No step succeeded."}] if dead else [],
        },
        "resources": [
            *(
                _part("replica", f"env-{n + 1}", busy / (cell["replicas"] or 1))
                for n in range(cell["replicas"] or 0)
            ),
            _part("nginx", "nginx", busy * 0.1),
            _part("generator", "locust", generator),
        ],
    }  # fmt: skip


def _refusals(count: int, cap: int | None) -> dict[str, Any]:
    said = f"CAPACITY_REACHED: Server at capacity: {cap}/{cap} sessions active"
    return {"category": "capacity", "op": "reset", "count": count, "first_at": 0.1, "example": said}


def _quantiles(middle: float, chance: random.Random) -> dict[str, float]:
    middle *= chance.gauss(1, 0.02)
    ratios = {"mean": 1.05, "p50": 1.0, "p90": 1.3, "p95": 1.45, "p99": 1.9, "p999": 2.6, "max": 3.5}
    return {"count": 1000} | {name: middle * ratio for name, ratio in ratios.items()}


def _part(role: str, name: str, cpu: float) -> dict[str, Any]:
    return {
        "role": role, "name": name, "cpu_mean": cpu, "cpu_max": min(cpu * 1.05, max(cpu, 1.0)),
        "memory_max": 2e8, "open_files_max": 300,
    }  # fmt: skip
