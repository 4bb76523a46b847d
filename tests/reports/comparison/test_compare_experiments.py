import shutil
from pathlib import Path

import pytest

from reports.comparison.regressions import regressions
from reports.comparison.report import compare_experiments
from reports.records.run_directory import RunDirectoryError
from tests.reports.comparison.simulated import Load, cell, write_experiment, write_run
from tests.reports.comparison.test_compare_runs import SATURATED, invalidate


def test_an_experiment_against_itself_differs_in_nothing(tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path / "a", 1)
    comparison = compare_experiments(experiment, experiment)
    assert {row.verdict for row in comparison.rows} == {"no difference shown"}
    assert all(change.change == 0 for row in comparison.rows for change in row.changes)
    assert comparison.notices == ["A and B are the same experiment, so nothing can differ."]


def test_a_slower_experiment_is_slower_in_every_cell(tmp_path: Path) -> None:
    a, b = write_experiment(tmp_path / "a", 1), write_experiment(tmp_path / "b", 2, slow=2.0)
    told = []
    comparison = compare_experiments(a, b, lambda done, of: told.append((done, of)))
    assert [row.verdict for row in comparison.rows] == ["slower", "slower"]
    assert [len(row.a_runs) for row in comparison.rows] == [2, 2]
    assert comparison.run_to_run
    assert told[-1] == (8, 8)


def test_all_cells_together_show_what_no_cell_shows_alone(tmp_path: Path) -> None:
    users = (8, 10, 12, 14, 16, 18, 20, 22)
    a = write_experiment(tmp_path / "a", 21, users=users, repetitions=1, run_spread=0.05)
    b = write_experiment(tmp_path / "b", 22, users=users, repetitions=1, run_spread=0.05, slow=1.2)
    comparison = compare_experiments(a, b)
    assert comparison.together[0].verdict == "slower"
    assert len(comparison.rows_with("slower")) < len(comparison.rows)
    assert any("all cells together" in sentence for sentence in regressions(comparison, 5))
    same = compare_experiments(
        a, write_experiment(tmp_path / "c", 23, users=users, repetitions=1, run_spread=0.05)
    )
    assert {change.verdict for change in same.together} == {"no difference shown"}


def test_runs_that_differ_from_each_other_hide_a_difference_that_one_run_would_show(tmp_path: Path) -> None:
    def verdicts(name: str, repetitions: int) -> set[str]:
        a = write_experiment(tmp_path / f"{name}-a", 11, repetitions=repetitions, run_spread=0.5, seconds=40)
        b = write_experiment(tmp_path / f"{name}-b", 12, repetitions=repetitions, run_spread=0.5, seconds=40)
        return {row.verdict for row in compare_experiments(a, b).rows}

    assert verdicts("once", 1) != {"no difference shown"}
    assert verdicts("thrice", 3) == {"no difference shown"}


def test_cells_without_repetitions_are_said_to_rest_on_single_runs(tmp_path: Path) -> None:
    comparison = compare_experiments(
        write_experiment(tmp_path / "a", 1, repetitions=1), write_experiment(tmp_path / "b", 2, repetitions=1)
    )
    assert not comparison.run_to_run
    assert "too seldom" in comparison.notices[-1]


def test_cells_and_runs_that_cannot_be_compared_are_listed(tmp_path: Path) -> None:
    a = write_experiment(tmp_path / "a", 1, users=(8, 12, 16), repetitions=1)
    b = write_experiment(tmp_path / "b", 2, users=(8, 16, 20), repetitions=1)
    shutil.rmtree(b.runs / "run-16-1")
    comparison = compare_experiments(a, b)
    assert [row.name for row in comparison.rows] == ["2 × 2, 8 users"]
    assert [(each.side, each.name) for each in comparison.unmatched] == [
        ("A", "2 × 2, 12 users"),
        ("B", "2 × 2, 20 users"),
        ("B", "2 × 2, 16 users"),
    ]
    assert any("3 cells are left out" in notice for notice in comparison.notices)


def test_a_cell_that_b_lost_is_a_regression(tmp_path: Path) -> None:
    a = write_experiment(tmp_path / "a", 1, users=(8, 12, 16, 20), repetitions=1)
    cells = [
        cell(8, 1),
        cell(12, 1, status="failed", reason="the server died", run_id=None),
        cell(16, 1),
    ]
    b = write_experiment(tmp_path / "b", 2, cells=cells)
    invalidate(b.run("run-16-1"), SATURATED)
    found = regressions(compare_experiments(a, b), 90)
    assert found == [
        "2 × 2, 12 users: measured in A but not in B: failed: the server died",
        "2 × 2, 20 users: measured in A but not in B: B has no such cell that finished",
        "2 × 2, 16 users: measured in A but not in B: repetition 1 is not valid: It was saturated.",
    ]
    assert regressions(compare_experiments(b, a), 90) == []
    assert regressions(compare_experiments(b, b), 0) == []


def test_a_repetition_that_failed_in_b_only_is_a_regression(tmp_path: Path) -> None:
    a = write_experiment(tmp_path / "a", 1, users=(8,))
    failed = cell(8, 2, status="failed", reason="the server died", run_id=None)
    b = write_experiment(tmp_path / "b", 2, cells=[cell(8, 1), failed])
    [sentence] = regressions(compare_experiments(a, b), 90)
    assert sentence.endswith("1 of 2 repetitions failed: the server died")
    assert regressions(compare_experiments(b, a), 90) == []


def test_runs_that_are_not_valid_stay_out_of_the_figures(tmp_path: Path) -> None:
    a = write_experiment(tmp_path / "a", 1, users=(8,))
    b = write_experiment(tmp_path / "b", 1, users=(8,))
    shutil.rmtree(b.runs / "run-8-2")
    write_run(b.runs / "run-8-2", Load(users=8, seconds=15), 5, slowdown=4)
    invalidate(b.run("run-8-2"), SATURATED)
    comparison = compare_experiments(a, b)
    [row] = comparison.rows
    assert row.b_runs == ["run-8-1"]
    assert row.verdict == "no difference shown"
    [left_out] = comparison.unmatched
    assert (left_out.side, left_out.reason) == ("B", "repetition 2 is not valid: It was saturated.")


@pytest.mark.parametrize("run_id", ["../../b/runs/run-8-1", ".."])
def test_a_run_outside_of_the_experiment_is_not_read(tmp_path: Path, run_id: str) -> None:
    a = write_experiment(tmp_path / "a", 1, repetitions=1)
    b = write_experiment(tmp_path / "b", 2, repetitions=1)
    experiment = a.read()
    experiment["cells"][0]["run_id"] = run_id
    a.write(experiment)
    comparison = compare_experiments(a, b)
    assert [row.name for row in comparison.rows] == ["2 × 2, 16 users"]
    assert "is not the name of a run" in comparison.unmatched[0].reason


def test_deployments_of_other_names_are_compared_and_said_so(tmp_path: Path) -> None:
    a = write_experiment(tmp_path / "a", 1, cells=[cell(8, 1)])
    b = write_experiment(tmp_path / "b", 2, cells=[cell(8, 1, deployment="local")])
    assert "compose in A, local in B" in " ".join(compare_experiments(a, b).notices)


def test_experiments_with_nothing_in_common_are_an_error(tmp_path: Path) -> None:
    a = write_experiment(tmp_path / "a", 1, users=(8,), repetitions=1)
    b = write_experiment(tmp_path / "b", 2, users=(9,), repetitions=1)
    with pytest.raises(RunDirectoryError, match="no cell in common"):
        compare_experiments(a, b)
