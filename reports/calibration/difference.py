"""A percentile as it was reported and as it was, and how far these may be apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Bound:
    """How far a reported percentile may be from the true one: the larger of the two."""

    seconds: float
    share: float
    """Of the true percentile."""

    def of(self, true_s: float) -> float:
        """In seconds."""
        return max(self.seconds, self.share * true_s)


BOUNDS: Mapping[str, Bound] = MappingProxyType({"p50": Bound(0.0003, 0.02), "p99": Bound(0.001, 0.05)})
"""By percentile; the others have none."""
PERCENTILES: Mapping[str, float] = MappingProxyType(
    {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
)
"""The percentiles that are compared, as report.json names them, and as quantiles."""


@dataclass(frozen=True)
class Difference:
    """One percentile of a run, in seconds."""

    percentile: str
    reported_s: float
    true_s: float

    @property
    def difference_s(self) -> float:
        return self.reported_s - self.true_s

    @property
    def share(self) -> float | None:
        """Of the true percentile; None where that is 0."""
        return self.difference_s / self.true_s if self.true_s else None

    @property
    def bound_s(self) -> float | None:
        """The most that the difference may be; None: it has no bound."""
        bound = BOUNDS.get(self.percentile)
        return bound.of(self.true_s) if bound else None

    @property
    def kept(self) -> bool:
        """Whether the bound, if there is one, was kept."""
        return self.bound_s is None or abs(self.difference_s) <= self.bound_s
