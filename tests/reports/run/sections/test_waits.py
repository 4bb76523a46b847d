import pytest

from reports.run.sections.waits import Waits, summarize
from tests.reports.operations import START, Row, columns, reset, step, steps


def waits(*rows: Row) -> Waits | None:
    read = columns(list(rows))
    return summarize(steps(list(rows)), read.floats("wait_s"), read.floats("waited_s"))


@pytest.mark.parametrize(
    ("asked", "reported", "took", "wrong"),
    [
        (0.05, 0.05, 0.051, (0, 0)),
        (0.05, 0.049, 0.051, (0, 0)),
        (0.05, 0.0515, 0.051, (0, 0)),
        (100.0, 100.05, 100.01, (0, 0)),
        (0.05, 0.09, 0.051, (1, 0)),
        (0.05, 0.04, 0.051, (0, 1)),
        (0.2, 0.1, 0.05, (1, 0)),
        (None, 0.01, 0.05, (0, 0)),
        (None, 0.06, 0.05, (1, 0)),
    ],
)
def test_a_wait_fits_its_request_as_far_as_clocks_can_tell(
    asked: float | None, reported: float, took: float, wrong: tuple[int, int]
) -> None:
    right = step(1, wait_s=0.02, waited_s=0.02, latency_s=0.021)
    found = waits(right, step(2, wait_s=asked, waited_s=reported, latency_s=took))
    assert found is not None
    assert (found.longer_than_latency, found.shorter_than_asked) == wrong
    assert (found.checked, found.wrong) == (2, sum(wrong))
    assert len(found.examples) == sum(wrong)
    assert ("do not rely on the overhead" in found.takeaways[-1]) == bool(sum(wrong))


def test_the_time_that_a_step_waited_to_be_sent_does_not_excuse_a_wait() -> None:
    found = waits(step(5, intended_at=START + 1, wait_s=0.05, waited_s=0.09, latency_s=0.051))
    assert found is not None
    assert found.longer_than_latency == 1
    assert "took 51.0 ms in all" in found.examples[0]


def test_examples_say_what_was_reported() -> None:
    found = waits(
        step(1, wait_s=0.05, waited_s=0.09, latency_s=0.051),
        step(2, wait_s=0.05, waited_s=0.02, latency_s=0.06),
    )
    assert found is not None
    assert found.examples == [
        "A step that took 51.0 ms in all reported a wait of 90.0 ms.",
        "A step that was to wait 50.0 ms reported a wait of 20.0 ms.",
    ]


def test_each_accusation_says_how_many_waits_cannot_be_true() -> None:
    longer = [step(at, wait_s=0.05, waited_s=0.09, latency_s=0.051) for at in (1, 2)]
    found = waits(*longer, step(3, wait_s=0.05, waited_s=0.02, latency_s=0.06))
    assert found is not None
    assert found.takeaways[:2] == [
        "2 of 3 reported waits were longer than the whole request.",
        "1 of 3 reported waits were shorter than asked for.",
    ]
    right = waits(step(1, wait_s=0.05, waited_s=0.05), step(2, wait_s=0.05, waited_s=0.05))
    assert right is not None
    assert right.takeaways == [
        "Each of 2 reported waits was as long as asked for, and no longer than its request."
    ]
    none = waits(step(1, wait_s=0.05, waited_s=0.05, error="protocol"))
    assert none is not None
    assert none.takeaways == []


def test_only_steps_that_succeeded_and_said_so_are_checked() -> None:
    found = waits(
        reset(0, waited_s=9.0),
        step(1, wait_s=0.05, waited_s=9.0, error="protocol"),
        step(2, wait_s=0.05),
        step(3, wait_s=0.05, waited_s=0.05),
    )
    assert found is not None
    assert (found.checked, found.wrong) == (1, 0)


def test_where_no_reply_reports_a_wait_nothing_is_said() -> None:
    assert waits(step(1, wait_s=0.05)) is None
