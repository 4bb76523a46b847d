"""The wheel, installed in a fresh virtual environment and used in an empty folder: nothing of the checkout is
needed."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, free_port

pytestmark = pytest.mark.servers

SMALL = ("--users", "4", "--duration", "2")
ONE_WORKER = ("--port", "0", "--replicas", "1", "--workers", "1")

WATCH = """
import os, sys

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str | bytes):
        path = os.fsdecode(arguments[0])
        if path.startswith({environment!r}):
            return
        path = os.path.realpath(path)
        if path.startswith({checkout!r}) and not path.startswith({environment!r}):
            with open({log!r}, "a") as log:
                log.write(path + "\\n")

sys.addaudithook(note)
"""
"""Notes each file of the checkout that a process opens, but for the packages that others have made."""


class Installation:
    def __init__(self, folder: Path) -> None:
        self.cwd = folder / "empty"
        self.cwd.mkdir()
        self.state = folder / "state"
        self.opened = folder / "opened-in-checkout.log"
        self._bin = folder / "venv" / "bin"
        self.python = self._bin / "python"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        wheel = [
            *pip,
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "-w",
            str(folder),
            str(ROOT),
        ]
        subprocess.run(wheel, check=True, timeout=120)
        (self.wheel,) = folder.glob("*.whl")
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=60
        )
        # What others have made comes from here: no index is asked. Of .pth files in there, which may add the
        # checkout, nothing is read.
        (packages,) = (folder / "venv").glob("lib/python*/site-packages")
        (packages / "others.pth").write_text(
            "".join(f"{path}\n" for path in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
            + "import watch_opens\n"
        )
        (packages / "watch_opens.py").write_text(
            WATCH.format(checkout=f"{ROOT.resolve()}/", environment=f"{sys.prefix}/", log=str(self.opened))
        )
        install = [*pip, "--python", str(self.python), "install", "--no-deps", "--no-index", str(self.wheel)]
        subprocess.run(install, check=True, timeout=120)
        self.packages = packages

    def environ(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "XDG_STATE_HOME": str(self.state),
        }

    def run(self, *command: str | Path) -> str:
        done = subprocess.run(
            [self._bin / command[0], *command[1:]],
            cwd=self.cwd,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for report in re.findall(r"^report: (.+)$", done.stdout, re.MULTILINE):
            assert (self.cwd / report).stat().st_size > 10_000
        return done.stdout

    def runs(self) -> list[str]:
        return sorted(str(path.parent.relative_to(self.cwd)) for path in self.cwd.glob("results/*/run.json"))

    @contextmanager
    def started(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [self._bin / command[0], *command[1:]],
            cwd=self.cwd,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def url(installed: Installation) -> Iterator[str]:
    """A deployment that the installed command has left running."""
    up = installed.run("openenv-loadtest", "up", "--target", "local", *ONE_WORKER)
    try:
        (line,) = re.findall(r"^(http\S+) \(openenv-loadtest down ends it\)$", up, re.MULTILINE)
        assert [*(installed.state / "openenv-loadtest").glob("*.json")]
        yield line
    finally:
        down = installed.run("openenv-loadtest", "down")
    assert line in down
    assert not (installed.state / "openenv-loadtest").exists()


@pytest.fixture(autouse=True)
def nothing_of_the_checkout_is_opened(installed: Installation) -> Iterator[None]:
    yield
    opened = installed.opened.read_text() if installed.opened.exists() else ""
    installed.opened.unlink(missing_ok=True)
    assert opened == ""


def test_the_watch_sees_what_is_opened_in_the_checkout(installed: Installation) -> None:
    installed.run("python", "-c", f"open({str(ROOT / 'Makefile')!r}).close()")
    assert installed.opened.read_text() == f"{(ROOT / 'Makefile').resolve()}\n"
    installed.opened.unlink()


def test_the_packages_are_those_of_the_wheel(installed: Installation) -> None:
    code = (
        "import benchmark_env as b, loadtests as l, reports as r; print(b.__path__, l.__path__, r.__path__)"
    )
    found = installed.run("python", "-c", code)
    assert found.split() == [
        f"['{installed.packages / name}']" for name in ("benchmark_env", "loadtests", "reports")
    ]


def test_the_version_is_that_of_the_wheel(installed: Installation) -> None:
    _, version, *_ = installed.wheel.name.split("-")
    assert installed.run("openenv-loadtest", "--version") == f"openenv-loadtest {version}\n"


def test_runs_on_local_processes_and_on_a_url_and_their_comparison(installed: Installation, url: str) -> None:
    for target in ("local", url):
        size = ONE_WORKER if target == "local" else ()
        assert "PASSED: " in installed.run("openenv-loadtest", "run", "--target", target, *size, *SMALL)
    a, b = installed.runs()
    assert {path.name for path in installed.cwd.iterdir()} == {"results"}
    assert f"report: {b}/compare-" in installed.run("openenv-loadtest", "compare", a, b)


def test_a_small_experiment(installed: Installation, url: str) -> None:
    grid = ("--users", "2", "--duration", "1", "--warmup", "0", "--repetitions", "1")
    printed = installed.run("openenv-loadtest", "scaling", "--target", url, *grid)
    assert "COMPLETED: 1 of 1 cell" in printed


def test_a_small_search(installed: Installation, url: str) -> None:
    search = ("--start", "4", "--most", "4", "--tries", "1", "--wait", "0.1")
    assert "capacity: " in installed.run("openenv-loadtest", "capacity", "--target", url, *search)


def test_the_web_page(installed: Installation, url: str) -> None:
    port = free_port()
    with installed.started("openenv-loadtest", "webui", "--target", url, "--web-port", str(port)) as process:
        page, deadline = "", time.monotonic() + 120
        while "<title>Locust</title>" not in page and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[0]
            try:
                page = httpx.get(f"http://127.0.0.1:{port}", verify=False).text
            except httpx.TransportError:
                time.sleep(0.1)
        assert "<title>Locust</title>" in page
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_plain_locust_with_the_installed_locustfile(installed: Installation, url: str) -> None:
    before = installed.runs()
    locustfile = installed.packages / "loadtests" / "locustfile.py"
    load = ("--headless", "--users", "2", "--run-time", "8s")
    installed.run("python", "-m", "locust", "-f", locustfile, "-H", url, *load)
    (run,) = (run for run in installed.runs() if run not in before)
    assert json.loads((installed.cwd / run / "report.json").read_text())["totals"]["steps"] > 0


@pytest.mark.docker
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("docker_engine")
def test_a_run_on_containers_whose_image_is_built_from_the_wheel(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = "openenv-loadtest-test-of-the-wheel:latest"
    monkeypatch.setenv("ENV_IMAGE", image)
    try:
        printed = installed.run("openenv-loadtest", "run", "--target", "compose", *ONE_WORKER, *SMALL)
    finally:
        subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)
    assert f"building the image {image}" in printed
    assert "PASSED: " in printed
