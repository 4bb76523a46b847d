"""The Benchmark environment: its action waits, its observation says who answered."""

from .client import BenchmarkEnv
from .models import BenchmarkAction, BenchmarkObservation

__all__ = ["BenchmarkAction", "BenchmarkEnv", "BenchmarkObservation"]
