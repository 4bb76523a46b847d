"""The server of the Benchmark environment."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or "." in __package__:
    from ..settings import only_what_is_served
else:
    from settings import only_what_is_served

with only_what_is_served(os.environ):
    from .benchmark_environment import BenchmarkEnvironment

__all__ = ["BenchmarkEnvironment"]
