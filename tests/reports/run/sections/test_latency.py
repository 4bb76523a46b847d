import numpy as np
import pytest

from reports.run.sections.latency import Latency, summarize, total_of_each_step
from tests.reports.operations import START, Row, columns, connect, reset, step, steps


def latency(rows: list[Row]) -> Latency:
    return summarize(steps(rows), columns(rows).floats("waited_s"))


def test_percentiles_are_exact_over_all_successful_steps() -> None:
    seconds = np.random.default_rng(2).lognormal(size=997)
    rows = [step(at, latency_s=taken) for at, taken in enumerate(seconds)]
    rows.append(step(2000, latency_s=99.0, error="timeout"))
    summary = latency(rows).summaries["step"]
    assert summary.count == 997
    assert summary.mean == pytest.approx(seconds.mean())
    expected = np.percentile(seconds, [50, 90, 95, 99, 99.9, 100])
    found = [summary.p50, summary.p90, summary.p95, summary.p99, summary.p999, summary.max]
    assert found == pytest.approx(expected)


def test_the_curve_runs_from_the_fastest_to_the_slowest() -> None:
    seconds = np.random.default_rng(2).lognormal(size=5000)
    curve = latency([step(at, latency_s=taken) for at, taken in enumerate(seconds)]).curves["step"]
    assert (curve.quantiles[0], curve.quantiles[-1]) == (0.0, 1.0)
    assert (np.diff(curve.quantiles) > 0).all()
    assert curve.seconds == pytest.approx(np.quantile(seconds, curve.quantiles))


def test_overhead_is_what_the_server_did_not_wait() -> None:
    rows = [step(0, latency_s=0.7, waited_s=0.5), step(1, latency_s=9.0)]
    overhead = latency(rows).summaries["overhead"]
    assert overhead.count == 1
    assert overhead.max == pytest.approx(0.2)


def test_total_is_connect_and_reset_and_step_of_the_same_user() -> None:
    rows = [
        connect(0.0, user=1, latency_s=1.0),
        connect(0.1, user=2, latency_s=2.0),
        reset(1.0, user=1, latency_s=0.1),
        reset(2.1, user=2, latency_s=0.2),
        step(3.0, user=1, latency_s=0.01),
        step(3.1, user=2, latency_s=0.02),
        reset(4.0, user=1, latency_s=0.3),
        step(5.0, user=1, latency_s=0.01),
    ]
    assert sorted(total_of_each_step(steps(rows))) == pytest.approx([1.11, 1.31, 2.22])


def test_total_begins_anew_with_a_new_connection() -> None:
    rows = [
        connect(0, latency_s=1.0),
        reset(1, latency_s=0.5),
        step(2, error="connection_lost"),
        connect(3, latency_s=7.0, error="refused"),
        connect(4, latency_s=2.0),
        step(5, latency_s=0.1),
        reset(6, latency_s=0.2),
        step(7, latency_s=0.1),
    ]
    assert total_of_each_step(steps(rows)) == pytest.approx([2.1, 2.3])


def test_total_over_http_has_no_connect() -> None:
    rows = [reset(0, transport="http", latency_s=0.2), step(1, transport="http", latency_s=0.1)]
    found = latency(rows)
    assert found.summaries["total"].max == pytest.approx(0.3)
    assert "connect" not in found.summaries


def test_an_open_model_counts_from_when_a_step_was_due() -> None:
    found = latency([step(0.0), step(5.0, intended_at=START + 2.0, latency_s=0.5)])
    assert found.summaries["step"].count == 2
    assert found.summaries["step"].max == pytest.approx(3.5, abs=1e-6)
    assert found.service["step"].count == 1
    assert found.service["step"].max == pytest.approx(0.5, abs=1e-6)
    assert any("3.50 s" in takeaway for takeaway in found.takeaways)


def test_over_time_counts_a_step_when_it_ends() -> None:
    over_time = latency([step(0.0, latency_s=2.6), step(3.4, latency_s=0.6)]).over_time
    assert over_time is not None
    assert over_time.at_s == pytest.approx([0.5, 1.5, 2.5, 3.5])
    assert over_time.p50[2:] == pytest.approx([2.6, 0.6])
    assert np.isnan(over_time.p99[:2]).all()


def test_the_heat_map_holds_every_step_at_its_place() -> None:
    heat_map = latency([step(0, latency_s=0.001), step(0.5, latency_s=1.0), step(9, latency_s=1.0)]).heat_map
    assert heat_map is not None
    assert heat_map.counts.sum() == 3
    assert heat_map.counts.shape == (heat_map.time_edges_s.size - 1, heat_map.latency_edges_s.size - 1)
    first_slice, first_bin = np.argwhere(heat_map.counts)[0]
    assert (first_slice, first_bin) == (0, 0)
    assert heat_map.counts[-1, -1] == 1


def test_steps_that_all_took_the_same_time() -> None:
    found = latency([step(0), step(1)])
    assert found.heat_map is not None
    assert found.heat_map.counts.sum() == 2
    assert found.summaries["step"].p50 == found.summaries["step"].max == pytest.approx(0.1)


def test_without_a_success_there_is_nothing_to_draw() -> None:
    found = latency([connect(0), step(1, error="timeout")])
    assert set(found.summaries) == {"connect"}
    assert found.over_time is None
    assert found.heat_map is None
    assert "No step succeeded" in found.takeaways[0]


def test_a_rising_median_is_told() -> None:
    rows = [step(at, latency_s=0.1 if at < 10 else 0.4) for at in range(20)]
    assert any("rose from 100 ms" in takeaway for takeaway in latency(rows).takeaways)


def test_the_window_leaves_out_what_ended_before_or_after_it() -> None:
    rows = [
        step(at, latency_s=latency, waited_s=0.05)
        for at, latency in ((0, 9.0), (10, 0.1), (11, 0.3), (20, 7.0))
    ]
    loaded = steps(rows)
    found = summarize(loaded, columns(rows).floats("waited_s"), window_s=(10.0, 12.0))
    assert found.in_window["step"].count == 2
    assert found.in_window["step"].max == pytest.approx(0.3)
    assert found.in_window["overhead"].p50 == pytest.approx(0.15)
    assert found.summaries["step"].count == 4
    assert summarize(loaded, window_s=(100.0, 200.0)).in_window == {}


def test_without_what_the_server_took_overhead_is_called_unknown() -> None:
    found = latency([step(0), step(1)])
    assert "overhead" not in found.summaries
    assert "overhead" not in found.curves
    assert found.takeaways[1].startswith(
        "Replies do not say how long the server itself took (waited_seconds)"
    )
    assert len(latency([step(0, waited_s=0.05), step(1, waited_s=0.05)]).takeaways) == 2
