import numpy as np
import pytest

from reports.records.steps import user_spans
from reports.run.sections import totals
from reports.run.sections.timeline import Timeline, summarize
from tests.reports.operations import Row, answers, row, step, steps


def timeline(rows: list[Row]) -> Timeline:
    loaded = steps(rows)
    spans = user_spans(loaded)
    return summarize(loaded, spans, totals.summarize(loaded, answers(rows), spans))


def test_rates_and_users_of_every_second() -> None:
    rows = [step(0.0), step(0.5), step(1.5, error="timeout"), step(2.2, user=2), step(3.9, user=2)]
    found = timeline(rows)
    assert found.slice_s == pytest.approx(1.0)
    assert found.steps_per_s == pytest.approx([2, 0, 1, 1])
    assert found.failures_per_s == pytest.approx([0, 1, 0, 0])
    assert found.users.tolist() == [1, 1, 1, 1]


def test_rates_add_up_to_all_steps() -> None:
    found = timeline([step(at) for at in np.arange(0, 1000, 0.7)])
    assert found.at_s.size <= 300
    assert found.steps_per_s.sum() * found.slice_s == pytest.approx(1429)


def test_a_stall_is_told() -> None:
    rows = [step(at) for at in np.arange(0, 20, 0.1) if not 8 <= at < 12]
    assert any("stalled" in takeaway for takeaway in timeline(rows).takeaways)


def test_a_server_that_dies_before_all_users_are_there_is_told() -> None:
    refused = [
        row("connect", at + user / 10, user=user, latency_s=0.001, error="refused")
        for user in range(4)
        for at in range(2, 20)
    ]
    assert (
        "No step succeeded in it." in timeline([step(0.1 * n, user=0) for n in range(10)] + refused).takeaways
    )


def test_users_that_left_early_are_not_called_there() -> None:
    rows = [step(at, user=user) for user in (1, 2) for at in np.arange(0, 20, 0.5)]
    rows += [step(at, user=3) for at in np.arange(0, 5, 0.5)]
    assert timeline(rows).takeaways[0].startswith("With 2 of 3 users there, ")


def test_a_drift_is_told() -> None:
    rows = [step(at) for at in np.concatenate([np.arange(0, 10, 0.1), np.arange(10, 20, 0.2)])]
    assert any("fewer steps/s" in takeaway for takeaway in timeline(rows).takeaways)


def test_a_steady_run_is_called_steady() -> None:
    assert any("steady" in takeaway for takeaway in timeline([step(at / 10) for at in range(200)]).takeaways)


def test_one_operation_is_one_slice() -> None:
    found = timeline([step(0)])
    assert found.at_s.size == 1
    assert found.steps_per_s == pytest.approx([10])


def test_no_operation() -> None:
    found = timeline([])
    assert found.steps_per_s.tolist() == [0]
    assert found.users.tolist() == [0]


def test_users_that_were_shut_out_are_not_called_there() -> None:
    rows = [step(at, user=1) for at in np.arange(0, 20, 0.5)]
    rows += [step(at, user=2, error="capacity") for at in np.arange(0, 20, 0.5)]
    assert timeline(rows).takeaways[0].startswith("With 1 of 2 users there, ")
