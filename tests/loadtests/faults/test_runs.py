"""What a run makes of faults, with real servers under load."""

import json
from pathlib import Path

import pandas as pd
import pytest

from loadtests.__main__ import main
from reports.records.run_directory import RunDirectory
from reports.records.schema import FaultJson
from tests.loadtests.harness import harness

LOAD = ("--users", "32", "--wait", "0.2", "--slo-success-rate", "0.5", "--slo-p99", "60", "--port", "0")


def run(results: Path, target: str, duration_s: int, fault: str) -> tuple[RunDirectory, str]:
    """The directory of a run that passed, and what it printed."""
    options = ("--target", target, "--duration", str(duration_s), "--fault", fault)
    done = harness("run", "--results", str(results), *LOAD, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    return RunDirectory(path), done.stdout


def faults_of(directory: RunDirectory) -> dict[str, FaultJson]:
    return {note["name"]: note for note in directory.read().get("faults", [])}


def rows_of(directory: RunDirectory) -> pd.DataFrame:
    steps: pd.DataFrame = directory.read_steps().to_pandas()
    steps["ended_at"] = steps["started_at"] + steps["latency_s"]
    return steps


MOMENT_S = 1.0
"""What is done to a part is done by then."""


def answered(rows: pd.DataFrame, host: str, since: float, until: float = float("inf")) -> pd.DataFrame:
    """What a host answered of what it was asked in a span of time.

    What it answered before may be read late on a busy machine.
    """
    inside = (rows["host"] == host) & (rows["started_at"] > since) & (rows["ended_at"] < until)
    return rows[inside & rows["error"].isna()]


@pytest.mark.servers
def test_a_local_run_goes_on_through_every_fault_and_accuses_nobody_of_them(tmp_path: Path) -> None:
    plan = "kill-worker@1s,pause-replica:3s@2s,restart-nginx@11s,add-replica@12s,slow-network:50ms@12s,"
    plan += "kill-replica@26s,remove-replica@27s"
    directory, said = run(tmp_path, "local", 34, plan)
    noted, rows = faults_of(directory), rows_of(directory)
    started_at = rows["started_at"].min()
    assert noted["slow-network"]["outcome"] == "left out"
    done = [note for name, note in noted.items() if name != "slow-network"]
    assert [note["outcome"] for note in done] == ["done"] * 6, done
    for note, planned_s in zip(done, (1, 2, 11, 12, 26, 27), strict=True):
        assert planned_s - 0.25 < note["at"] - started_at < planned_s + 8
    assert " s: killed worker " in said
    assert " s: resumed replica-" in said
    killed, pid = (noted["kill-worker"]["target"] or "").split()
    of_it = answered(rows, killed, noted["kill-worker"]["at"] + MOMENT_S)
    assert not (of_it["pid"] == int(pid)).any()
    assert set(rows.loc[rows["pid"] == int(pid), "host"]) <= {killed}
    lost = rows[rows["error"].notna()]
    assert (lost["error"] == "connection_lost").any(), "lost sessions are counted"
    paused, resumed = noted["pause-replica"], noted["pause-replica"]["ended_at"] or 0.0
    host = paused["target"] or ""
    assert resumed - paused["at"] >= 3
    assert answered(rows, host, paused["at"] + MOMENT_S, resumed).empty
    before = answered(rows, host, 0, paused["at"])["session_hash"]
    assert answered(rows, host, resumed)["session_hash"].isin(before).any(), "its sessions went on"
    restarted_at = noted["restart-nginx"]["at"]
    ended = set(rows[rows["ended_at"] < restarted_at]["session_hash"].dropna())
    later = rows[(rows["started_at"] > restarted_at + 10) & rows["error"].isna()]
    assert later["session_hash"].notna().any()
    assert not set(later["session_hash"].dropna()) & ended
    added = noted["add-replica"]["target"] or ""
    topology = directory.read()["topology"]
    assert added not in topology["hosts"]
    assert topology["names"][added] == "replica-3"
    # One that is removed ends by itself.
    for name, takes_s in (("kill-replica", MOMENT_S), ("remove-replica", 5)):
        host = noted[name]["target"] or ""
        assert answered(rows, host, noted[name]["at"] + takes_s).empty
    run_json = directory.read()
    assert "incidents" not in run_json
    assert run_json["config"].get("fault") == plan
    report = json.loads(directory.report_json.read_text())
    assert report["validity"]["valid"]
    assert report["isolation"]["violations"] == 0


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_run_in_containers_goes_on_through_faults(tmp_path: Path) -> None:
    plan = "kill-worker@4s,pause-replica:4s@6s,add-replica@11s,kill-replica@34s"
    directory, _ = run(tmp_path, "compose", 38, plan)
    noted, rows = faults_of(directory), rows_of(directory)
    assert [note["outcome"] for note in noted.values()] == ["done"] * 4, noted
    killed, pid = (noted["kill-worker"]["target"] or "").split()
    of_it = answered(rows, killed, noted["kill-worker"]["at"] + MOMENT_S)
    assert (answered(rows, killed, 0)["pid"] == int(pid)).any()
    assert not (of_it["pid"] == int(pid)).any()
    paused, resumed = noted["pause-replica"], noted["pause-replica"]["ended_at"] or 0.0
    assert answered(rows, paused["target"] or "", paused["at"] + MOMENT_S, resumed).empty
    assert not answered(rows, paused["target"] or "", resumed).empty
    assert directory.read()["topology"]["names"][noted["add-replica"]["target"] or ""] == "env-3"
    dead = noted["kill-replica"]
    assert answered(rows, dead["target"] or "", dead["at"] + MOMENT_S).empty
    assert "incidents" not in directory.read()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--target", "http://127.0.0.1:9", "--fault", "kill-worker@1s"],
            "which TARGET=http://127.0.0.1:9 is not",
        ),
        (["--target", "local", "--fault", "kill-worker@20s"], "when the load of 20 s is over"),
        (["--target", "local", "--fault", "explode@1s"], "explode is no fault"),
    ],
)
def test_what_cannot_be_broken_is_refused_before_anything_starts(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--results", str(tmp_path / "results"), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "results").exists()
