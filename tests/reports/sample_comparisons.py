"""Comparisons built by hand, for the tests of figures and of the page."""

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from reports.comparison.estimates import Metric
from reports.comparison.matching import Unmatched
from reports.comparison.page import render
from reports.comparison.report import ONE_RUN_EACH, Comparison, Side
from reports.comparison.rows import Row
from reports.comparison.sections.changes import Change
from reports.comparison.sections.configuration import Difference
from reports.comparison.sections.distribution import SpreadChange
from reports.comparison.sections.errors import ErrorsChange, SuccessChange
from reports.run.sections.latency import Curve
from tests.reports.sample_reports import HOSTILE, QUANTILES, run_json

NASTY = HOSTILE + "\x00\x1b[31m\u202e$x^2$ \ud800"


TAIL: tuple[Metric, ...] = ("p50", "p95", "p99")


@functools.cache
def page(make: Callable[[], Comparison]) -> str:
    """The page of a comparison, drawn once for all tests that look at it."""
    return render(make())


def side(name: str, runs: int = 1) -> Side:
    run = run_json(2, 2)
    return Side(name, f"results/{name}", run["started_at"], runs, run["machine"], run["versions"])


def change(metric: Metric, a: float, relative: float, half: float) -> Change:
    better = (relative > 0) == (metric == "throughput")
    shown = abs(relative) > half
    return Change(
        metric, a, a * (1 + relative), relative, relative - half, relative + half,
        0.001 if shown else 0.4, 0.004 if shown else 1.0,
        ("faster" if better else "slower") if shown else "no difference shown",
    )  # fmt: skip


def row(name: str, relative: float = 0.12, half: float = 0.03) -> Row:
    changes = [
        change("throughput", 1043.2, -relative / 2, half),
        change("p50", 0.0538, relative, half),
        change("p95", 0.0642, relative * 1.2, half * 2),
        Change("p99", 0.09, 0.11, 0.222, None, None, 1.0, reason="too few independent steps: run longer"),
    ]
    return Row(
        name=name,
        cell={},
        a_runs=["a-1", "a-2"],
        b_runs=["b-1", "b-2"],
        run_to_run=True,
        verdict="slower" if relative > half else "faster" if relative < -half else "no difference shown",
        sentence="slower: p50 +12.0 %",
        changes=changes,
        success=SuccessChange(1.0, 0.97, -0.03, -0.05, -0.01, 0.001, 0.01, "worse"),
        spread=SpreadChange("worker", 0.99, 0.71, 0.26, 0.48, 4, 4, "less even"),
        errors=ErrorsChange({"timeout": (0, 220), "capacity": (3, 0)}, ["timeout"], ["capacity"]),
    )


def curve(scale: float) -> Curve:
    return Curve(QUANTILES, scale * (0.05 + 0.004 * np.log1p(1 / (1 - QUANTILES))))


def of_runs() -> Comparison:
    """Two runs, B slower, on different machines, one run a side."""
    return Comparison(
        of="runs",
        a=side("20261017-140322-compose"),
        b=side("20261018-090001-compose"),
        batch=False,
        rows=[replace(row("200 WebSocket users, 2 replicas × 2 workers"), run_to_run=False)],
        notices=["A and B ran on machines that differ: cores (2 in A, 4 in B).", ONE_RUN_EACH],
        differences=[Difference("machine", "cores", "2", "4", True)],
        unmatched=[],
        curves=(curve(1.0), curve(1.12)),
    )


def of_the_same_run() -> Comparison:
    comparison = of_runs()
    same = replace(
        comparison.rows[0],
        verdict="no difference shown",
        sentence="no difference shown",
        changes=[
            Change(each.metric, each.a, each.a, 0.0, -0.01, 0.01, 1.0) for each in comparison.rows[0].changes
        ],
        success=SuccessChange(1.0, 1.0, 0.0, -0.001, 0.001, 1.0),
        spread=SpreadChange("worker", None, None, None, None, None, None, "unknown"),
        errors=ErrorsChange({}, [], []),
    )
    return replace(comparison, rows=[same], differences=[], notices=["A and B are the same run."])


def of_experiments(cells: int = 16) -> Comparison:
    """Cells that are slower, faster and the same, some left out."""
    random = np.random.default_rng(5)
    rows = [
        row(f"{1 + n % 2} × {2 ** (n // 8)}, {16 * 2 ** (n // 2 % 4)} users", float(random.normal() * 0.1))
        for n in range(cells)
    ]
    return replace(
        of_runs(),
        of="experiments",
        rows=rows,
        unmatched=[Unmatched("A", "4 × 4, 16 users", "B has no such cell that finished", regression=True)],
        notices=["1 cell is left out, wholly or in part, for the reasons under Left out."],
        curves=None,
        together=[change("throughput", 1.0, -0.05, 0.02), *(change(m, 1.0, 0.05, 0.1) for m in TAIL)],
    )


def of_batches() -> Comparison:
    comparison = of_runs()
    rows = [replace(comparison.rows[0], changes=comparison.rows[0].changes[1:])]
    return replace(comparison, batch=True, rows=rows)


def hostile() -> Comparison:
    """A comparison in which every text that comes from outside tries to break out of the page."""
    comparison = of_experiments(3)
    rows = [
        replace(
            each,
            name=NASTY,
            sentence=NASTY,
            notices=[NASTY],
            errors=ErrorsChange({NASTY: (1, 2)}, [NASTY], [NASTY]),
        )
        for each in comparison.rows
    ]
    return replace(
        comparison,
        a=replace(comparison.a, id=NASTY, path=NASTY, machine={NASTY: NASTY}, versions={NASTY: NASTY}),
        rows=rows,
        notices=[NASTY],
        differences=[Difference("machine", NASTY, NASTY, NASTY, True)],
        unmatched=[Unmatched("B", NASTY, NASTY)],
    )
