"""What `import benchmark_env` gives, and when."""

import importlib
import subprocess
import sys

import pytest

import benchmark_env
import benchmark_env.server
from benchmark_env.server.benchmark_environment import BenchmarkEnvironment

from .conftest import ROOT, environ_with


def test_the_package_has_what_it_says_it_exports() -> None:
    for name in benchmark_env.__all__:
        assert getattr(benchmark_env, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = benchmark_env.nothing


def test_the_environment_is_exported_by_the_server_package() -> None:
    assert benchmark_env.server.BenchmarkEnvironment is BenchmarkEnvironment


@pytest.mark.usefixtures("own_imports")
def test_the_environment_is_exported_inside_its_directory() -> None:
    sys.path.insert(0, str(ROOT / "benchmark_env"))
    from_inside = importlib.import_module("server")

    assert from_inside.BenchmarkEnvironment.__module__ == "server.benchmark_environment"


def test_importing_the_package_reads_no_settings() -> None:
    command = [sys.executable, "-c", "import benchmark_env"]
    subprocess.run(command, cwd=ROOT, env=environ_with(MAX_WAIT_SECONDS="soon"), check=True, timeout=120)
