"""The server of the Benchmark environment."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benchmark_environment import BenchmarkEnvironment

__all__ = ["BenchmarkEnvironment"]


def __getattr__(name: str) -> Any:
    # Late: gunicorn's configuration is in this package, and is to say itself what is wrong with a setting.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import benchmark_environment

    return getattr(benchmark_environment, name)
