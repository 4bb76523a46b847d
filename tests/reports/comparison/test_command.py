"""The command `python -m reports compare`, and its make target."""

import subprocess
from pathlib import Path

import pytest

from reports.__main__ import main
from tests.conftest import ROOT
from tests.reports.comparison.simulated import Load, write_experiment, write_run

MAKE = ["make", "-C", str(ROOT), "-o", ".venv/.ready"]
"""As if everything were installed."""
LOAD = Load(users=24, seconds=40, median_s=0.2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    a = write_run(folder / "a", LOAD, 1)
    b = write_run(folder / "b", LOAD, 2, slowdown=1.4)
    return str(a.path), str(b.path)


def test_it_prints_a_line_a_row_and_where_the_report_is(
    runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *runs]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("24 WebSocket users") and "SLOWER" in line for line in lines)
    assert lines[-1] == f"report: {runs[1]}/compare-a/report.html"


def test_a_regression_beyond_the_bound_exits_with_1(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = runs
    output = ["--output", str(tmp_path / "out")]
    assert main(["compare", a, b, "--fail-on-regression", "10", *output]) == 1
    assert "REGRESSION: 24 WebSocket users, 2 replicas × 2 workers: p50 is at" in capsys.readouterr().out
    assert main(["compare", a, b, "--fail-on-regression", "90", *output]) == 0
    assert main(["compare", b, a, "--fail-on-regression", "0", *output]) == 0
    assert main(["compare", a, a, "--fail-on-regression", "0", *output]) == 0


@pytest.mark.parametrize("percent", ["-1", "many", "nan", "inf", ""])
def test_a_bound_that_is_no_percentage_is_bad_input(
    runs: tuple[str, str], percent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["compare", *runs, f"--fail-on-regression={percent}"])
    assert stop.value.code == 2
    assert "is not a percentage" in capsys.readouterr().err


def test_what_cannot_be_compared_is_bad_input(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = write_experiment(tmp_path / "experiment", 1, users=(8,), repetitions=1)
    assert main(["compare", runs[0], str(experiment.path)]) == 2
    assert main(["compare", runs[0], str(tmp_path / "nowhere")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("error: ") == printed.err.count("\n") == 2


def test_make_compare_asks_for_both() -> None:
    command = [*MAKE, "compare", "A=results/a"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "make compare A=results/… B=results/…" in done.stderr


def test_make_compare_passes_the_bound_and_the_files_on(runs: tuple[str, str], tmp_path: Path) -> None:
    junit, summary = tmp_path / "junit.xml", tmp_path / "a summary.md"
    command = [*MAKE, "compare", f"A={runs[0]}", f"B={runs[1]}", f"JUNIT={junit}", f"SUMMARY={summary}"]
    done = subprocess.run([*command, "FAIL_ON_REGRESSION=10"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "REGRESSION: " in done.stdout
    assert junit.read_text().startswith("<?xml")
    assert summary.read_text().startswith("## ")
