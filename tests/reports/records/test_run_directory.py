import json
from pathlib import Path

import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json, write_synthetic_run
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import SCHEMA_VERSION
from tests.reports.records.test_tables import files_of_at_most, starts

RUN = run_json("a-run", SyntheticRun(), 1_760_000_020.0)


def test_run_json_comes_back_as_written(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write(RUN)
    assert RunDirectory(tmp_path).read() == RUN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "has no schema_version"),
        ('{"kind": "experiment", "schema_version": 1}', 'its kind is not "run"'),
        (
            json.dumps(RUN | {"schema_version": SCHEMA_VERSION + 1}),
            "schema 2, this program reads up to 1: update",
        ),
        (json.dumps(RUN | {"config": {}}), r"damaged \(config.deployment is missing\)"),
    ],
)
def test_a_run_json_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunDirectoryError, match=message):
        RunDirectory(tmp_path).read()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="nowhere is not a folder"):
        RunDirectory(tmp_path / "nowhere").read()


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"holds no run\.json"):
        RunDirectory(tmp_path).read()


def test_a_folder_of_runs_names_the_newest(tmp_path: Path) -> None:
    for name in ("20250101-000000-a", "20250301-000000-b", "20250201-000000-c"):
        (tmp_path / name).mkdir()
        RunDirectory(tmp_path / name).write(RUN)
    with pytest.raises(RunDirectoryError, match=r"the newest is .*20250301-000000-b$"):
        RunDirectory(tmp_path).read()


def test_no_steps(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="holds no steps"):
        RunDirectory(tmp_path).read_steps()


def test_a_synthetic_run_is_a_run_directory(tmp_path: Path) -> None:
    directory = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=2000, users=20))
    read = directory.read_steps()
    assert len(read) == 2000
    assert starts(read) == sorted(starts(read))
    assert set(read.column_names) == set(STEPS.names)
    assert len(directory.resources.read()) > 0
    assert directory.read()["status"] == "completed"


def test_a_disk_too_full_for_run_json_keeps_the_old_one(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.write(RUN)
    with files_of_at_most(100), pytest.raises(RunDirectoryError, match=r"run\.json cannot be written .*disk"):
        directory.write({**RUN, "status": "failed"})
    assert directory.read() == RUN
    assert list(tmp_path.iterdir()) == [directory.json_path]
