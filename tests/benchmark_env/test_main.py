import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from benchmark_env.__main__ import main

from .conftest import PATIENCE, ROOT, Server, environ_with, eventually, step


@pytest.mark.servers
def test_a_run_prints_its_table_and_ends_with_0(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--url", server.url, "--sessions", "3", "--steps", "2", "--wait", "0.01"])
    printed = capsys.readouterr().out

    assert code == 0
    assert "6 of 6 steps answered" in printed
    assert printed.count(server.url.removeprefix("http://")) >= 5


@pytest.mark.servers
def test_json_is_for_programs(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["--url", server.url, "--sessions", "2", "--wait", "0", "--json", "--transport", "http",
         "--header", "Authorization: Bearer topsecret"]
    )  # fmt: skip
    printed = capsys.readouterr().out

    assert code == 0
    assert json.loads(printed)["config"]["transport"] == "http"
    assert "topsecret" not in printed


def test_a_failed_session_ends_it_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://127.0.0.1:1", "--sessions", "2"]) == 1
    assert "2 sessions failed: Failed to connect" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--url"),
        (["--url", "127.0.0.1:8000"], "'127.0.0.1:8000' is not a URL such as http://127.0.0.1:8000"),
        (["--url", "ftp://host"], "'ftp://host' is not a URL"),
        (["--url", "http://host:99999"], "'http://host:99999' is not a URL"),
        (["--url", "http://me:secret@host"], "credentials belong in --header"),
        (["--url", "http://host", "--sessions", "0"], "'0' is not a whole number of at least 1"),
        (["--url", "http://host", "--steps", "1.5"], "'1.5' is not a whole number of at least 1"),
        (["--url", "http://host", "--wait", "soon"], "'soon' is not a number of seconds"),
        (["--url", "http://host", "--wait=-1"], "'-1': Input should be greater than or equal to 0"),
        (["--url", "http://host", "--wait", "nan"], "'nan': Input should be a finite number"),
        (["--url", "http://host", "--transport", "udp"], "'udp'"),
        (["--url", "http://host", "--header", "Authorization"], "a header is written NAME:VALUE"),
        (["--url", "http://host", "--header", "X: "], "a header is written NAME:VALUE"),
        (["--url", "http://host", "--header", "X Y: secret"], "a header's name may have ASCII letters"),
        (["--url", "http://host", "--header", "X\nZ: secret"], "a header's name may have ASCII letters"),
        (["--url", "http://host", "--header", "X: secrét"], "a header's value may have printable ASCII"),
        (["--url", "http://host", "--header", "X: secret\nY: 1"], "a header's value may have printable"),
    ],
)
def test_bad_input_is_named_and_ends_it_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in printed
    assert "secr" not in printed


def test_a_bad_setting_is_named_and_ends_it_with_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark_env", "--help"],
        cwd=ROOT,
        env=environ_with(MAX_WAIT_SECONDS="abc"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 2
    assert done.stderr == "error: MAX_WAIT_SECONDS=abc: must be a number of seconds of at least 0\n"


def test_a_reader_that_has_read_enough_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    # Its end flushes once more, as the end of Python does.
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        code = main(["--url", "http://127.0.0.1:1", "--sessions", "1"])

    assert code == 1


@pytest.mark.servers
def test_ctrl_c_closes_the_sessions_and_ends_it_with_130(serve: Callable[..., Server]) -> None:
    server = serve(GRACEFUL_TIMEOUT=0)
    command = [sys.executable, "-m", "benchmark_env", "--url", server.url, "--wait", "600", "--steps", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert eventually(lambda: len(connections(process.pid)) >= 8, seconds=120)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert errors == "interrupted: all sessions are closed\n"
    with server.connect() as session:
        step(session)


def connections(pid: int) -> list[object]:
    return [each for each in psutil.Process(pid).net_connections("tcp") if each.status == "ESTABLISHED"]
