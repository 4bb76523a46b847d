from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reports.records.columns import RESOURCES
from reports.run.sections.generator_lag import GeneratorLag, summarize
from reports.run.sections.latency import Latency, Summary
from tests.reports.sample_reports import normal

ORIGIN = 1000.0


def lag_of(
    *processes: Sequence[float | None],
    overhead_p99: float | None = 0.05,
    step_p99: float = 0.1,
    step_p50: float = 0.05,
    cores: float = 0.5,
) -> GeneratorLag | None:
    """The lag in the sample run (20 s, measured from 2.1 s to 18.6 s) of processes with a row each second."""
    rows: list[dict[str, Any]] = [
        {
            "at": ORIGIN + 1 + n,
            "role": "generator",
            "name": f"a:{process}",
            "cpu_cores": cores,
            "lag_s": lag_s,
        }
        for process, lags in enumerate(processes)
        for n, lag_s in enumerate(lags)
    ]
    rows.append({"at": ORIGIN, "role": "nginx", "name": "nginx", "cpu_cores": 0.1})
    report = normal()
    p99 = {"step": step_p99} | ({"overhead": overhead_p99} if overhead_p99 is not None else {})
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["at"]), schema=RESOURCES)
    return summarize(table, ORIGIN, report.totals, latency_of(p99, step_p50))


def latency_of(p99: dict[str, float], p50: float) -> Latency:
    in_window = {
        name: replace(Summary(1000, 0.0, 0.0, 0.0, 0.0, value, 0.0, 0.0), p50=p50)
        for name, value in p99.items()
    }
    return replace(normal().latency, in_window=in_window)


def explained(*processes: Sequence[float | None], **p99: Any) -> str | None:
    found = lag_of(*processes, **p99)
    assert found is not None
    return found.explained


def test_nothing_is_known_of_a_run_that_did_not_record_it() -> None:
    assert lag_of([None] * 20) is None


def test_the_latest_process_of_each_second_is_shown_and_all_count() -> None:
    found = lag_of([0.001, 0.002, None, 0.004], [0.003, 0.001, None])
    assert found is not None
    assert found.lag_s[:4].tolist() == pytest.approx([0.003, 0.002, 0.004, 0.004])
    assert found.at_s[:2].tolist() == [0.5, 1.5]
    assert (found.p50, found.max) == (0.002, 0.004)
    assert (
        "the median second the generator's event loop was at most 2.00 ms late in 99 %" in found.takeaways[0]
    )
    assert "in the worst second 4.00 ms" in found.takeaways[0]
    said = found.as_json()
    assert set(said) == {"p50", "p99", "max", "every_s", "by_second"}
    assert len(said["by_second"]) == 20


def test_a_sample_stands_for_the_time_since_the_one_before() -> None:
    report = normal()
    rows = [
        {"at": ORIGIN + at, "role": "generator", "name": "a:0", "lag_s": lag_s}
        for at, lag_s in ((1, 0.001), (4, 0.5), (5, None), (8, 0.002))
    ]
    found = summarize(pa.Table.from_pylist(rows, schema=RESOURCES), ORIGIN, report.totals, report.latency)
    assert found is not None
    known = [0.001, 0.5, 0.5, 0.5, 0.002, 0.002, 0.002, 0.002, np.nan]
    assert found.lag_s[:9].tolist() == pytest.approx(known, nan_ok=True)


def test_a_loop_that_is_late_by_half_of_the_overhead_explains_it() -> None:
    message = explained([0.026] * 20)
    assert message is not None
    assert (
        "up to 26.0 ms late in 99 % of the moments, where the 99th percentile of overhead is 50.0 ms"
        in message
    )
    assert explained([0.024] * 20) is None


def test_a_loop_at_ease_explains_nothing_however_fast_the_server_is() -> None:
    assert explained([0.0045] * 20, overhead_p99=0.006) is None
    assert explained([0.0055] * 20, overhead_p99=0.006) is not None


def test_a_busy_loop_explains_a_part_of_what_is_not_much_more_than_its_lag() -> None:
    message = explained([0.01] * 20, cores=0.85)
    assert message is not None
    assert message.startswith(
        "a part of the latency: while it kept 0.85 of a core busy, in the median second"
    )
    assert "10.0 ms late in 99 % of the moments, and half of the steps took no more than 50.0 ms" in message
    assert explained([0.01] * 20, cores=0.75) is None
    assert explained([0.0045] * 20, cores=0.85) is None, "a virtual machine is as late"
    assert explained([0.01] * 20, cores=0.85, step_p50=0.21) is None
    assert explained([0.01] * 20, cores=0.85, step_p50=0.19) is not None
    whole = explained([0.026] * 20, cores=0.85)
    assert whole is not None
    assert whole.startswith("the latency: in the median second")


def test_one_bad_second_explains_nothing() -> None:
    assert explained([0.001] * 10 + [0.5] + [0.001] * 9) is None


def test_only_the_measured_window_counts() -> None:
    assert explained([0.5, 0.5, 0.5] + [0.001] * 15 + [0.5] * 22) is None
    assert explained([0.001] * 3 + [0.5] * 15 + [0.001] * 22) is not None


def test_where_the_overhead_is_not_known_the_latency_stands_for_it() -> None:
    assert explained([0.045] * 20, overhead_p99=None) is None
    message = explained([0.055] * 20, overhead_p99=None)
    assert message is not None
    assert "the 99th percentile of step latency is 100 ms" in message


def test_two_seconds_say_nothing() -> None:
    assert explained([None] * 8 + [0.5] * 2) is None
