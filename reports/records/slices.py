"""A run's duration cut into equal slices, on which its time lines are drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Slices:
    """`count` slices of `width_s` seconds from the run's start on."""

    count: int
    width_s: float

    @property
    def edges_s(self) -> Floats:
        return np.linspace(0.0, self.count * self.width_s, self.count + 1)

    @property
    def middles_s(self) -> Floats:
        return np.linspace(self.width_s / 2, (self.count - 0.5) * self.width_s, self.count)

    def index(self, at_s: Floats) -> NDArray[np.uint16]:
        """The slice that each moment lies in; the run's end belongs to the last."""
        return np.clip(at_s / self.width_s, 0, self.count - 1).astype(np.uint16)


def slices_of(duration_s: float, most: int = 300, least_s: float = 1.0) -> Slices:
    """As many slices as fit, at most `most` and none shorter than `least_s`; at least one.

    They divide the duration evenly, so that no rate is computed over a piece left over at the end.
    """
    count = int(min(most, max(1, duration_s // least_s)))
    return Slices(count, duration_s / count if duration_s > 0 else least_s)
