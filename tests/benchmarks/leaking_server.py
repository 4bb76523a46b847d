"""The Benchmark environment with a fault: each session keeps a descriptor and 400 kB for ever."""

import os

from benchmark_env.server.app import app
from benchmark_env.server.benchmark_environment import BenchmarkEnvironment

__all__ = ["app"]

SERVER = [
    *("-m", "gunicorn", "-c", "benchmark_env/server/gunicorn.conf.py"),
    "tests.benchmarks.leaking_server:app",
]
_kept: list[tuple[int, bytes]] = []
_begin = BenchmarkEnvironment.__init__


def _begin_and_keep(self: BenchmarkEnvironment) -> None:
    _begin(self)
    _kept.append((os.open(os.devnull, os.O_RDONLY), os.urandom(400_000)))


BenchmarkEnvironment.__init__ = _begin_and_keep  # type: ignore[method-assign]
