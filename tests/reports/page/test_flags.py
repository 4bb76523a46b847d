"""Flags: every line is drawn, and no name touches another or hides a line."""

from itertools import combinations

import numpy as np
import pytest

from reports.page.drawing import NARROW, WIDE
from reports.page.flags import LANE, Flag, Strip, strip

LEFT, RIGHT = 52.0, 38.0
LETTER = 7.0


def strip_of(*at_s: float, width: float = WIDE, name: str = "restart-nginx") -> Strip:
    flags = [Flag(number, name, at) for number, at in enumerate(at_s, 1)]
    return strip(flags, 40.0, LEFT, RIGHT, width)


def assert_readable(found: Strip, width: float) -> None:
    """All words lie in the figure, none on another, and none across a line that leads up to a higher one."""
    placed = []
    for flag, words, align, lane in found.labels:
        x = LEFT + (width - LEFT - RIGHT) * flag.at_s / 40
        low = x if align == "left" else x - LETTER * len(words)
        placed.append((x, low, low + LETTER * len(words), lane))
        assert low >= 0
        assert low + LETTER * len(words) <= width
    for one, other in combinations(placed, 2):
        assert one[3] != other[3] or one[2] < other[1] or other[2] < one[1]
        for (x, _, _, lane), (_, low, high, below) in ((one, other), (other, one)):
            assert not (low < x < high and lane > below)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(
    "at_s", [(10.0,), (0.0,), (40.0,), (10.0, 20.0, 30.0), (0.0, 1.0, 2.0), (38.0, 39.0, 40.0), (20.0, 20.5)]
)
def test_a_few_names_find_room(at_s: tuple[float, ...], width: float) -> None:
    found = strip_of(*at_s, width=width)
    assert [label.words for label in found.labels] == ["restart-nginx"] * len(at_s)
    assert_readable(found, width)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_moments_nothing_overlaps(seed: int, width: float) -> None:
    random = np.random.default_rng(seed)
    found = strip_of(*np.sort(random.uniform(0, 40, int(random.integers(1, 60)))), width=width)
    assert found.labels
    assert_readable(found, width)


def test_names_without_room_become_numbers_and_lines_stay() -> None:
    found = strip_of(*range(5, 35, 3), width=NARROW)
    assert {label.words for label in found.labels} == {f"{number}" for number in range(1, 11)}
    crowded = strip_of(*np.linspace(0, 40, 300), width=NARROW)
    assert len(crowded.flags) == 300
    assert 3 < len(crowded.labels) < 300


def test_without_flags_it_takes_no_height() -> None:
    assert strip_of().height == 0
    assert strip_of(10.0).height == LANE


def test_a_long_name_is_cut_and_a_moment_that_is_no_number_left_out() -> None:
    (label,) = strip_of(10.0, name="kill\x1b-" + "x" * 100).labels
    assert len(label.words) <= 18
    assert "\x1b" not in label.words
    assert strip_of(float("nan"), float("inf")).labels == []
