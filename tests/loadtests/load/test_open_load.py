from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from tests.loadtests.locust_python import locust_python
from tests.loadtests.locust_runs import NO_REPORT, locust_arguments, recorded_until

pytestmark = pytest.mark.servers


def gaps(moments: "pd.Series[float]", every_s: float) -> npt.NDArray[np.floating[Any]]:
    """How many arrivals lie from each moment to the next, where one comes every so many seconds.

    More than one where those between them have no row: the end of the load cut them off.
    """
    apart = moments.sort_values().diff().dropna().to_numpy() / every_s
    assert apart == pytest.approx(apart.round(), abs=1e-6 / every_s)
    assert (apart.round() >= 1).all()
    return apart.round()


@pytest.mark.parametrize("options", [[], ["--transport", "http"], ["--processes", "2"]])
def test_sessions_arrive_at_their_rate_and_live_for_an_episode(
    deployment: LocalDeployment, tmp_path: Path, options: list[str]
) -> None:
    def is_enough(steps: pd.DataFrame) -> bool:
        taken = steps[steps["op"] == "step"].groupby(["generator", "user"], observed=True).size()
        return steps["user"].nunique() >= 40 and (taken == 3).groupby("generator").any().sum() == processes

    processes = 2 if "--processes" in options else 1
    directory, steps = recorded_until(
        deployment.url,
        tmp_path,
        is_enough,
        *("--wait", "0.05", "--arrivals", "constant:20", "--steps-per-episode", "3", "-u", "30", "-r", "30"),
        *options,
    )
    first = steps.groupby("user").first()
    assert (first["op"] == ("reset" if "http" in options else "connect")).all()
    assert first["intended_at"].notna().all()
    assert steps["intended_at"].count() == len(first)
    assert (steps["started_at"] >= steps["intended_at"].fillna(0)).all()
    if processes == 1:
        assert (gaps(first["intended_at"], 0.05) == 1).mean() > 0.5
    assert steps["generator"].nunique() == processes
    assert steps.groupby("user")["op"].apply(lambda ops: (ops == "step").sum()).max() == 3
    if "http" not in options:
        assert steps["session_hash"].nunique() >= steps.loc[steps["op"] == "reset", "user"].nunique() - 1
    run = directory.read()
    assert (run["config"]["arrivals"], run["config"]["arrivals_of"]) == ("constant:20", "sessions")
    # Those that the end of the load cut off in their connect have no row.
    assert len(first) <= run["arrivals"]["begun"] <= len(first) + 30
    assert run["arrivals"]["begun"] <= run["arrivals"]["due"]
    length_s = (run["ended_at"] or 0.0) - first["intended_at"].min()
    assert run["arrivals"]["due"] <= 20 * length_s + 2


def test_steps_arrive_over_a_pool_of_sessions_and_are_sent_late_where_none_is_free(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    directory, steps = recorded_until(
        deployment.url,
        tmp_path,
        lambda steps: (steps["op"] == "step").sum() >= 60,
        *("--arrivals", "constant:100", "--arrivals-of", "steps", "--steps-per-episode", "0", "-u", "2"),
        *("--wait", "0.05"),
    )
    assert steps["user"].nunique() == 2
    assert steps["op"].value_counts()[["connect", "reset"]].tolist() == [2, 2]
    found = steps[steps["op"] == "step"].sort_values("intended_at")
    unrecorded = gaps(found["intended_at"], 0.01) - 1
    assert unrecorded.sum() <= 2  # of each user one
    # Two sessions carry at most 40 steps a second, each of which takes 50 ms.
    waited = found["started_at"] - found["intended_at"]
    assert waited.iloc[-1] > 0.3
    run = directory.read()
    arrivals = run["arrivals"]
    assert arrivals["late"] > 0.5 * arrivals["begun"]
    assert arrivals["due"] > 1.5 * arrivals["begun"]
    assert waited.median() < arrivals["longest_wait_s"]
    assert arrivals["longest_wait_s"] < (run["ended_at"] or 0.0) - found["intended_at"].min()


def test_the_rate_follows_a_shape(deployment: LocalDeployment, tmp_path: Path) -> None:
    def longest(steps: pd.DataFrame) -> float:
        return float(steps["intended_at"].dropna().sort_values().diff().max())

    _, steps = recorded_until(
        deployment.url,
        tmp_path,
        lambda steps: longest(steps) > 0.4,
        *("--arrivals", "constant:100", "--arrivals-of", "steps", "--shape", "spike:0:0.5:0.5"),
        *("--wait", "0", "-t", "2m"),
    )
    assert longest(steps) == pytest.approx(0.51, abs=0.02)


def test_users_follow_a_shape_in_the_closed_model(deployment: LocalDeployment, tmp_path: Path) -> None:
    options = ("--shape", "ramp:1:0.1", "-u", "20", "-t", "16s", "--wait", "0.4", "--results", str(tmp_path))
    locust_python(*locust_arguments(deployment.url, *options), without=NO_REPORT)
    (path,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    directory = RunDirectory(path)
    steps = directory.read_steps().to_pandas()
    spans = steps.groupby("user")["started_at"].agg(["min", "max"]) - steps["started_at"].min()
    # As many as the shape asks for when Locust first looks at it, which is at once on an idle machine.
    assert 12 <= len(spans) <= 20
    # Half of the users are to be gone by then for five seconds.
    assert (spans["max"] > 14).sum() < 10
    assert (spans["max"] > 2).sum() > 2
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
