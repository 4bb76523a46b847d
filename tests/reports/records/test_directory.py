from pathlib import Path

import pytest

from reports.records.directory import write_atomically
from reports.records.run_directory import RunDirectory, RunDirectoryError


def test_a_directory_is_named_after_time_and_slug(tmp_path: Path) -> None:
    first = RunDirectory.create(tmp_path / "results", "ws 2×2 Users", at=0)
    second = RunDirectory.create(tmp_path / "results", "ws 2×2 Users", at=0)
    assert first.path.name.endswith("-ws-2-2-users")
    assert second.path.name == f"{first.path.name}-2"


def test_a_results_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match=r"file/results cannot be written .*RESULTS="):
        RunDirectory.create(tmp_path / "file" / "results", "run")


def test_writing_atomically_leaves_one_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_atomically(path, "old")
    write_atomically(path, "new é")
    assert path.read_text(encoding="utf-8") == "new é"
    assert list(tmp_path.iterdir()) == [path]
