"""Throughput, failures and users over the time of a run."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Timeline:
    """One value for each slice of the run; slices are one second, or more where the run is long."""

    at_s: Floats
    """The middle of each slice, seconds since the run's start."""
    slice_s: float
    steps_per_s: Floats
    failures_per_s: Floats
    users: Floats
    """Users between their first operation and their last."""
    takeaways: list[str]
