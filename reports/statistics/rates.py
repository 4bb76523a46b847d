"""How many moments lie in a window, a second."""

import numpy as np
from numpy.typing import NDArray


def rate_within(at_s: NDArray[np.float64], window_s: tuple[float, float]) -> float:
    """Moments from the begin to the end of a window, both included, over its length; 0 if that is 0.

    All in seconds since the same moment, in any order.
    """
    begin, end = window_s
    inside = np.count_nonzero((at_s >= begin) & (at_s <= end))
    return float(inside / (end - begin)) if end > begin else 0.0
