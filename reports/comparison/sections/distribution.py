"""Whether the load was spread more or less evenly over workers or replicas."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from reports.comparison.measurement import Spread

SpreadVerdict = Literal["more even", "less even", "no difference shown", "unknown"]


@dataclass(frozen=True)
class SpreadChange:
    """How evenly the load was spread in A and in B; means over the runs of each side, None where unknown."""

    unit: str
    """What the load is spread over: worker or replica."""
    jain_a: float | None
    jain_b: float | None
    busiest_share_a: float | None
    """The share of steps of the busiest part, 0…1."""
    busiest_share_b: float | None
    parts_a: int | None
    parts_b: int | None
    verdict: SpreadVerdict
    """More or less even where one side is uneven beyond chance and the other is not, or is less uneven."""


def spread_change(a: Sequence[Spread], b: Sequence[Spread]) -> SpreadChange:
    """The change of the spread, given that of each run of both sides for which it is known."""
    verdict: SpreadVerdict = "unknown"
    if a and b:
        level_a, level_b = (median(run.unevenness for run in side) for side in (a, b))
        verdict = "no difference shown"
        if level_a != level_b:
            verdict = "less even" if level_b > level_a else "more even"
    return SpreadChange(
        unit=next((run.unit for run in (*b, *a)), "worker"),
        jain_a=fmean(run.jain for run in a) if a else None,
        jain_b=fmean(run.jain for run in b) if b else None,
        busiest_share_a=fmean(run.busiest_share for run in a) if a else None,
        busiest_share_b=fmean(run.busiest_share for run in b) if b else None,
        parts_a=max((run.parts for run in a), default=None),
        parts_b=max((run.parts for run in b), default=None),
        verdict=verdict,
    )
