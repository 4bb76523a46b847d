from typing import Any

import pytest

from reports.run.sections import generators

LOST: dict[str, Any] = {
    "heard_at": 112.0,
    "users": 6,
    "counted": {"step": 100, "reset": 2},
    "recorded": {"step": 97, "reset": 3},
    "last_row_at": 113.5,
}


def run(*found: dict[str, Any], **more: Any) -> Any:
    return {"started_at": 100.0, "generators": list(found), **more}


def clock(offset_s: float, round_trip_s: float = 0.001) -> dict[str, float]:
    return {"offset_s": offset_s, "round_trip_s": round_trip_s}


def test_a_lost_generator_is_named_with_what_is_missing() -> None:
    found = run({"name": "a:1"}, {"name": "b:2", "clock": clock(2.5), "lost": LOST})
    (said,) = generators.lost(found)
    assert said == (
        "The generator b:2 was lost: it was last heard 12.0 s into the run with 6 users, whose load was "
        "missing from then on. Its records end 11.0 s into the run, without 3 steps that Locust had counted."
    )
    unheard = LOST | {"heard_at": None, "counted": {}, "recorded": {}, "last_row_at": None}
    assert list(generators.lost(run({"name": "c_7", "lost": unheard}))) == [
        "The generator c_7 was lost: it was never heard. Nothing that it did is recorded."
    ]
    assert list(generators.lost({"started_at": 0.0})) == []  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("found", "is_said"),
    [
        ({"clock": clock(0.09), "clock_at_end": clock(-0.09)}, False),
        ({"clock": clock(0.11)}, True),
        ({"clock": clock(-0.11)}, True),
        ({"clock": clock(0.11, round_trip_s=0.04)}, False),
        ({"clock": clock(0.0), "clock_at_end": clock(0.2)}, True),
        ({}, False),
    ],
)
def test_a_clock_that_is_surely_off_is_said(found: dict[str, Any], is_said: bool) -> None:
    assert len(list(generators.clocks(run({"name": "a:1", **found})))) == is_said


def test_how_far_and_which_way_it_is_off() -> None:
    fast, slow = generators.clocks(
        run({"name": "a:1", "clock": clock(2.5)}, {"name": "b:2", "clock": clock(-0.25, 0.01)})
    )
    assert fast.startswith(
        "The clock of the generator a:1 is 2.50 s ahead of the master's (known within 0.50 ms): in time "
        "lines and in the measured window its operations are by as much too late."
    )
    assert "b:2 is 250 ms behind the master's (known within 5.00 ms)" in slow
    assert "too early" in slow


def test_rows_are_held_against_what_locust_counted() -> None:
    assert generators.counts(run(), {"step": 5}) is None
    assert generators.counts(run(counted={"step": 5}), {"step": 5, "connect": 0}) is None
    lost = {"name": "b:2", "lost": LOST}
    assert generators.counts(run(lost, counted={"step": 5}), {"step": 102, "reset": 3}) is None
    assert generators.counts(run(counted={"step": 1200, "reset": 4}), {"step": 1100, "reset": 4}) == (
        "Locust counted 1,200 steps, of which 1,100 are recorded: either the records or its statistics are "
        "not complete."
    )
    assert "0 connects, of which 2 are recorded" in (generators.counts(run(counted={}), {"connect": 2}) or "")
