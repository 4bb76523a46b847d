from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from loadtests.errors import LoadTestError
from loadtests.experiment import runner
from loadtests.experiment.state import alone, keep_finished, last_experiment, note_machine
from reports.records.schema import CellStatus
from tests.loadtests.experiment.test_runner import planned


def test_a_cell_that_had_ended_when_the_experiment_was_killed_is_kept(tmp_path: Path) -> None:
    directory = planned(tmp_path)
    made = directory.read()
    run = write_synthetic_run(directory.runs / "a-run", SyntheticRun(rows=500, users=5))
    for cell, status, run_id in zip(
        made["cells"],
        ("running", "running", "completed"),
        ("a-run", "no-run", "../../elsewhere"),
        strict=False,
    ):
        cell["status"], cell["run_id"] = cast(CellStatus, status), run_id
    keep_finished(directory, made["cells"])
    assert [cell["status"] for cell in made["cells"][:3]] == ["completed", "pending", "pending"]
    assert run.report_html.exists()


def test_an_experiment_runs_in_one_process_at_a_time(tmp_path: Path) -> None:
    directory = planned(tmp_path)
    with alone(directory):
        with pytest.raises(LoadTestError, match="another process"):
            runner.resume_experiment(directory.path, {}, Console(quiet=True))
        with pytest.raises(LoadTestError, match="nothing to resume"):
            last_experiment(tmp_path)


def test_going_on_elsewhere_is_noted_once(tmp_path: Path) -> None:
    made = planned(tmp_path).read()
    for _ in range(2):
        note_machine(made)
    assert len(made.get("further_machines", [])) == 1


def test_the_last_experiment_is_the_newest_with_something_left(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="nothing to resume"):
        last_experiment(tmp_path)
    first, second = planned(tmp_path), planned(tmp_path)
    assert last_experiment(tmp_path) == second.path
    finished = second.read()
    for cell in finished["cells"]:
        cell["status"] = "completed"
    second.write(finished)
    assert last_experiment(tmp_path) == first.path
