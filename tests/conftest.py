"""What the tests need of the machine. A missing part skips its tests with a reason, or fails them
where REQUIRE_ALL=1 says that nothing may be missing."""

import fcntl
import functools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".deployments", "results", ".*_cache", ".ci", "docs")
CONTAINERS_OF_CLIENTS = (
    "tests/benchmark_env/test_docker_provider.py",
    "tests/benchmark_env/test_openenv_commands.py",
    "tests/benchmark_env/test_containers_of_readmes.py",
)
"""Test modules that look for containers that clients leave behind: none other may be started meanwhile."""

WITHOUT_GRADIO = str(Path(__file__).parent / "without_gradio")
"""First on the PYTHONPATH of what shows no page: OpenEnv imports gradio otherwise, which takes seconds."""

# The same for every process of `pytest -n`.
cast(dict[str, object], sys.modules).setdefault("gradio", None)

# Processes of `pytest -n`, and jobs in the background of a shell, ignore Ctrl-C, and what a test starts would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def missing(what: str) -> NoReturn:
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, but {what}")
    pytest.skip(what)


def free_port() -> int:
    """A port on 127.0.0.1 that nothing has; below those that the kernel gives to outgoing connections."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def copy_checkout(path: Path) -> None:
    """Copies the project. Its commands note deployments there, and find, remove and take down no others."""
    shutil.copytree(ROOT, path, symlinks=True, ignore=NOT_COPIED, dirs_exist_ok=True)


def python_without_gradio(folder: Path) -> Path:
    """Writes bin/python, for environments that the harness deploys: their PYTHONPATH is its own."""
    script = folder / "bin" / "python"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{WITHOUT_GRADIO}:$PYTHONPATH" exec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as `openenv init` writes it, with room for 64 sessions.

    All processes of `pytest -n` share it: it is for reading.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "generated"
    openenv = Path(sys.executable).with_name("openenv")
    app = folder / "chatter" / "server" / "app.py"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not app.exists():
            subprocess.run(
                [openenv, "init", "chatter", "--output-dir", folder],
                env=os.environ | {"PYTHONPATH": WITHOUT_GRADIO},
                check=True,
                capture_output=True,
                timeout=120,
            )
            written = app.read_text()
            assert "max_concurrent_envs=1," in written
            app.write_text(written.replace("max_concurrent_envs=1,", "max_concurrent_envs=64,"))
    return folder / "chatter"


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


BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
"""The first that is installed is used; the one without windows takes less than half of their CPU time."""


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium or Chrome is."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    missing(f"no Chromium is installed (apt install {BROWSERS[0]}): pages are not looked at in a browser")


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator["Browser"]:
    """A browser that knows no host but this one: a page must not wait for what it has from elsewhere."""
    from playwright.sync_api import sync_playwright

    offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, args=["--no-sandbox", offline], timeout=120_000
        )
        yield browser
        browser.close()


REAL_PARTS = ("servers", "docker", "browser")
"""Markers of tests that take seconds, not milliseconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brings modules with the most real parts to the front: pure tests then fill the gaps at the end."""
    real = Counter(item.path for item in items if any(map(item.get_closest_marker, REAL_PARTS)))
    items.sort(key=lambda item: -real[item.path])


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker"):
        build_layers()


@functools.cache
def build_layers() -> None:
    """Builds the environment's image where it is missing, once for all processes of `pytest -n`.

    Each of them would build it otherwise: layers are shared only when they are done. Whether it can be
    built is for the tests to find out.
    """
    with (Path(tempfile.gettempdir()) / "openenv-loadtest-layers.lock").open("w") as lock, suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)
        build = ("docker", "build", "--tag", "benchmark-env:latest", "--file", "server/Dockerfile", ".")
        subprocess.run(build, cwd=ROOT / "benchmark_env", capture_output=True, check=False)


ENDS_SWARM = Path(tempfile.gettempdir()) / "openenv-loadtest-tests-swarm"
"""Is there while the engine is in a swarm of the tests, and says what is to be done at their end."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leaves the swarm of the tests.

    Not before all are over: an engine that leaves forgets the names of all containers, those outside of the
    swarm too, and whoever looks for a replica by its name finds none.
    """
    if hasattr(session.config, "workerinput") or not ENDS_SWARM.exists():
        return
    import docker

    from loadtests.deployments import swarm

    todo = ENDS_SWARM.read_text()
    ENDS_SWARM.unlink()
    client = docker.from_env()
    client.swarm.leave(force=True)
    if todo == "leave, no bridge":
        client.networks.get(swarm.BRIDGE).remove()


class ModulesByPackage(LoadScopeScheduling):
    """Hands out test modules in order; a process keeps to one package as long as that has any left.

    Modules of a package share servers, which every process that runs some of them starts anew. At the end,
    processes help each other out. (`--dist loadgroup` scatters its groups with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return CONTAINERS_OF_CLIENTS[0] if module in CONTAINERS_OF_CLIENTS else module

    def _assign_work_unit(self, node: WorkerController) -> None:
        own = set(map(_package, self.assigned_work[node]))
        others = {_package(module) for modules in self.assigned_work.values() for module in modules}
        best = min(
            self.workqueue, key=lambda module: (_package(module) not in own, _package(module) in others)
        )
        self.workqueue.move_to_end(best, last=False)
        super()._assign_work_unit(node)


def _package(module: str) -> str:
    return Path(module).parts[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ModulesByPackage:
    config.option.loadscopereorder = False
    return ModulesByPackage(config, log)
