"""The server of the Benchmark environment."""

from .benchmark_environment import BenchmarkEnvironment

__all__ = ["BenchmarkEnvironment"]
