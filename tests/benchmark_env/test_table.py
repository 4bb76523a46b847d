import json
from typing import Any

import pytest

from benchmark_env.sessions import Answer, Outcome, Plan, Session
from benchmark_env.table import as_json, as_text

HOST = "http://127.0.0.1:8000"
SHOWN = "127.0.0.1:8000"


def session(number: int, pid: int, *, host: str = HOST, error: str | None = None) -> Session:
    answers = [
        Answer("reset", host, pid, f"{number:016x}", 0.004, 0.0),
        Answer("step", host, pid, f"{number:016x}", 0.51, 0.5),
        Answer("step", host, pid, f"{number:016x}", 0.53, 0.5),
    ]
    return Session(number, 0.0123, answers, error)


def outcome(*sessions: Session, **plan: Any) -> Outcome:
    return Outcome(Plan(HOST, len(sessions), 2, 0.5, **plan), sessions, 1.25)


def test_the_table_says_who_answered_which_and_how_long_it_took() -> None:
    lines = as_text(outcome(session(1, 71), session(2, 72), session(3, 72))).splitlines()

    assert lines[0] == f"3 sessions of 2 steps, 0.5 s wait each, over WebSocket at {HOST}"
    heads, first = lines[2], lines[3]
    assert " ".join(heads.split()) == "session host pid hash steps waited connect reset step mean step max"
    assert first.split() == (
        f"1 {SHOWN} 71 0000000000000001 2 1.000 s 12.3 ms 4.0 ms 520.0 ms 530.0 ms".split()
    )
    assert [line.split() for line in lines[8:10]] == [
        [SHOWN, "72", "2", "4", "67%"],
        [SHOWN, "71", "1", "2", "33%"],
    ]
    assert lines[-3:] == [
        "Jain's index of sessions over the 2 workers that answered: 0.900 (1 is even).",
        "Workers that got nothing cannot be seen by a client.",
        "6 of 6 steps answered in 1.25 s.",
    ]


def test_failures_are_counted_by_reason() -> None:
    failed = [Session(number, None, [], "refused") for number in (1, 2)]
    text = as_text(outcome(*failed, Session(3, None, [], "late")))

    assert "2 sessions failed: refused\n1 session failed: late\nNobody answered.\n0 of 6 steps" in text


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    text = as_text(outcome(session(1, 7, host="evil\x1b[2J\nhost", error="bad\x1b]0;title\x07")))

    assert "\x1b" not in text
    assert "\x07" not in text
    assert "evil�[2J�host" in text


def test_over_http_a_session_may_have_many_workers() -> None:
    mixed = Session(1, None, session(1, 7).answers + session(2, 8).answers)
    lines = as_text(outcome(mixed, transport="http")).splitlines()

    assert lines[3].split()[:7] == ["1", SHOWN, "2", "pids", "2", "hashes", "4"]
    assert lines[5].split() == ["host", "pid", "steps", "share"]
    assert lines[6].split() == [SHOWN, "7", "2", "50%"]


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (110, "session host pid hash steps waited connect reset step mean step max"),
        (100, "session host pid hash steps waited connect reset step mean"),
        (80, "session host pid hash connect reset step mean"),
        (60, "session host pid connect reset step mean"),
        (50, "session host pid reset step mean"),
    ],
)
def test_a_narrow_terminal_goes_without_some_columns(width: int, heads: str) -> None:
    lines = as_text(outcome(session(1, 1234567), session(2, 72)), width).splitlines()

    assert " ".join(lines[2].split()) == heads
    assert max(len(line) for line in lines[2:5] + lines[6:8]) <= width


@pytest.mark.parametrize(("width", "longest"), [(None, 64), (60, 30)])
def test_a_long_host_is_cut_and_keeps_its_port(width: int | None, longest: int) -> None:
    lines = as_text(outcome(session(1, 71, host=f"http://{'long.' * 50}test:8000")), width).splitlines()
    host = lines[3].split()[1]

    assert len(host) <= longest
    assert host.startswith("long.")
    assert host.endswith("test:8000")
    assert "…" in host


def test_json_says_the_same_in_seconds_and_shares() -> None:
    report = json.loads(
        json.dumps(as_json(outcome(session(1, 7), Session(2, None, [], "refused"))), allow_nan=False)
    )

    assert report["config"] == {"url": HOST, "sessions": 2, "steps": 2, "wait_s": 0.5, "transport": "ws"}
    assert (report["duration_s"], report["failed"], report["jain"]) == (1.25, 1, 1.0)
    assert report["workers"] == [{"host": HOST, "pid": 7, "sessions": 1, "steps": 2, "share": 1.0}]
    assert report["sessions"][0]["connect_s"] == 0.0123
    assert report["sessions"][0]["answers"][1] == {
        "op": "step",
        "host": HOST,
        "pid": 7,
        "session_hash": f"{1:016x}",
        "latency_s": 0.51,
        "waited_s": 0.5,
    }
    assert report["sessions"][1] == {"number": 2, "connect_s": None, "answers": [], "error": "refused"}
