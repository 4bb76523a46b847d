from typing import Any

import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json
from reports.run.sections import rollouts
from reports.run.sections.goodput import summarize
from tests.reports.operations import Row, connect, reset, step, steps


def session(user: int, took: list[float]) -> list[Row]:
    opened = [connect(0.0, user=user, latency_s=0.1), reset(0.1, user=user, latency_s=0.1)]
    return opened + [step(1.0 + at, user=user, latency_s=each) for at, each in enumerate(took)]


def test_goodput_is_of_steps_that_met_the_objective_in_the_window() -> None:
    rows = sorted(session(0, [0.1] * 10) + session(1, [0.9] * 10), key=lambda row: row["started_at"])
    good = summarize(steps(rows), (2.0, 6.0), 1.0, None)
    assert good.unit == "steps"
    assert good.per_s == pytest.approx(1.0)
    assert good.share == pytest.approx(0.5)


def test_where_all_meet_it_goodput_is_throughput() -> None:
    good = summarize(steps(session(0, [0.1] * 10)), (0.0, 10.5), 1.0, None)
    assert good.per_s == pytest.approx(10 / 10.5)
    assert good.share == 1.0


def test_failed_steps_are_not_counted() -> None:
    rows = [*session(0, [0.1]), step(2.0, error="timeout"), step(3.0)]
    good = summarize(steps(rows), (0.0, 10.0), 1.0, None)
    assert good.per_s == pytest.approx(0.2)
    assert good.share == 1.0


def test_in_rollouts_goodput_is_of_episodes() -> None:
    rows = [
        row
        for n, took in enumerate((0.1, 0.1, 0.1, 0.9, 0.1))
        for row in (connect(2.0 * n), reset(2.0 * n + 0.1), step(2.0 * n + 0.2, latency_s=took))
    ]
    run: Any = run_json("a-run", SyntheticRun(), 1_760_000_020.0)
    run["config"] |= {"scenario": "rollouts", "group": 1, "users": 1}
    loaded = steps(rows)
    good = summarize(loaded, (0.0, 10.0), 1.0, rollouts.summarize(run, loaded, (0.0, 10.0), 1.0))
    assert good.unit == "episodes"
    assert good.per_s == pytest.approx(0.3)
    assert good.share == pytest.approx(3 / 4)
