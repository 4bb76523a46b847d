"""Jain's index of fairness. It needs no more than numpy: the load generator's processes import it too."""

import numpy as np
from numpy.typing import NDArray


def jain_index(loads: NDArray[np.float64]) -> float:
    """Jain, Chiu, Hawe (1984): (Σx)² / (n Σx²); 1 where all loads are equal, 1/n where one part has it all.

    NaN where there is no load.
    """
    squares = float(np.square(loads).sum())
    return float(loads.sum()) ** 2 / (loads.size * squares) if squares else float("nan")
