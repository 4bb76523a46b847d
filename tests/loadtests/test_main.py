import re
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.__main__ import main
from loadtests.commands import COMMANDS
from loadtests.places import PACKAGES

HAVE_A_PORT = "run, faults, master, webui, scaling, capacity, stack and up"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main([command, "--help"])
    assert raised.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"usage: openenv-loadtest {command} ")
    for setting in COMMANDS[command]:
        assert (f"{setting.option} " if setting.has_option else f"{setting.name} (") in shown


def test_up_and_down_and_help_do_not_wait_for_what_only_rows_need() -> None:
    program = (
        "import sys, loadtests.__main__, loadtests.run.standing;"
        "print({'pyarrow', 'numpy', 'pandas', 'matplotlib', 'gevent'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGES, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_help_shows_defaults_and_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--balancing BALANCING round_robin, least_conn, ip_hash or random (default: round_robin)" in shown
    assert "at least" not in shown or "%%" not in shown


def test_help_is_grouped_by_topic(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    topics = re.findall(r"^(\S.*):$", capsys.readouterr().out, re.MULTILINE)
    assert topics[1:7] == ["environment", "deployment", "load", "what is sent", "the server", "objective"]


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert raised.value.code == 0
    name, version = capsys.readouterr().out.split()
    assert name == "openenv-loadtest"
    assert f'version = "{version}"' in (PACKAGES / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--usres", "5"], "--usres is no option of run; did you mean --users?"),
        (["run", "--usres=5"], "--usres is no option of run; did you mean --users?"),
        (["run", "--user", "5"], "--user is no option of run; did you mean --users?"),
        (["run", "--colour", "red"], "--colour is no option of run"),
        (
            ["up", "--users", "5"],
            "--users is no option of up; run, faults, master, webui, scaling and stack have it",
        ),
        (["run", "--headers", "A: b"], "--headers is no option of run; set the variable HEADERS"),
        (
            ["down", "--port", "1"],
            f"--port is no option of down; {HAVE_A_PORT} have it",
        ),
        (
            ["compare", "a", "b", "--fail-on-regresion", "5"],
            "--fail-on-regresion is no option of compare; did you mean --fail-on-regression?",
        ),
    ],
)
def test_an_option_that_does_not_exist_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_word_too_many_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["down", "now"])
    assert raised.value.code == 2
    assert "now" in capsys.readouterr().err


def test_a_run_directory_that_is_not_there_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "nowhere" in line
