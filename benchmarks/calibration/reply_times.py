"""How long the reference server takes to reply: named distributions, written like `lognormal:0.02:0.5`."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

_FORMS = (
    "constant:SECONDS, uniform:LOW:HIGH, lognormal:MEDIAN:SIGMA, bimodal:MEDIAN:FAR:SHARE or "
    "stalls:SECONDS:EVERY:LENGTH"
)
_NEAR_SIGMA, _FAR_SIGMA = 0.1, 0.3


class ReplyTimesError(ValueError):
    """A text that names no distribution of reply times."""


@dataclass(frozen=True)
class ReplyTimes:
    """When replies are due."""

    text: str
    """As written, for example `bimodal:0.02:0.3:0.02`."""
    draw: Callable[[random.Random], float]
    """One reply time in seconds, without stalls."""
    every_s: float = math.inf
    """From the start of one stall to that of the next; the first begins after as long."""
    stall_s: float = 0.0
    """How long a stall lasts, in which no reply is given."""

    def due(self, read_s: float, chance: random.Random) -> float:
        """When the reply to what was read is due; both in seconds since the server's start."""
        due_s = read_s + self.draw(chance)
        if due_s < self.every_s:
            return due_s
        into_s = due_s % self.every_s
        return due_s - into_s + self.stall_s if into_s < self.stall_s else due_s


def parse_reply_times(text: str) -> ReplyTimes:
    """Reads `distribution:parameters`, all of them in seconds but SIGMA and SHARE.

    `lognormal` is given by its median and the standard deviation of its logarithm. `bimodal` is near its
    MEDIAN, and for a SHARE of the replies near FAR: both modes are lognormal. `stalls` are constant times but
    for replies due within LENGTH after each multiple of EVERY, which all wait for the end of that. Raises
    ReplyTimesError.
    """
    kind, *rest = text.strip().split(":")
    try:
        values = [float(part) for part in rest]
    except ValueError:
        values = [math.nan]
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ReplyTimesError(f"{text!r:.80} is no distribution of reply times: write {_FORMS}")
    match kind, values:
        case "constant", [seconds]:
            return ReplyTimes(text, lambda _: seconds)
        case "uniform", [low, high] if low <= high:
            return ReplyTimes(text, lambda chance: chance.uniform(low, high))
        case "lognormal", [median, sigma] if median > 0:
            return ReplyTimes(text, lambda chance: chance.lognormvariate(math.log(median), sigma))
        case "bimodal", [near, far, share] if near > 0 and far > 0 and share <= 1:
            return ReplyTimes(text, lambda chance: _bimodal(near, far, share, chance))
        case "stalls", [seconds, every, length] if length < every:
            return ReplyTimes(text, lambda _: seconds, every, length)
    raise ReplyTimesError(f"{text!r:.80} is no distribution of reply times: write {_FORMS}")


def _bimodal(near: float, far: float, share: float, chance: random.Random) -> float:
    median, sigma = (far, _FAR_SIGMA) if chance.random() < share else (near, _NEAR_SIGMA)
    return chance.lognormvariate(math.log(median), sigma)
