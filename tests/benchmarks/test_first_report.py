import time
from pathlib import Path

import pytest

from benchmarks.first_report import phases, timed

PRINTED = [
    (0.1, "· making a virtual environment in .venv\n"),
    (4.0, "· installing about 77 packages into .venv\n"),
    (9.0, "Installed 70 packages in 1s\n"),
    (11.0, "· target: compose, as asked\n"),
    (15.0, "· up after 4.0 s: http://127.0.0.1:8000\n"),
    (36.0, "· writing the report\n"),
    (36.1, "· taking the deployment down\n"),
    (38.0, "report: results/x/report.html\n"),
]


def test_a_phase_lasts_until_the_next_begins() -> None:
    assert phases(PRINTED, 40.0) == pytest.approx(
        {
            "virtual environment": 3.9,
            "installation": 5.0,
            "start of the command": 2.0,
            "deployment up": 4.0,
            "load": 21.0,
            "taking down, and the report": 2.0,
            "end": 2.0,
        }
    )


def test_what_is_installed_already_is_no_phase() -> None:
    assert list(phases(PRINTED[3:], 40.0))[:2] == ["deployment up", "load"]


def test_a_command_runs_as_a_user_would_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    begin = time.monotonic()
    call = timed(["sh", "-c", 'test -z "$PYTHONDONTWRITEBYTECODE$MAKEFLAGS" && echo "· target: x"'], tmp_path)
    assert list(call.phases) == ["deployment up"]
    assert 0 < call.seconds <= time.monotonic() - begin


def test_a_command_that_fails_is_told_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)failed:\nno index"):
        timed(["sh", "-c", "echo no index; exit 2"], tmp_path)
