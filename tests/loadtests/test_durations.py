import random
import statistics

import pytest

from loadtests.durations import parse_duration
from loadtests.errors import LoadTestError


def samples(text: str, count: int = 20_000) -> list[float]:
    random.seed(7)
    duration = parse_duration(text, "WAIT")
    return [duration.draw() for _ in range(count)]


def test_a_number_is_a_constant() -> None:
    duration = parse_duration("0.25", "WAIT")
    assert duration.constant == 0.25
    assert duration.draw() == duration.longest == 0.25


def test_uniform_stays_between_its_bounds() -> None:
    drawn = samples("uniform:0.1:0.5")
    assert 0.1 <= min(drawn) < 0.11
    assert 0.49 < max(drawn) <= 0.5


def test_exponential_has_its_mean() -> None:
    assert statistics.fmean(samples("exponential:2")) == pytest.approx(2, rel=0.03)


def test_lognormal_has_its_median() -> None:
    assert statistics.median(samples("lognormal:0.5:1")) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("text", ["uniform:0:1", "exponential:1", "lognormal:1:0.5"])
def test_hardly_any_sample_exceeds_the_longest(text: str) -> None:
    longest = parse_duration(text, "WAIT").longest
    assert sum(value > longest for value in samples(text)) <= 40


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "nan",
        "inf",
        "",
        "soon",
        "uniform:1",
        "uniform:2:1",
        "normal:1:2",
        "exponential:0",
        "uniform:-1:2",
    ],
)
def test_a_bad_duration_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(LoadTestError, match="uniform:LOW:HIGH") as raised:
        parse_duration(text, "WAIT")
    assert f"WAIT={text}" in str(raised.value)
