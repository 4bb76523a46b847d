import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import psutil
import pytest

from loadtests.__main__ import main
from loadtests.commands import DEPLOYMENT_SETTINGS, LOAD_SETTINGS
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.url import UrlDeployment
from loadtests.errors import LoadTestError
from loadtests.run import load_test
from loadtests.run.config import load_test_config
from reports.records.run_directory import RunDirectory
from reports.run.report import report_run
from tests.conftest import ROOT
from tests.loadtests.accounting import counted_by_locust, recorded, whose_lag_is_recorded
from tests.loadtests.foreign import serving
from tests.loadtests.harness import Harness

pytestmark = pytest.mark.servers

SHORT = ["--users", "8", "--duration", "4", "--wait", "0.1", "--port", "0", "--slo-p99", "60"]
OWNER = "OWNER_OF_THIS_RUN"


def start(results: Path, *options: str) -> Harness:
    return Harness("run", "--results", str(results), *SHORT, *options, environ=owned(results))


def run(results: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return start(results, *options).wait()


def start_python(results: Path, *options: str, checkout: Path = ROOT) -> subprocess.Popen[str]:
    """The command as users start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "loadtests", "run", "--results", str(results), *SHORT, *options],
        cwd=checkout,
        env=owned(results),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def owned(results: Path) -> dict[str, str]:
    """An environment by which whatever a run starts can be told from what others started."""
    return {**os.environ, OWNER: str(results)}


def only_run(results: Path) -> RunDirectory:
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    return RunDirectory(path)


def wait_for_steps(results: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(stream.stat().st_size > 5_000 for stream in results.glob("*/steps.arrows")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def locust_of(harness: int) -> psutil.Process:
    children = psutil.Process(harness).children()
    (locust,) = [child for child in children if "locust" in " ".join(child.cmdline())]
    return locust


def remains(results: Path) -> list[str]:
    """Command lines of processes that this run left behind."""
    found = []
    for process in psutil.process_iter():
        try:
            names = " ".join([*process.cmdline(), process.environ().get(OWNER, "")])
            if str(results) in names:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    "target",
    ["local", pytest.param("compose", marks=pytest.mark.docker)],
)
def test_a_run_accounts_for_all_workers_and_all_steps(
    target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if target == "compose":
        request.getfixturevalue("docker_engine")
    done = run(tmp_path, "--target", target, "--users", "64", "--duration", "6", "--wait", "0.5")
    assert done.returncode == 0, done.stderr + done.stdout
    directory = only_run(tmp_path)
    report = json.loads(directory.report_json.read_text())
    workers = report["distribution"]["workers"]
    assert len(workers) == 4
    assert len({(worker["host"], worker["pid"]) for worker in workers}) == 4
    assert sum(worker["steps"] for worker in workers) == report["totals"]["steps"] > 0
    assert sum(worker["sessions"] for worker in workers) == report["totals"]["sessions"] == 64
    assert sum(worker["share"] for worker in workers) == pytest.approx(1)
    assert {replica["host"] for replica in report["distribution"]["replicas"]} == set(
        report["topology"]["hosts"]
    )
    assert report["isolation"]["violations"] == 0
    assert report["isolation"]["sessions_checked"] == 64
    roles = set(directory.resources.read().column("role").to_pylist())
    assert roles == {"replica", "nginx", "generator", "others"}
    generators = set(directory.read_steps().column("generator").to_pylist())
    assert whose_lag_is_recorded(directory) == generators
    assert report["generator_lag"]["max"] > 0
    assert "PASSED" in done.stdout
    assert str(directory.report_html) in done.stdout
    assert remains(tmp_path) == []
    assert not directory.steps.stream.exists()


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_generators_in_containers_account_for_every_step_that_locust_counted(tmp_path: Path) -> None:
    actions = tmp_path / "actions.jsonl"
    actions.write_text('{"wait_seconds": 0.05}\n{"wait_seconds": 0.1}\n')
    results = tmp_path / "results"
    load = ("--generators", "3", "--duration", "8", "--actions", str(actions))
    done = run(results, "--target", "compose", "--workers", "1", *load)
    assert done.returncode == 0, done.stderr + done.stdout
    directory = only_run(results)
    config = directory.read()["config"]
    assert (config["generators"], config["url"]) == (3, "http://nginx:8000")
    assert recorded(directory) == counted_by_locust(directory)
    resources = directory.resources.read().to_pylist()
    measured = {row["name"] for row in resources if row["role"] == "generator"}
    generators = set(directory.read_steps().column("generator").to_pylist())
    assert len(generators) == 3
    assert len(measured) == 4
    assert generators < measured
    assert whose_lag_is_recorded(directory) == generators
    assert remains(tmp_path) == []


def test_sessions_that_are_not_isolated_are_exit_code_1_whatever_the_objective_says(tmp_path: Path) -> None:
    with serving("tests.loadtests.forgetful_environment:app") as url:
        done = run(tmp_path, "--target", url)
    assert done.returncode == 1, done.stderr
    (first,) = [line for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))]
    assert "FAILED: Sessions were not kept apart" in first
    report = json.loads(only_run(tmp_path).report_json.read_text())
    assert report["slo"]["passed"]
    assert not report["passed"]


def test_a_replica_that_dies_is_exit_code_1_whatever_the_objective_says(tmp_path: Path) -> None:
    options = ("--workers", "1", "--duration", "12", "--slo-success-rate", "0", "--slo-p99", "600")
    process = start(tmp_path, "--target", "local", "--replicas", "2", *options)
    wait_for_steps(tmp_path)
    masters = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "gunicorn" in " ".join(child.cmdline()) and child.children()
    ]
    masters[0].kill()
    done = process.wait()
    assert done.returncode == 1, done.stderr
    (first,) = [line for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))]
    assert re.fullmatch(r"FAILED: replica-\d ended before the load did\.", first)
    assert remains(tmp_path) == []


def test_ctrl_c_leaves_a_report_and_nothing_running(tmp_path: Path) -> None:
    local = ("--target", "local", "--replicas", "1", "--workers", "1")
    process = start_python(tmp_path, *local, "--duration", "200")
    wait_for_steps(tmp_path)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 130, errors
    directory = only_run(tmp_path)
    assert directory.read()["status"] == "interrupted"
    assert directory.report_html.exists()
    assert str(directory.report_html) in output
    assert remains(tmp_path) == []


def test_a_killed_generator_still_reports(deployment: LocalDeployment, tmp_path: Path) -> None:
    process = start(tmp_path, "--target", deployment.url, "--duration", "200")
    wait_for_steps(tmp_path)
    locust_of(process.pid).kill()
    done = process.wait()
    assert done.returncode == 1, done.stderr
    directory = only_run(tmp_path)
    assert directory.read()["status"] == "failed"
    assert "SIGKILL" in done.stdout
    assert json.loads(directory.report_json.read_text())["totals"]["steps"] > 0


def test_what_a_killed_run_left_is_removed_by_the_next_command_which_says_so(
    checkout: Path, tmp_path: Path
) -> None:
    local = ("--target", "local", "--replicas", "1", "--workers", "1")
    process = start_python(tmp_path, *local, "--duration", "200", checkout=checkout)
    wait_for_steps(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=200)
    assert remains(tmp_path) != []
    killed = only_run(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", "down"], cwd=checkout, capture_output=True, text=True, timeout=200
    )
    assert "removed" in done.stdout
    assert remains(tmp_path) == []
    assert any("cut short" in notice for notice in report_run(killed).notices)


def test_load_on_a_server_of_others_ends_with_the_next_command_after_a_kill_and_the_server_stays(
    checkout: Path, deployment: LocalDeployment, tmp_path: Path
) -> None:
    process = start_python(tmp_path, "--target", deployment.url, "--duration", "200", checkout=checkout)
    wait_for_steps(tmp_path)
    locust_of(process.pid).suspend()  # it would end itself, sooner or later
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=200)
    assert remains(tmp_path) != []
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", "down"], cwd=checkout, capture_output=True, text=True, timeout=200
    )
    assert "removed what a crashed command" in done.stdout
    assert remains(tmp_path) == []
    assert not (checkout / ".deployments").exists()
    assert UrlDeployment(deployment.url).answers()


def test_sigterm_takes_everything_down(tmp_path: Path) -> None:
    process = start(tmp_path, "--target", "local", "--replicas", "1", "--workers", "1", "--duration", "200")
    wait_for_steps(tmp_path)
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert remains(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--users", "0"], "USERS=0"),
        (["--wait", "-1"], "WAIT=-1"),
        (["--wait", "normal:1:2"], "normal:1:2"),
        (["--target", "cloud"], "TARGET=cloud"),
        (["--balancing", "fastest"], "BALANCING=fastest"),
        (["--target", "http://127.0.0.1:9"], "http://127.0.0.1:9"),
        (["--results", "/proc/nowhere"], "RESULTS=/proc/nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path,
    options: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(OWNER, str(tmp_path))
    assert main(["run", "--results", str(tmp_path), *SHORT, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert remains(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_found_before_anything_starts(deployment: LocalDeployment, tmp_path: Path) -> None:
    port = deployment.url.rpartition(":")[2]
    done = run(tmp_path, "--target", "local", "--port", port)
    assert done.returncode == 2
    assert f"port {port} is taken by nginx" in done.stderr
    assert "starting" not in done.stdout


def test_a_server_that_is_no_openenv_server_is_said(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split("(")[1].split(")")[0].rstrip("/")
        done = run(tmp_path, "--target", url)
        server.terminate()
    assert done.returncode == 2
    assert url in done.stderr
    assert "OpenEnv" in done.stderr


def test_what_the_environment_tells_the_servers_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CONCURRENT_ENVS", "64")
    assert load_test.server_settings() == {"MAX_CONCURRENT_ENVS": "64"}


def test_a_server_by_its_url_that_does_not_answer_has_ended() -> None:
    assert load_test.ended_parts(UrlDeployment("http://127.0.0.1:9")) == ["The server"]


def test_more_sessions_than_open_files_are_warned_about_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {setting.name: setting.default for setting in DEPLOYMENT_SETTINGS + LOAD_SETTINGS}
    server = UrlDeployment("http://127.0.0.1:9")
    monkeypatch.setattr(load_test, "raise_open_file_limit", lambda: 1024)

    def warning(**given: str) -> str | None:
        return load_test.too_many_sessions(load_test_config(values | given), server)

    assert warning(USERS="900") is None
    assert "open files of PROCESSES=1 allow: use PROCESSES=3" in (warning(USERS="2000") or "")
    assert warning(USERS="2000", PROCESSES="3") is None
    assert warning(USERS="2000", TRANSPORT="http") is None
    monkeypatch.setattr(server, "most_sessions", lambda: 800)
    assert "more than the 800 sessions" in (warning(USERS="900") or "")


class Leaving(UrlDeployment):
    """Says when it begins to go down, and goes on with that when it is let."""

    def __init__(self, error: LoadTestError | None = None) -> None:
        super().__init__("http://127.0.0.1:9")
        self.begun, self.let, self.gone = Event(), Event(), False
        self._error = error

    def down(self) -> None:
        self.begun.set()
        assert self.let.wait(30)
        if self._error:
            raise self._error
        self.gone = True


def test_a_deployment_goes_down_while_the_report_is_written() -> None:
    deployment = Leaving()
    with load_test.taken_down_meanwhile(deployment):
        assert deployment.begun.wait(30)
        deployment.let.set()
    assert deployment.gone


def test_ctrl_c_in_the_report_leaves_the_taking_down_alone() -> None:
    deployment = Leaving()

    def interrupted() -> None:
        with load_test.taken_down_meanwhile(deployment):
            assert deployment.begun.wait(30)
            deployment.let.set()
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert deployment.gone


def test_what_could_not_be_taken_down_is_told_after_the_report() -> None:
    deployment = Leaving(LoadTestError("the engine is gone"))
    written: list[str] = []

    def report() -> None:
        with load_test.taken_down_meanwhile(deployment):
            deployment.let.set()
            written.append("report")

    with pytest.raises(LoadTestError, match="the engine is gone"):
        report()
    assert written == ["report"]
