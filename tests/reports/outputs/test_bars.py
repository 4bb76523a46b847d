from reports.outputs.bars import Bar, bars


def test_bars_are_to_one_scale_and_aligned() -> None:
    drawn = bars([Bar("p50", 1.0, "1 s"), Bar("p99.9", 16.0, "16 s"), Bar("max", 0.5, "500 ms")])
    assert drawn.splitlines() == [
        "p50       1 s  █",
        "p99.9    16 s  ████████████████",
        "max    500 ms  ▌",
    ]


def test_what_is_above_zero_shows_and_zero_does_not() -> None:
    assert bars([Bar("a", 1, "1"), Bar("b", 1e9, "10"), Bar("c", 0, "0")]).splitlines() == [
        "a   1  ▏",
        "b  10  ████████████████",
        "c   0",
    ]
    assert bars([Bar("a", 0, "0")]) == "a  0"
    assert bars([]) == ""


def test_they_fit_a_phone_and_stay_on_their_line() -> None:
    for line in bars([Bar("x\n" * 90, 1, "1,234,567")] * 2).splitlines():
        assert len(line) <= 50
