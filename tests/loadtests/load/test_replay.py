"""Replays, by themselves and of a recorded run against real servers."""

import json
import time
from pathlib import Path
from typing import Any

import gevent
import pandas as pd
import pytest

from loadtests.deployments.local import LocalDeployment
from loadtests.load.replay import Replay
from loadtests.load.trace import LEAD_S, Trace, load_trace
from reports.outputs.trace import write_trace
from reports.records.run_directory import RunDirectory
from reports.run.report import report_run
from tests.loadtests.load.conftest import Clock
from tests.loadtests.locust_runs import foreign_environment, recorded_until


def trace(folder: Path, *steps: tuple[Any, ...]) -> Trace:
    file = folder / "trace.jsonl"
    keys = ("at", "session", "wait")
    lines = (json.dumps(dict(zip(keys, step, strict=False))) for step in steps)
    file.write_text("\n".join(lines), encoding="utf-8")
    return load_trace(f"trace:{file}")


def begun_by_now(replay: Replay, late_s: float = -0.02) -> None:
    """As if the first user had come so long ago that the trace has gone on for `late_s`.

    Of less than 0: it is about to begin.
    """
    replay._start = 1000.0 - late_s


def test_a_session_connects_ahead_of_its_first_step(tmp_path: Path, clock: Clock) -> None:
    replay = Replay(trace(tmp_path, (0, "a"), (0.05, "b")))
    assert replay.take() is not None
    second = gevent.spawn(replay.take)
    clock.now += 0.04
    gevent.sleep(0.06)
    assert not second.ready()
    clock.now += 0.01
    assert second.get(timeout=30) is not None
    step = gevent.spawn(replay.begin, 0.0)
    clock.now = 1000 + LEAD_S - 0.01
    gevent.sleep(0.03)
    assert not step.ready()
    clock.now = 1000 + LEAD_S
    assert step.get(timeout=30) == 1000 + LEAD_S
    assert replay.take() is None


def test_no_step_is_sent_before_it_is_due(tmp_path: Path) -> None:
    replay = Replay(trace(tmp_path, (0, "a"), (0.05, "b")))
    assert replay.take() is not None
    due = replay.begin(0.0)
    assert due is not None
    assert time.perf_counter() >= due


def test_sessions_are_dealt_out_in_turn(tmp_path: Path, clock: Clock) -> None:
    read = trace(tmp_path, *((0.0, f"s{n}", n) for n in range(5)))
    waits = []
    for share in (0, 1):
        replay = Replay(read, share, 2)
        clock.now = 1000
        begun_by_now(replay)
        while (session := replay.take()) is not None:
            waits.append([(step.action or {})["wait_seconds"] for step in session.steps()])
    assert waits == [[0], [2], [4], [1], [3]]
    assert Replay(read, None, 2).take() is None


def test_a_session_for_which_no_user_is_free_is_late_with_all_its_steps_that_were_due(
    tmp_path: Path, clock: Clock
) -> None:
    replay = Replay(trace(tmp_path, (0, "a"), (0.1, "b"), (0.2, "b"), (0.3, "c"), (60, "b")))
    begun_by_now(replay)
    assert replay.take() is not None
    clock.now += 0.02
    assert replay.begin(0.0) is not None
    clock.now += 0.25
    assert replay.take() is not None
    assert [replay.begin(at) is not None for at in (0.1, 0.2)] == [True, True]
    clock.now += 0.1
    replay.close()
    counted = replay.counted()
    assert (counted["due"], counted["begun"], counted["late"]) == (4, 3, 2)
    assert counted["longest_wait_s"] == pytest.approx(0.15)
    assert "held_up" not in counted


def test_what_a_session_could_not_send_before_the_end_was_held_up(tmp_path: Path, clock: Clock) -> None:
    replay = Replay(trace(tmp_path, (0, "a"), (0.1, "a"), (0.2, "a"), (0.3, "b"), (60, "a")))
    begun_by_now(replay)
    replay.take()
    clock.now += 0.02
    replay.begin(0.0)
    clock.now += 0.4
    replay.close()
    assert replay.begin(0.1) is None
    assert replay.take() is None
    assert replay.counted() == {"due": 4, "begun": 1, "late": 0, "longest_wait_s": 0.0, "held_up": 2}


def test_steps_that_left_are_counted_with_how_long_they_were_there(tmp_path: Path) -> None:
    replay = Replay(trace(tmp_path, (0, "a")))
    assert "done" not in replay.counted()
    replay.in_system.leave(time.perf_counter() - 10)
    counted = replay.counted()
    assert counted["done"] == 1
    assert 10 <= counted["in_system_s"] < 40


def test_those_who_wait_are_told_when_it_closes(tmp_path: Path, clock: Clock) -> None:
    replay = Replay(trace(tmp_path, (0, "a"), (60, "b")))
    begun_by_now(replay)
    assert replay.take() is not None
    waiting = [gevent.spawn(replay.take), gevent.spawn(replay.begin, 60.0)]
    gevent.sleep(0)
    clock.now += 1
    replay.close()
    gevent.joinall(waiting, timeout=30, raise_error=True)
    assert [each.value for each in waiting] == [None, None]
    assert replay.counted()["begun"] == 0


def steps_of(directory: RunDirectory) -> pd.DataFrame:
    """The steps of a run by when they were meant or sent, which is `at`, counted from the first."""
    steps: pd.DataFrame = directory.read_steps().to_pandas().query("op == 'step'")
    at = steps["intended_at"].fillna(steps["started_at"])
    return steps.assign(at=at - at.min()).sort_values("at")


def by_session(steps: pd.DataFrame) -> list[tuple[float, ...]]:
    """The waits of each session's steps."""
    return sorted(tuple(waits) for waits in steps.groupby("user")["wait_s"].apply(list))


@pytest.mark.servers
@pytest.mark.parametrize("options", [[], ["--transport", "http"], ["--processes", "2"]])
def test_a_run_is_replayed_with_its_sessions_steps_and_times(
    deployment: LocalDeployment, tmp_path: Path, options: list[str]
) -> None:
    transport = options if "http" in options else []
    first, _ = recorded_until(
        deployment.url,
        tmp_path,
        lambda steps: steps.loc[steps["op"] == "step", "user"].nunique() > 5,
        *("--arrivals", "poisson:6", "--steps-per-episode", "4", "--wait", "uniform:0:0.2"),
        *transport,
    )
    made = write_trace(first.path)
    second, _ = recorded_until(
        deployment.url,
        tmp_path,
        lambda steps: (steps["op"] == "step").sum() == made.steps,
        *("--shape", f"trace:{made.path}", "-u", "30", "-r", "30", "-t", "2m", *options),
    )
    before, after = steps_of(first), steps_of(second)
    assert made.sessions == before["user"].nunique() > 3
    assert len(before) == len(after) == made.steps
    assert by_session(before) == by_session(after)
    both: pd.DataFrame = after.merge(before, on="wait_s", suffixes=("", "_before"))
    shift = both["at"] - both["at_before"]
    assert len(shift) == made.steps
    if "--processes" not in options:
        assert shift.abs().max() < 1e-5
    # Each process has a clock of its own, which starts with its first user.
    for _, of_process in shift.groupby(both["generator"]):
        assert of_process.max() - of_process.min() < 1e-5
    assert (after["started_at"] >= after["intended_at"]).all()
    rows = second.read_steps().to_pandas()
    opened = rows[rows["op"] != "step"].groupby("user")["started_at"].min()
    lead = after.groupby("user")["intended_at"].min() - opened
    assert lead.max() == pytest.approx(LEAD_S, abs=0.3)
    assert rows.loc[rows["op"] != "step", "intended_at"].isna().all()
    assert rows["generator"].nunique() == (2 if "--processes" in options else 1)
    run = second.read()
    config = run["config"]
    assert (config["arrivals"], config["arrivals_of"]) == ("trace", "steps")
    assert config["shape"] == "trace:trace.jsonl"
    assert config["trace"]["sha256"] == load_trace(f"trace:{made.path}").sha256
    arrivals = run["arrivals"]
    assert (arrivals["due"], arrivals["begun"]) == (made.steps, made.steps)
    assert arrivals["late"] == 0 or lead.min() < 0
    assert (arrivals.get("done"), "held_up" in arrivals) == (made.steps, False)
    took_s = after["started_at"] - after["intended_at"] + after["latency_s"]
    # A step leaves a moment after its reply was recorded.
    assert took_s.sum() - 0.001 <= arrivals.get("in_system_s", 0.0) < took_s.sum() + 5


@pytest.mark.servers
def test_too_few_users_are_late_and_slow_replies_hold_only_their_own_session_up(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    # Each session is to send its second step while the first is waited for.
    steps = [(at + 0.2 * number, number, 0.3) for number in range(3) for at in (0.0, 0.1)]
    made = trace(tmp_path, *sorted(steps))
    directory, _ = recorded_until(
        deployment.url,
        tmp_path / "results",
        lambda steps: (steps["op"] == "step").sum() == 6,
        *("--shape", made.text, "-u", "1", "-r", "1", "-t", "2m"),
    )
    rows = directory.read_steps().to_pandas()
    sent = rows[rows["op"] == "step"].sort_values("started_at")
    assert len(sent) == 6
    assert rows["user"].nunique() == 3
    for _, of_session in sent.groupby("user"):
        one, two = of_session.to_dict("records")
        assert two["started_at"] > one["started_at"] + 0.3
        assert two["intended_at"] - one["intended_at"] == pytest.approx(0.1, abs=1e-5)
    arrivals = directory.read()["arrivals"]
    assert arrivals["due"] == arrivals["begun"] == 6
    assert arrivals["late"] == 4  # the first session is on time, though its second step waits for a reply
    report = report_run(directory)
    assert [each.message for each in report.validity.warnings if each.code == "rate_not_reached"]


@pytest.mark.servers
@pytest.mark.parametrize(("done_after", "steps_per_episode"), [(3, "0"), (9, "3")])
def test_steps_send_their_own_actions_or_what_the_options_say_and_reset_between_episodes(
    tmp_path: Path, done_after: int, steps_per_episode: str
) -> None:
    file = tmp_path / "mixed.jsonl"
    own: list[dict[str, Any]] = [{"action": {"say": "a"}}, {"wait": 0.25}, {}, {"action": {"say": "b"}}]
    file.write_text("\n".join(json.dumps({"at": 0.05 * n, "session": 1, **x}) for n, x in enumerate(own)))
    with foreign_environment(done_after) as (url, messages):
        recorded_until(
            url,
            tmp_path / "results",
            lambda steps: (steps["op"] == "step").sum() == 4,
            *("--shape", f"trace:{file}", "--action", '{"say": "given"}', "-u", "1", "-t", "2m"),
            *("--steps-per-episode", steps_per_episode),
        )
    told = [message.get("data") if message["type"] == "step" else message["type"] for message in messages]
    assert told[:6] == [
        "reset",
        {"say": "a"},
        {"wait_seconds": 0.25},
        {"say": "given"},
        "reset",
        {"say": "b"},
    ]


@pytest.mark.servers
def test_where_the_server_is_gone_each_step_fails_at_its_time(tmp_path: Path) -> None:
    made = trace(tmp_path, (0, "a"), (0.3, "a"), (0.6, "a"))
    directory, _ = recorded_until(
        "http://127.0.0.1:9",
        tmp_path / "results",
        lambda steps: steps["intended_at"].count() == 3,
        *("--shape", made.text, "--action", "{}", "-u", "1", "-t", "2m"),
    )
    rows = directory.read_steps().to_pandas().sort_values("started_at")
    assert set(rows["op"]) == {"connect"}
    failed = rows[rows["intended_at"].notna()]
    assert failed["intended_at"].diff().dropna().to_numpy() == pytest.approx([0.3, 0.3], abs=1e-5)
    assert (failed["started_at"] - failed["intended_at"]).min() >= 0
    assert (rows["error"] == "refused").all()
    assert directory.read()["arrivals"]["begun"] == 3
    assert len(rows) == 4  # one ahead of the first step
