import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import Registry
from reports.records.run_directory import RunDirectory
from tests.loadtests.locust_python import LocustPython
from tests.loadtests.locust_runs import ended_when, foreign_environment, locust_arguments, recorded_until

pytestmark = pytest.mark.servers


def test_another_environment_gets_the_action_as_given_and_a_reset_when_it_is_done(tmp_path: Path) -> None:
    with foreign_environment(episode=3) as (url, messages):
        _, steps = recorded_until(
            url,
            tmp_path,
            lambda steps: (steps["user"] == 0).sum() >= 9,
            *("--action", '{"message": "hello"}', "--think-time", "0.01"),
        )
    assert {"type": "step", "data": {"message": "hello"}} in messages
    one = steps[steps["user"] == 0]["op"].tolist()
    assert one[:9] == ["connect", "reset", "step", "step", "step", "reset", "step", "step", "step"]
    assert steps["error"].isna().all()
    assert steps[["host", "pid", "session_hash", "waited_s", "wait_s"]].isna().all().all()


def test_a_server_that_hangs_until_the_end_has_failed(tmp_path: Path) -> None:
    # All have waited for so long at the end, though an answer before took half of that.
    options = ("--action", "{}", "--think-time", "0.01", "--stop-timeout", "12", "-t", "2m")
    with foreign_environment(episode=10**9, answers=40) as (url, messages):
        locust = LocustPython(*locust_arguments(url, "--run-directory", str(tmp_path), *options))
        ended_when(locust, lambda: len(messages) == 44)
    steps = RunDirectory(tmp_path).read_steps().to_pandas()
    hung = steps[steps["error"] == "timeout"]
    assert hung["user"].nunique() == 4
    assert (hung["latency_s"] >= 5).all()
    assert hung["error_detail"].str.contains("when the load ended").all()


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """One worker that takes two sessions."""
    before = os.environ.get("MAX_CONCURRENT_ENVS")
    os.environ["MAX_CONCURRENT_ENVS"] = "2"
    deployment = LocalDeployment(
        DeploymentConfig(replicas=1, workers=1, port=0),
        name=f"small-{os.getpid()}",
        registry=Registry(tmp_path_factory.mktemp("small") / "records"),
    )
    try:
        deployment.up()
        yield deployment
    finally:
        deployment.down()
        if before is None:
            del os.environ["MAX_CONCURRENT_ENVS"]
        else:
            os.environ["MAX_CONCURRENT_ENVS"] = before


def test_a_refused_action_fails_and_the_session_goes_on(
    small_server: LocalDeployment, tmp_path: Path
) -> None:
    _, steps = recorded_until(
        small_server.url,
        tmp_path,
        lambda steps: (steps["op"] == "step").sum() >= 3,
        *("-u", "1", "--action", '{"wait_seconds": "long"}', "--think-time", "0.05"),
    )
    assert steps["op"].value_counts()["connect"] == 1
    failed = steps[steps["op"] == "step"]
    assert set(failed["error"]) == {"validation"}
    assert failed["error_detail"].str.contains("wait_seconds").all()


def test_a_refused_action_over_http_is_told_apart_from_a_lost_connection(
    small_server: LocalDeployment, tmp_path: Path
) -> None:
    _, steps = recorded_until(
        small_server.url,
        tmp_path,
        lambda steps: steps["error"].notna().sum() >= 3,
        *("--transport", "http", "--action", '{"wait_seconds": "long"}'),
    )
    failed = steps[steps["error"].notna()]
    assert set(failed["op"]) == {"step"}
    assert set(failed["error"]) == {"validation"}
    assert failed["error_detail"].str.startswith("HTTP 422").all()
    assert set(failed["host"]) == set(small_server.hosts())


def test_a_full_worker_is_named_by_the_sessions_it_turns_away(
    small_server: LocalDeployment, tmp_path: Path
) -> None:
    def is_enough(steps: pd.DataFrame) -> bool:
        served = steps[(steps["op"] == "step") & steps["error"].isna()]["user"]
        return (steps["error"] == "capacity").sum() >= 2 and served.nunique() == 2

    _, steps = recorded_until(small_server.url, tmp_path, is_enough, "--wait", "0.05")
    refused = steps[steps["error"] == "capacity"]
    # They back off: without that there would be hundreds.
    took_s = steps["started_at"].max() - steps["started_at"].min()
    assert len(refused) <= 2 * (11 + 4 * took_s)
    assert set(refused["op"]) == {"reset"}
    assert set(refused["host"]) == set(small_server.hosts())
    served = steps[(steps["op"] == "step") & steps["error"].isna()]
    assert served["user"].nunique() == 2
    assert set(refused["pid"]) == set(served["pid"])


def test_steps_that_fail_keep_no_user_from_those_that_arrive(
    small_server: LocalDeployment, tmp_path: Path
) -> None:
    _, steps = recorded_until(
        small_server.url,
        tmp_path,
        lambda steps: (steps["error"] == "validation").sum() >= 40,
        *("--arrivals", "constant:40", "--arrivals-of", "steps", "-u", "2"),
        *("--action", '{"wait_seconds": "long"}'),
    )
    # With a pause after each, most would come a second after the one before.
    failed = steps[steps["error"] == "validation"]
    assert failed.groupby("user")["started_at"].diff().median() < 0.25


def test_sessions_that_are_turned_away_keep_no_user_from_those_that_arrive(
    small_server: LocalDeployment, tmp_path: Path
) -> None:
    _, steps = recorded_until(
        small_server.url,
        tmp_path,
        lambda steps: (steps["error"] == "capacity").sum() > 20,
        *("--arrivals", "constant:40", "-u", "6", "-r", "6", "--wait", "1"),
    )
    refused = steps[steps["error"] == "capacity"]
    assert refused["user"].nunique() == len(refused)
    # With a pause after each, four users would take one a second.
    assert refused["started_at"].diff().median() < 0.15


def test_a_step_that_takes_too_long_ends_its_session(small_server: LocalDeployment, tmp_path: Path) -> None:
    def is_enough(steps: pd.DataFrame) -> bool:
        return bool((steps["op"] == "step").any()) and bool((steps["op"] == "connect").sum() >= 2)

    options = ("-u", "1", "--wait", "30", "--step-timeout", "0.5")
    _, steps = recorded_until(small_server.url, tmp_path, is_enough, *options)
    assert (steps.loc[steps["op"] == "step", "error"] == "timeout").all()
