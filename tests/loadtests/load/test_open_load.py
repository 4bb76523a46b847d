from pathlib import Path

import pandas as pd
import pytest

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from tests.loadtests.locust_python import locust_python
from tests.loadtests.locust_runs import NO_REPORT, locust_arguments

pytestmark = pytest.mark.servers


def recorded(url: str, results: Path, *options: str) -> tuple[RunDirectory, pd.DataFrame]:
    arguments = locust_arguments(url, "--wait", "0.05", "--results", str(results), *options)
    locust_python(*arguments, without=NO_REPORT)
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    return RunDirectory(path), RunDirectory(path).read_steps().to_pandas()


@pytest.mark.parametrize("options", [[], ["--transport", "http"], ["--processes", "2"]])
def test_sessions_arrive_at_their_rate_and_live_for_an_episode(
    deployment: LocalDeployment, tmp_path: Path, options: list[str]
) -> None:
    directory, steps = recorded(
        deployment.url,
        tmp_path,
        "--arrivals",
        "constant:20",
        "--steps-per-episode",
        "3",
        "-u",
        "30",
        *options,
    )
    first = steps.groupby("user").first()
    assert (first["op"] == ("reset" if "http" in options else "connect")).all()
    assert first["intended_at"].notna().all()
    assert steps["intended_at"].count() == len(first)
    assert (steps["started_at"] >= steps["intended_at"].fillna(0)).all()
    if "--processes" not in options:
        assert first["intended_at"].diff().dropna().to_numpy() == pytest.approx(0.05, abs=1e-6)
    assert steps["generator"].nunique() == (2 if "--processes" in options else 1)
    assert steps.groupby("user")["op"].apply(lambda ops: (ops == "step").sum()).max() == 3
    if "http" not in options:
        assert steps["session_hash"].nunique() >= steps.loc[steps["op"] == "reset", "user"].nunique() - 1
    run = directory.read()
    assert (run["config"]["arrivals"], run["config"]["arrivals_of"]) == ("constant:20", "sessions")
    # One that the end of the load cut off in its connect has no row.
    assert len(first) <= run["arrivals"]["begun"] <= len(first) + 2
    assert len(first) <= run["arrivals"]["due"] <= 45


def test_steps_arrive_over_a_pool_of_sessions_and_are_sent_late_where_none_is_free(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    directory, steps = recorded(
        deployment.url,
        tmp_path,
        *("--arrivals", "constant:100", "--arrivals-of", "steps", "--steps-per-episode", "0", "-u", "2"),
    )
    assert steps["user"].nunique() == 2
    assert steps["op"].value_counts()[["connect", "reset"]].tolist() == [2, 2]
    found = steps[steps["op"] == "step"].sort_values("intended_at")
    assert found["intended_at"].diff().dropna().to_numpy() == pytest.approx(0.01, abs=1e-6)
    # Two sessions carry at most 40 steps a second, each of which takes 50 ms.
    waited = found["started_at"] - found["intended_at"]
    assert waited.is_monotonic_increasing or waited.iloc[-1] > 0.3
    arrivals = directory.read()["arrivals"]
    assert arrivals["late"] > 0.5 * arrivals["begun"]
    assert arrivals["due"] > 1.5 * arrivals["begun"]
    assert arrivals["longest_wait_s"] == pytest.approx(waited.max(), abs=0.1)


def test_the_rate_follows_a_shape(deployment: LocalDeployment, tmp_path: Path) -> None:
    _, steps = recorded(
        deployment.url,
        tmp_path,
        *(
            "--arrivals",
            "constant:100",
            "--arrivals-of",
            "steps",
            "--shape",
            "spike:0:0.5:0.5",
            "--wait",
            "0",
        ),
    )
    due = steps["intended_at"].dropna().sort_values()
    assert due.diff().max() == pytest.approx(0.51, abs=0.02)


def test_users_follow_a_shape_in_the_closed_model(deployment: LocalDeployment, tmp_path: Path) -> None:
    directory, steps = recorded(deployment.url, tmp_path, "--shape", "ramp:1:0.1", "-u", "20", "-t", "5s")
    spans = steps.groupby("user")["started_at"].agg(["min", "max"]) - steps["started_at"].min()
    assert len(spans) == 20
    assert (spans["max"] > 4).sum() < 10
    assert spans["max"].median() < 3.5
    config = directory.read()["config"]
    assert (config["users"], config["shape"]) == (20, "ramp:1:0.1")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--arrivals", "poisson"], "ARRIVALS=poisson is no stream of arrivals"),
        (["--shape", "wave:1"], "SHAPE=wave:1 is no shape"),
        (["--arrivals", "constant:5", "--scenario", "batch"], "ARRIVALS=constant:5 is not for batches"),
    ],
)
def test_what_cannot_be_is_refused_before_the_load(
    deployment: LocalDeployment, options: list[str], why: str
) -> None:
    done = locust_python(*locust_arguments(deployment.url, *options))
    assert done.returncode == 2
    assert why in done.stderr
