import pytest

from reports.page import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00035, "0.35 ms"),
        (0.0521, "52.1 ms"),
        (0.5, "500 ms"),
        (0.9999, "1.00 s"),
        (1.06, "1.06 s"),
        (75, "75.0 s"),
    ],
)
def test_seconds_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (0.0006, "0.06 %"),
        (0.05, "5 %"),
        (0.412, "41 %"),
        (0.9997, "99.97 %"),
        (1, "100 %"),
        (1.5, "150 %"),
    ],
)
def test_a_share_never_reads_100_percent_when_it_is_less(value: float, text: str) -> None:
    assert words.share(value) == text


def test_counts_agree_with_their_noun() -> None:
    assert words.count(1, "step") == "1 step"
    assert words.count(20_000, "step") == "20,000 steps"


def test_a_deployment_is_as_large_as_is_known() -> None:
    assert words.size(2, 1) == "2 replicas × 1 worker"
    assert words.size(1, None) == "1 replica"


def test_sizes() -> None:
    assert words.megabytes(312e6) == "312 MB"
    assert words.megabytes(1.25e9) == "1.25 GB"


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listing(items: list[str], text: str) -> None:
    assert words.listing(items) == text


def test_foreign_text_cannot_steer_a_terminal() -> None:
    assert words.printable("ok\x1b[2J\r\nnext\u202eline") == "ok [2J next line"


def test_foreign_text_is_cut() -> None:
    assert words.printable("x" * 1000, 10) == "x" * 9 + "…"


def test_a_change_reads_as_signed_per_cent() -> None:
    assert [words.signed_percent(change) for change in (0.1234, -0.0041, 0.0, 1.5, -1e-9)] == [
        "+12.3 %", "−0.41 %", "0 %", "+150 %", "0 %",
    ]  # fmt: skip


def test_very_small_numbers_are_written_with_powers_of_ten() -> None:
    assert words.power_of_ten(5.83e-5) == "5.8 × 10⁻⁵"
    assert words.power_of_ten(1.2345e6, 2) == "1.23 × 10⁶"
