"""How far the clock of another process is from this one's, as NTP measures it (RFC 5905, section 8)."""

from collections import deque
from dataclasses import dataclass

_KEPT = 30
"""Samples among which the best is looked for: at one a second, those of half a minute."""


@dataclass(frozen=True)
class ClockSample:
    """What a question and its answer say of the other clock. The offset is right within half a round trip."""

    offset_s: float
    """The other clock minus this one."""
    round_trip_s: float
    """How long the messages were on their way, both together."""


def clock_sample(asked_at: float, received_at: float, answered_at: float, back_at: float) -> ClockSample:
    """A sample from the Unix times of four events.

    The first and the last are this process's, the two between them are the other one's.
    """
    return ClockSample(
        offset_s=((received_at - asked_at) + (answered_at - back_at)) / 2,
        round_trip_s=(back_at - asked_at) - (answered_at - received_at),
    )


class ClockComparison:
    """The newest samples of one other clock."""

    def __init__(self) -> None:
        self._samples: deque[ClockSample] = deque(maxlen=_KEPT)

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: ClockSample) -> None:
        self._samples.append(sample)

    @property
    def best(self) -> ClockSample | None:
        """The sample of the shortest round trip; None where there is none."""
        return min(self._samples, key=lambda sample: sample.round_trip_s, default=None)
