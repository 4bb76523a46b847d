import io
from dataclasses import replace

import pytest
from rich.console import Console

from loadtests.commands import DEPLOYMENT_SETTINGS, LOAD_SETTINGS
from loadtests.load.spread import NOBODY, Worker
from loadtests.run.config import LoadTestConfig, load_test_config
from loadtests.run.live_statistics import Snapshot
from loadtests.run.live_view import LiveView
from reports.records.schema import Topology

DEFAULTS = {setting.name: setting.default for setting in DEPLOYMENT_SETTINGS + LOAD_SETTINGS}
CONFIG = load_test_config(DEFAULTS | {"USERS": "8"})
TOPOLOGY = Topology(replicas=3, workers=1, hosts=[], names={"h:1": "replica-1"})
SNAPSHOT = Snapshot(
    users=8,
    steps=100,
    steps_per_s=1234.4,
    p50=0.0123,
    p99=0.456,
    failures=2,
    last_error="step timeout: \x1b[31mboo",
    sessions={("h:1", 7): 6, ("h:2", 8): 2},
)


def shown(terminal: bool, snapshot: Snapshot = SNAPSHOT, config: LoadTestConfig = CONFIG) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=100, height=30)
    with LiveView(console, config, TOPOLOGY) as view:
        view._last_line = -10
        view.show(snapshot)
    return output.getvalue()


def test_a_terminal_shows_a_bar_for_each_worker_and_for_those_that_got_nothing() -> None:
    text = shown(terminal=True)
    for words in ("replica-1 pid 7", "6 sessions", "75%", "h:2 pid 8", "0 sessions", "1,234", "12.3 ms"):
        assert words in text


def test_without_a_terminal_it_prints_a_line() -> None:
    text = shown(terminal=False)
    assert text.count("\n") == 1
    assert "users 8/8  1,234 steps/s  p50 12.3 ms  p99 456 ms  errors 2  sessions by worker 6/2/0" in text


def test_sessions_that_arrive_have_no_number_that_they_are_out_of() -> None:
    text = shown(terminal=False, config=load_test_config(DEFAULTS | {"ARRIVALS": "poisson:5"}))
    assert "arrived 8  1,234 steps/s" in text


def test_what_a_server_sent_cannot_control_the_terminal() -> None:
    assert "\x1b[31mboo" not in shown(terminal=True)


@pytest.mark.parametrize(
    ("sessions", "line", "bars"),
    [
        ({("h:1", None): 5, ("h:2", None): 3}, "sessions by host 5/3", ["replica-1", "h:2", "62%"]),
        ({NOBODY: 8}, "8 sessions, hosts unknown", ["hosts unknown", "8 sessions"]),
        ({NOBODY: 1}, "1 session, hosts unknown", ["hosts unknown", "1 session "]),
        (
            {("h:1", None): 6, NOBODY: 2},
            "sessions by host 6 and 2 sessions, hosts unknown",
            ["replica-1", "75%", "hosts unknown", "25%"],
        ),
        ({}, "sessions by worker 0/0/0", ["no worker seen"]),
    ],
)
def test_what_is_known_of_who_answered_is_shown_and_what_is_unknown_said(
    sessions: dict[Worker, int], line: str, bars: list[str]
) -> None:
    snapshot = replace(SNAPSHOT, sessions=sessions)
    assert f"errors 2  {line}" in shown(terminal=False, snapshot=snapshot)
    text = shown(terminal=True, snapshot=snapshot)
    for words in bars:
        assert words in text
    assert "pid" not in text
    assert ("no worker seen" in text) is (not sessions)
