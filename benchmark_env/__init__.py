"""The Benchmark environment: its action waits, and its observation says who answered."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import BenchmarkEnv
    from .models import BenchmarkAction, BenchmarkObservation

__all__ = ["BenchmarkAction", "BenchmarkEnv", "BenchmarkObservation"]


def __getattr__(name: str) -> Any:
    # Late, so that the command line and the server can report a bad setting, which the models read.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import client

    return getattr(client, name)
