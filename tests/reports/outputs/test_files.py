import os
from pathlib import Path

import pytest

from reports.outputs.files import NO_FILES, OutputFiles
from reports.outputs.junit import Case, Suite
from reports.records.directory import RunDirectoryError


def write(files: OutputFiles) -> None:
    files.prepare()
    files.write(lambda: Suite("s", "run", [Case("a")], 0.0, 0.0), lambda: "## a\n")


def test_what_is_wanted_is_written_and_nothing_else(tmp_path: Path) -> None:
    write(NO_FILES)
    write(OutputFiles.named("", None))
    write(OutputFiles.named(None, str(tmp_path / "summary.md")))
    assert [path.name for path in tmp_path.iterdir()] == ["summary.md"]
    write(OutputFiles(tmp_path / "junit.xml"))
    assert (tmp_path / "junit.xml").read_text().startswith("<?xml")


def test_results_of_an_earlier_command_are_gone_before_the_next_begins(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("old")
    OutputFiles(tmp_path / "junit.xml").prepare()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [("nowhere/junit.xml", "nowhere is not a folder; make it"), (".", "is a folder: name a file")],
)
def test_a_file_that_cannot_be_written_is_refused_with_what_to_do(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(RunDirectoryError, match=why):
        OutputFiles(summary=tmp_path / name).prepare()


def test_a_name_that_no_file_can_have_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="File name too long"):
        OutputFiles(tmp_path / ("x" * 300)).prepare()


def test_a_link_and_a_pipe_are_written_to_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write(OutputFiles(summary=tmp_path / "link"))
    assert (tmp_path / "file").read_text() == "## a\n"
    assert (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write(OutputFiles(summary=tmp_path / "pipe"))
    assert os.read(reader, 100) == b"## a\n"
    os.close(reader)
