import subprocess
from pathlib import Path

import pytest

from loadtests.deployments import virtualenv
from loadtests.deployments.environment import EnvironmentDirectory
from loadtests.deployments.virtualenv import python_for
from loadtests.errors import LoadTestError
from tests.wheels import MODULE, NAME, lock_of, write_wheel

PROJECT = '[project]\ndependencies = ["nothing-by-this-name @ file:///nowhere/at/all"]\n'


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EnvironmentDirectory:
    monkeypatch.setattr(virtualenv, "state_folder", lambda: tmp_path / "state")
    (tmp_path / "openenv.yaml").write_text("name: chess game\napp: server.app:app\n")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return EnvironmentDirectory.read(tmp_path)


def test_what_cannot_be_installed_is_told_and_what_was_installed_is_kept(
    environment: EnvironmentDirectory, tmp_path: Path
) -> None:
    said: list[str] = []
    with pytest.raises(LoadTestError, match=r"(?s)what it asks for cannot be installed.*/nowhere/at/all"):
        python_for(environment, said.append)
    assert said[0] == "installing what chess game asks for: takes a minute the first time"

    (folder,) = (path for path in (tmp_path / "state" / "environments").iterdir() if path.is_dir())
    assert folder.name.startswith("chess-game-")
    (folder / ".ready").touch()
    assert python_for(environment, lambda _: pytest.fail("installs again")) == folder / "bin" / "python"


def test_a_lock_is_installed_and_what_is_not_as_it_says_is_not(
    environment: EnvironmentDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = tmp_path / "its.lock"
    lock.write_text(lock_of(wheel))
    python = python_for(environment, lambda _: None, lock)
    subprocess.run([python, "-c", f"import {MODULE}"], check=True)

    lock.write_text(lock_of(wheel, changed=True))
    with pytest.raises(
        LoadTestError, match=rf"^{NAME}==1.0 does not have the content that {lock} was made with"
    ):
        python_for(environment, lambda _: None, lock)
    (changed,) = (path for path in python.parents[2].iterdir() if path.is_dir() and path != python.parents[1])
    assert not list(changed.rglob(f"{MODULE}.py"))
