import subprocess
import sys
from pathlib import Path

import pytest

from reports.records.directory import replacing, write_atomically
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


KILLED = """
import os, signal, sys
from pathlib import Path
from reports.records.directory import replacing
with replacing(Path(sys.argv[1])) as scratch:
    scratch.write_text("half of a repo")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_while_writing(path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert any(each.name.startswith(f".{path.name}.") for each in path.parent.iterdir())


def test_what_a_killed_process_was_writing_is_gone_once_the_file_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "report [1].json"
    path.write_text("old")
    kill_while_writing(path)
    assert path.read_text() == "old"
    write_atomically(path, "new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "new"


def test_a_report_removes_what_was_being_written_of_any_file_of_its_run(tmp_path: Path) -> None:
    kill_while_writing(tmp_path / "run.json")
    (tmp_path / ".notes.1").mkdir()
    (tmp_path / ".notes").touch()
    RunDirectory(tmp_path).write_report({}, "")
    assert {each.name for each in tmp_path.iterdir()} == {"report.json", "report.html", ".notes", ".notes.1"}


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with replacing(path) as scratch:
        scratch.write_text("mine")
        other = "import sys; from pathlib import Path; from reports.records.directory import write_atomically"
        write = f"{other}; write_atomically(Path(sys.argv[1]), 'theirs')"
        subprocess.run([sys.executable, "-c", write, str(path)], check=True)
        assert path.read_text() == "theirs"
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
