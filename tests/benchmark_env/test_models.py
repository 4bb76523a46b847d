import math
from typing import Any

import pytest
from pydantic import ValidationError

from benchmark_env.models import MAX_WAIT_SECONDS, BenchmarkAction, BenchmarkObservation


@pytest.mark.parametrize("seconds", [0, 1, 0.25, MAX_WAIT_SECONDS])
def test_an_action_takes_integers_and_floats(seconds: float) -> None:
    assert BenchmarkAction(wait_seconds=seconds).wait_seconds == seconds


def test_an_action_waits_not_at_all_unless_told() -> None:
    assert BenchmarkAction().wait_seconds == 0.0


@pytest.mark.parametrize(
    "seconds", [-1, -1e-9, math.nan, math.inf, -math.inf, "1", True, None, [1], MAX_WAIT_SECONDS + 1]
)
def test_an_action_rejects_what_is_no_wait(seconds: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        BenchmarkAction(wait_seconds=seconds)

    assert [error["loc"] for error in raised.value.errors()] == [("wait_seconds",)]


def test_an_action_rejects_unknown_fields() -> None:
    with pytest.raises(ValidationError):
        BenchmarkAction.model_validate({"wait_seconds": 1, "seconds": 1})


def test_the_schema_tells_the_bounds() -> None:
    wait = BenchmarkAction.model_json_schema()["properties"]["wait_seconds"]

    assert (wait["minimum"], wait["maximum"], wait["default"]) == (0.0, MAX_WAIT_SECONDS, 0.0)


@pytest.mark.parametrize("field", ["waited_seconds", "timestamp"])
def test_an_observation_rejects_times_that_are_no_numbers(field: str) -> None:
    seen = {"host_url": "", "pid": 1, "session_hash": "", "waited_seconds": 0.0, "timestamp": 0.0}
    with pytest.raises(ValidationError, match=field):
        BenchmarkObservation.model_validate({**seen, field: math.nan})
