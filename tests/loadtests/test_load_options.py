import re

import pytest

from loadtests.errors import LoadTestError
from loadtests.load_options import USER_SETTINGS, LoadOptions, load_options


def options(**changes: str) -> LoadOptions:
    return load_options({setting.name: setting.default for setting in USER_SETTINGS} | changes)


def test_the_action_is_the_benchmark_environments_unless_given() -> None:
    assert options().action is None
    assert options(ACTION='{"message": "hello"}').action == {"message": "hello"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WAIT", "-1", "WAIT=-1"),
        ("THINK_TIME", "later", "THINK_TIME=later"),
        ("STEPS_PER_EPISODE", "-2", "STEPS_PER_EPISODE=-2"),
        ("CONNECT_TIMEOUT", "0", "CONNECT_TIMEOUT=0"),
        ("STEP_TIMEOUT", "nan", "STEP_TIMEOUT=nan"),
        ("ACTION", "{", "is not JSON"),
        ("ACTION", "[1]", "is not a JSON object"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(LoadTestError, match=re.escape(words)):
        options(**{name: value})
