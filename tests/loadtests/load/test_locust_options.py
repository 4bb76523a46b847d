import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.servers


def locust(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    # In a process of its own: importing Locust patches the whole interpreter.
    return subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
        check=False,
    )


def test_the_environment_sets_an_option() -> None:
    done = locust("--headless", "-H", "http://127.0.0.1:9", LOADTEST_THINK_TIME="-3")
    assert done.returncode == 2
    assert "THINK_TIME=-3" in done.stderr


def test_an_unknown_transport_is_refused() -> None:
    done = locust("--headless", "-H", "http://127.0.0.1:9", "--transport", "tcp")
    assert done.returncode == 2
    assert "tcp" in done.stderr


def test_without_a_server_it_says_what_is_missing() -> None:
    done = locust("--headless")
    assert done.returncode == 2
    assert "no server was named: give one with -H" in done.stderr


def test_an_unknown_scenario_is_refused() -> None:
    done = locust("--headless", "-H", "http://127.0.0.1:9", LOADTEST_SCENARIO="burst")
    assert done.returncode == 2
    assert "burst" in done.stderr
