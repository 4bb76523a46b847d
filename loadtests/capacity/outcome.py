"""What one try of a capacity search came to, whatever was searched."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from reports.statistics.saturation import Cpu

if TYPE_CHECKING:  # it loads pandas
    from reports.run.report import RunReport

_MIXED_UP = ("isolation_violated", "waits_wrong")
"""What makes a try worth nothing, however fast it was."""
_CLEARLY = 0.8
"""A p99 below this share of its bound leaves no doubt."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One try of a capacity search. Times in seconds, shares in 0…1."""

    load: int
    """Users of the batch, or arrivals a second."""
    run_id: str
    met: bool = False
    succeeded: int = 0
    """Sessions of a batch, or steps."""
    success_rate: float = 0.0
    success_limit: float = 1.0
    """The least share that must succeed."""
    total_p99_s: float | None = None
    total_limit_s: float = 0.0
    """The bound on the 99th percentile of total time."""
    slowest: Mapping[str, float] = field(default_factory=dict)
    """The 99th percentile of `connect`, `reset`, and `overhead` or, where it is unknown, `step`."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Failed operations by category."""
    example: Mapping[str, str] = field(default_factory=dict)
    """What was said about one failure of each category."""
    cpu: Cpu | None = None
    """While the load went on; None where it was too short to tell."""
    missed: str = ""
    """Of a rate: why it did not meet the objective, in a few words; empty where it did."""
    carried: float = 1.0
    """Of a rate: the share of what arrived that was done as fast as it arrived, 0…1."""
    behind: bool = False
    """Whether less was carried than arrived, by more than chance explains."""
    hopeless: bool = False
    """Of a rate: missed by so much that one try is enough for now."""
    broken: str | None = None
    """Why the try says nothing about the server: its generator failed, and nothing was recorded."""
    ended: Sequence[str] = ()
    """Why the deployment cannot be searched further: what of it died, or that it mixed up sessions."""

    @property
    def clear(self) -> bool:
        """Met with much to spare."""
        p99, most = self.total_p99_s, _CLEARLY * self.total_limit_s
        return self.met and p99 is not None and p99 <= most

    @property
    def far(self) -> bool:
        """Missed by far: more than twice as many failed as may."""
        return not self.met and 1 - self.success_rate > 2 * (1 - self.success_limit)

    @property
    def turned_away(self) -> int:
        """Sessions refused by full workers, where these are counted."""
        return 0

    @property
    def held(self) -> int | None:
        """Sessions that the server held while each of its workers was full; None where that is not known."""
        return None


class Figures(TypedDict):
    """What is read from a run's report alike, whatever was searched: of each name what Outcome has."""

    run_id: str
    success_rate: float
    success_limit: float
    total_p99_s: float | None
    total_limit_s: float
    slowest: dict[str, float]
    errors: dict[str, int]
    example: dict[str, str]
    broken: str | None
    ended: Sequence[str]


def figures_of(report: "RunReport") -> Figures:
    """Reads a try from the report of its run."""
    run, failed, summaries = report.run, report.errors.groups, report.latency.summaries
    success, p99 = report.slo.criteria
    errors: Counter[str] = Counter()
    for group in failed:
        errors[group.category] += group.count
    step = "overhead" if "overhead" in summaries else "step"
    return Figures(
        run_id=run["run_id"],
        success_rate=success.value or 0.0,
        success_limit=success.limit,
        total_p99_s=p99.value,
        total_limit_s=p99.limit,
        slowest={op: summaries[op].p99 for op in ("connect", "reset", step) if op in summaries},
        errors=errors,
        example={group.category: group.example or "" for group in reversed(failed)},
        broken=None if run["status"] == "completed" else run.get("status_detail") or run["status"],
        ended=(*run.get("incidents", []), *mixed_up(report)),
    )


def mixed_up(report: "RunReport") -> list[str]:
    """What the report says of sessions that were mixed up, or did not wait; empty where none were."""
    return [each.message for each in report.validity.reasons if each.code in _MIXED_UP]
