import re

import pytest

from loadtests.load_options import LoadOptions, check


def checked(**changes: object) -> LoadOptions:
    values: dict[str, object] = {
        "wait": "0.1",
        "think_time": "0",
        "steps_per_episode": 50,
        "connect_timeout_s": 10.0,
        "step_timeout_s": 60.0,
        "action": "",
    }
    return check(**(values | changes))  # type: ignore[arg-type]


def test_the_action_is_the_benchmark_environments_unless_given() -> None:
    assert checked().action is None
    assert checked(action='{"message": "hello"}').action == {"message": "hello"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wait": "-1"}, "WAIT='-1'"),
        ({"think_time": "later"}, "THINK_TIME='later'"),
        ({"steps_per_episode": -2}, "STEPS_PER_EPISODE=-2"),
        ({"connect_timeout_s": 0.0}, "CONNECT_TIMEOUT=0"),
        ({"step_timeout_s": float("nan")}, "STEP_TIMEOUT=nan"),
        ({"action": "{"}, "is not JSON"),
        ({"action": "[1]"}, "is not a JSON object"),
    ],
)
def test_a_bad_value_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        checked(**changes)
