"""The action and the observation of the Benchmark environment."""

import os
from typing import TYPE_CHECKING, Final

from openenv.core.env_server.types import Action, Observation
from pydantic import Field

if TYPE_CHECKING or __package__:
    from .settings import read_max_wait_seconds
else:
    from settings import read_max_wait_seconds

MAX_WAIT_SECONDS: Final = read_max_wait_seconds(os.environ)


class BenchmarkAction(Action):
    """Wait, then answer."""

    wait_seconds: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        le=MAX_WAIT_SECONDS,
        allow_inf_nan=False,
        description="Seconds to wait before answering",
    )


class BenchmarkObservation(Observation):
    """Who answered, and how long it waited.

    `reward` is 1 / (1 + wait_seconds) after a step and None after a reset; `done` is always False; `metadata`
    holds `step_count`, the session's steps since its last reset.
    """

    host_url: str = Field(description="URL of the server that answered")
    pid: int = Field(description="Process ID of the worker that answered")
    session_hash: str = Field(description="16 hex digits that identify the session")
    waited_seconds: float = Field(
        allow_inf_nan=False, description="Seconds waited, as measured by the server"
    )
    timestamp: float = Field(
        allow_inf_nan=False, description="Unix time at which the observation was made, in seconds"
    )
