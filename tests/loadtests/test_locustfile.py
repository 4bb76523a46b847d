import json
import os
import resource
import signal
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from reports.run.report import report_run
from tests.conftest import free_port
from tests.loadtests.locust_python import LocustPython, locust_python
from tests.loadtests.locust_runs import (
    LOCUST,
    NO_REPORT,
    ended_when,
    foreign_environment,
    locust_arguments,
    rows_so_far,
    steps_of_a_run,
    wait_until,
)

pytestmark = pytest.mark.servers


def arguments(url: str, results: Path, *options: str) -> list[str]:
    load = ("-u", "8", "-r", "100", "-t", "4s", "--wait", "0.1", "--json-file", str(results / "locust"))
    return locust_arguments(url, "--results", str(results), *load, *options)


def generators(results: Path) -> int:
    """How many generators have rows so far."""
    return int(rows_so_far(results)["generator"].nunique())


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False


def only_run(results: Path) -> RunDirectory:
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    return RunDirectory(path)


@pytest.mark.parametrize(
    ("options", "transport", "processes"),
    [
        ([], "ws", 1),
        (["--transport", "http"], "http", 1),
        (["--processes", "2"], "ws", 2),
        (["--processes", "2", "--stop-timeout", "3"], "ws", 2),
    ],
    ids=["ws", "http", "two processes", "two processes that end gracefully"],
)
def test_every_operation_of_every_user_becomes_a_row(
    deployment: LocalDeployment, tmp_path: Path, options: list[str], transport: str, processes: int
) -> None:
    done = locust_python(*arguments(deployment.url, tmp_path, *options), without=NO_REPORT)
    assert done.returncode == 0, done.stderr
    assert "Without pandas here, the report waits: make report RUN=" in done.stderr
    directory = only_run(tmp_path)
    steps = directory.read_steps().to_pandas()
    counted = {row["name"]: row["num_requests"] for row in json.loads((tmp_path / "locust.json").read_text())}
    assert steps["op"].value_counts().to_dict() == counted
    assert steps["error"].isna().all()
    assert steps["user"].nunique() == 8
    assert steps["generator"].nunique() == processes
    assert set(steps["transport"]) == {transport}
    assert set(steps["host"]) == set(deployment.hosts())
    assert (steps["latency_s"] >= steps["waited_s"].fillna(0)).all()
    assert (steps.loc[steps["op"] == "step", "waited_s"] >= 0.1).all()
    assert steps["started_at"].is_monotonic_increasing
    run_json = directory.read()
    assert (run_json["status"], run_json["config"]["transport"]) == ("completed", transport)


def test_episodes_begin_with_a_reset(deployment: LocalDeployment, tmp_path: Path) -> None:
    load = ("--results", str(tmp_path), "--steps-per-episode", "5", "--wait", "0.05")
    locust = LocustPython(*LOCUST, "-H", deployment.url, "-u", "4", "-r", "4", *load, without=NO_REPORT)
    ended_when(locust, lambda: (rows_so_far(tmp_path)["op"] == "reset").sum() >= 12)
    steps = only_run(tmp_path).read_steps().to_pandas()
    assert steps.loc[steps["op"] == "step", "step_count"].max() == 5
    one = steps[steps["user"] == 0]["op"].tolist()
    assert one[:8] == ["connect", "reset", "step", "step", "step", "step", "step", "reset"]


def test_a_kill_loses_at_most_the_last_second(tmp_path: Path) -> None:
    users, pause_s = 8, 0.1
    with foreign_environment(episode=1000) as (url, messages):
        load = ("-u", str(users), "--think-time", str(pause_s), "--action", "{}", "-t", "200s")
        process = LocustPython(*arguments(url, tmp_path, *load))
        try:
            wait_until(lambda: len(messages) > 5 * users / pause_s)
        finally:
            process.kill()
        sent = len(messages)
    directory = only_run(tmp_path)
    rows = rows_so_far(tmp_path)
    # What takes the generator time lets no user go on either: there are as many rows to a second at most.
    assert sent - (rows["op"] != "connect").sum() < 1.5 * users / pause_s + users
    report = report_run(directory)
    assert report.totals.steps > 0
    assert any("cut short" in notice for notice in report.notices)


def test_a_killed_worker_process_leaves_the_others_rows(deployment: LocalDeployment, tmp_path: Path) -> None:
    options = ("--processes", "2", "-t", "200s")
    process = LocustPython(*arguments(deployment.url, tmp_path, *options), without=NO_REPORT)
    try:
        wait_until(lambda: generators(tmp_path) == 2)
        killed = psutil.Process(process.pid).children()[0].pid
        os.kill(killed, signal.SIGKILL)
        killed_at = time.time()
        wait_until(lambda: bool(rows_so_far(tmp_path)["started_at"].max() > killed_at + 2))
        os.kill(process.pid, signal.SIGTERM)
        process.wait()
    finally:
        process.kill()
    steps = only_run(tmp_path).read_steps().to_pandas()
    assert steps["generator"].nunique() == 2
    last = steps[steps["error"].isna()].groupby("generator", observed=True)["started_at"].max()
    assert last.max() - last.min() > 1


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_in_a_terminal_is_said_to_have_ended_the_test(
    deployment: LocalDeployment, tmp_path: Path, processes: int
) -> None:
    options = ["--processes", "2"] if processes == 2 else []
    process = LocustPython(
        *arguments(deployment.url, tmp_path, *options, "-t", "200s"),
        without=[] if processes == 1 else NO_REPORT,
    )
    try:
        wait_until(lambda: generators(tmp_path) == processes)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        process.wait()
    finally:
        process.kill()
    directory = only_run(tmp_path)
    ended = directory.read()
    assert (ended["status"], ended.get("status_detail")) == ("interrupted", "stopped by Ctrl-C or a signal")
    assert directory.read_steps()["generator"].to_pandas().nunique() == processes
    if processes == 1:
        assert directory.report_html.exists()
        assert f'href="{directory.path.name}/report.html"' in (tmp_path / "index.html").read_text()


def test_rows_that_cannot_be_written_are_told_by_the_exit_code(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    process = LocustPython(*arguments(deployment.url, tmp_path, "--wait", "0.01"), without=NO_REPORT)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    done = process.wait()
    assert done.returncode == 3
    assert "Rows are missing" in done.stderr
    assert only_run(tmp_path).path.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--wait", "-1"], "WAIT=-1"),
        (["--wait", "normal:1:2"], "normal:1:2"),
        (["--action", "{"], "is not JSON"),
        (["-H", "ftp://x"], "ftp://x"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(tmp_path: Path, options: list[str], words: str) -> None:
    done = locust_python(*arguments("http://127.0.0.1:9", tmp_path, *options))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert words in line
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_a_server_that_is_not_there_is_recorded_as_refused(tmp_path: Path) -> None:
    steps = steps_of_a_run("http://127.0.0.1:9", tmp_path, "-u", "8", "--actions", "wait")
    assert set(steps["op"]) == {"connect"}
    assert set(steps["error"]) == {"refused"}
    # Back-off lets a user try about seven times in two seconds, more where it draws short waits.
    assert len(steps) <= 8 * 15


def test_the_page_obeys_no_other_page_and_sends_headers_to_no_other_server(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    port, seen = free_port(), []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)

    other = HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{port}"
    locust = LocustPython(
        *("-m", "locust", "-f", "loadtests/locustfile.py", "-H", deployment.url),
        *("--web-host", "127.0.0.1", "--web-port", str(port), "--results", str(tmp_path)),
        environ=os.environ | {"LOADTEST_HEADERS": "Authorization: Bearer for-one-server-only"},
        without=NO_REPORT,
    )

    def swarm(host: str, origin: str) -> int:
        form = {"user_count": "1", "spawn_rate": "1", "run_time": "4s", "host": host}
        headers = {"Origin": origin}
        return httpx.post(f"{page}/swarm", data=form, headers=headers, timeout=60).status_code

    try:
        wait_until(lambda: answers(page))
        assert swarm(deployment.url, "http://elsewhere.example") == 403
        assert swarm(f"http://127.0.0.1:{other.server_port}", page) == 200
        time.sleep(1)
        assert not list(tmp_path.glob("*/run.json"))
        assert swarm(deployment.url, page) == 200
        wait_until(lambda: any("completed" in path.read_text() for path in tmp_path.glob("*/run.json")))
    finally:
        os.kill(locust.pid, signal.SIGTERM)
        log = locust.wait().stderr
        other.shutdown()
        other.server_close()

    assert not seen
    assert "HEADERS are not sent to a server" in log
    assert only_run(tmp_path).read_steps().num_rows > 0


def test_the_end_of_a_load_is_not_held_up_by_a_first_look_at_all_sources(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import inspect\n"
        "from locust import events\n"
        "from loadtests.locustfile import OpenEnvWebSocketUser\n"
        "@events.test_start.add_listener\n"
        "def look(**_):\n"
        "    print('sources known:', len(inspect.modulesbyfile))\n"
    )
    with foreign_environment(episode=5) as (url, _):
        load = ("--headless", "-H", url, "-u", "1", "-r", "1", "-t", "1s", "--action", "{}", "--no-recorder")
        done = locust_python("-m", "locust", "-f", str(own), *load)
    known = int(done.stdout.partition("sources known:")[2].split()[0])
    assert known > 100, done.stderr
