import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.url import UrlDeployment
from loadtests.errors import LoadTestError
from loadtests.protocol.access import OPEN, Access
from loadtests.run.config import Joining
from loadtests.run.joining import how_to_join, listening
from reports.records.run_directory import RunDirectory
from tests.conftest import free_port
from tests.loadtests.accounting import whose_lag_is_recorded
from tests.loadtests.harness import Harness
from tests.loadtests.locust_python import LocustPython
from tests.loadtests.locust_runs import wait_until

HERE = Joining(workers=2, bind="127.0.0.1", port=5557, wait_s=300)
ELSEWHERE = UrlDeployment("http://10.0.0.1:8000")

ANOTHER_VERSION = """
import runpy, sys
import loadtests.load.workers.introduction
loadtests.load.workers.introduction.code = lambda: "0ld"
runpy.run_module("locust", run_name="__main__", alter_sys=True)
"""


def test_any_free_port_can_be_chosen_and_a_taken_one_is_named() -> None:
    any_port = Joining(2, "127.0.0.1", 0, 300)
    assert listening(any_port).port > 0
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(LoadTestError, match=f"MASTER_PORT={taken} is taken on 127.0.0.1"):
            listening(replace(any_port, port=taken))
    chosen = replace(any_port, port=free_port())
    assert listening(replace(chosen, bind="localhost")) == chosen
    assert listening(replace(chosen, bind="*")).bind == "0.0.0.0"


@pytest.mark.parametrize("bind", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_that_is_not_this_machines_is_named(bind: str) -> None:
    with pytest.raises(LoadTestError, match=f"MASTER_BIND={bind}: cannot listen on port 0 there"):
        listening(replace(HERE, bind=bind, port=0))


def test_it_is_said_what_to_run_elsewhere_and_who_can_join() -> None:
    how, who = how_to_join(HERE, ELSEWHERE, OPEN)
    assert how == (
        "waiting up to 300 s for 2 workers: on each machine that is to make load run "
        "make worker MASTER=127.0.0.1 MASTER_PORT=5557 PROCESSES=auto"
    )
    assert "MASTER_BIND=0.0.0.0 lets others join" in who
    wide = Joining(2, "0.0.0.0", 5557, 300)
    assert "MASTER=0.0.0.0" not in how_to_join(wide, ELSEWHERE, OPEN)[0]
    assert len(how_to_join(wide, ELSEWHERE, OPEN)) == 1
    private = how_to_join(wide, ELSEWHERE, Access({"Authorization": "Bearer tell-nobody"}))[0]
    assert "TARGET=http://10.0.0.1:8000" in private
    assert "tell-nobody" not in private


@pytest.mark.servers
def test_of_a_deployment_of_ours_workers_elsewhere_have_nothing(deployment: LocalDeployment) -> None:
    _, who = how_to_join(replace(HERE, bind="0.0.0.0"), deployment, OPEN)
    assert "workers of other machines cannot reach it, give TARGET=URL" in who


@pytest.mark.servers
def test_workers_join_do_the_test_and_end_with_it(deployment: LocalDeployment, tmp_path: Path) -> None:
    port = str(free_port())
    join = ("--master", "127.0.0.1", "--master-port", port)
    load = ("--users", "9", "--duration", "6", "--wait", "0.1", "--slo-p99", "60")
    with ExitStack() as stack:
        old = LocustPython(
            *("-c", ANOTHER_VERSION, "-f", "loadtests/locustfile.py", "--worker"),
            *("--master-host", "127.0.0.1", "--master-port", port),
        )
        stack.callback(old.kill)
        workers = Harness("worker", *join, "--processes", "2")  # before there is a master
        stack.callback(workers.kill)
        master = Harness(
            *("master", "--workers-expected", "3", "--master-port", port, "--target", deployment.url),
            *(*load, "--results", str(tmp_path)),
            environ=os.environ | {"LOCUST_MASTER_BIND_PORT": "1"},
        )
        stack.callback(master.kill)
        wait_until(lambda: any("refused_workers" in path.read_text() for path in tmp_path.glob("*/run.json")))
        last = Harness("worker", *join)
        stack.callback(last.kill)
        done, joined, alone, refused = master.wait(200), workers.wait(60), last.wait(60), old.wait(60)
    assert done.returncode == 0, done.stdout + done.stderr
    for each in (joined, alone):
        assert each.returncode == 0, each.stdout + each.stderr
        assert "the master has ended the test" in each.stdout
    assert refused.returncode != 0
    assert "runs another version of the load test (0ld" in refused.stderr
    assert "refused: " in done.stdout
    assert "3 of 3 workers are there" in done.stdout
    (path,) = (run.parent for run in tmp_path.glob("*/run.json"))
    run, steps = RunDirectory(path).read(), RunDirectory(path).read_steps().to_pandas()
    assert run["config"]["processes"] == 3
    assert {each["name"] for each in run["generators"]} == set(steps["generator"])
    assert run["counted"] == steps["op"].value_counts().to_dict()
    assert steps["user"].nunique() == 9
    resources = RunDirectory(path).resources.read().to_pandas()
    sampled = resources[resources["name"].isin(set(steps["generator"]))]
    assert sampled["name"].nunique() == 3
    assert whose_lag_is_recorded(RunDirectory(path)) == set(steps["generator"])
    assert (sampled["memory_bytes"] > 10e6).all()
    assert (sampled["open_files"] > 4).all()
    assert run["ended_at"] is not None
    assert run["started_at"] - 60 < resources["at"].min() <= resources["at"].max() < run["ended_at"] + 60
    assert not list(path.glob("*.arrows"))


@pytest.mark.servers
def test_workers_that_do_not_come_are_given_up(deployment: LocalDeployment, tmp_path: Path) -> None:
    done = Harness(
        *("master", "--workers-expected", "2", "--master-port", "0", "--join-wait", "1"),
        *("--target", deployment.url, "--results", str(tmp_path)),
    ).wait(200)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "after 1.00 s 0 of 2 workers are there: start the others in time" in done.stderr
