"""The result of a comparison as data, and its form as report.json."""

import math
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from reports.comparison.change import Change, SuccessChange, SuccessVerdict, Verdict
from reports.comparison.dependence import CONFIDENCE
from reports.comparison.differences import Difference
from reports.records.json_values import finite
from reports.records.schema import SCHEMA_VERSION
from reports.run.sections.latency import Curve

ALL_CELLS = "all cells together"

SpreadVerdict = Literal["more even", "less even", "no difference shown", "unknown"]


@dataclass(frozen=True)
class SpreadChange:
    """How evenly the load was spread in A and in B; means over the runs of each side, None where unknown."""

    unit: str
    """worker or replica: what the load is spread over."""
    jain_a: float | None
    jain_b: float | None
    busiest_share_a: float | None
    """The share of steps of the busiest part, 0…1."""
    busiest_share_b: float | None
    parts_a: int | None
    parts_b: int | None
    verdict: SpreadVerdict
    """More or less even where one side is uneven beyond chance and the other is not, or less so."""


@dataclass(frozen=True)
class ErrorsChange:
    """The failures of both sides by category, and the categories that only one side has."""

    counts: dict[str, tuple[int, int]]
    """In A and in B, most frequent first."""
    new: list[str]
    gone: list[str]


@dataclass(frozen=True)
class Row:
    """One pair that was compared: two runs, or the repetitions of one cell in both experiments."""

    name: str
    cell: dict[str, Any]
    """What the pair has in common, as CellJson names it; empty for two runs."""
    a_runs: list[str]
    b_runs: list[str]
    run_to_run: bool
    """Whether repeated runs tell how far runs differ, so that the intervals hold from run to run."""
    verdict: Verdict
    """Slower where any figure is shown slower; else faster where any is shown faster."""
    sentence: str
    changes: list[Change]
    success: SuccessChange
    spread: SpreadChange
    errors: ErrorsChange
    not_valid: list[Literal["A", "B"]] = field(default_factory=list)
    """The sides whose run is not valid, so that no difference is shown."""
    notices: list[str] = field(default_factory=list)

    @property
    def verdict_in_words(self) -> str:
        return in_words(self.verdict, self.run_to_run)


@dataclass(frozen=True)
class Side:
    """A or B: a run or an experiment."""

    id: str
    path: str
    started_at: float
    runs: int
    machine: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class Unmatched:
    """A cell of which a side has no run to compare, or has lost some of its repetitions."""

    side: Literal["A", "B"]
    name: str
    reason: str
    regression: bool = False
    """Whether A has what B, which is held against it, has not."""


@dataclass(frozen=True)
class Comparison:
    """Everything that the report of a comparison shows. A is the baseline."""

    of: Literal["runs", "experiments"]
    a: Side
    b: Side
    batch: bool
    """Percentiles are of total time, and success is a session's."""
    rows: list[Row]
    notices: list[str]
    """What a reader must know before the figures."""
    differences: list[Difference]
    unmatched: list[Unmatched]
    figures: int
    """How many figures the verdicts allow for."""
    together: list[Change] = field(default_factory=list)
    """The mean change of each figure over all cells; empty for two runs, and where cells are too few."""
    curves: tuple[Curve, Curve] | None = None
    """Latency of A and of B at each percentile, where two runs are compared."""

    @property
    def run_to_run(self) -> bool:
        """Whether the intervals of all rows hold from run to run."""
        return all(row.run_to_run for row in self.rows)

    @property
    def largest_shown(self) -> tuple[Row, Change] | None:
        """The row and the change that is shown and largest, by its factor; None where none is shown."""
        shown = [
            (row, change)
            for row in self.rows
            for change in row.changes
            if change.verdict in ("faster", "slower")
        ]
        return max(shown, key=lambda both: abs(math.log1p(both[1].change or 0.0)), default=None)

    def rows_with(self, verdict: Verdict) -> list[Row]:
        return [row for row in self.rows if row.verdict == verdict]


def in_words(verdict: Verdict | SuccessVerdict, run_to_run: bool) -> str:
    """A verdict, and that it holds of two runs alone where nothing tells how far runs differ."""
    return verdict if run_to_run or verdict == "no difference shown" else f"{verdict}, in these two runs"


def regressions(comparison: Comparison, percent: float) -> list[str]:
    """What is shown to be worse in B by more than `percent`, or is there in A only, a sentence each.

    A difference counts where its verdict says slower or worse and its point estimate exceeds the bound: per
    cent of throughput or of a percentile, percentage points of the success rate. Where no repetitions tell
    how far runs differ, the end of its interval that is nearer to zero must exceed the bound. So that a gate
    does not open for what cannot be judged, a figure of two runs that has no interval counts where it
    is twice as bad.
    """
    found = []
    named = [(row.name, row.changes, row.run_to_run) for row in comparison.rows]
    for name, changes, run_to_run in [*named, (ALL_CELLS, comparison.together, True)]:
        for change in changes:
            extent = _worsening(change, run_to_run)
            if change.verdict == "slower" and extent > percent:
                direction = "lower" if change.metric == "throughput" else "higher"
                found.append(f"{name}: {change.metric} is {_at_least(extent, run_to_run)} % {direction} in B")
    for row in comparison.rows:
        if comparison.of == "runs" and not row.not_valid:
            found += [
                f"{row.name}: {words}" for words in map(partial(_unjudged, percent), row.changes) if words
            ]
        points = _worsening(row.success, row.run_to_run)
        if row.success.verdict == "worse" and points > percent:
            lower = f"{_at_least(points, row.run_to_run)} points lower"
            found.append(f"{row.name}: the success rate is {lower} in B")
    found += [
        f"{row.name}: the run of B is not valid, that of A is"
        for row in comparison.rows
        if row.not_valid == ["B"]
    ]
    lost = [each for each in comparison.unmatched if each.regression]
    return found + [f"{each.name}: measured in A but not in B: {each.reason}" for each in lost]


def _unjudged(percent: float, change: Change) -> str | None:
    """What a figure without an interval says, where it is worse than the bound."""
    if change.a is not None and change.b is None:
        return f"B has no {change.metric}, for no step succeeded"
    if change.change is None or change.low is not None:
        return None
    worse = -change.change if change.metric == "throughput" else change.change
    twice_as_bad = worse >= (0.5 if change.metric == "throughput" else 1.0)
    if 100 * worse <= percent or not twice_as_bad:
        return None
    direction = "lower" if change.metric == "throughput" else "higher"
    return (
        f"{change.metric} is {100 * worse:,.0f} % {direction} in B, which cannot be judged "
        f"({change.reason or 'there is no interval'})"
    )


def _worsening(change: Change | SuccessChange, run_to_run: bool) -> float:
    """The size of a change in per cent, or of what its interval holds nearest to zero; 0 where unknown."""
    if change.change is None or change.low is None or change.high is None:
        return 0.0
    nearest = change.low if change.change > 0 else -change.high
    return 100 * (abs(change.change) if run_to_run else max(nearest, 0.0))


def _at_least(extent: float, run_to_run: bool) -> str:
    return f"{extent:,.1f}" if run_to_run else f"at least {extent:,.1f}"


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison in the form of report.json: seconds, shares in 0…1, changes as shares of A."""
    form = asdict(comparison)
    form.pop("curves")
    form["run_to_run"] = comparison.run_to_run
    plain: dict[str, Any] = finite(
        {"kind": "comparison", "schema_version": SCHEMA_VERSION, "confidence": CONFIDENCE} | form
    )
    return plain
