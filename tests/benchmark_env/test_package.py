"""What `import benchmark_env` gives, and when."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import benchmark_env
import benchmark_env.server
from benchmark_env.server.benchmark_environment import BenchmarkEnvironment

from .conftest import ROOT, environ_with


def run(code: str, cwd: Path = ROOT, **settings: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environ_with(**settings),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.parametrize("package", [benchmark_env, benchmark_env.server])
def test_a_package_has_what_it_says_it_exports(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_the_environment_is_exported_by_the_server_package() -> None:
    assert benchmark_env.server.BenchmarkEnvironment is BenchmarkEnvironment
    assert run(
        "from server import BenchmarkEnvironment as it; print(it.__module__)", ROOT / "benchmark_env"
    ) == ("server.benchmark_environment\n")


@pytest.mark.parametrize("package", ["benchmark_env", "benchmark_env.server"])
def test_importing_a_package_reads_no_settings(package: str) -> None:
    assert run(f"import {package}; print('imported')", MAX_WAIT_SECONDS="soon") == "imported\n"
