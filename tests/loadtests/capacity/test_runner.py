import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtests.__main__ import main
from loadtests.capacity.limits import Stop
from loadtests.capacity.runner import capacity_json, exit_code, likely_seconds
from loadtests.capacity.search import Answer
from loadtests.deployments.local import LocalDeployment
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.schema import CapacityJson, ExperimentJson, fault_in
from tests.loadtests.batches import AT_RATES, SETUP, at_rate, outcome
from tests.loadtests.harness import Harness, harness
from tests.loadtests.run.test_load_test import owned, remains


def start(results: Path, *options: str, **environ: str) -> Harness:
    own = ("--results", str(results), "--replicas", "1")
    return Harness("capacity", *own, *options, environ={**owned(results), **environ})


def search(results: Path, *options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return start(results, *options, **environ).wait()


def only_experiment(results: Path) -> ExperimentDirectory:
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    return ExperimentDirectory(path)


def found_in(directory: ExperimentDirectory) -> CapacityJson:
    experiment = directory.read()
    assert "capacity" in experiment
    return experiment["capacity"]


def test_the_answer_is_recorded_with_every_try_that_says_something() -> None:
    batches = [
        outcome(64),
        outcome(64, met=False, broken="Locust generated no load"),
        outcome(128, met=False, p99=4),
    ]
    recorded = capacity_json(Answer(64, 64, 64, 128, 0.75, None), batches, "found", SETUP)
    assert [(each["users"], each["passed"]) for each in recorded["tries"]] == [(64, True), (128, False)]
    assert (recorded["sessions"], recorded["limit"], recorded["cores"]) == (64, "latency", 2)
    assert not recorded["lower_bound"]
    assert capacity_json(Answer(64, 64, 64, 128, 0.75, None), batches, "budget", SETUP)["lower_bound"]


def test_the_answer_of_a_search_over_rates_is_recorded_with_its_unit_and_why_tries_missed() -> None:
    tries = [at_rate(64), at_rate(128, missed="latency", p99=4)]
    recorded = capacity_json(Answer(64, 64, 64, 128, 0.75, None), tries, "found", AT_RATES)
    assert recorded.get("unit") == "steps/s"
    assert recorded.get("total_p99_limit_s") == 1.2
    assert [(each["users"], each.get("missed")) for each in recorded["tries"]] == [
        (64, None),
        (128, "latency"),
    ]
    batches = capacity_json(Answer(64, 64, 64, None, 0.75, None), [outcome(64)], "found", SETUP)
    assert "unit" not in batches
    assert "missed" not in batches["tries"][0]


@pytest.mark.parametrize(
    ("stop", "sessions", "code"),
    [
        ("found", 64, 0),
        ("budget", 64, 0),
        ("found", 0, 1),
        ("ended", 64, 1),
        ("broken", 64, 1),
        ("failed", 64, 1),
        ("interrupted", 64, 130),
    ],
)
def test_only_a_search_that_found_sessions_and_did_not_break_is_exit_code_0(
    stop: Stop, sessions: int, code: int
) -> None:
    assert exit_code(stop, sessions) == code


def test_a_batch_will_take_about_as_long_as_the_nearest_one() -> None:
    assert likely_seconds(16, {}) == 0
    assert likely_seconds(200, {16: 3.0, 256: 5.0}) == 5.0


@pytest.mark.servers
def test_the_cap_of_a_real_server_is_found_and_recorded(tmp_path: Path) -> None:
    done = search(
        tmp_path,
        *("--target", "local", "--workers", "1", "--start", "8", "--tries", "1", "--precision", "50"),
        *("--wait", "1", "--slo-p99", "60"),
        MAX_CONCURRENT_ENVS="8",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "· batch of 8, try 1: 100 % succeeded" in done.stdout
    assert "raise MAX_CONCURRENT_ENVS" in done.stdout
    directory = only_experiment(tmp_path)
    experiment = directory.read()
    assert (experiment["purpose"], experiment["status"]) == ("capacity", "completed")
    capacity = found_in(directory)
    assert f"capacity: {capacity['sessions']} sessions at once" in done.stdout
    assert (capacity["server_cap"], capacity["limit"], capacity["sessions"]) == (8, "errors", 8)
    assert len(experiment["cells"]) == len(capacity["tries"])
    for cell in experiment["cells"]:
        assert cell["status"] == "completed"
        assert cell["run_id"] is not None
        report = json.loads(directory.run(cell["run_id"]).report_json.read_text())
        assert report["config"]["users"] == cell["users"]
    assert str(directory.report_html) in done.stdout
    assert directory.report_html.exists()
    assert remains(tmp_path) == []


@pytest.mark.servers
def test_the_rate_that_a_real_server_can_do_is_not_exceeded(tmp_path: Path) -> None:
    # One step at a time, of 20 ms at least: 50 a second at most.
    done = search(
        tmp_path,
        *("--target", "local", "--workers", "1", "--arrivals", "constant:64", "--arrivals-of", "steps"),
        *("--wait", "0.02", "--most", "64", "--duration", "3", "--tries", "1", "--precision", "50"),
        *("--budget", "45"),
        MAX_STEPS_IN_FLIGHT="1",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    directory = only_experiment(tmp_path)
    capacity = found_in(directory)
    assert 1 <= capacity["sessions"] <= 50, done.stdout
    assert capacity["sessions"] < (capacity["high"] or 0) <= 64, done.stdout
    assert capacity["limit"] in ("throughput", "latency")
    amount = f"{capacity['sessions']} steps/s within the objective"
    assert f"carries {'at least ' * capacity['lower_bound']}{amount}" in done.stdout
    assert "· 64 steps/s, try 1: 100 % succeeded, p99 from the intended time " in done.stdout
    assert "of what arrived was carried" in done.stdout
    assert "batch" not in done.stdout
    missed = next(each for each in capacity["tries"] if each["users"] == 64)
    report = json.loads(directory.run(missed["run_id"]).report_json.read_text())
    assert (report["arrivals"]["process"], report["arrivals"]["of"]) == ("constant:64", "steps")
    page = directory.report_html.read_text()
    assert "How high a rate?" in page
    assert "How many sessions?" not in page
    assert remains(tmp_path) == []


@pytest.mark.servers
def test_an_experiment_beyond_a_real_server_s_cap_names_it_as_the_search_does(tmp_path: Path) -> None:
    grid = ["--target", "local", "--replicas", "1", "--workers", "1", "--users", "8,24"]
    batches = ["--scenario", "batch", "--repetitions", "1", "--wait", "6", "--slo-p99", "60"]
    done = harness(
        *("scaling", "--results", str(tmp_path), *grid, *batches),
        environ={**owned(tmp_path), "MAX_CONCURRENT_ENVS": "8"},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(only_experiment(tmp_path).report_json.read_text())
    [row] = report["bottleneck"]
    assert (row["busy_at"], row["limit"], row["lower_bound"]) == (24, "errors", False)
    assert row["explanation"] == "the server turns sessions away (CAPACITY_REACHED): it holds 8"
    assert row["remedy"] == "raise MAX_CONCURRENT_ENVS, or add workers or replicas"
    assert row["busy_sentence"] in done.stdout
    assert report["cells"][-1]["errors"] == {"capacity": 16}


@pytest.mark.servers
def test_an_objective_that_nothing_meets_is_exit_code_1(deployment: LocalDeployment, tmp_path: Path) -> None:
    done = search(
        tmp_path,
        "--target",
        deployment.url,
        "--start",
        "1",
        "--tries",
        "1",
        "--wait",
        "0",
        "--slo-p99",
        "0.000001",
    )
    assert done.returncode == 1
    assert "no batch met the objective" in done.stdout
    assert found_in(only_experiment(tmp_path))["sessions"] == 0
    assert only_experiment(tmp_path).path.name in (tmp_path / "index.html").read_text()


@contextlib.contextmanager
def searching(results: Path, *options: str) -> Iterator[Harness]:
    """A search that goes on; told to end, should the test fail."""
    process = start(results, *options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(200)


def wait_for(process: Harness, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.goes_on(), process.wait()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def a_batch_is_done(results: Path) -> bool:
    return any('"tries": [\n' in path.read_text() for path in results.glob("*/experiment.json"))


def another_batch_goes_on(results: Path) -> bool:
    """Whether a batch is done, and a further one has begun to record."""
    under_way = [path for path in results.glob("*/runs/*/steps.arrows") if path.stat().st_size]
    return a_batch_is_done(results) and any(not (path.parent / "report.json").exists() for path in under_way)


@pytest.mark.servers
def test_ctrl_c_leaves_what_is_known_and_nothing_running(tmp_path: Path) -> None:
    with searching(
        tmp_path, "--target", "local", "--workers", "1", "--wait", "8", "--slo-p99", "60"
    ) as process:
        wait_for(process, lambda: another_batch_goes_on(tmp_path))
        process.send_signal(signal.SIGINT)
        done = process.wait(200)
    output = done.stdout + done.stderr
    assert done.returncode == 130, output
    assert "stopped by Ctrl-C" in output
    directory = only_experiment(tmp_path)
    experiment = json.loads(directory.json_path.read_text())
    assert fault_in(experiment, ExperimentJson) is None
    assert experiment["status"] == "interrupted"
    assert experiment["capacity"]["sessions"] == 16
    assert experiment["capacity"]["lower_bound"]
    *done, last = experiment["cells"]
    assert all(cell["status"] == "completed" for cell in done)
    assert (last["status"], last["reason"]) == ("failed", "stopped by Ctrl-C")
    assert directory.report_html.exists()
    assert remains(tmp_path) == []


@pytest.mark.servers
def test_a_search_that_can_write_no_more_ends_with_what_is_known(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    with searching(tmp_path, "--target", deployment.url, "--wait", "8", "--slo-p99", "60") as process:
        wait_for(process, lambda: another_batch_goes_on(tmp_path))
        directory = only_experiment(tmp_path)
        directory.runs.rename(tmp_path / "elsewhere")
        directory.runs.touch()
        done = process.wait(200)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert "the search could not go on" in output
    assert "capacity: at least 16 sessions" in output
    assert "Traceback" not in output
    experiment = directory.read()
    assert experiment["status"] == "failed"
    assert "could not go on" in (experiment.get("status_detail") or "")
    assert experiment["cells"][-1]["status"] == "failed"
    assert "Ctrl-C" not in (experiment["cells"][-1]["reason"] or "")
    assert found_in(directory)["sessions"] == 16


@pytest.mark.servers
def test_a_killed_search_leaves_what_is_known(deployment: LocalDeployment, tmp_path: Path) -> None:
    with searching(tmp_path, "--target", deployment.url, "--slo-p99", "60") as process:
        wait_for(process, lambda: a_batch_is_done(tmp_path))
        process.kill()
    directory = only_experiment(tmp_path)
    assert directory.read()["status"] == "running"
    assert found_in(directory)["tries"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "0"], "START=0"),
        (["--precision", "half"], "PRECISION=half"),
        (["--budget", "long"], "BUDGET=long"),
        (["--target", "cloud"], "TARGET=cloud"),
        (["--results", "/proc/nowhere"], "RESULTS=/proc/nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capacity", "--results", str(tmp_path), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert list(tmp_path.iterdir()) == []
