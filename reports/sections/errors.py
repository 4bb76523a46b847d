"""What failed: errors by category and operation, with a time line."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ErrorGroup:
    """Failures of one category in one operation. `example` is text that a server may have sent."""

    category: str
    op: str
    count: int
    first_at: float
    """Seconds since the run's start."""
    example: str | None


@dataclass(frozen=True)
class Errors:
    """Failures of a run, most frequent first; `counts` has a row a category, a column a time slice."""

    groups: list[ErrorGroup]
    categories: list[str]
    at_s: NDArray[np.float64]
    counts: NDArray[np.int64]
    takeaways: list[str]
