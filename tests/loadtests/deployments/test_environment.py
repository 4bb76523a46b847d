from pathlib import Path

import pytest

from loadtests.deployments.environment import Environment, EnvironmentDirectory, content_of
from loadtests.errors import LoadTestError

MANIFEST = "name: chess\nversion: '1.2'\napp: server.app:app\nport: 9000\n"
PROJECT = """
[project]
version = "9"
dependencies = ["openenv>=0.2", "chess"]
[tool.setuptools]
package-dir = { "chess_env" = ".", "chess_env.server" = "server" }
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "openenv.yaml").write_text(MANIFEST)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "app.py").write_text("1")
    return tmp_path


def test_a_directory_says_what_it_is(directory: Path) -> None:
    found = EnvironmentDirectory.read(directory)
    assert (found.name, found.version, found.app, found.port) == ("chess", "1.2", "server.app:app", 9000)
    assert found.requirements() == ("openenv>=0.2", "chess")
    assert found.package == "chess_env"
    assert found.dockerfile is None
    (directory / "server" / "Dockerfile").touch()
    assert EnvironmentDirectory.read(directory).dockerfile == directory / "server" / "Dockerfile"


def test_requirements_may_be_listed_for_pip(directory: Path) -> None:
    (directory / "pyproject.toml").unlink()
    with pytest.raises(LoadTestError, match="does not say what it needs"):
        EnvironmentDirectory.read(directory).requirements()
    (directory / "server" / "requirements.txt").write_text("# server\nopenenv  # any\n\nnumpy==2.1\n")
    found = EnvironmentDirectory.read(directory)
    assert found.requirements() == ("openenv", "numpy==2.1")
    assert (found.package, found.version) == (
        directory.name if directory.name.isidentifier() else None,
        "1.2",
    )


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        (None, "is not an OpenEnv environment: it has no openenv.yaml"),
        ("[1, 2]", "is not a mapping"),
        ("a: [", "cannot be read"),
        ("name: x\n", "app is None"),
        ("app: server/app.py\n", "app is 'server/app.py'"),
        ("app: server.app:app; rm\n", "app is"),
        ("app: server.app:app\nport: soon\n", "port is 'soon'"),
        ("app: server.app:app\nport: 0\n", "port is 0"),
    ],
)
def test_what_is_wrong_with_a_directory_is_said(tmp_path: Path, manifest: str | None, complaint: str) -> None:
    if manifest is not None:
        (tmp_path / "openenv.yaml").write_text(manifest)
    with pytest.raises(LoadTestError, match=complaint):
        EnvironmentDirectory.read(tmp_path)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match=r"ENV=.*nowhere: there is no such directory"):
        EnvironmentDirectory.read(tmp_path / "nowhere")


def test_a_run_says_which_directory_or_image_it_was(directory: Path) -> None:
    environment = Environment(directory=directory)
    assert environment.described("chess:latest", "sha256:12") == {
        "name": "chess",
        "version": "1.2",
        "directory": str(directory),
        "content": content_of(directory),
        "image": "chess:latest",
        "digest": "sha256:12",
    }
    assert Environment(image="chess:1").described("chess:1") == {"name": "chess:1", "image": "chess:1"}
    assert Environment().described()["name"] == "benchmark_env"


def test_the_content_is_another_when_a_file_is(directory: Path) -> None:
    first = content_of(directory)
    (directory / "__pycache__").mkdir()
    (directory / "__pycache__" / "app.pyc").touch()
    (directory / ".venv").mkdir()
    (directory / ".venv" / "pyvenv.cfg").touch()
    assert content_of(directory) == first
    app = directory / "server" / "app.py"
    app.write_text("2")
    second = content_of(directory)
    app.rename(directory / "server" / "main.py")
    assert len({first, second, content_of(directory), content_of(directory, "python:3.14")}) == 4
