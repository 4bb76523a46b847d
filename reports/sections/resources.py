"""CPU and memory of replicas, balancer and generator over the time of a run."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PartUsage:
    """What one part of the system used."""

    role: str
    """replica, nginx or generator."""
    name: str
    at_s: Floats
    cpu_cores: Floats
    memory_bytes: Floats
    cpu_mean: float
    cpu_max: float
    memory_max: float
    open_files_max: int | None


@dataclass(frozen=True)
class Resources:
    """Usage of every part; empty where none was recorded."""

    parts: list[PartUsage]
    takeaways: list[str]
