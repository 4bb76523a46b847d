"""How the load changes over a run: a level, as a multiple of the users or of the rate that were asked for."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from loadtests.errors import LoadTestError

FORMS = "ramp:FROM:TO, steps:COUNT, spike:LEVEL:AT:LENGTH, soak:RAMP, sine:AMPLITUDE:PERIOD or trace:FILE"

Level = Callable[[float, float], float]
"""The level at a time, of a run of a length, both in seconds."""


@dataclass(frozen=True)
class Shape:
    """A level over time, never negative; 1 is what USERS or ARRIVALS asks for."""

    text: str
    """As written, for example `spike:5:10:3`."""
    level: Level
    highest: float
    """The highest level that it reaches."""


def parse_shape(text: str) -> Shape | None:
    """Reads a shape; None where the load stays as it is. Times are in seconds.

    - `ramp:FROM:TO`: from one level to the other, evenly over the run.
    - `steps:COUNT`: so many equal steps up to 1, each of the same length.
    - `spike:LEVEL:AT:LENGTH`: 1, but for LENGTH seconds from AT, when it is LEVEL.
    - `soak:RAMP`: up within RAMP seconds, 1 until RAMP seconds before the end, down again.
    - `sine:AMPLITUDE:PERIOD`: 1 + AMPLITUDE · sin(2π t / PERIOD).

    Raises LoadTestError with the bad value and the forms that are allowed.
    """
    if not text:
        return None
    kind, *rest = text.strip().split(":")
    try:
        numbers = [_number(part, seconds=_is_time(kind, place)) for place, part in enumerate(rest)]
    except ValueError:
        numbers = [math.nan]
    if not all(math.isfinite(value) and value >= 0 for value in numbers):
        raise LoadTestError(f"SHAPE={text} has a parameter that is no number of 0 or more: write {FORMS}")
    match kind, numbers:
        case "ramp", [low, high] if max(low, high) > 0:
            return Shape(text, lambda at, length: low + (high - low) * _share(at, length), max(low, high))
        case "steps", [count] if 1 <= count <= 1000 and count == int(count):
            return Shape(
                text, lambda at, length: min(math.floor(_share(at, length) * count) + 1, count) / count, 1.0
            )
        case "spike", [high, begin, lasts] if lasts > 0:
            return Shape(text, lambda at, _: high if begin <= at < begin + lasts else 1.0, max(high, 1.0))
        case "soak", [ramp] if ramp > 0:
            return Shape(text, lambda at, length: max(0.0, min(1.0, at / ramp, (length - at) / ramp)), 1.0)
        case "sine", [amplitude, period] if 0 < amplitude <= 1 and period > 0:
            return Shape(
                text, lambda at, _: 1 + amplitude * math.sin(2 * math.pi * at / period), 1 + amplitude
            )
    raise LoadTestError(f"SHAPE={text} is no shape with its parameters: write {FORMS}")


def _is_time(kind: str, place: int) -> bool:
    return (kind, place) in {("spike", 1), ("spike", 2), ("soak", 0), ("sine", 1)}


def _number(text: str, *, seconds: bool) -> float:
    if seconds and (match := re.fullmatch(r"([\d.]+)([smh])", text)):
        return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    return float(text)


def _share(at: float, length: float) -> float:
    return min(max(at / length, 0.0), 1.0)
