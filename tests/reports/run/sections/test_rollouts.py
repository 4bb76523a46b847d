from typing import Any

import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json
from reports.records.schema import USERS_A_PROCESS, RunJson
from reports.run.sections.rollouts import Rollouts, summarize
from tests.reports.operations import Row, connect, reset, step, steps


def run(group: int, users: int) -> RunJson:
    made: Any = run_json("a-run", SyntheticRun(), 1_760_000_020.0)
    made["config"] |= {"scenario": "rollouts", "group": group, "users": users}
    found: RunJson = made
    return found


def rollout(user: int, at: float, *took: float, error: str | None = None) -> list[Row]:
    """A connect and a reset of 0.1 s each, and steps, of which the last may fail."""
    rows = [connect(at, user=user, latency_s=0.1), reset(at + 0.1, user=user, latency_s=0.1)]
    at += 0.2
    for number, each in enumerate(took):
        last = number == len(took) - 1
        rows.append(step(at, user=user, latency_s=each, error=error if last else None))
        at += each
    return rows


def found(rows: list[Row], made: RunJson, limit_s: float = 10.0) -> Rollouts:
    rows = sorted(rows, key=lambda row: row["started_at"])
    result = summarize(made, steps(rows), (0.0, 100.0), limit_s)
    assert result is not None
    return result


def test_a_group_takes_as_long_as_its_slowest_and_the_others_wait() -> None:
    rows = [
        *(*rollout(0, 0.0, 1.0), *rollout(1, 0.0, 1.0, 1.0)),
        *(*rollout(0, 2.2, 1.0), *rollout(1, 2.2, 1.0)),
        *(*rollout(0, 3.4, 1.0), *rollout(1, 3.4, 1.0)),
    ]
    each = found(rows, run(2, 2))
    assert (each.size, each.groups, each.rounds, each.rollouts) == (2, 1, 2, 4)
    assert each.group_s.max == pytest.approx(2.2)
    assert each.group_s.mean == pytest.approx((2.2 + 1.2) / 2)
    assert each.rollout_s.mean == pytest.approx((1.2 + 2.2 + 1.2 + 1.2) / 4)
    assert each.straggler_share == pytest.approx(1.0 / (2.2 + 2.2 + 1.2 + 1.2))
    assert "waiting for its slowest" in each.takeaways[1]


def test_what_the_end_cut_off_is_not_counted() -> None:
    rows = [*rollout(0, 0.0, 1.0), *rollout(1, 0.0, 5.0), *rollout(0, 5.2, 1.0)]
    assert summarize(run(2, 2), steps(sorted(rows, key=lambda row: row["started_at"])), (0, 9), 1) is None


def test_groups_are_told_apart_by_their_users_in_each_process() -> None:
    rows: list[Row] = []
    for process in range(2):
        for place in range(4):
            user = process * USERS_A_PROCESS + place
            rows += rollout(user, 0.0, 0.1 * (place + 1)) + rollout(user, 5.0, 0.1) + rollout(user, 9.0, 0.1)
    each = found(rows, run(2, 8))
    assert (each.groups, each.rounds, each.rollouts) == (4, 8, 16)
    second = range(USERS_A_PROCESS, USERS_A_PROCESS + 3)
    together = [row for user in second for at in (0.0, 2.0) for row in rollout(user, at, 0.1)]
    assert found(together, run(3, 3)).rounds == 1, "groups are counted from the first user of a process"
    assert sorted({round(each.group_s.p50, 2), round(each.group_s.max, 2)}) == [0.35, 0.6]


def test_goodput_is_of_rollouts_without_a_failure_whose_every_step_met_the_objective() -> None:
    rows = [
        *(*rollout(0, 0.0, 0.3), *rollout(1, 0.0, 0.3, error="timeout")),
        *(*rollout(0, 2.0, 0.2, 0.9), *rollout(1, 2.0, 0.2)),
        *(*rollout(0, 4.0, 0.1), *rollout(1, 4.0, 0.1)),
    ]
    each = found(rows, run(1, 2), limit_s=1.0)
    assert (each.rollouts, each.failed, each.good) == (4, 1, 2)
    assert each.rollouts_per_s == pytest.approx(3 / 100)
    assert each.goodput_per_s == pytest.approx(2 / 100)
    assert "2 of 4 rollouts missed the objective, 1 of them by a failure" in each.takeaways[-1]


def test_a_rollout_with_a_failure_or_without_a_step_is_not_good_and_one_at_the_limit_is_too_slow() -> None:
    rows = [
        *(*rollout(0, 0.0, 0.3, 0.3, error="timeout"), *rollout(1, 0.0)),
        *(*rollout(0, 2.0, 0.8), *rollout(1, 2.0, 0.7)),
        *(*rollout(0, 4.0, 0.3, error="timeout"), *rollout(1, 4.0, 0.1)),
    ]
    each = found(rows, run(1, 2), limit_s=1.0)
    assert (each.rollouts, each.failed, each.good) == (4, 1, 1)
    assert each.rollouts_per_s == pytest.approx(2 / 100)
    assert each.goodput_per_s == pytest.approx(1 / 100)


def test_who_is_alone_in_a_group_waits_for_nobody() -> None:
    each = found([*rollout(0, 0.0, 0.3), *rollout(0, 1.0, 0.3)], run(1, 1))
    assert each.straggler_share == 0
    assert not any("waiting for its slowest" in sentence for sentence in each.takeaways)
    assert each.takeaways[-1].endswith("met the objective, so goodput was the same.")


def test_over_http_a_rollout_begins_with_its_reset() -> None:
    rows = [
        row
        for at in (0.0, 2.0, 4.0)
        for row in (
            reset(at, transport="http", latency_s=0.1),
            step(at + 0.1, transport="http", latency_s=0.5),
        )
    ]
    each = found(rows, run(1, 1))
    assert each.rollouts == 2
    assert each.rollout_s.mean == pytest.approx(0.6)


def test_another_scenario_has_no_rollouts() -> None:
    made = run_json("a-run", SyntheticRun(), 1_760_000_020.0)
    assert summarize(made, steps(rollout(0, 0.0, 1.0)), (0.0, 9.0), 1.0) is None
