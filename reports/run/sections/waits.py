"""Whether the waits that replies report can be true: as long as asked, and no longer than their requests."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reports.page.words import count, seconds
from reports.records.steps import STEP, Bools, Floats, Steps
from reports.statistics.groups import pieces

_CLOCK_S = 0.002
"""uvloop and some kernels count timers in milliseconds, and servers may round to them."""
_CLOCK_RATE = 0.001
"""By how much the clocks of two machines may differ in speed; NTP slews by half of that at most."""


@dataclass(frozen=True)
class Waits:
    """The waits that successful steps reported, compared with what was asked for and with their latencies."""

    checked: int
    longer_than_latency: int
    """Waits longer than the whole request, which no server can have waited."""
    shorter_than_asked: int
    examples: list[str]
    """One of each kind, in words."""
    takeaways: list[str]

    @property
    def wrong(self) -> int:
        """The waits that cannot be true."""
        return self.longer_than_latency + self.shorter_than_asked


def summarize(steps: Steps, wait_s: Floats | None, waited_s: Floats | None) -> Waits | None:
    """Checks the waits reported; None where no reply reported one. Either column is None where it is empty.

    A wait that is both too long for its request and too short counts as too long.
    """
    if waited_s is None:
        return None
    checked = longer = shorter = 0
    longest: int | None = None
    shortest: int | None = None
    for piece in pieces(waited_s.size):
        waited = waited_s[piece]
        known = steps.succeeded[piece] & (steps.op[piece] == STEP) & ~np.isnan(waited)
        too_long = known & _exceeds(waited, steps.service_s(piece))
        checked += int(np.count_nonzero(known))
        longer += int(np.count_nonzero(too_long))
        longest = _first(longest, piece, too_long)
        if wait_s is not None:
            too_short = known & ~too_long & _exceeds(wait_s[piece], waited)
            shorter += int(np.count_nonzero(too_short))
            shortest = _first(shortest, piece, too_short)
    examples = []
    if longest is not None:
        reported, latency = (
            seconds(float(waited_s[longest])),
            seconds(float(steps.service_s(slice(longest, longest + 1))[0])),
        )
        examples.append(f"A step that took {latency} in all reported a wait of {reported}.")
    if shortest is not None and wait_s is not None:
        reported, asked = seconds(float(waited_s[shortest])), seconds(float(wait_s[shortest]))
        examples.append(f"A step that was to wait {asked} reported a wait of {reported}.")
    return Waits(checked, longer, shorter, examples, list(_takeaways(checked, longer, shorter)))


def _exceeds(longer_s: Floats, shorter_s: Floats) -> Bools:
    """By more than clocks explain; False where either is unknown."""
    exceeds: Bools = longer_s > shorter_s * (1 + _CLOCK_RATE) + _CLOCK_S
    return exceeds


def _first(found: int | None, piece: slice, among: Bools) -> int | None:
    if found is not None or not among.any():
        return found
    return int(piece.start + np.argmax(among))


def _takeaways(checked: int, longer: int, shorter: int) -> Iterator[str]:
    of_all = f"of {count(checked, 'reported wait')}"
    if longer:
        yield f"{longer:,} {of_all} were longer than the whole request."
    if shorter:
        yield f"{shorter:,} {of_all} were shorter than asked for."
    if longer or shorter:
        yield (
            "The server measures or waits wrongly, or replies went to other requests: do not rely on the "
            "overhead."
        )
    elif checked:
        yield f"Each {of_all} was as long as asked for, and no longer than its request."
