"""The rows of a comparison: every section's result for each pair, with verdicts that allow for all rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.comparison.estimates import Metric
from reports.comparison.matching import SideName
from reports.comparison.measurement import Measurement
from reports.comparison.pairs import Pair
from reports.comparison.sections.changes import (
    Change,
    Verdict,
    change_of,
    change_over_cells,
    in_words,
    judged,
    sentence_of,
    verdict_of,
)
from reports.comparison.sections.distribution import SpreadChange, spread_change
from reports.comparison.sections.errors import (
    ErrorsChange,
    SuccessChange,
    errors_change,
    judged_success,
    overdispersion,
    success_change,
)
from reports.page.words import count, listing
from reports.statistics.run_variance import RunVariance, run_variances
from reports.statistics.significance import holm


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
    """Slower where any figure is shown to be slower; else faster where any is shown to be faster."""
    sentence: str
    changes: list[Change]
    success: SuccessChange
    spread: SpreadChange
    errors: ErrorsChange
    not_valid: list[SideName] = field(default_factory=list)
    """The sides whose run is not valid, so that no difference is shown."""
    notices: list[str] = field(default_factory=list)

    @property
    def verdict_in_words(self) -> str:
        return in_words(self.verdict, self.run_to_run)


def rows_of(pairs: Sequence[Pair]) -> tuple[list[Row], list[Change]]:
    """A row for every pair, and the changes of all pairs together where there are enough pairs.

    The verdicts allow for all figures together (Holm 1979). No difference is shown for a pair with a run
    that is not valid.
    """
    metrics = list(pairs[0].a[0].estimates)
    variances = {metric: _run_variances(pairs, metric) for metric in metrics}
    changes = [
        [_change(metric, pair, variances[metric][at]) for metric in metrics] for at, pair in enumerate(pairs)
    ]
    successes = _success_changes(pairs)
    together = [
        change for of_metric in zip(*changes, strict=True) if (change := change_over_cells(of_metric))
    ]
    if len(together) < len(metrics):
        together = []
    p_values: list[float] = []
    for of_pair, success in zip(changes, successes, strict=True):
        p_values += [*(change.p for change in of_pair), success.p]
    adjusted = iter(holm([*p_values, *(change.p for change in together)]))
    rows = [
        _row(
            pair,
            changes=[judged(change, next(adjusted)) for change in changes[at]],
            success=judged_success(successes[at], next(adjusted)),
            run_to_run=all(variances[metric][at] is not None for metric in metrics),
        )
        for at, pair in enumerate(pairs)
    ]
    return rows, [judged(change, next(adjusted)) for change in together]


def _run_variances(pairs: Sequence[Pair], metric: Metric) -> list[RunVariance | None]:
    def logarithms(runs: Sequence[Measurement]) -> NDArray[np.float64]:
        values = np.array([run.estimates[metric].value for run in runs])
        logs: NDArray[np.float64] = np.log(values[values > 0])
        return logs

    return run_variances([(logarithms(pair.a), logarithms(pair.b)) for pair in pairs])


def _change(metric: Metric, pair: Pair, variance: RunVariance | None) -> Change:
    a, b = ([run.estimates[metric] for run in side] for side in (pair.a, pair.b))
    change = change_of(metric, a, b, variance)
    if pair.not_valid:
        return replace(change, p=1.0, reason=f"the run of {listing([*pair.not_valid])} is not valid")
    if pair.less_load:
        return replace(
            change, p=1.0, reason=f"{pair.less_load} served fewer of its users, so its load was smaller"
        )
    return change


def _success_changes(pairs: Sequence[Pair]) -> list[SuccessChange]:
    sides = [([run.successes for run in pair.a], [run.successes for run in pair.b]) for pair in pairs]
    common, degrees = overdispersion(side for both in sides for side in both)
    changes = [success_change(a, b, max(common, overdispersion((a, b))[0]), degrees) for a, b in sides]
    return [
        replace(change, p=1.0) if pair.not_valid else change
        for pair, change in zip(pairs, changes, strict=True)
    ]


def _row(pair: Pair, changes: list[Change], success: SuccessChange, run_to_run: bool) -> Row:
    runs = [(side, run) for side, of_side in pair.sides for run in of_side]
    return Row(
        name=pair.name,
        cell=pair.cell,
        a_runs=[run.run_id for run in pair.a],
        b_runs=[run.run_id for run in pair.b],
        run_to_run=run_to_run,
        verdict=verdict_of(changes),
        sentence=sentence_of(changes, run_to_run),
        changes=changes,
        success=success,
        spread=spread_change(
            [run.spread for run in pair.a if run.spread], [run.spread for run in pair.b if run.spread]
        ),
        errors=errors_change([run.errors for run in pair.a], [run.errors for run in pair.b]),
        not_valid=pair.not_valid,
        notices=[
            *(f"{side}, {run.run_id}, is not valid: {why}" for side, run in runs for why in run.reservations),
            *(
                f"{side}, {run.run_id}: {run.shut_out:,} of {count(run.users, 'user')} completed no step and "
                "met failures, so its latencies and throughput are those of the others."
                for side, run in runs
                if run.shut_out
            ),
        ],
    )
