"""How many users a shape asks for in the closed model."""

import json
from typing import Any

import pytest

from tests.loadtests.locust_python import locust_python

TICKS = """
import json, sys
from argparse import Namespace
from locust.env import Environment
from loadtests.load.shaping import Shaping

shape, arrivals, moments = json.loads(sys.argv[1])
options = Namespace(shape=shape, arrivals=arrivals, run_time=10, num_users=20)
environment = Environment(parsed_options=options)
Shaping(environment)
ticks = None
if (given := environment.shape_class) is not None:
    ticks = []
    for moment in moments:
        given.get_run_time = lambda: moment
        ticks.append(given.tick())
print(json.dumps(ticks))
"""
"""What Locust is told at moments of a test of ten seconds with twenty users."""


def told(shape: str, *moments: float, arrivals: str = "") -> Any:
    done = locust_python("-c", TICKS, json.dumps([shape, arrivals, moments]))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("shape", "users", "most"),
    [
        ("ramp:0.5:1.5", {0: 10, 5: 20, 9.9: 30}, 30),
        ("ramp:0:1", {0: 1, 5: 10}, 20),
        ("steps:4", {0: 5, 2.6: 10, 9: 20}, 20),
        ("spike:5:4:2", {3: 20, 4: 100, 6: 20}, 100),
        ("soak:2", {1: 10, 5: 20, 9.5: 5}, 20),
        ("sine:0.5:8", {0: 20, 2: 30, 6: 10}, 30),
    ],
)
def test_users_come_and_go_with_the_shape_and_one_at_least_is_there(
    shape: str, users: dict[float, int], most: int
) -> None:
    assert told(shape, *users) == [[number, most] for number in users.values()]


def test_at_the_end_of_the_test_locust_is_told_to_stop() -> None:
    assert told("ramp:1:2", 9.99, 10, 11)[1:] == [None, None]


@pytest.mark.parametrize(
    ("shape", "arrivals"), [("", ""), ("ramp:1:2", "constant:5"), ("trace:no.jsonl", ""), ("wave:1", "")]
)
def test_in_the_open_model_without_a_shape_and_with_a_bad_one_the_users_stay_as_they_are(
    shape: str, arrivals: str
) -> None:
    assert told(shape, 1, arrivals=arrivals) is None
