import os
import subprocess

import pytest

from tests.loadtests.locust_python import locust_python
from tests.loadtests.locust_runs import LOCUST

pytestmark = pytest.mark.servers


def locust(*options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return locust_python(*LOCUST, *options, environ={**os.environ, **environ})


def test_the_environment_sets_an_option() -> None:
    done = locust("-H", "http://127.0.0.1:9", LOADTEST_THINK_TIME="-3")
    assert done.returncode == 2
    assert "THINK_TIME=-3" in done.stderr


def test_an_unknown_transport_is_refused() -> None:
    done = locust("-H", "http://127.0.0.1:9", "--transport", "tcp")
    assert done.returncode == 2
    assert "tcp" in done.stderr


def test_without_a_server_it_says_what_is_missing() -> None:
    done = locust()
    assert done.returncode == 2
    assert "no server was named: give one with -H" in done.stderr


def test_an_unknown_scenario_is_refused() -> None:
    done = locust("-H", "http://127.0.0.1:9", LOADTEST_SCENARIO="burst")
    assert done.returncode == 2
    assert "burst" in done.stderr
