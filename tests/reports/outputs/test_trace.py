import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from loadtests.load.trace import load_trace
from reports.__main__ import main
from reports.outputs.trace import write_trace
from reports.records.run_directory import RunDirectory, RunDirectoryError
from tests.reports.operations import START, connect, reset, step, table
from tests.reports.sample_experiments import write_sample_experiment
from tests.reports.sample_reports import run_json


def run(path: Path, rows: list[dict[str, Any]], **config: Any) -> RunDirectory:
    path.mkdir()
    directory = RunDirectory(path)
    made = run_json(2, 2)
    made["config"] |= {"action": None, "deployment": "local", **config}  # type: ignore[typeddict-item]
    directory.write(made)
    pq.write_table(table(sorted(rows, key=lambda row: row["started_at"])), directory.steps.parquet)
    return directory


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_sessions_are_those_of_the_websocket(tmp_path: Path) -> None:
    rows = [
        *(connect(0.0), reset(0.1), step(0.2, wait_s=0.5), step(0.9, wait_s=0.25)),
        *(connect(0.3, user=2), reset(0.4, user=2), step(0.5, user=2)),
        *(step(1.0, wait_s=0.1, error="connection_lost"), connect(1.2), step(1.5, wait_s=0.0)),
    ]
    made = write_trace(run(tmp_path / "run", rows).path)
    assert lines(tmp_path / "run" / "trace.jsonl") == [
        {"at": 0.0, "session": 0, "wait": 0.5},
        {"at": 0.3, "session": 1},
        {"at": 0.7, "session": 0, "wait": 0.25},
        {"at": 0.8, "session": 0, "wait": 0.1},
        {"at": 1.3, "session": 2, "wait": 0.0},
    ]
    assert (made.sessions, made.steps) == (3, 5)
    assert made.length_s == pytest.approx(1.3)
    assert load_trace(f"trace:{made.path}").sessions == 3


def test_over_http_users_are_the_sessions(tmp_path: Path) -> None:
    rows = [step(at, user=user, transport="http") for at, user in ((0.0, 8), (0.1, 5), (0.2, 8))]
    made = write_trace(run(tmp_path / "run", rows, transport="http").path)
    assert [line["session"] for line in lines(made.path)] == [0, 1, 0]
    assert made.command.endswith(" TRANSPORT=http")


def test_a_step_counts_from_when_it_was_intended(tmp_path: Path) -> None:
    rows = [step(1.0, intended_at=START + 0.4), step(1.2, user=2, intended_at=START + 0.1)]
    made = write_trace(run(tmp_path / "run", rows).path, tmp_path / "elsewhere.jsonl")
    assert lines(tmp_path / "elsewhere.jsonl") == [{"at": 0.0, "session": 0}, {"at": 0.3, "session": 1}]
    assert made.path == tmp_path / "elsewhere.jsonl"


@pytest.mark.parametrize(
    ("config", "what", "words"),
    [
        ({"action": {"say": "é"}}, {"action": {"say": "é"}}, []),
        (
            {
                "actions": {
                    "source": "file",
                    "order": "sample",
                    "count": 1,
                    "example": {},
                    "file": "my a.jsonl",
                }
            },
            {},
            ["'ACTIONS=my a.jsonl'", "ACTION_ORDER=sample"],
        ),
        ({"policy": {"name": "p.py:act", "sha256": None}}, {}, ["POLICY=p.py:act"]),
        ({"deployment": "url", "url": "http://a:1"}, {"wait": 0.5}, ["TARGET=http://a:1"]),
        ({"steps_per_episode": 7}, {"wait": 0.5}, ["STEPS_PER_EPISODE=7"]),
        ({"scenario": "rollouts", "steps_per_episode": 7}, {"wait": 0.5}, ["STEPS_PER_EPISODE=0"]),
    ],
)
def test_a_step_has_what_is_known_of_it_and_the_command_says_the_rest(
    tmp_path: Path, config: dict[str, Any], what: dict[str, Any], words: list[str]
) -> None:
    made = write_trace(run(tmp_path / "run", [step(0.0, wait_s=0.5)], **config).path)
    assert lines(made.path) == [{"at": 0.0, "session": 0, **what}]
    assert made.command.startswith(f"make loadtest SHAPE=trace:{made.path} ")
    assert all(f" {word}" in made.command for word in words)


def test_the_command_says_where_it_went_and_what_replays_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=3000, users=20))
    assert main(["trace", str(directory.path)]) == 0
    wrote, replay = capsys.readouterr().out.splitlines()
    made = load_trace(f"trace:{tmp_path}/run/trace.jsonl")
    assert wrote.startswith(f"{made.path}: {made.steps:,} steps of {made.sessions:,} sessions over ")
    assert replay.startswith(f"replay it: make loadtest SHAPE=trace:{made.path}")
    ops = directory.read_steps().to_pandas()["op"]
    assert made.steps == (ops == "step").sum()


def test_what_cannot_be_made_a_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="give one of its runs"):
        write_trace(write_sample_experiment(tmp_path / "sample").path)
    with pytest.raises(RunDirectoryError, match="no user of the run got to step"):
        write_trace(run(tmp_path / "empty", [connect(0.0)]).path)
    replayed = {"file": "a.jsonl", "sha256": "0", "sessions": 1, "steps": 1, "length_s": 0.0, "unnamed": 0}
    of_actions = run(tmp_path / "actions", [step(0.0)], trace={**replayed, "with_action": 1})
    with pytest.raises(RunDirectoryError, match=r"actions of a\.jsonl.*replay that trace again"):
        write_trace(of_actions.path)
    given = {"with_action": 0, "unnamed": 1}
    of_given = run(tmp_path / "given", [step(0.0)], trace={**replayed, **given}, action={"say": "given"})
    with pytest.raises(RunDirectoryError, match="replay that trace again"):
        write_trace(of_given.path)


@pytest.mark.parametrize("action", [None, {"say": "given to steps that name nothing"}])
def test_a_replay_of_waits_can_be_made_a_trace_again(tmp_path: Path, action: dict[str, Any] | None) -> None:
    replayed = {"file": "a.jsonl", "sha256": "0", "sessions": 1, "steps": 1, "length_s": 0.0, "unnamed": 0}
    trace = {**replayed, "with_action": 0}
    directory = run(tmp_path / "waits", [step(0.0, wait_s=0.5)], trace=trace, action=action)
    assert lines(write_trace(directory.path).path) == [{"at": 0.0, "session": 0, "wait": 0.5}]
