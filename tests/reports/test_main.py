import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.__main__ import main
from reports.index.page import MARK
from reports.records.run_directory import RunDirectory
from tests.reports.index.sample_results import SampleRun, write_run
from tests.reports.sample_experiments import SampleExperiment, write_sample_experiment

SMALL = SampleExperiment(sizes=((1, 1),), users=(8, 32))


def test_the_command_writes_the_report_but_no_index_and_prints_the_verdict(tmp_path: Path) -> None:
    run = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=2000, users=20)).path
    command = [sys.executable, "-m", "reports", "run", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASSED: ")
    assert done.stdout.endswith(f"report: {run / 'report.html'}\n")
    assert (run / "report.html").stat().st_size > 10_000
    assert not (tmp_path / "index.html").exists()


def test_a_run_that_misses_its_objective_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=500, users=10))
    run = directory.read()
    run["config"]["slo"]["total_p99_s"] = 0.001
    directory.write(run)
    files = ["--junit", str(tmp_path / "junit.xml"), "--summary", str(tmp_path / "summary.md")]
    assert main(["run", str(directory.path), *files]) == 1
    assert capsys.readouterr().out.startswith("FAILED: ")
    assert 'type="total_p99_s"' in (tmp_path / "junit.xml").read_text()
    assert (tmp_path / "summary.md").read_text().startswith("## Load test failed: ")


def test_bad_input_is_one_clear_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {tmp_path} holds no run.json")
    assert printed.err.count("\n") == 1


def test_a_run_without_records_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=100, users=10))
    empty = RunDirectory(tmp_path / "empty")
    empty.path.mkdir()
    empty.write(whole.read())
    assert main(["run", str(empty.path)]) == 2
    assert "holds no steps" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["experiment", "run"])
def test_an_experiment_is_reported_by_either_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    directory = write_sample_experiment(tmp_path / "sample", SMALL)
    assert main([command, str(directory.path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("COMPLETED: 7 of 8 cells done")
    assert printed.endswith(f"report: {directory.report_html}\n")
    assert directory.report_json.exists()


def test_an_experiment_cut_short_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_sample_experiment(tmp_path / "sample", replace(SMALL, pending=5))
    assert main(["experiment", str(directory.path)]) == 1
    assert capsys.readouterr().out.startswith("CUT SHORT: ")


def test_a_folder_that_is_no_experiment_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", str(tmp_path)]) == 2
    assert "holds no experiment.json" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["run"], ["compare", "elsewhere"]])
def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path, command: list[str]) -> None:
    os.mkfifo(tmp_path / "run.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "reports", command[0], str(tmp_path), *command[1:]],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with (tmp_path / "run.json").open("w"):  # opens once the command has begun to read it
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (130, "")


def test_results_are_listed_and_their_page_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, tag in enumerate(["nightly", "main", "nightly"]):
        write_run(tmp_path, SampleRun(f"run-{number}", at=float(number), tags=(tag, "all")))
    assert main(["results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert [f"run-{number}" in printed for number in range(3)] == [True] * 3
    assert printed.endswith(f"page: {tmp_path / 'index.html'}\n")
    assert main(["results", str(tmp_path), "--tag", "nightly,all", "--last", "1"]) == 0
    printed = capsys.readouterr().out
    assert [f"run-{number}" in printed for number in range(3)] == [False, False, True]
    assert "run-1" in (tmp_path / "index.html").read_text()


def test_results_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, SampleRun("a", tags=("nightly",), throughput=float("nan")))
    assert main(["results", str(tmp_path), "--json"]) == 0
    form = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (form["kind"], form["trends"], form["unread"]) == ("results", [], [])
    [entry] = form["entries"]
    assert (entry["path"], entry["verdict"], entry["tags"]) == ("a", "passed", ["nightly"])
    assert (entry["figures"]["throughput_steps_per_s"], entry["config"]["users"]) == (None, 200)
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize("options", [["nowhere"], [".", "--last", "0"], [".", "--last", "many"]])
def test_results_that_are_not_there_are_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code: int | str | None = main(["results", *options])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert "error: " in capsys.readouterr().err


def test_an_index_is_made_where_asked_for_and_brought_up_to_date_where_there_is_one(tmp_path: Path) -> None:
    run, index = (
        write_synthetic_run(tmp_path / "run", SyntheticRun(rows=500, users=10)),
        tmp_path / "index.html",
    )
    assert main(["run", "--index", str(run.path)]) == 0
    assert 'href="run/report.html"' in index.read_text()
    index.write_text(MARK)
    assert main(["run", str(run.path)]) == 0
    assert 'href="run/report.html"' in index.read_text()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", "--help"])
    assert stop.value.code == 0
    assert "RUN_DIR" in capsys.readouterr().out
