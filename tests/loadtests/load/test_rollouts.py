from pathlib import Path

import pandas as pd
import pytest

from loadtests.deployments.local import LocalDeployment
from reports.records.schema import USERS_A_PROCESS
from tests.loadtests.locust_runs import recorded_until

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("options", [[], ["--transport", "http"], ["--processes", "2"]])
def test_groups_start_together_and_again_when_their_slowest_is_done(
    deployment: LocalDeployment, tmp_path: Path, options: list[str]
) -> None:
    _, steps = recorded_until(
        deployment.url,
        tmp_path,
        lambda steps: (steps["op"] == "step").sum() >= 160,
        *("--scenario", "rollouts", "--group", "2", "--steps", "uniform:1:8", "--wait", "0.05"),
        *options,
    )
    opens = "reset" if "http" in options else "connect"
    steps = steps.sort_values("started_at")
    steps["ended_at"] = steps["started_at"] + steps["latency_s"]
    steps["round"] = (steps["op"] == opens).groupby(steps["user"]).cumsum()
    steps["group"] = steps["user"] // USERS_A_PROCESS * 1000 + steps["user"] % USERS_A_PROCESS // 2
    assert steps["user"].nunique() == 4
    assert steps["group"].nunique() == 2
    rollouts: pd.DataFrame = steps.groupby(["group", "round", "user"]).agg(
        began=("started_at", "min"),
        opened=("ended_at", "min"),
        ended=("ended_at", "max"),
        steps=("op", lambda ops: (ops == "step").sum()),
    )
    rounds = rollouts.groupby(["group", "round"]).agg(
        first=("began", "min"),
        last=("began", "max"),
        opened=("opened", "min"),
        ended=("ended", "max"),
        members=("steps", "size"),
    )
    assert len(rounds) > 6
    for _, of_group in rounds.groupby("group"):
        assert of_group["members"].iloc[:-1].eq(2).all(), "only the end cuts a round short"
        gap = of_group["first"].to_numpy()[1:] - of_group["ended"].to_numpy()[:-1]
        assert (gap > -0.001).all()
    assert (rounds["last"] < rounds["opened"]).all(), "all have begun before the first is answered"
    assert rollouts["steps"].max() <= 8
    assert rollouts["steps"].nunique() > 2
    assert steps["error"].isna().all()
