"""Latency of every group at every number of users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.experiment.sections.growth import Growth

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Heat:
    """Medians over repetitions in seconds: shape (groups, users), NaN where missing."""

    labels: list[str]
    users: list[int]
    """Rising."""
    step_p99: Floats
    total_p99: Floats
    invalid: NDArray[np.bool_]
    """True where the figures rest on invalid cells only."""


def summarize(growth: Growth) -> Heat:
    """The growth of all groups as a table."""
    users = sorted({point.users for group in growth.groups for point in group.points})
    shape = (len(growth.groups), len(users))
    step, total = np.full(shape, np.nan), np.full(shape, np.nan)
    invalid = np.zeros(shape, dtype=np.bool_)
    for row, group in enumerate(growth.groups):
        for point in group.points:
            place = row, users.index(point.users)
            step[place], total[place] = point.step_p99.median, point.total_p99.median
            invalid[place] = not point.valid
    return Heat(
        labels=[group.label for group in growth.groups],
        users=users,
        step_p99=step,
        total_p99=total,
        invalid=invalid,
    )
