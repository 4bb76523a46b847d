import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.kills.checkout import TOKEN, Checkout
from benchmarks.kills.traces import Traces

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(tmp_path)
    checkout.temporary.mkdir()
    return checkout


@pytest.fixture
def sleeper(checkout: Checkout, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that bears the checkout's token, or one that does not."""
    environ = {**os.environ, TOKEN: str(checkout.scratch)} if request.param else dict(os.environ)
    with subprocess.Popen(SLEEP, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def left(traces: Traces, checkout: Checkout) -> list[str]:
    results = checkout.scratch / "results"
    results.mkdir(exist_ok=True)
    return traces.left(checkout, results)


@pytest.mark.parametrize("sleeper", [True], indirect=True)
def test_a_process_that_bears_the_token_is_left_behind(
    checkout: Checkout, sleeper: "subprocess.Popen[bytes]"
) -> None:
    (found,) = left(Traces(), checkout)
    assert found.startswith("process ")
    assert str(sleeper.pid) in found
    sleeper.kill()
    sleeper.wait()
    assert left(Traces(), checkout) == []


@pytest.mark.parametrize("sleeper", [False], indirect=True)
def test_a_process_that_was_seen_before_is_left_behind_whatever_became_of_its_environment(
    checkout: Checkout, sleeper: "subprocess.Popen[bytes]"
) -> None:
    assert left(Traces(), checkout) == []
    traces = Traces()
    traces.gather(psutil.Process(sleeper.pid), checkout)
    assert len(left(traces, checkout)) == 1


@pytest.mark.parametrize("sleeper", [False], indirect=True)
def test_another_process_with_the_pid_of_one_that_was_seen_is_not_left_behind(
    checkout: Checkout, sleeper: "subprocess.Popen[bytes]"
) -> None:
    assert left(Traces(processes={(sleeper.pid, 1.0): "long gone"}), checkout) == []


@pytest.mark.parametrize("sleeper", [False], indirect=True)
def test_a_process_that_has_ended_is_not_left_behind_although_nobody_has_waited_for_it(
    checkout: Checkout, sleeper: "subprocess.Popen[bytes]"
) -> None:
    traces, process = Traces(), psutil.Process(sleeper.pid)
    traces.gather(process, checkout)
    sleeper.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert left(traces, checkout) == []


LISTEN = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
input()
"""


@pytest.mark.parametrize("ours", [True, False])
def test_a_port_is_left_behind_that_a_process_of_the_run_listens_on(checkout: Checkout, ours: bool) -> None:
    environ = {**os.environ, TOKEN: str(checkout.scratch)} if ours else dict(os.environ)
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert (f"port {port}" in left(Traces(ports={port}), checkout)) is ours
        process.communicate(b"\n")
    assert left(Traces(ports={port}), checkout) == []


def test_files_are_left_behind_but_for_logs_of_parts_that_ended(checkout: Checkout) -> None:
    home = checkout.path / ".deployments" / "run-1"
    home.mkdir(parents=True)
    (home / "nginx.log").touch()
    (home / "nginx.conf").touch()
    (home.parent / "run-1.77.draft").touch()
    run = checkout.scratch / "results" / "a run"
    run.mkdir(parents=True)
    (run / "report.html").touch()
    (run / ".report.html.77").touch()
    (checkout.temporary / "policy").touch()
    assert {each.rpartition("/")[2] for each in left(Traces(), checkout)} == {
        "nginx.conf",
        "run-1.77.draft",
        ".report.html.77",
        "policy",
    }


def test_a_checkout_is_a_copy_whose_commands_note_deployments_there(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "scratch")
    checkout.make()
    code, said = checkout.run("loadtests", "down")
    assert (code, said.strip()) == (0, "· nothing is up")
    program = "import loadtests.places as it; print(it.state_folder())"
    output = checkout.scratch / "places.txt"
    (checkout.path / "where.py").write_text(program)
    assert checkout.start("where", output=output).wait() == 0
    assert output.read_text().strip() == str(checkout.path / ".deployments")
