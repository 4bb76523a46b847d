import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.comparison.measurement import measure
from reports.comparison.regressions import regressions
from reports.comparison.report import compare_runs
from reports.comparison.verdict import verdict_lines
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.run.report import report_run
from tests.reports.comparison.simulated import (
    Load,
    Steps,
    run_json,
    simulate,
    write_batch,
    write_run,
    write_steps,
)

LOAD = Load(users=16, seconds=30, median_s=0.2, session_spread=0.03, drift=0.01)


def test_a_run_against_itself_differs_in_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", LOAD, 1, failing=0.01)
    comparison = compare_runs(run, run)
    [row] = comparison.rows
    assert row.verdict == "no difference shown"
    assert [change.change for change in row.changes] == [0, 0, 0, 0]
    assert row.success.change == 0
    assert row.spread.verdict == "no difference shown"
    assert (row.errors.new, row.errors.gone) == ([], [])
    assert regressions(comparison, 0) == []
    assert "the same run" in comparison.notices[0]


def test_a_slower_run_is_slower_in_every_figure_and_says_by_how_much(tmp_path: Path) -> None:
    load = Load(users=40, seconds=60, median_s=0.2)
    a = write_run(tmp_path / "a", load, 1)
    b = write_run(tmp_path / "b", load, 2, slowdown=1.5)
    comparison = compare_runs(a, b)
    [row] = comparison.rows
    assert row.verdict == "slower"
    assert [change.metric for change in row.changes] == ["throughput", "p50", "p95", "p99"]
    for change in row.changes[1:]:
        assert change.low is not None
        assert change.high is not None
        assert change.low < 0.5 < change.high
    assert compare_runs(b, a).rows[0].verdict == "faster"
    assert len(regressions(comparison, 10)) == 4
    assert regressions(comparison, 90) == []
    assert regressions(compare_runs(b, a), 0) == []


def test_one_run_a_side_is_said_to_leave_out_how_runs_differ(tmp_path: Path) -> None:
    comparison = compare_runs(write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2))
    assert not comparison.run_to_run
    assert "Each side is one run" in comparison.notices[-1]


def test_more_failures_and_new_categories_are_shown(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", LOAD, 1, failing=0.001, category="timeout")
    b = write_run(tmp_path / "b", LOAD, 2, failing=0.2, category="capacity")
    comparison = compare_runs(a, b)
    [row] = comparison.rows
    assert row.success.verdict == "worse"
    assert row.errors.new == ["capacity"]
    assert row.errors.gone == ["timeout"]
    assert regressions(comparison, 10)[-1].endswith("points lower in B")
    assert not any("success" in sentence for sentence in regressions(comparison, 25))


def test_another_load_and_machine_make_it_questionable(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    run = b.read()
    run["config"]["wait"] = "0.2"
    run["machine"]["cores"] = 64
    run["versions"]["openenv"] = "0.11.0"
    b.write(run)
    comparison = compare_runs(a, b)
    told = " ".join(comparison.notices)
    assert "wait (0.05 in A, 0.2 in B)" in told
    assert "cores (2 in A, 64 in B)" in told
    assert "openenv (0.10.1 in A, 0.11.0 in B)" in told
    assert {each.name for each in comparison.differences if each.questionable} == {"wait", "cores"}


def test_a_wait_written_otherwise_is_the_same_wait(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    run = b.read()
    run["config"]["wait"] = "0.050"
    b.write(run)
    assert compare_runs(a, b).differences == []


def invalidate(run: RunDirectory, warnings: object = None) -> None:
    validity = {"valid": False, "warnings": warnings}
    run.report_json.write_text(json.dumps({"validity": validity}))


SATURATED = [
    {"code": "few_steps", "message": "Few steps."},
    {"code": "generator_saturated", "message": "It was saturated."},
]


def test_runs_that_are_not_valid_are_named_with_the_reason(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    run = a.read()
    run["status"] = "interrupted"
    a.write(run)
    invalidate(b, SATURATED)
    told = compare_runs(a, b).notices
    assert told[0] == "A, a, is not valid: it was interrupted"
    assert told[1] == "B, b, is not valid: It was saturated."
    invalidate(b, "damaged")
    assert compare_runs(a, b).notices[1] == "B, b, is not valid: its report says that it is not valid"


def test_a_run_that_is_not_valid_shows_its_figures_but_no_difference(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", LOAD, 1)
    b = write_run(tmp_path / "b", LOAD, 2, slowdown=2, failing=0.3)
    assert compare_runs(a, b).rows[0].verdict == "slower"
    invalidate(b, SATURATED)
    comparison = compare_runs(a, b)
    [row] = comparison.rows
    assert row.sentence == "no difference shown: the run of B is not valid"
    assert {change.verdict for change in row.changes} == {"no difference shown"}
    assert row.success.verdict == "no difference shown"
    assert all(change.change is not None for change in row.changes)
    assert row.changes[1].low is not None
    assert any("(the run of B is not valid)" in line for line in verdict_lines(comparison))


def test_a_valid_run_against_one_that_is_not_is_a_regression(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    invalidate(b, SATURATED)
    [sentence] = regressions(compare_runs(a, b), 50)
    assert sentence.endswith("the run of B is not valid, but that of A is")
    assert regressions(compare_runs(b, a), 0) == []
    invalidate(a, SATURATED)
    assert regressions(compare_runs(a, b), 0) == []


def test_a_comparison_measures_in_the_same_window_as_the_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", LOAD, 1)
    without = measure(run).estimates["throughput"].value
    config = run.read()
    config["config"]["warmup_s"] = 15.0
    run.write(config)
    report = report_run(run)
    found = measure(run)
    assert found.estimates["throughput"].value == report.totals.throughput_steps_per_s != without
    assert found.estimates["p99"].value == pytest.approx(report.latency.in_window["step"].p99)


def test_another_warm_up_or_objective_is_listed(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    run = b.read()
    run["config"]["warmup_s"] = 0.0
    b.write(run)
    assert compare_runs(a, b).differences == []
    run["config"]["warmup_s"] = 5.0
    run["config"]["slo"]["success_rate"] = 0.5
    b.write(run)
    found = compare_runs(a, b).differences
    assert [(each.kind, each.name, each.questionable) for each in found] == [
        ("measurement", "warmup s", False),
        ("measurement", "slo", False),
    ]


def test_a_verdict_on_single_runs_says_so_and_is_a_regression_only_beyond_its_interval(
    tmp_path: Path,
) -> None:
    load = Load(users=40, seconds=60, median_s=0.2)
    a, b = write_run(tmp_path / "a", load, 1), write_run(tmp_path / "b", load, 2, slowdown=1.5)
    comparison = compare_runs(a, b)
    [row] = comparison.rows
    assert row.sentence.startswith("slower, in these two runs: ")
    assert any("SLOWER, in these two runs; " in line for line in verdict_lines(comparison))
    p50 = row.changes[1]
    assert p50.low is not None
    assert p50.change is not None
    between = 100 * (p50.low + p50.change) / 2
    assert not any("p50" in sentence for sentence in regressions(comparison, between))
    assert any("p50 is at least" in sentence for sentence in regressions(comparison, 100 * p50.low - 1))
    repeated = replace(comparison, rows=[replace(row, run_to_run=True)])
    assert any("p50" in sentence for sentence in regressions(repeated, between))


def test_a_short_run_shows_nothing_and_says_why(tmp_path: Path) -> None:
    short = Load(users=8, seconds=2, median_s=0.5)
    [row] = compare_runs(
        write_run(tmp_path / "a", short, 1), write_run(tmp_path / "b", short, 2, slowdown=3)
    ).rows
    assert row.verdict == "no difference shown"
    assert "run longer" in row.sentence


def test_a_run_in_which_nothing_succeeded_has_no_changes(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2, failing=1.1)
    [row] = compare_runs(a, b).rows
    assert [change.change for change in row.changes] == [None] * 4
    assert row.success.verdict == "worse"
    assert row.spread.verdict == "unknown"


def test_batches_compare_total_time_and_sessions(tmp_path: Path) -> None:
    a = write_batch(tmp_path / "a", 400, 1)
    b = write_batch(tmp_path / "b", 400, 2, refused=100, slowdown=1.4)
    comparison = compare_runs(a, b)
    [row] = comparison.rows
    assert comparison.batch
    assert [change.metric for change in row.changes] == ["p50", "p95", "p99"]
    assert row.verdict == "slower"
    assert (row.success.a, row.success.b, row.success.verdict) == (1.0, 0.75, "worse")
    assert row.errors.new == ["capacity"]


def test_two_batches_of_one_law_do_not_differ(tmp_path: Path) -> None:
    a, b = write_batch(tmp_path / "a", 400, 1), write_batch(tmp_path / "b", 400, 2)
    assert compare_runs(a, b).rows[0].verdict == "no difference shown"


def test_a_batch_is_not_compared_with_a_sustained_run(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="A is a batch and B is not"):
        compare_runs(write_batch(tmp_path / "a", 20, 1), write_run(tmp_path / "b", LOAD, 1))


def test_a_gate_does_not_open_for_a_collapse_too_short_to_judge(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", Load(users=40, seconds=4, median_s=0.1), 1)
    b = write_run(tmp_path / "b", Load(users=40, seconds=4, median_s=0.1), 2, slowdown=40)
    comparison = compare_runs(a, b)
    [row] = comparison.rows
    unknown = [change.metric for change in row.changes if change.low is None]
    assert unknown
    found = regressions(comparison, 10)
    for metric in unknown:
        assert any(metric in sentence and "cannot be judged" in sentence for sentence in found)


def test_a_run_that_turned_most_users_away_is_worse_and_not_faster_for_its_smaller_load(
    tmp_path: Path,
) -> None:
    served = write_run(tmp_path / "a", LOAD, 1, slowdown=4)
    steps = simulate(LOAD, np.random.default_rng(2))
    refused = steps.user >= 2
    kept = ~refused | (steps.started_s < 2)
    full = write_steps(
        tmp_path / "b",
        run_json("b", LOAD),
        Steps(steps.started_s[kept], steps.latency_s[kept], steps.user[kept], steps.users),
        refused[kept],
        "capacity",
    )
    comparison = compare_runs(served, full)
    [row] = comparison.rows
    assert (row.verdict, row.success.verdict, row.success.b) == ("no difference shown", "worse", 2 / 16)
    assert {change.reason for change in row.changes} == {
        "B served fewer of its users, so its load was smaller"
    }
    told = (
        "B, b: 14 of 16 users completed no step and met failures, so its latencies and throughput are those "
    )
    assert any(notice.startswith(told) for notice in comparison.notices)


def test_runs_that_turned_as_many_users_away_are_compared(tmp_path: Path) -> None:
    def half(path: Path, seed: int, slowdown: float) -> RunDirectory:
        steps = simulate(LOAD, np.random.default_rng(seed))
        return write_steps(path, run_json(path.name, LOAD), steps, steps.user >= 8, "capacity", slowdown)

    assert compare_runs(half(tmp_path / "a", 1, 1), half(tmp_path / "b", 2, 2)).rows[0].verdict == "slower"


def test_other_actions_are_another_load(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    for run, count in ((a, 16), (b, 256)):
        changed = run.read()
        changed["config"]["actions"] = {"source": "schema", "order": "cycle", "count": count, "example": {}}
        changed["config"]["tls_verified"] = count == 16
        run.write(changed)
    found = {each.name: each.questionable for each in compare_runs(a, b).differences}
    assert found == {"actions": True, "tls verified": False}


TRACE = {
    "file": "trace.jsonl",
    "sha256": "0" * 64,
    "sessions": 2,
    "steps": 9,
    "length_s": 1.0,
} | dict.fromkeys(("with_action", "unnamed"), 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"arrivals": "poisson:50", "arrivals_of": "steps"},
        {"shape": "sine:0.5:20s"},
        {"group": 8, "rollout_steps": "50"},
        {"fault": "kill-replica@3s"},
        {"trace": TRACE},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_arrivals_shapes_groups_and_faults_are_another_load(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    changed: Any = b.read()
    changed["config"] |= changes
    b.write(changed)
    comparison = compare_runs(a, b)
    found = {each.name.replace(" ", "_"): (each.a, each.questionable) for each in comparison.differences}
    assert found == dict.fromkeys(changes, ("none", True))
    assert "did not carry the same load" in " ".join(comparison.notices)
