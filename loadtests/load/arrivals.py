"""When sessions or steps arrive in the open model: at a rate, whatever the server does."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast, get_args

from loadtests.errors import LoadTestError
from loadtests.load.shapes import Shape
from loadtests.settings import Values, choice
from reports.records.schema import ArrivalUnit

Process = Literal["constant", "poisson"]

FORMS = "constant:RATE or poisson:RATE, such as poisson:50, a second"
_CELL_S = 0.01
"""Within so many seconds a rate that changes counts as constant."""
_HIGHEST_RATE = 1_000_000.0
_SEED = 20_240_501
_DEALER_SEED = 20_240_502


@dataclass(frozen=True)
class Arrivals:
    """A stream of arrivals, of sessions that live for an episode or of steps over a pool of sessions."""

    process: Process
    """`constant`: evenly spaced. `poisson`: independent of each other, with exponential gaps."""
    rate: float
    """Arrivals a second, where the load's shape is at level 1."""
    of: ArrivalUnit
    shape: Shape | None = None

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.process}:{self.rate:g}"

    @property
    def highest_rate(self) -> float:
        """Arrivals a second where the shape is at its highest."""
        return self.rate * (self.shape.highest if self.shape is not None else 1.0)

    def times(self, length_s: float | None) -> Iterator[float]:
        """Seconds from the start to each arrival, rising; the same in every process and every run.

        `length_s` is how long the load will last; None, which no shape allows: until it is stopped. A rate
        that changes is cut into cells of 10 ms, within which it is constant.
        """
        if self.shape is None:
            yield from itertools.accumulate(gap / self.rate for gap in self._gaps())
            return
        if length_s is None:
            raise LoadTestError(f"SHAPE={self.shape.text} needs an end: give the load a run time")
        mass, gaps = 0.0, self._gaps()
        due = next(gaps)
        for cell in range(math.ceil(length_s / _CELL_S)):
            more = self.rate * _CELL_S * self.shape.level((cell + 0.5) * _CELL_S, length_s)
            while due <= mass + more and more > 0:
                yield _CELL_S * (cell + (due - mass) / more)
                due += next(gaps)
            mass += more

    def share(self, length_s: float | None, part: int | None, parts: int) -> Iterator[float]:
        """What one process of several takes of the times, the first being part 0; None: nothing.

        Constant arrivals are dealt out in turn, Poisson ones by chance, the same in every process. So each
        process has a Poisson stream, and all together have one too, although their clocks start at different
        moments. Dealt out in turn, they would load the server more evenly than that.
        """
        if part is None:
            return iter(())
        times = self.times(length_s)
        if self.process == "constant" or parts == 1:
            return itertools.islice(times, part, None, parts)
        dealer = random.Random(_DEALER_SEED)
        return (at_s for at_s in times if dealer.randrange(parts) == part)

    def _gaps(self) -> Iterator[float]:
        """Gaps between arrivals at a rate of one a second."""
        if self.process == "constant":
            return itertools.repeat(1.0)
        chance = random.Random(_SEED)
        return iter(lambda: chance.expovariate(1.0), None)


def parse_arrivals(values: Values, shape: Shape | None) -> Arrivals | None:
    """Reads `ARRIVALS` and `ARRIVALS_OF`; None in the closed model.

    Raises LoadTestError with the bad value and what is allowed.
    """
    text = values["ARRIVALS"]
    unit = cast(ArrivalUnit, choice(values, "ARRIVALS_OF", get_args(ArrivalUnit)))
    if not text:
        return None
    process, _, number = text.strip().partition(":")
    try:
        rate = float(number)
    except ValueError:
        rate = math.nan
    if process not in get_args(Process) or not 0 < rate <= _HIGHEST_RATE:
        raise LoadTestError(f"ARRIVALS={text} is no stream of arrivals: write {FORMS}")
    return Arrivals(cast(Process, process), rate, unit, shape)
