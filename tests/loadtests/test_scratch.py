import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from loadtests import scratch

LEFT = """
import os
from loadtests.scratch import scratch_folder
folder = scratch_folder()
print(folder.name, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_leaves_is_removed_by_the_next_and_nothing_else(temporary: Path) -> None:
    environ = os.environ | {"TMPDIR": str(temporary)}
    killed = subprocess.run([sys.executable, "-c", LEFT], env=environ, stdout=subprocess.PIPE, text=True)
    left = Path(killed.stdout.strip())
    (left / "file").touch()
    others = temporary / "openenv-loadtest-report", temporary / "openenv-loadtest-999x-1"
    for other in others:
        other.mkdir()
    with scratch.scratch_folder() as mine:
        assert Path(mine).parent == left.parent == temporary
        scratch.remove_abandoned_folders()
        assert not left.exists()
        assert Path(mine).is_dir()
    assert all(other.is_dir() for other in others)
    assert not Path(mine).exists()


def test_what_belongs_to_somebody_else_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = temporary / "openenv-loadtest-12345-abc"
    folder.mkdir()
    monkeypatch.setattr(psutil, "pid_exists", lambda _: False)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    scratch.remove_abandoned_folders()
    assert folder.is_dir()
