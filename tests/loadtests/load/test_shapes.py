import re

import pytest

from loadtests.errors import LoadTestError
from loadtests.load.shapes import parse_shape


@pytest.mark.parametrize(
    ("text", "levels", "highest"),
    [
        ("ramp:0:1", {0: 0.0, 5: 0.5, 10: 1.0, 12: 1.0}, 1.0),
        ("ramp:2:0.5", {0: 2.0, 10: 0.5}, 2.0),
        ("steps:4", {0: 0.25, 2.4: 0.25, 2.6: 0.5, 9.9: 1.0, 10: 1.0}, 1.0),
        ("spike:5:4:2", {3.9: 1.0, 4: 5.0, 5.9: 5.0, 6: 1.0}, 5.0),
        ("spike:0:4s:2s", {3.9: 1.0, 5: 0.0}, 1.0),
        ("spike:5:1h:1m", {3599: 1.0, 3600: 5.0, 3659: 5.0, 3660: 1.0}, 5.0),
        ("soak:2", {0: 0.0, 1: 0.5, 2: 1.0, 8: 1.0, 9: 0.5, 10: 0.0, 11: 0.0}, 1.0),
        ("soak:1m", {3: 0.05, 5: 0.5 / 6, 10: 0.0}, 1.0),
        ("sine:0.5:8", {0: 1.0, 2: 1.5, 4: 1.0, 6: 0.5}, 1.5),
        ("sine:1:1m", {15: 2.0, 45: 0.0}, 2.0),
    ],
)
def test_a_shape_is_a_level_over_time(text: str, levels: dict[float, float], highest: float) -> None:
    shape = parse_shape(text)
    assert shape is not None
    assert {at: shape.level(at, 10.0) for at in levels} == pytest.approx(levels)
    assert shape.highest == highest


def test_without_a_shape_the_load_stays_as_it_is() -> None:
    assert parse_shape("") is None


@pytest.mark.parametrize(
    "text",
    [
        *("ramp", "ramp:1", "ramp:0:0", "ramp:-1:1", "ramp:a:b", "ramp:1s:2", "ramp:1:2:3"),
        *(
            "steps:0",
            "steps:1.5",
            "steps:1001",
            "steps:",
            "spike:5:4:0",
            "spike:5",
            "soak:0",
            "sine:2:5",
            "sine:1:0",
        ),
        *("wave:1", "ramp:nan:1", "ramp:inf:1", ":"),
    ],
)
def test_what_is_no_shape_is_refused_with_the_forms(text: str) -> None:
    named = rf"SHAPE={re.escape(text)} .*write ramp:FROM:TO, steps:COUNT, spike:"
    with pytest.raises(LoadTestError, match=named):
        parse_shape(text)
