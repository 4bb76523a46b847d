import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.deployments.registry import Process, Record, Registry
from loadtests.errors import LoadTestError


def record(name: str = "run-1", **values: object) -> Record:
    return Record(name, "local", "run", Process.of(os.getpid()), **values)  # type: ignore[arg-type]


def test_reads_what_was_written(registry: Registry) -> None:
    written = record(url="http://127.0.0.1:8000", ports=[8000, 18001], project="p")
    written.processes.append(Process.of(os.getpid()))
    registry.create(written)
    assert registry.records() == [written]
    registry.remove(written.name)


def test_a_name_can_be_used_once(registry: Registry) -> None:
    registry.create(record())
    with pytest.raises(LoadTestError, match="'run-1' exists already"):
        registry.create(record())


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LoadTestError, match=f"cannot write {tmp_path}/file/deployments: Not a directory"):
        Registry(tmp_path / "file" / "deployments").create(record())


def test_nothing_is_left_of_what_was_removed(registry: Registry) -> None:
    registry.create(record())
    (registry.home("run-1") / "nginx.conf").touch()
    registry.remove("run-1")
    assert not registry.directory.exists()


def test_keeps_the_files_that_are_asked_for(registry: Registry) -> None:
    registry.create(record())
    for name in ("nginx.conf", "nginx.log"):
        (registry.home("run-1") / name).touch()
    (registry.home("run-1") / "proxy").mkdir()
    registry.remove("run-1", keep="*.log")
    assert [path.name for path in registry.home("run-1").iterdir()] == ["nginx.log"]
    assert registry.records() == []


def test_a_record_is_abandoned_once_its_owner_has_ended() -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    written = Record("run-1", "local", "run", Process.of(owner.pid))
    assert not written.abandoned
    owner.kill()
    # A zombie has ended, too.
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
    assert written.abandoned
    owner.wait()
    assert written.abandoned


def test_a_later_process_with_the_owners_pid_is_not_the_owner() -> None:
    now = Process.of(os.getpid())
    earlier = Process(now.pid, now.created - 3600, now.command)
    assert Record("run-1", "local", "run", earlier).abandoned


def test_what_was_left_running_is_not_abandoned(registry: Registry) -> None:
    registry.create(record())
    registry.leave_running(registry.records()[0])
    (left,) = registry.records()
    assert not left.abandoned
    assert registry.left_running() == left


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": 1}', json.dumps({"from": "a newer version"})])
def test_a_record_that_cannot_be_read_is_abandoned(registry: Registry, content: str) -> None:
    registry.directory.mkdir()
    (registry.directory / "run-2.json").write_text(content)
    (unreadable,) = registry.records()
    assert unreadable.name == "run-2"
    assert unreadable.abandoned


def test_records_that_were_being_written_by_killed_processes_are_removed(registry: Registry) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    registry.directory.mkdir()
    (registry.directory / f"run-1.{ended.pid}.draft").write_text("{")
    mine = registry.directory / f"run-2.{os.getpid()}.draft"
    mine.touch()
    registry.remove_drafts()
    assert list(registry.directory.iterdir()) == [mine]
    mine.unlink()
    registry.remove_drafts()
    assert not registry.directory.exists()
