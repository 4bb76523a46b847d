import math

import pytest

from loadtests.durations import parse_duration
from reports.records.durations import spread_of


@pytest.mark.parametrize("text", ["0", "0.5", "uniform:0.1:0.5", "exponential:0.25", "lognormal:0.2:0.5"])
def test_mean_and_deviation_are_those_of_what_users_draw(text: str) -> None:
    duration = parse_duration(text, "THINK_TIME")
    found = spread_of(text)
    assert found is not None
    drawn = [duration.draw() for _ in range(40_000)]
    mean = sum(drawn) / len(drawn)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in drawn) / len(drawn))
    assert mean == pytest.approx(found.mean, abs=6 * found.deviation / 200 + 1e-12)
    assert deviation == pytest.approx(found.deviation, rel=0.1, abs=1e-9)


@pytest.mark.parametrize("text", ["", "soon", "nan", "-1", "uniform:1", "gamma:1:2", "lognormal:1:99"])
def test_no_other_text_has_them(text: str) -> None:
    assert spread_of(text) is None
