"""Loads on servers that are broken on purpose: what their reports accuse them of, and nothing else."""

import html
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from reports.records.run_directory import RunDirectory
from reports.run import page
from reports.run.report import RunReport, report_run
from reports.run.sections.validity import INVALIDATING
from tests.loadtests.broken_server import Fault, broken_server
from tests.loadtests.locust_python import LocustPython
from tests.loadtests.locust_runs import LOCUST, NO_REPORT, ended_when, rows_so_far
from tests.reports.sample_reports import undrawn

pytestmark = pytest.mark.servers

COUNTERS = (
    "moved_sessions", "lost_steps", "duplicated_steps", "shared_sessions", "misdirected_replies",
    "disordered_steps", "unasked_replies",
)  # fmt: skip
UNTOLD = "Replies do not name their requests, so one that went to another request shows only if its wait"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with broken_server() as url:
        yield url


def reported(url: str, fault: Fault, transport: str, results: Path, **changes: str) -> RunReport:
    """The report of a load in which every user made a number of steps."""
    options = {"wait": "0.05", "think-time": "0.01", "steps-per-episode": "0"} | changes
    locust = LocustPython(
        *(*LOCUST, "-H", f"{url}/{fault}", "-u", "4", "-r", "100", "--transport", transport),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
        *("--actions", "wait", "--results", str(results)),
        without=NO_REPORT,
    )
    ended_when(locust, lambda: every_user_made(20, rows_so_far(results)))
    (path,) = results.iterdir()
    directory = RunDirectory(path)
    run = directory.read()
    run["config"]["slo"]["total_p99_s"] = 60.0
    directory.write(run)
    return report_run(directory)


def every_user_made(number: int, rows: pd.DataFrame) -> bool:
    steps = rows[(rows["op"] == "step") & rows["error"].isna()].groupby("user").size()
    return len(steps) == 4 and bool((steps >= number).all())


def accused(report: RunReport) -> set[str]:
    """Every counter that found something, every category of errors, and every reason to call it not valid."""
    counted = asdict(report.isolation)
    codes = {warning.code for warning in report.validity.warnings} & INVALIDATING
    assert counted["violations"] == sum(counted[name] for name in COUNTERS)
    assert report.validity.valid == (not codes)
    assert report.totals.steps > 0
    return (
        {name for name in COUNTERS if counted[name]}
        | {each.category for each in report.errors.groups}
        | codes
    )


def words(report: RunReport) -> str:
    return html.unescape(page.render(undrawn(report)))


@pytest.mark.parametrize(
    ("fault", "transport", "accusations", "sentence"),
    [
        ("none", "ws", set(), "stayed with one worker and one user"),
        ("none", "http", set(), UNTOLD),
        ("shares_a_session", "ws", {"shared_sessions"}, "1 session of 1 went to more than one user"),
        ("shares_a_session", "http", {"shared_sessions"}, "counted the steps of several users together"),
        ("loses_a_step", "ws", {"lost_steps"}, "went missing: sessions counted steps that nobody recorded"),
        ("loses_a_step", "http", {"lost_steps"}, "were answered, but their environment had counted none"),
        ("answers_twice", "ws", {"unasked_replies", "protocol"}, "came unasked: the server answered"),
        ("answers_twice", "http", {"unasked_replies", "protocol"}, "came unasked: the server answered"),
        ("moves_a_session", "ws", {"moved_sessions"}, "4 sessions of 4 changed worker"),
        ("moves_a_session", "http", set(), "no session lasts longer, so none can move between workers"),
        ("reuses_a_hash", "http", set(), UNTOLD),
        ("waits_too_short", "ws", {"waits_wrong"}, "were shorter than asked for"),
        ("waits_too_short", "http", {"waits_wrong"}, "were shorter than asked for"),
        ("reports_too_long_a_wait", "ws", {"waits_wrong"}, "were longer than the whole request"),
        ("reports_too_long_a_wait", "http", {"waits_wrong"}, "were longer than the whole request"),
        ("swaps_replies", "ws", {"misdirected_replies"}, "went astray, naming the session of another user"),
        ("answers_out_of_order", "ws", {"disordered_steps"}, "came out of order: later ones first"),
    ],
)  # fmt: skip
def test_each_fault_is_accused_and_no_other(
    server: str, tmp_path: Path, fault: Fault, transport: str, accusations: set[str], sentence: str
) -> None:
    report = reported(server, fault, transport, tmp_path)
    codes = {"isolation_violated"} if accusations & set(COUNTERS) else set()
    assert accused(report) == accusations | codes
    assert sentence in words(report)
    assert report.passed == (not accusations)


def test_a_hash_that_is_given_again_accuses_nobody(server: str, tmp_path: Path) -> None:
    report = reported(server, "reuses_a_hash", "ws", tmp_path)
    assert accused(report) == {"connection_lost"}
    (path,) = tmp_path.iterdir()
    steps = RunDirectory(path).read_steps().to_pandas()
    assert steps.groupby("session_hash")["pid"].nunique().max() > 1
    assert report.isolation.sessions_checked == steps["session_hash"].nunique()


def test_swapped_replies_show_over_http_by_waits_that_do_not_fit(server: str, tmp_path: Path) -> None:
    report = reported(server, "swaps_replies", "http", tmp_path, wait="uniform:0.01:0.1")
    assert accused(report) == {"waits_wrong"}
    assert "or replies went to other requests" in words(report)


@pytest.mark.parametrize("transport", ["ws", "http"])
def test_a_second_reply_that_comes_late_is_not_taken_for_the_next_ones_without_notice(
    server: str, tmp_path: Path, transport: str
) -> None:
    report = reported(server, "answers_twice_late", transport, tmp_path, **{"wait": "0.1", "think-time": "0"})
    found = accused(report)
    assert "waits_wrong" in found
    if transport == "ws":  # over HTTP it may shift all replies by one, which only their waits show
        assert "isolation_violated" in found
        assert found & {"unasked_replies", "duplicated_steps"}
    assert not found & {"lost_steps", "moved_sessions", "shared_sessions", "misdirected_replies"}
