"""Whether a run met its service level objective."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One bound and the value held against it. The unit is a share (0…1) or seconds."""

    name: str
    """`success_rate` or `total_p99_s`."""
    limit: float
    value: float | None
    passed: bool
    sentence: str
    """The criterion in words, with value and limit."""


@dataclass(frozen=True)
class SloVerdict:
    """Passed where every criterion is."""

    passed: bool
    criteria: list[Criterion]
