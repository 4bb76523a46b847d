"""What each simulated user does: its settings, and their values checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtests.durations import Duration, parse_duration
from loadtests.errors import LoadTestError
from loadtests.settings import Setting, Values, above_zero, whole

LONGEST_WAIT_S = 3600.0
"""What the Benchmark environment waits at most, unless its MAX_WAIT_SECONDS says otherwise."""

USER_SETTINGS = (
    Setting(
        "WAIT",
        "0.1",
        "seconds each step waits: a number, uniform:LOW:HIGH, exponential:MEAN or lognormal:MEDIAN:SIGMA",
    ),
    Setting("THINK_TIME", "0", "seconds that a user thinks between steps, written like WAIT"),
    Setting("STEPS_PER_EPISODE", "50", "steps before the next reset; 0: one reset only"),
    Setting("CONNECT_TIMEOUT", "10", "seconds until a connection that is not open counts as failed"),
    Setting("STEP_TIMEOUT", "60", "seconds until a reset or step without reply counts as failed"),
    Setting("ACTION", "", 'the action of every step as JSON, for other environments: {"message": "hello"}'),
)


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


def load_options(values: Values) -> LoadOptions:
    """Reads the user settings. Raises LoadTestError with the bad value and what is allowed."""
    action = _action(values["ACTION"])
    wait = parse_duration(values["WAIT"] if action is None else f"{asked_wait(action) or 0:g}", "WAIT")
    if wait.longest > LONGEST_WAIT_S:
        raise LoadTestError(
            f"WAIT={values['WAIT']} is longer than the Benchmark environment waits, {LONGEST_WAIT_S:g} s"
        )
    return LoadOptions(
        wait=wait,
        think_time=parse_duration(values["THINK_TIME"], "THINK_TIME"),
        steps_per_episode=whole(values, "STEPS_PER_EPISODE", 0, 10**9),
        connect_timeout_s=above_zero(values, "CONNECT_TIMEOUT"),
        step_timeout_s=above_zero(values, "STEP_TIMEOUT"),
        action=action,
    )


def asked_wait(action: Mapping[str, Any]) -> float | None:
    """The seconds that an action asks the environment to wait, where it names any that make sense."""
    wait = action.get("wait_seconds")
    return float(wait) if isinstance(wait, int | float) and 0 <= wait <= LONGEST_WAIT_S else None


def _action(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        action = json.loads(text)
    except ValueError as error:
        raise LoadTestError(f"ACTION={text} is not JSON: {error}") from None
    if not isinstance(action, dict):
        raise LoadTestError(f'ACTION={text} is not a JSON object: write one like {{"message": "hello"}}')
    return action
