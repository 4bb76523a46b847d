"""What each simulated user does, checked, with its defaults."""

import json
import math
from dataclasses import dataclass
from typing import Any

from loadtests.durations import Duration, parse_duration

DEFAULT_WAIT = "0.1"
DEFAULT_THINK_TIME = "0"
DEFAULT_STEPS_PER_EPISODE = 50
DEFAULT_CONNECT_TIMEOUT = 10.0
DEFAULT_STEP_TIMEOUT = 60.0


@dataclass(frozen=True)
class LoadOptions:
    """What each simulated user does."""

    wait: Duration
    think_time: Duration
    steps_per_episode: int
    """Steps before the next reset; 0: one reset only."""
    connect_timeout_s: float
    step_timeout_s: float
    action: dict[str, Any] | None
    """The action of every step; None: the Benchmark environment's, with a drawn wait."""


def check(
    *,
    wait: str,
    think_time: str,
    steps_per_episode: int,
    connect_timeout_s: float,
    step_timeout_s: float,
    action: str,
) -> LoadOptions:
    """Reads the options as written. Raises ValueError with the bad value and what is allowed."""
    if steps_per_episode < 0:
        raise ValueError(f"STEPS_PER_EPISODE={steps_per_episode} is negative: give 0 or more")
    return LoadOptions(
        wait=parse_duration(wait, "WAIT"),
        think_time=parse_duration(think_time, "THINK_TIME"),
        steps_per_episode=steps_per_episode,
        connect_timeout_s=_seconds(connect_timeout_s, "CONNECT_TIMEOUT"),
        step_timeout_s=_seconds(step_timeout_s, "STEP_TIMEOUT"),
        action=parse_action(action),
    )


def parse_action(text: str) -> dict[str, Any] | None:
    """Reads an action written as a JSON object; None where `text` is empty. Raises ValueError."""
    if not text:
        return None
    try:
        action = json.loads(text)
    except ValueError as error:
        raise ValueError(f"ACTION={text!r} is not JSON: {error}") from None
    if not isinstance(action, dict):
        raise ValueError(f'ACTION={text!r} is not a JSON object: write one like {{"message": "hello"}}')
    return action


def _seconds(value: float, name: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}={value:g} is not a time in seconds: give a number above 0")
    return value
