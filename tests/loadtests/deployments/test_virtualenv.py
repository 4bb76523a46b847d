from pathlib import Path

import pytest

from loadtests.deployments import virtualenv
from loadtests.deployments.environment import EnvironmentDirectory
from loadtests.deployments.virtualenv import python_for
from loadtests.errors import LoadTestError

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


def test_versions_are_kept_to_and_others_are_another_virtual_environment(
    environment: EnvironmentDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []

    def install(folder: Path, options: list[str], *_: object) -> None:
        folder.mkdir(parents=True)
        installed.append(options)

    monkeypatch.setattr(virtualenv, "_install", install)
    versions = tmp_path / "versions.lock"
    versions.write_text("pip==1\n")
    first = python_for(environment, lambda _: None, versions)
    versions.write_text("pip==2\n")
    assert python_for(environment, lambda _: None, versions) != first
    assert [options[:2] for options in installed] == [["--constraint", str(versions)]] * 2
