"""The virtual environment that the Makefile sets up."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from .conftest import ROOT, environ_with

PYTHON = f"""#!/bin/sh
[ "$*" = "-m venv .venv" ] || exec {sys.executable} "$@"
{sys.executable} -m venv --without-pip .venv || exit
for packages in .venv/lib/python*/site-packages; do
    echo {sysconfig.get_path("purelib")} > "$packages/others.pth"
done
printf '#!/bin/sh\nexec .venv/bin/python -m pip "$@"\n' > .venv/bin/pip
chmod +x .venv/bin/pip
"""
"""Makes virtual environments that have, without a download, what these tests run with."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose virtual environment make has set up."""
    checkout = tmp_path_factory.mktemp("test") / "a checkout"
    for name in ("benchmark_env", "loadtests", "reports"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, checkout)
    # It is in every virtual environment already.
    (checkout / "requirements-run.lock").write_text("pip\n")
    python = checkout.parent / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    subprocess.run(["make", ".venv/.ready", f"PYTHON={python}"], cwd=checkout, check=True, timeout=200)
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
