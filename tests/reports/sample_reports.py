"""Reports of made-up runs, built by hand, for the tests of figures and of the page."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from reports.records.schema import FaultJson, RunConfig, RunJson
from reports.run.page import render
from reports.run.report import RunReport
from reports.run.sections.distribution import Distribution, ReplicaShare, WorkerShare
from reports.run.sections.errors import ErrorGroup, Errors
from reports.run.sections.evenness import Fairness, judge_evenness
from reports.run.sections.faults import Fault, Faults, Price
from reports.run.sections.generator_lag import GeneratorLag
from reports.run.sections.isolation import Isolation
from reports.run.sections.latency import Curve, HeatMap, Latency, OverTime, Summary
from reports.run.sections.littles_law import LittlesLaw
from reports.run.sections.resources import PartUsage, Resources
from reports.run.sections.slo import Criterion, SloVerdict
from reports.run.sections.timeline import Timeline
from reports.run.sections.totals import Totals
from reports.run.sections.validity import Code, RunWarning, Validity
from reports.run.sections.waits import Waits
from reports.statistics.jain import jain_index
from reports.statistics.quantiles import equal_shares_p

Floats = NDArray[np.float64]

HOSTILE = (
    """</script></title></svg><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">"""
)
DURATION_S = 20.0
QUANTILES = 1 - np.logspace(0, -4, 200)


@functools.cache
def page(make: Callable[[], RunReport]) -> str:
    """The page of a report, drawn once for all tests that look at it."""
    return render(make())


def normal(replicas: int = 2, workers: int = 2) -> RunReport:
    """A good run: every section has something to show, and the objective is met."""
    random = np.random.default_rng(7)
    at = np.arange(0.5, DURATION_S)
    step = 0.05 + np.exp(random.normal(-5.6, 0.6, 20_000))
    samples = {
        "connect": np.exp(random.normal(-4.2, 0.4, 200)),
        "reset": np.exp(random.normal(-5.0, 0.3, 200)),
        "step": step,
        "overhead": step - 0.05,
        "total": step + 0.025,
    }
    return RunReport(
        run=run_json(replicas, workers),
        validity=Validity(True, []),
        totals=Totals(200, 20_000, 20_400, 0, 1.0, DURATION_S, 1043.2, (2.1, 18.6)),
        slo=SloVerdict(
            True,
            [
                Criterion(
                    "success_rate", 0.95, 1.0, True, "100 % of operations succeeded; at least 95 % must."
                ),
                Criterion(
                    "total_p99_s",
                    1.1,
                    0.113,
                    True,
                    "99 % of the steps took at most 113 ms in total; it must be below 1.10 s.",
                ),
            ],
        ),
        latency=Latency(
            summaries={name: summary(values) for name, values in samples.items()},
            in_window={name: summary(samples[name]) for name in ("step", "overhead") if name in samples},
            service={},
            curves={
                name: Curve(QUANTILES, np.quantile(values, QUANTILES)) for name, values in samples.items()
            },
            over_time=OverTime(
                at,
                0.053 + random.normal(0, 0.0004, at.size),
                0.06 + random.normal(0, 0.001, at.size),
                0.075 + random.exponential(0.01, at.size),
            ),
            heat_map=heat_map(step, random.uniform(0, DURATION_S, step.size)),
            takeaways=[
                "Half of the steps took at most 53.8 ms, one in a hundred more than 75.2 ms.",
                "The server waited 50.0 ms of that; the rest is 3.76 ms at the median, 25.2 ms at p99.",
            ],
        ),
        timeline=Timeline(
            at,
            1.0,
            np.minimum(at / 2, 1) * 1043 + random.normal(0, 12, at.size),
            np.zeros(at.size),
            np.minimum(at / 2, 1) * 200,
            ["With all users there, from 2.1 s to 18.6 s, the deployment carried 1,043.2 steps/s."],
        ),
        distribution=distribution(replicas, workers, 200, 20_000),
        isolation=Isolation(200, 0, 0, 0, 0, 0, [], ["All 200 sessions kept to themselves."]),
        waits=Waits(20_000, 0, 0, [], []),
        errors=Errors([], [], np.array([]), np.zeros((0, 0), dtype=np.int64), []),
        resources=Resources(
            [
                *(usage("replica", f"env-{n + 1}", 0.8, 310e6, random) for n in range(replicas)),
                usage("nginx", "nginx", 0.15, 24e6, random),
                usage("generator", "locust", 0.6, 140e6, random),
            ],
            ["No part used up its cores: the busiest, env-1, kept 0.9 cores busy."],
        ),
        lag=generator_lag(at, random),
        law=LittlesLaw(
            200.0, 1060.0, 0.188, 0.9965, "Little's law: 200.0 users = 1,060.0 operations/s × 188 ms.", None
        ),
    )


def generator_lag(at: Floats, random: np.random.Generator) -> GeneratorLag:
    """A generator that is at ease, but for a moment of which nothing is known."""
    lag = 0.001 + random.exponential(0.0005, at.size)
    lag[4:6] = np.nan
    return GeneratorLag(
        at,
        1.0,
        lag,
        0.0014,
        0.003,
        0.0031,
        None,
        ["In the median second the generator's event loop was at most 1.40 ms late in 99 % of the moments."],
    )


def undrawn(report: RunReport) -> RunReport:
    """The report without most of its figures, for tests of what its page says: they take long to draw."""
    nothing = np.array([])
    return replace(
        report,
        latency=replace(report.latency, curves={}, over_time=None, heat_map=None),
        timeline=Timeline(nothing, 1.0, nothing, nothing, nothing, report.timeline.takeaways),
        resources=replace(report.resources, parts=[]),
        lag=None,
    )


def cautions(code: Code, message: str) -> Validity:
    """What there is to say of a run that is not valid."""
    return Validity(False, [RunWarning(code, message)])


def with_errors() -> RunReport:
    """A run that missed its objective and ended early, with an idle worker, a stall and broken isolation."""
    report = normal(2, 4)
    at = report.timeline.at_s
    gap = np.where((at > 9) & (at < 12), np.nan, 1.0)
    counts = np.zeros((3, at.size), dtype=np.int64)
    counts[0, 9:12] = [40, 120, 60]
    counts[1, 10] = 7
    counts[2, 15] = 1
    over_time = report.latency.over_time
    assert over_time is not None
    workers = [*report.distribution.workers]
    workers[3] = replace(workers[3], pid=None, sessions=0, steps=0, share=0.0)
    workers[0] = replace(workers[0], sessions=90, steps=9000, share=0.45)
    return replace(
        report,
        run={**report.run, "status": "interrupted", "status_detail": "Ctrl-C"},
        validity=cautions(
            "not_completed", "This run was interrupted: Ctrl-C. What had been recorded until then is shown."
        ),
        totals=replace(report.totals, failures=228, success_rate=0.9888),
        slo=SloVerdict(
            False,
            [
                Criterion("success_rate", 0.99, 0.9888, False, "98.88 % of operations succeeded."),
                report.slo.criteria[1],
            ],
        ),
        latency=replace(
            report.latency,
            over_time=OverTime(at, over_time.p50 * gap, over_time.p90 * gap, over_time.p99 * gap * 4),
        ),
        timeline=replace(report.timeline, failures_per_s=counts.sum(axis=0).astype(float)),
        distribution=replace(
            report.distribution,
            workers=workers,
            worker_fairness=Fairness(0.62, 1e-9, None),
            evenness="very uneven",
            unattributed_steps=12,
            takeaways=["One of 8 workers got nothing, and one carried 45 % of all sessions."],
        ),
        isolation=Isolation(
            200, 2, 3, 1, 1, 7, ["Session 0123456789abcdef was answered by worker 101, then by worker 201."],
            ["7 violations of isolation in 200 sessions."],
        ),
        errors=Errors(
            [
                ErrorGroup("timeout", "step", 220, 9.2, "no reply within 30 s"),
                ErrorGroup("connection_lost", "step", 7, 10.1, "1006: connection closed abnormally"),
                ErrorGroup("server_error", "reset", 1, 15.4, None),
            ],
            ["timeout", "connection_lost", "server_error"],
            at,
            counts,
            ["228 operations failed, most of them (220) by timeout between 9.2 s and 12.0 s."],
        ),
    )  # fmt: skip


def with_faults() -> RunReport:
    """A run that missed its objective while a worker and a replica were broken on purpose."""
    return broken(with_errors())


def broken(report: RunReport, name: str = "kill-worker", target: str = "env-1 101") -> RunReport:
    """The report with a fault of that name, one that went on for a while, and one that was left out."""
    price = Price(3, {"connect": 7, "reset": 1, "step": 220}, 2, 3.5, False, None, "not even", 0.9, 1.3, 4.5)
    done = Fault(1, name, "kill-worker@8s", target, 8.0, None, "done", None, price, "the next fault")
    paused = Fault(
        2,
        "pause-replica",
        "pause-replica:3s@12s",
        "env-2",
        12.0,
        15.0,
        "done",
        None,
        Price(0, {"connect": 0, "reset": 0, "step": 0}, None, None, False, 3.2, "even", None, None, 4.2),
        "the end",
    )
    undone = Fault(
        3, "slow-network", "slow-network:50ms@17s", None, 17.0, None, "left out", target, None, "the end"
    )
    faults = Faults(
        [done, paused, undone], 0.075, 0, "worker", 1.0, [f"{name} at 8.00 s cost most: 3 sessions."]
    )
    began = report.run["started_at"]
    said: list[FaultJson] = [
        {
            "name": each.name,
            "asked": each.asked,
            "target": each.target,
            "at": began + each.at_s,
            "ended_at": each.ended_s,
            "outcome": each.outcome,
            "detail": each.detail,
        }
        for each in faults.faults
    ]
    return replace(report, faults=faults, run={**report.run, "faults": said})  # fmt: skip


def hostile() -> RunReport:
    """A run in which every text that comes from outside tries to break out of the page."""
    nasty = HOSTILE + "\x00\x1b[31m\u202e$x^2$ \ud800"
    report = broken(with_errors(), nasty, nasty)
    spread = report.distribution
    return replace(
        report,
        run={
            **report.run,
            "run_id": nasty,
            "config": cast(
                RunConfig,
                {
                    **report.run["config"],
                    "url": nasty,
                    "balancing": nasty,
                    "actions": {
                        "source": "file",
                        "order": "sample",
                        "count": 2,
                        "example": {nasty: nasty},
                        "file": nasty,
                    },
                    nasty: nasty,
                },
            ),
            "versions": {nasty: nasty},
            "machine": {nasty: nasty},
        },
        validity=cautions("incident", nasty),
        distribution=replace(
            spread,
            replicas=[replace(row, host=nasty, name=nasty) for row in spread.replicas],
            workers=[
                replace(row, host=f"{nasty}{n % 2}", name=nasty) for n, row in enumerate(spread.workers)
            ],
            takeaways=[nasty],
        ),
        isolation=replace(report.isolation, examples=[nasty], takeaways=[nasty]),
        errors=replace(
            report.errors,
            groups=[
                replace(group, category=nasty, op=nasty, example=nasty) for group in report.errors.groups
            ],
            categories=[nasty for _ in report.errors.categories],
        ),
        resources=replace(
            report.resources,
            parts=[replace(part, name=nasty, role=part.role) for part in report.resources.parts],
        ),
    )


def unknown_hosts() -> RunReport:
    """A run against a bare URL whose observations name nobody, without resources, checked for nothing."""
    report = normal()
    return replace(
        report,
        run={
            **report.run,
            "config": {**report.run["config"], "deployment": "url", "balancing": None, "transport": "http"},
            "topology": {"replicas": None, "workers": None, "hosts": [], "names": {}},
        },
        distribution=Distribution(
            [], [], None, None, None, "steps", 20_000, ["No observation named the host that answered."]
        ),
        isolation=Isolation(0, 0, 0, 0, 0, 0, [], ["Isolation is checked over WebSocket only."]),
        resources=Resources([], []),
    )


def hosts_by_header() -> RunReport:
    """A run on somebody else's environment: a balancer's header names hosts, replies name nothing else."""
    report = normal(3, 1)
    shares = [replace(each, name=f"10.0.0.{n}:8000") for n, each in enumerate(report.distribution.replicas)]
    config = {
        **report.run["config"],
        "deployment": "url",
        "url": "https://example.org",
        "balancing": None,
        "wait": "0",
        "actions": {
            "source": "schema",
            "order": "cycle",
            "count": 256,
            "example": {"message": "hello", "tags": ["a", "b"]},
        },
        "tls_verified": False,
    }
    latency = report.latency
    return replace(
        report,
        run={
            **report.run,
            "config": cast(RunConfig, config),
            "topology": {"replicas": None, "workers": None, "hosts": [], "names": {}},
        },
        latency=replace(
            latency,
            summaries={name: each for name, each in latency.summaries.items() if name != "overhead"},
            curves={name: each for name, each in latency.curves.items() if name != "overhead"},
        ),
        distribution=replace(
            report.distribution,
            replicas=shares,
            workers=[],
            worker_fairness=None,
            expected_workers=None,
            evenness="even",
            takeaways=["Replies named hosts but no processes, so the spread over workers is unknown."],
        ),
        isolation=Isolation(
            0, 0, 0, 0, 0, 0, [], ["No reply named its session."], moved_checked=False, counts_checked=False
        ),
        resources=Resources([part for part in report.resources.parts if part.role == "generator"], []),
    )


def turned_away() -> RunReport:
    """A run of which a full server turned most users away, so that few operations failed all the same."""
    report = hosts_by_header()
    counts = np.zeros((1, report.timeline.at_s.size), dtype=np.int64)
    counts[0, 2:12] = 19
    criterion = Criterion(
        "success_rate",
        0.95,
        0.005,
        False,
        "199 of 200 users completed no step and met failures (99.1 % of 20,400 operations succeeded); "
        "at least 95 % must be served.",
    )
    return replace(
        report,
        totals=replace(
            report.totals, sessions=1, failures=190, success_rate=0.991, users=200, users_shut_out=199
        ),
        slo=SloVerdict(False, [criterion, report.slo.criteria[1]]),
        validity=Validity(True, [RunWarning("users_shut_out", "199 of 200 users completed no step.")]),
        errors=Errors(
            [ErrorGroup("capacity", "reset", 190, 2.0, "Server at capacity: 1/1 sessions active.")],
            ["capacity"],
            report.timeline.at_s,
            counts,
            ["190 of 20,400 operations failed.", "capacity (190 resets): the server was full."],
        ),
    )


def failed_steps() -> RunReport:
    """A run on one worker that reset every session, and failed every step."""
    report = normal(1, 1)
    spread, latency = report.distribution, report.latency
    counts = np.full((1, report.timeline.at_s.size), 200)
    reset_only = ("connect", "reset")
    return replace(
        report,
        totals=replace(
            report.totals,
            steps=0, operations=4400, failures=4000, success_rate=0.091, throughput_steps_per_s=0.0,
            users=200, users_shut_out=200,
        ),
        slo=SloVerdict(
            False,
            [
                Criterion("success_rate", 0.95, 0.0, False, "200 of 200 users completed no step."),
                Criterion("total_p99_s", 1.1, None, False, "No step succeeded."),
            ],
        ),
        validity=Validity(True, [RunWarning("no_steps", "No step succeeded.")]),
        latency=replace(
            latency,
            summaries={name: latency.summaries[name] for name in reset_only},
            in_window={},
            curves={name: latency.curves[name] for name in reset_only},
            over_time=None,
            heat_map=None,
        ),
        timeline=replace(
            report.timeline,
            steps_per_s=np.zeros(report.timeline.at_s.size),
            failures_per_s=counts[0].astype(float),
        ),
        distribution=replace(
            spread,
            replicas=[replace(each, steps=0, share=0.0) for each in spread.replicas],
            workers=[replace(each, steps=0, share=0.0) for each in spread.workers],
            takeaways=["No step succeeded, so none was spread."],
        ),
        errors=Errors(
            [ErrorGroup("server_error", "step", 4000, 0.1, "EXECUTION_ERROR: no")],
            ["server_error"],
            report.timeline.at_s,
            counts,
            ["4,000 of 4,400 operations failed.", "server_error (4,000 steps): read the server's log."],
        ),
    )  # fmt: skip


def without_steps() -> RunReport:
    """A run in which nothing was recorded."""
    report = unknown_hosts()
    nothing = np.array([])
    return replace(
        report,
        run={**report.run, "status": "failed", "status_detail": "nobody answered"},
        validity=cautions("no_operations", "Nothing was recorded."),
        totals=Totals(0, 0, 0, 0, 1.0, 0.0, 0.0, (0.0, 0.0)),
        slo=SloVerdict(
            False,
            [
                Criterion("success_rate", 0.95, None, False, "Nothing was measured."),
                Criterion("total_p99_s", 1.1, None, False, "Nothing was measured."),
            ],
        ),
        latency=Latency({}, {}, {}, {}, None, None, []),
        timeline=Timeline(nothing, 1.0, nothing, nothing, nothing, []),
        distribution=replace(report.distribution, unattributed_steps=0),
    )


def single_point() -> RunReport:
    """A run so short that every time line has one point, and that point may be unknown."""
    report = normal(1, 1)
    half = np.array([0.05])
    part = PartUsage("replica", "env-1", half, np.array([np.nan]), np.array([3e8]), np.nan, np.nan, 3e8, None)
    return replace(
        report,
        totals=Totals(1, 1, 3, 0, 1.0, 0.1, 10.0, (0.0, 0.1)),
        latency=replace(
            report.latency,
            curves={"step": Curve(np.array([0.0]), np.array([0.05]))},
            over_time=OverTime(half, half, half, half),
            heat_map=HeatMap(np.array([0, 0.1]), np.array([0.04, 0.06]), np.array([[1]])),
        ),
        timeline=Timeline(half, 0.1, np.array([10.0]), np.array([0.0]), np.array([1.0]), []),
        resources=Resources([part], []),
    )


def distribution(replicas: int, workers: int, sessions: int, steps: int) -> Distribution:
    """A nearly even spread."""
    random = np.random.default_rng(3)
    total = replicas * workers
    each: NDArray[np.int64] = random.multinomial(sessions, np.full(total, 1 / total))
    rows = [
        WorkerShare(
            f"{n // workers:012x}", f"env-{n // workers + 1}", int(each[n]), int(each[n]) * steps // sessions,
            float(each[n] / sessions), 100 * (n // workers + 1) + n % workers,
        )
        for n in range(total)
    ]  # fmt: skip
    return Distribution(
        replicas=[
            ReplicaShare(
                mine[0].host, mine[0].name, sum(row.sessions for row in mine), sum(row.steps for row in mine),
                sum(row.share for row in mine),
            )
            for mine in (rows[at : at + workers] for at in range(0, total, workers))
        ],
        workers=rows,
        replica_fairness=fairness(each.reshape(replicas, workers).sum(axis=1)),
        worker_fairness=fairness(each),
        expected_workers=total,
        unit="sessions",
        unattributed_steps=0,
        takeaways=["Sessions were spread as evenly as chance allows."],
        evenness=judge_evenness(fairness(each), each.tolist()),
    )  # fmt: skip


def fairness(counts: NDArray[np.int64]) -> Fairness:
    loads = counts.astype(np.float64)
    least = float(loads.min())
    return Fairness(jain_index(loads), equal_shares_p(loads), float(loads.max()) / least if least else None)


def summary(values: Floats) -> Summary:
    p50, p90, p95, p99, p999, most = (float(np.quantile(values, q)) for q in (0.5, 0.9, 0.95, 0.99, 0.999, 1))
    return Summary(values.size, float(values.mean()), p50, p90, p95, p99, p999, most)


def heat_map(latency: Floats, at: Floats) -> HeatMap:
    time_edges = np.linspace(0, DURATION_S, 61)
    latency_edges = np.geomspace(latency.min() * 0.999, latency.max() * 1.001, 41)
    counts = np.histogram2d(at, latency, [time_edges, latency_edges])[0].astype(np.int64)
    return HeatMap(time_edges, latency_edges, counts)


def usage(role: str, name: str, cores: float, memory: float, random: np.random.Generator) -> PartUsage:
    at = np.arange(1.0, DURATION_S)
    cpu, held = cores * random.uniform(0.9, 1.1, at.size), memory * (1 + at / 200)
    return PartUsage(role, name, at, cpu, held, float(cpu.mean()), float(cpu.max()), float(held.max()), 240)


def run_json(replicas: int, workers: int) -> RunJson:
    return {
        "kind": "run",
        "schema_version": 1,
        "run_id": f"20261017-140322-compose-{replicas}x{workers}",
        "status": "completed",
        "started_at": 1_792_245_802.0,
        "ended_at": 1_792_245_822.0,
        "config": {
            "deployment": "compose",
            "url": "http://127.0.0.1:8000",
            "transport": "ws",
            "users": 200,
            "spawn_rate": 100.0,
            "duration_s": 20.0,
            "wait": "0.05",
            "think_time": "0",
            "steps_per_episode": 0,
            "connect_timeout_s": 10.0,
            "step_timeout_s": 30.0,
            "action": None,
            "balancing": "round_robin",
            "processes": 1,
            "slo": {"success_rate": 0.95, "total_p99_s": None},
        },
        "topology": {
            "replicas": replicas,
            "workers": workers,
            "hosts": [f"{n:012x}" for n in range(replicas)],
            "names": {f"{n:012x}": f"env-{n + 1}" for n in range(replicas)},
        },
        "versions": {"openenv": "0.10.1", "locust": "2.47.0", "nginx": "1.31.0", "python": "3.13.2"},
        "machine": {
            "hostname": "bench",
            "platform": "Linux 6.12",
            "cpu_model": "AMD EPYC 9R14",
            "cores": 2,
            "memory_bytes": 8 * 2**30,
        },
    }
