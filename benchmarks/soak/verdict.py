"""What a soak says of each kind of process: whether it grew under load, and whether it came back."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import numpy as np

from benchmarks.soak.samples import KINDS, Kind, Phase, Sample, of_kind
from benchmarks.soak.trend import Trend, trend

MB = 1e6
SESSIONS = 10_000
"""Slopes are told for so many sessions."""
MOST_MEMORY_MB = 1.0
"""By which a process may grow for SESSIONS, beyond doubt."""
MOST_COUNT = 2.0
"""The same of descriptors and of threads: less than one for each 5,000 sessions."""
LEAST_MEMORY_MB, LEAST_COUNT = 1.0, 1.0
"""Growth of a process that is told at all: Python takes memory in arenas of a megabyte; less is no trend."""
KEPT_SHARE, KEPT_MB = 0.10, 8.0
"""What an allocator may keep, of each process: a share of what it had, and so much besides."""
DOUBT = 0.05
"""How often at most chance alone finds growth in a soak in which nothing grows."""
_STEADY_FROM = 0.25
"""The share of the load after which memory is taken to have settled."""

Measure = Literal["memory", "descriptors", "threads"]
_READ: dict[Measure, Callable[[Sample], float]] = {
    "memory": lambda sample: sample.memory_bytes / MB,
    "descriptors": lambda sample: float(sample.descriptors),
    "threads": lambda sample: float(sample.threads),
}
MEASURES = tuple(_READ)


@dataclass(frozen=True)
class Line:
    """One measure of all processes of a kind together."""

    kind: Kind
    measure: Measure
    processes: int
    growth: Trend | None
    """For SESSIONS sessions; None where there are too few samples."""
    sessions: float
    """That came while it was taken."""
    before: float | None
    """The level when nothing is asked, after the warm-up."""
    after: float | None
    """The same after the load; None where it was not reached."""

    @property
    def faults(self) -> list[str]:
        """In what it grew or did not come back, in words."""
        found = []
        in_memory = self.measure == "memory"
        unit = " MB" if in_memory else ""
        if self.growth is not None and self._is_beyond_bounds(self.growth.low):
            found.append(
                f"{self.measure} grew by {self.growth.slope:,.1f}{unit} for {SESSIONS:,} sessions, "
                f"at least by {self.growth.low:,.1f}"
            )
        if self.before is None or self.after is None:
            return found
        kept = 0.0
        if in_memory:
            kept = KEPT_SHARE * self.before + KEPT_MB * self.processes
        if self.measure != "threads" and self.after > self.before + kept:
            found.append(
                f"{self.measure} did not come back: {self.before:,.0f} before, {self.after:,.0f}{unit} after"
            )
        return found

    def _is_beyond_bounds(self, growth: float) -> bool:
        most, least = MOST_COUNT, LEAST_COUNT
        if self.measure == "memory":
            most, least = MOST_MEMORY_MB, LEAST_MEMORY_MB
        seen = growth * self.sessions / SESSIONS
        return growth > most * self.processes and seen > least * self.processes


@dataclass(frozen=True)
class Verdict:
    """All that a soak says."""

    lines: list[Line] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What grows, a sentence each."""
        return [f"{line.kind}: {fault}" for line in self.lines for fault in line.faults]


def judge(samples: list[Sample], sessions_a_second: float) -> Verdict:
    """Judges every kind of process that was there under load."""
    there = [kind for kind in KINDS if any(of_kind(samples, kind, "load"))]
    samples = _while_all_were_there(samples, there)
    doubt = 2 * DOUBT / max(1, len(there) * len(MEASURES))  # one-sided, each with its share (Bonferroni)
    return Verdict(
        [
            _line(samples, kind, measure, sessions_a_second, min(doubt, DOUBT))
            for kind in there
            for measure in MEASURES
        ]
    )


def _line(
    samples: list[Sample], kind: Kind, measure: Measure, sessions_a_second: float, doubt: float
) -> Line:
    moments = list(of_kind(samples, kind, "load"))
    processes = _usual(samples, kind)
    whole = [(at, each) for at, each in moments if len(each) == processes]
    steady = whole[int(len(whole) * _STEADY_FROM) :]
    at = np.array([moment for moment, _ in steady])
    values = np.array([_total(each, measure) for _, each in steady])
    rise = trend(at, values, doubt)
    for_sessions = SESSIONS / sessions_a_second if sessions_a_second else 0.0
    growth = rise and Trend(*(each * for_sessions for each in (rise.slope, rise.low, rise.high)))
    before, after = (_level(samples, kind, phase, measure) for phase in ("idle before", "idle after"))
    sessions = sessions_a_second * float(at[-1] - at[0]) if at.size else 0.0
    return Line(kind, measure, processes, growth, sessions, before, after)


def _usual(samples: list[Sample], kind: Kind) -> int:
    """How many processes of the kind there are under load."""
    return int(median(len(each) for _, each in of_kind(samples, kind, "load")))


def _while_all_were_there(samples: list[Sample], kinds: Sequence[Kind]) -> list[Sample]:
    """Without the idle moments of a load test that was ending: its other processes change then, too."""
    usual = {kind: _usual(samples, kind) for kind in kinds}
    counts = Counter((each.at, each.kind) for each in samples)
    return [
        each
        for each in samples
        if each.phase == "load" or all(counts[each.at, kind] == usual[kind] for kind in kinds)
    ]


def _level(samples: list[Sample], kind: Kind, phase: Phase, measure: Measure) -> float | None:
    """The lowest: connections may take a moment to be closed."""
    totals = [_total(each, measure) for _, each in of_kind(samples, kind, phase)]
    return min(totals[len(totals) // 2 :], default=None)


def _total(processes: Sequence[Sample], measure: Measure) -> float:
    return sum(map(_READ[measure], processes))
