import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.__main__ import main
from reports.outputs.csv_files import write_csv
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.tables import StreamWriter
from tests.reports.sample_experiments import write_sample_experiment
from tests.reports.sample_reports import run_json

ROW = {
    "started_at": 2.0, "op": "step", "transport": "ws", "latency_s": 0.1, "user": 1, "generator": "here:1",
    "error": "server_error", "error_detail": "=cmd|'/c calc'!A1",
}  # fmt: skip


def running(path: Path, rows: list[dict[str, object]]) -> RunDirectory:
    directory = RunDirectory(path)
    path.mkdir()
    directory.write({**run_json(2, 2), "status": "running"})
    writer = StreamWriter(directory.steps.stream, STEPS)
    for row in rows:
        writer.append(pa.RecordBatch.from_pylist([row], schema=STEPS))
    writer.close()
    return directory


def test_the_rows_are_those_of_the_parquet_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=3000, users=20)).path
    assert main(["csv", str(run)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"{run / 'steps.csv'}: 3,000 rows"
    steps, parquet = pd.read_csv(run / "steps.csv"), pd.read_parquet(run / "steps.parquet")
    assert list(steps.columns) == list(parquet.columns) == STEPS.names
    assert steps.latency_s.tolist() == parquet.latency_s.tolist()
    assert steps.host.tolist() == parquet.host.tolist()
    assert (run / "resources.csv").exists() == (run / "resources.parquet").exists()


def test_a_run_that_goes_on_has_the_rows_so_far_and_stays_as_it_is(tmp_path: Path) -> None:
    directory = running(tmp_path / "run", [ROW, {**ROW, "started_at": 1.0, "error_detail": 'a, "b"\nc'}])
    assert list(write_csv(directory.path)) == [(tmp_path / "run" / "steps.csv", 2)]
    found = pd.read_csv(tmp_path / "run" / "steps.csv")
    assert found.started_at.tolist() == [2.0, 1.0]
    assert found.error_detail.tolist() == ["'=cmd|'/c calc'!A1", 'a, "b"\nc']
    assert math.isnan(found.host[0])
    assert directory.steps.stream.exists()


def test_what_has_no_rows_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="give one of its runs"):
        list(write_csv(write_sample_experiment(tmp_path / "sample").path))
    empty = running(tmp_path / "empty", [])
    empty.steps.stream.unlink()
    with pytest.raises(RunDirectoryError, match="holds no steps"):
        list(write_csv(empty.path))
    assert main(["csv", str(tmp_path / "nowhere")]) == 2


def test_a_damaged_file_leaves_no_csv_behind(tmp_path: Path) -> None:
    run = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=100, users=5))
    run.steps.parquet.write_bytes(run.steps.parquet.read_bytes()[:-20])
    with pytest.raises(RunDirectoryError, match="cannot be read"):
        list(write_csv(run.path))
    assert not list(run.path.glob("*csv*"))
