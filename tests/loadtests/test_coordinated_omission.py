"""What the open model reports of a server that stalls, and the closed one hides."""

import sys
from contextlib import ExitStack

import pytest

from reports.records.run_directory import RunDirectory
from reports.run.page import render
from reports.run.report import RunReport, report_run
from tests.conftest import ROOT, free_port
from tests.loadtests.foreign import running, wait_for
from tests.loadtests.locust_python import LocustPython
from tests.loadtests.locust_runs import LOCUST, NO_REPORT
from tests.loadtests.stalling_server import EVERY_S, STALL_S

pytestmark = pytest.mark.servers

RATE = 100
"""About what two users get out of the server, a second and stalls included."""
OPEN = ("--arrivals", f"poisson:{RATE}", "--arrivals-of", "steps")
RUNS = {
    "closed": ("-u", "2"),
    "open": ("-u", "600", *OPEN),
    "open with a small pool": ("-u", "2", *OPEN),
}
SECONDS = round(3 * EVERY_S)
"""Whenever the first step arrives, two whole stalls come after it."""
HELD_UP_S = 0.3 * STALL_S


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunReport]:
    """All runs at the same time, each on a server of its own."""
    results = {name: tmp_path_factory.mktemp("results") for name in RUNS}
    with ExitStack() as stack:
        started = []
        for number, (name, options) in enumerate(RUNS.items()):
            port = free_port()
            stack.enter_context(
                running([sys.executable, "-m", "tests.loadtests.stalling_server", str(port)], ROOT)
            )
            url = f"http://127.0.0.1:{port}"
            wait_for(url)
            load = ("-H", url, "-r", "600", "-t", f"{SECONDS}s", "--steps-per-episode", "0", *options)
            arguments = (*LOCUST, *load, "--results", str(results[name]))
            started.append(LocustPython(*arguments, without=NO_REPORT, source=number))
        for each in started:
            assert each.wait().returncode == 0
    return {name: report_run(RunDirectory(next(folder.iterdir()))) for name, folder in results.items()}


def test_the_closed_model_hides_the_stalls(reports: dict[str, RunReport]) -> None:
    # Of each stall it has one step a user.
    step = reports["closed"].latency.summaries["step"]
    assert step.max > 0.7 * STALL_S
    assert step.p95 < HELD_UP_S


def test_the_open_model_at_a_like_throughput_reports_them(reports: dict[str, RunReport]) -> None:
    opened = reports["open"].latency.summaries["step"]
    arrivals = reports["open"].arrivals
    assert arrivals is not None
    throughput = reports["closed"].totals.throughput_steps_per_s
    assert arrivals.rate_due / 3 < throughput < 3 * arrivals.rate_due
    # A fifth of the steps arrive while it stalls, evenly over the second.
    assert opened.p95 > HELD_UP_S
    assert opened.max > 0.9 * STALL_S


def test_a_pool_that_is_too_small_is_named_and_what_it_would_hide_is_in_the_latency(
    reports: dict[str, RunReport],
) -> None:
    report = reports["open with a small pool"]
    assert report.latency.summaries["step"].p95 > HELD_UP_S
    # Timed from the sending, the stalls would be as good as hidden.
    assert report.latency.service["step"].p95 < HELD_UP_S
    page = render(report)
    assert "The rate was not reached: all 2 users were in flight" in page
    assert "(coordinated omission)" in page
    assert "The rate was not reached" not in render(reports["open"])
