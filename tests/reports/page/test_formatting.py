"""Numbers, units and foreign text as a reader sees them."""

import math
from collections.abc import Callable

import pytest

from reports.page import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (0.000349, "0.35 ms"),
        (0.0123, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (65.4, "65.4 s"),
    ],
)
def test_latencies_are_in_ms_below_a_second_and_in_s_above(value: float, text: str) -> None:
    assert formatting.seconds(value) == text.replace(" ", formatting.SPACE)


@pytest.mark.parametrize(
    "form",
    [
        formatting.count,
        formatting.significant,
        formatting.plain,
        formatting.seconds,
        formatting.duration,
        formatting.percent,
        formatting.memory,
        formatting.moment,
        formatting.probability,
    ],
)
@pytest.mark.parametrize("unknown", [None, math.nan, math.inf])
def test_what_is_unknown_is_a_dash_and_never_nan(
    form: Callable[[float | None], str], unknown: float | None
) -> None:
    assert form(unknown) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (9.996, "10.0"), (1043.2, "1,043"), (199_255.4, "199,255")],
)
def test_significant_digits_never_replace_digits_before_the_point(value: float, text: str) -> None:
    assert formatting.significant(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.25, "25.0 %"),
        (0.9992, "99.92 %"),
        (0.008, "0.80 %"),
        (0.99996, "99.996 %"),
        (0.00004, "0.004 %"),
        (1e-9, "< 0.0001 %"),
    ],
)
def test_a_share_reads_100_or_0_percent_only_where_it_is_that(share: float, text: str) -> None:
    assert formatting.percent(share).replace(formatting.SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(8.03, "8.03 s"), (59.99, "60.0 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_grow_into_minutes_and_hours(value: float, text: str) -> None:
    assert formatting.duration(value).replace(formatting.SPACE, " ") == text


@pytest.mark.parametrize("never", [1e18, -1e18, 1e308, math.inf, math.nan])
def test_a_moment_that_no_calendar_knows(never: float) -> None:
    assert formatting.moment(never) == formatting.MISSING


def test_a_moment_is_the_same_everywhere() -> None:
    assert formatting.moment(1_792_245_802.0) == "17 Oct 2026, 14:03:22 UTC"


def test_control_characters_and_broken_text_are_made_visible() -> None:
    assert formatting.showable("a\x00b\u202ec\ud800d") == "a\ufffdb\ufffdc\ufffdd"
    assert formatting.showable("größe 大 🙂") == "größe 大 🙂"


def test_long_names_keep_their_start_and_end() -> None:
    assert formatting.shortened("environment-server-0123456789", 13) == "enviro…456789"
    assert formatting.shortened("env-1", 13) == "env-1"


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.0, "9"), (17.5, "17.5"), (1234.0, "1,234"), (0.8204, "0.82"), (100.0, "100"), (0.0, "0")],
)
def test_a_plain_number_has_no_superfluous_zeros(value: float, text: str) -> None:
    assert formatting.plain(value) == text


def test_a_number_stays_on_one_line_with_its_unit() -> None:
    sentence = formatting.unbroken("99 % took 52.1 ms at 3,735.3 steps/s, 12 users 3 more")
    assert sentence == "99\u00a0% took 52.1\u00a0ms at 3,735.3\u00a0steps/s, 12 users 3 more"


@pytest.mark.parametrize(
    ("spec", "words"), [("0.5", "500\u00a0ms"), ("2", "2.00\u00a0s"), ("uniform:0:1", "uniform:0:1")]
)
def test_a_wait_is_told_with_its_unit_and_a_distribution_as_written(spec: str, words: str) -> None:
    assert formatting.wait(spec) == words


def test_values_of_json_files_are_told_as_text() -> None:
    assert [formatting.text(value) for value in (None, 0.25, "a", {"b": [1]})] == [
        "unknown",
        "0.25",
        "a",
        '{"b": [1]}',
    ]
