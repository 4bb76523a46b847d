"""The rows of a comparison: pairs of runs, or of repeated runs, judged together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from reports.comparison.between_runs import RunVariance, run_variances
from reports.comparison.change import (
    Change,
    SuccessChange,
    Verdict,
    change_of,
    change_over_cells,
    holm,
    judged,
    judged_success,
    overdispersion,
    success_change,
)
from reports.comparison.estimates import Metric
from reports.comparison.measurement import Measurement
from reports.comparison.report import ErrorsChange, Row, SpreadChange, in_words
from reports.page.words import count, listing, signed_percent

_SUSTAINED: tuple[Metric, ...] = ("throughput", "p50", "p95", "p99")
_AS_MUCH_LOAD = 0.05
"""Shares of users served that differ by no more than this are of the same load."""
_BATCH: tuple[Metric, ...] = ("p50", "p95", "p99")


@dataclass(frozen=True)
class Pair:
    """What is compared with what: one run or several of each side."""

    name: str
    cell: dict[str, Any]
    a: Sequence[Measurement]
    b: Sequence[Measurement]

    @property
    def not_valid(self) -> list[Literal["A", "B"]]:
        """The sides that have a run that says nothing of its deployment."""
        sides: tuple[tuple[Literal["A", "B"], Sequence[Measurement]], ...] = (("A", self.a), ("B", self.b))
        return [side for side, runs in sides if any(run.reservations for run in runs)]

    @property
    def less_load(self) -> Literal["A", "B"] | None:
        """The side that shut more of its users out, so that its figures are those of a smaller load."""
        a, b = (float(np.mean([run.served_share for run in side])) for side in (self.a, self.b))
        return None if abs(a - b) <= _AS_MUCH_LOAD else "A" if a < b else "B"


def rows_of(pairs: Sequence[Pair]) -> tuple[list[Row], list[Change]]:
    """A row for every pair, and the changes of all pairs together where these are enough.

    The verdicts allow for all figures together (Holm 1979). Of a pair whose runs are not valid no difference
    is shown.
    """
    if not pairs:
        return [], []
    changes: list[list[Change]] = [[] for _ in pairs]
    run_to_run = [True] * len(pairs)
    for metric in _BATCH if pairs[0].a[0].batch else _SUSTAINED:
        variances = run_variances(
            [(_logarithms(pair.a, metric), _logarithms(pair.b, metric)) for pair in pairs]
        )
        run_to_run = [
            known and variance is not None for known, variance in zip(run_to_run, variances, strict=True)
        ]
        for row, pair, variance in zip(changes, pairs, variances, strict=True):
            row.append(_change(metric, pair, variance))
    successes = _success_changes(pairs)
    together = [
        change
        for of_metric in zip(*changes, strict=True)
        if (change := change_over_cells(of_metric[0].metric, of_metric))
    ]
    if len(together) < len(changes[0]):
        together = []
    p_values = [p for row, success in zip(changes, successes, strict=True) for p in _p_values(row, success)]
    adjusted = holm([*p_values, *(change.p for change in together)])
    rows = []
    place = 0
    for pair, of_pair, success, known in zip(pairs, changes, successes, run_to_run, strict=True):
        own = adjusted[place : place + len(of_pair) + 1]
        place += len(own)
        final = [judged(change, p) for change, p in zip(of_pair, own[:-1], strict=True)]
        rows.append(_row(pair, final, judged_success(success, own[-1]), known))
    return rows, [judged(change, p) for change, p in zip(together, adjusted[place:], strict=True)]


def _p_values(changes: Sequence[Change], success: SuccessChange) -> list[float]:
    return [*(change.p for change in changes), success.p]


def figures_of(rows: Sequence[Row], together: Sequence[Change] = ()) -> int:
    """How many figures the verdicts of the rows allow for."""
    return sum(len(row.changes) + 1 for row in rows) + len(together)


def _logarithms(runs: Sequence[Measurement], metric: Metric) -> Any:
    values = np.array([run.estimates[metric].value for run in runs])
    return np.log(values[values > 0])


def _change(metric: Metric, pair: Pair, variance: RunVariance | None) -> Change:
    a, b = ([run.estimates[metric] for run in side] for side in (pair.a, pair.b))
    change = change_of(metric, a, b, variance)
    if pair.not_valid:
        return replace(change, p=1.0, reason=f"the run of {listing([*pair.not_valid])} is not valid")
    if pair.less_load:
        return replace(change, p=1.0, reason=f"{pair.less_load} served fewer of its users: its load was less")
    return change


def _success_changes(pairs: Sequence[Pair]) -> list[SuccessChange]:
    sides = [([run.successes for run in pair.a], [run.successes for run in pair.b]) for pair in pairs]
    common, degrees = overdispersion([side for both in sides for side in both])
    changes = [success_change(a, b, max(common, overdispersion((a, b))[0]), degrees) for a, b in sides]
    return [
        replace(change, p=1.0) if pair.not_valid else change
        for pair, change in zip(pairs, changes, strict=True)
    ]


def _row(pair: Pair, changes: list[Change], success: SuccessChange, run_to_run: bool) -> Row:
    return Row(
        name=pair.name,
        cell=pair.cell,
        a_runs=[run.run_id for run in pair.a],
        b_runs=[run.run_id for run in pair.b],
        run_to_run=run_to_run,
        verdict=verdict_of(changes),
        sentence=_sentence(changes, run_to_run),
        changes=changes,
        success=success,
        spread=_spread_change(pair),
        errors=_errors_change(pair),
        not_valid=pair.not_valid,
        notices=[
            f"{side}, {run.run_id}, is not valid: {why}"
            for side, runs in (("A", pair.a), ("B", pair.b))
            for run in runs
            for why in run.reservations
        ]
        + [
            f"{side}, {run.run_id}: {run.shut_out:,} of {count(run.users, 'user')} completed no step and met "
            "failures, so its latencies and throughput are those of the others."
            for side, runs in (("A", pair.a), ("B", pair.b))
            for run in runs
            if run.shut_out
        ],
    )


def verdict_of(changes: Sequence[Change]) -> Verdict:
    """Slower where any figure is shown slower; else faster where any is shown faster."""
    verdicts = {change.verdict for change in changes}
    return "slower" if "slower" in verdicts else "faster" if "faster" in verdicts else "no difference shown"


def _sentence(changes: Sequence[Change], run_to_run: bool) -> str:
    """What is shown, and where nothing can be, why."""
    parts = []
    verdicts: tuple[Verdict, ...] = ("slower", "faster")
    for verdict in verdicts:
        shown = [
            f"{change.metric} {signed_percent(change.change or 0)}"
            for change in changes
            if change.verdict == verdict
        ]
        if shown:
            parts.append(f"{in_words(verdict, run_to_run)}: {listing(shown)}")
    if parts:
        return "; ".join(parts)
    reasons = list(dict.fromkeys(change.reason for change in changes if change.reason))
    if reasons and all(change.reason for change in changes):
        return f"no difference shown: {'; '.join(reasons)}"
    return "no difference shown"


def _spread_change(pair: Pair) -> SpreadChange:
    a, b = ([run.spread for run in side if run.spread] for side in (pair.a, pair.b))
    if not a or not b:
        known = [*a, *b]
        unit = known[0].unit if known else "worker"
        return replace(_spreads(unit, a, b), verdict="unknown")
    level_a, level_b = (float(np.median([each.unevenness for each in side])) for side in (a, b))
    change = _spreads(b[0].unit, a, b)
    if level_a == level_b:
        return change
    return replace(change, verdict="less even" if level_b > level_a else "more even")


def _spreads(unit: str, a: Sequence[Any], b: Sequence[Any]) -> SpreadChange:
    def mean(side: Sequence[Any], name: str) -> float | None:
        return float(np.mean([getattr(each, name) for each in side])) if side else None

    return SpreadChange(
        unit=unit,
        jain_a=mean(a, "jain"),
        jain_b=mean(b, "jain"),
        busiest_share_a=mean(a, "busiest_share"),
        busiest_share_b=mean(b, "busiest_share"),
        parts_a=max((each.parts for each in a), default=None),
        parts_b=max((each.parts for each in b), default=None),
        verdict="no difference shown",
    )


def _errors_change(pair: Pair) -> ErrorsChange:
    counts: dict[str, tuple[int, int]] = {}
    for place, side in enumerate((pair.a, pair.b)):
        for run in side:
            for category, failures in run.errors.items():
                both = list(counts.get(category, (0, 0)))
                both[place] += failures
                counts[category] = (both[0], both[1])
    ordered = dict(sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0])))
    return ErrorsChange(
        ordered,
        new=[category for category, (a, b) in ordered.items() if b and not a],
        gone=[category for category, (a, b) in ordered.items() if a and not b],
    )
