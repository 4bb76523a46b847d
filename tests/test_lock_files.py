"""What is installed is what was locked: lock files are whole, and whatever installs from them checks that."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.wheels import NAME, lock_of, write_wheel

LOCKS = (
    "requirements.lock",
    "requirements-run.lock",
    "benchmark_env/requirements.lock",
    "compose/requirements-locust.txt",
    ".ci/tools.txt",
)
BASE_IMAGE = "openenv-loadtest-one-wheel:test"
IMAGES = {
    "benchmark_env/server/Dockerfile": "requirements.lock",
    "compose/Dockerfile.locust": "compose/requirements-locust.txt",
}
"""The Dockerfiles, and their lock files as the context has them."""

_ENTRY = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\\]+?)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+"
)


def entries(lock: str) -> list[tuple[str, str]]:
    """Names and versions of the packages of a lock file that have hashes."""
    return [(entry["name"], entry["version"]) for entry in _ENTRY.finditer((ROOT / lock).read_text())]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_a_version_and_hashes_and_no_address(lock: str) -> None:
    rest = _ENTRY.sub("", (ROOT / lock).read_text())
    assert entries(lock)
    assert [line for line in rest.splitlines() if line and not line.startswith("    #")] == []
    assert "://" not in rest


def test_all_locks_have_the_same_versions() -> None:
    everything = set(entries("requirements.lock"))
    for lock in LOCKS[1:4]:
        assert set(entries(lock)) <= everything, lock


@pytest.mark.parametrize(
    ("project", "groups", "lock"),
    [
        (".", ("environment", "otlp", "setup", "dev"), "requirements.lock"),
        (".", ("setup",), "requirements-run.lock"),
        ("benchmark_env", (), "benchmark_env/requirements.lock"),
    ],
)
def test_a_lock_has_what_its_project_asks_for(project: str, groups: tuple[str, ...], lock: str) -> None:
    said: dict[str, Any] = tomllib.loads((ROOT / project / "pyproject.toml").read_text())
    listed = {**said["project"].get("optional-dependencies", {}), **said.get("dependency-groups", {})}
    wanted = [*said["project"]["dependencies"], *(each for group in groups for each in listed[group])]
    locked = dict(entries(lock))
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("installer", [*IMAGES, "Makefile", "loadtests/deployments/virtualenv.py", ".ci/run"])
def test_what_installs_from_a_lock_takes_none_without_hashes(installer: str) -> None:
    """Without being told, pip and uv check hashes only where a file has some."""
    assert "--require-hashes" in (ROOT / installer).read_text()


@pytest.fixture(scope="module")
def base_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The images' base with one wheel, and no index to have others from; gives the wheel."""
    request.getfixturevalue("docker_engine")
    context = tmp_path_factory.mktemp("base")
    wheel = write_wheel(context)
    (context / "Dockerfile").write_text(
        "FROM python:3.13-slim-trixie\nENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels\nCOPY *.whl /wheels/\n"
    )
    subprocess.run(["docker", "build", "--tag", BASE_IMAGE, context], check=True, capture_output=True)
    yield wheel
    subprocess.run(["docker", "rmi", BASE_IMAGE], check=True, capture_output=True)


@pytest.mark.docker
@pytest.mark.parametrize("dockerfile", IMAGES)
def test_an_image_is_not_built_with_a_package_that_is_not_what_its_lock_says(
    dockerfile: str, base_image: Path, tmp_path: Path
) -> None:
    lock = tmp_path / IMAGES[dockerfile]
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(lock_of(base_image, changed=True))
    build = ["docker", "build", "--force-rm", "--build-arg", f"BASE_IMAGE={BASE_IMAGE}"]
    done = subprocess.run(
        [*build, "--file", ROOT / dockerfile, tmp_path], capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE" in printed
    assert f"{NAME}==1.0 from" in printed
