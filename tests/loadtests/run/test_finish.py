import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.synthetic_run import SyntheticRun, run_json
from loadtests.run.finish import finish_run, list_in_index
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.tables import StreamWriter
from tests.loadtests.rows import batch


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory.create(tmp_path, "test")
    run = run_json(directory.path.name, SyntheticRun(), 1020.0)
    run["status"], run["ended_at"] = "running", None
    directory.write(run)
    return directory


def test_a_finished_run_has_its_records_and_its_report(directory: RunDirectory) -> None:
    writer = StreamWriter(directory.steps.stream, STEPS)
    writer.append(batch({"started_at": 1002.0}, {"started_at": 1001.0}))
    writer.close()
    report = finish_run(directory, "interrupted", "stopped by Ctrl-C")
    assert report.totals.steps == 2
    run = directory.read()
    assert (run["status"], run["status_detail"]) == ("interrupted", "stopped by Ctrl-C")
    assert run["ended_at"] is not None
    assert directory.read_steps()["started_at"].to_pylist() == [1001.0, 1002.0]
    assert not directory.steps.stream.exists()
    assert directory.report_html.exists()
    assert directory.report_json.exists()


def test_an_index_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("someone else's page")
    console = Console(file=io.StringIO(), width=400)
    list_in_index(tmp_path, console)
    list_in_index(tmp_path / "nowhere", console)
    one, other = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert one.startswith("· the index of all results was not written: ")
    assert "is not of this program" in one
    assert "nowhere is not there" in other
    assert (tmp_path / "index.html").read_text() == "someone else's page"


def test_a_run_that_recorded_nothing_cannot_be_reported(directory: RunDirectory) -> None:
    with pytest.raises(RunDirectoryError, match="holds no steps"):
        finish_run(directory, "failed")
