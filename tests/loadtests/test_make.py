"""What the Makefile says and refuses, with the real make."""

import subprocess
import sys

import pytest

from loadtests.commands import TARGETS
from tests.conftest import ROOT

HAVE_USERS = "loadtest, faults, master, webui, scaling, stack and calibrate have it"


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # As if everything were installed.
    command = ["make", "-C", str(ROOT), "-o", ".venv/.ready", "-o", ".venv/.complete", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loadtest", "USRES=5"], "USRES is no setting of loadtest; did you mean USERS?"),
        (["loadtest", "users=5"], "users is no setting of loadtest; did you mean USERS?"),
        (["scaling", "USERS=1,2", "WARMPU=1"], "WARMPU is no setting of scaling; did you mean WARMUP?"),
        (
            ["capacity", "USERS=5"],
            f"USERS is no setting of capacity; {HAVE_USERS}",
        ),
        (["webui", "WEBPORT=1"], "WEBPORT is no setting of webui; did you mean WEB_PORT?"),
        (
            ["webui", "WEB_PASSWORD=12345678"],
            "WEB_PASSWORD is not taken from the command line, which others can read: export it",
        ),
        (
            ["up", "USERS=5"],
            f"USERS is no setting of up; {HAVE_USERS}",
        ),
        (["down", "COLOUR=red"], "COLOUR is no setting of down"),
        (["report", "RUNS=results/a"], "RUNS is no setting of report; did you mean RUN?"),
        (["compare", "A=a", "B=b", "FAIL=5"], "FAIL is no setting of compare"),
        (["test", "TEST=x"], "TEST is no setting of test; did you mean TESTS?"),
        (["push", "PUHS=x"], "PUHS is no setting of push; did you mean PUSH?"),
    ],
)
def test_make_refuses_a_setting_that_does_not_exist_before_anything_runs(
    arguments: list[str], message: str
) -> None:
    done = make(*arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"error: {message}"
    assert "·" not in done.stdout


def test_make_takes_what_one_of_its_targets_has() -> None:
    done = make("csv", "compare", "RUN=/nowhere", f"PYTHON={sys.executable}")
    assert "is no setting" not in done.stderr
    assert "/nowhere" in done.stderr


def test_variables_of_the_environment_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USRES", "5")
    done = make("csv", "RUN=/nowhere")
    assert "is no setting" not in done.stderr


def test_make_alone_lists_targets_and_settings_with_nothing_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    done = make(f"PYTHON={sys.executable} -S")
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    for target, settings in TARGETS.items():
        assert f"make {target} " in done.stdout
        assert {each.name for each in settings} - {word.partition("=")[0] for word in words} == set()
    assert "  REPLICAS [2] " in done.stdout
    assert "(default: 64; with ARRIVALS" in " ".join(words)
    assert "\n\nmake calibrate\n  other defaults: " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_make_alone_lists_the_targets_without_python_too() -> None:
    done = make("PYTHON=no-python-here")
    assert done.returncode == 0
    assert "make loadtest " in done.stdout
    assert "Python 3.11" in done.stdout
