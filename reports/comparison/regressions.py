"""What a comparison shows to be worse in B, so that a pipeline can fail on it."""

from collections.abc import Iterator
from dataclasses import dataclass

from reports.comparison.report import ALL_CELLS, Comparison
from reports.comparison.sections.changes import Change
from reports.comparison.sections.errors import SuccessChange

SUCCESS_RATE = "success rate"
VALIDITY = "validity"
PRESENCE = "measured in both"


@dataclass(frozen=True)
class Regression:
    """One thing that is worse in B."""

    row: str
    figure: str
    """The metric of a change, SUCCESS_RATE, VALIDITY or PRESENCE."""
    words: str

    @property
    def sentence(self) -> str:
        return f"{self.row}: {self.words}"


def regressions(comparison: Comparison, percent: float) -> list[str]:
    """The sentences of `found_regressions`."""
    return [each.sentence for each in found_regressions(comparison, percent)]


def found_regressions(comparison: Comparison, percent: float) -> list[Regression]:
    """What is shown to be worse in B by more than `percent`, or missing in B.

    A difference counts where its verdict says slower or worse and its point estimate exceeds the bound: per
    cent of throughput or of a percentile, percentage points of the success rate. Where no repetitions tell
    how far runs differ, the end of its interval nearer to zero must exceed the bound. A gate must not pass
    what cannot be judged: a figure of two runs without an interval counts where it is twice as bad.
    """
    found = []
    named = [(row.name, row.changes, row.run_to_run) for row in comparison.rows]
    for name, changes, run_to_run in [*named, (ALL_CELLS, comparison.together, True)]:
        for change in changes:
            extent = _worsening(change, run_to_run)
            if change.verdict == "slower" and extent > percent:
                size = f"{_at_least(extent, run_to_run)} % {_direction(change)}"
                found.append(Regression(name, change.metric, f"{change.metric} is {size} in B"))
    for row in comparison.rows:
        if comparison.of == "runs" and not row.not_valid:
            found += [Regression(row.name, *both) for both in _unjudged(row.changes, percent)]
        points = _worsening(row.success, row.run_to_run)
        if row.success.verdict == "worse" and points > percent:
            lower = f"{_at_least(points, row.run_to_run)} points lower"
            found.append(Regression(row.name, SUCCESS_RATE, f"the success rate is {lower} in B"))
    found += [
        Regression(row.name, VALIDITY, "the run of B is not valid, but that of A is")
        for row in comparison.rows
        if row.not_valid == ["B"]
    ]
    lost = [each for each in comparison.unmatched if each.regression]
    return found + [
        Regression(each.name, PRESENCE, f"measured in A but not in B: {each.reason}") for each in lost
    ]


def _unjudged(changes: list[Change], percent: float) -> Iterator[tuple[str, str]]:
    """The figures without an interval that are worse than the bound, and what they say."""
    for change in changes:
        if change.a is not None and change.b is None:
            yield change.metric, f"B has no {change.metric}, because no step succeeded"
        elif change.change is not None and change.low is None:
            of_throughput = change.metric == "throughput"
            worse = -change.change if of_throughput else change.change
            if worse >= (0.5 if of_throughput else 1.0) and 100 * worse > percent:
                why = change.reason or "there is no interval"
                size = f"{100 * worse:,.0f} % {_direction(change)}"
                yield change.metric, f"{change.metric} is {size} in B, which cannot be judged ({why})"


def _direction(change: Change) -> str:
    """In which direction a figure is worse."""
    return "lower" if change.metric == "throughput" else "higher"


def _worsening(change: Change | SuccessChange, run_to_run: bool) -> float:
    """The size of a change in per cent, or the least that its interval holds; 0 where unknown."""
    if change.change is None or change.low is None or change.high is None:
        return 0.0
    nearest = change.low if change.change > 0 else -change.high
    return 100 * (abs(change.change) if run_to_run else max(nearest, 0.0))


def _at_least(extent: float, run_to_run: bool) -> str:
    return f"{extent:,.1f}" if run_to_run else f"at least {extent:,.1f}"
