"""The virtual environment that the Makefile sets up."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.wheels import MODULE, NAME, lock_of, write_wheel

from .conftest import ROOT, environ_with

PYTHON = f"""#!/bin/sh
[ "$*" = "-m venv .venv" ] || exec {sys.executable} "$@"
{sys.executable} -m venv --without-pip .venv || exit
for packages in .venv/lib/python*/site-packages; do
    echo {sysconfig.get_path("purelib")} > "$packages/others.pth"
done
printf '#!/bin/sh\nexec .venv/bin/python -m pip "$@"\n' > .venv/bin/pip
chmod +x .venv/bin/pip
ln -s {sys.executable.rpartition("/")[0]}/uv .venv/bin/uv
"""
"""Makes virtual environments that have, without a download, what these tests run with."""

INSTALLERS = ("uv", "pip")


def checkout_in(folder: Path) -> Path:
    """A checkout whose lock names one little package, and beside it a folder of wheels that has that."""
    checkout = folder / "a checkout"
    for name in ("benchmark_env", "loadtests", "reports"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, checkout)
    (checkout / "requirements-run.lock").write_text(lock_of(write_wheel(folder / "wheels")))
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return checkout


def make_ready(checkout: Path, installer: str) -> "subprocess.CompletedProcess[str]":
    """Sets up the virtual environment. Make takes pip where pip is told of an index, or of none."""
    tool = installer.upper()
    return subprocess.run(
        ["make", ".venv/.ready", f"PYTHON={checkout.parent / 'python'}"],
        cwd=checkout,
        env=environ_with(**{f"{tool}_NO_INDEX": 1, f"{tool}_FIND_LINKS": checkout.parent / "wheels"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.fixture(scope="module", params=INSTALLERS)
def checkout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose virtual environment make has set up."""
    checkout = checkout_in(tmp_path_factory.mktemp("test"))
    done = make_ready(checkout, request.param)
    assert done.returncode == 0, done.stderr
    return checkout


def run(checkout: Path, *command: str, cwd: Path) -> str:
    done = subprocess.run(
        [checkout / ".venv" / "bin" / command[0], *command[1:]],
        cwd=cwd,
        env=environ_with(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_package_is_imported_from_everywhere(checkout: Path, tmp_path: Path) -> None:
    found = run(checkout, "python", "-c", "import benchmark_env as it; print(it.__file__)", cwd=tmp_path)

    assert Path(found) == checkout / "benchmark_env" / "__init__.py"


def test_the_command_is_installed(checkout: Path, tmp_path: Path) -> None:
    assert run(checkout, "openenv-loadtest", "--version", cwd=tmp_path).startswith("openenv-loadtest ")


def test_what_the_lock_names_is_installed(checkout: Path, tmp_path: Path) -> None:
    run(checkout, "python", "-c", f"import {MODULE}", cwd=tmp_path)


@pytest.mark.parametrize("installer", INSTALLERS)
def test_a_package_that_is_not_what_the_lock_says_is_not_installed(tmp_path: Path, installer: str) -> None:
    checkout = checkout_in(tmp_path)
    wheel = next((tmp_path / "wheels").iterdir())
    (checkout / "requirements-run.lock").write_text(lock_of(wheel, changed=True))

    done = make_ready(checkout, installer)

    assert done.returncode == 2
    assert (
        "error: a package does not have the content that requirements-run.lock was made with" in done.stderr
    )
    assert NAME in done.stdout + done.stderr
    assert not list((checkout / ".venv").rglob(f"{MODULE}.py"))
    assert not (checkout / ".venv" / ".ready").exists()
