"""What the tests need of the machine. A missing part skips its tests with a reason, or fails them
where REQUIRE_ALL=1 says that nothing may be missing."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent

# Processes of `pytest -n`, and jobs in the background of a shell, ignore Ctrl-C, and what a test starts would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def missing(what: str) -> NoReturn:
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, but {what}")
    pytest.skip(what)


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """A Docker engine with the compose plugin."""
    for command, what in (
        (["docker", "info"], "no Docker engine answers: containers are left out"),
        (["docker", "compose", "version"], "the Docker compose plugin is missing: containers are left out"),
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            missing(what)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium or Chrome is."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    missing("no Chromium is installed (apt install chromium): pages are not looked at in a browser")


class PartsSideBySide(LoadScopeScheduling):
    """Keeps what must not run side by side in one process, should the tests run in several (`pytest -n 2`).

    Tests of the load find and remove what killed commands leave behind, those of the environment build and
    remove images and containers. (`--dist loadgroup` scatters its groups with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        package = Path(nodeid).parts[1]
        return "load" if package in ("loadtests", "compose", "benchmarks") else "environment and reports"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> PartsSideBySide:
    return PartsSideBySide(config, log)
