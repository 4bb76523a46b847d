import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.deployments import generators
from loadtests.deployments.docker_engine import Container
from loadtests.deployments.generators import MASTER, WORKER, ContainerGenerators, LoadOrder, overlay
from loadtests.errors import LoadTestError

ORDER = LoadOrder(
    ["--users", "8", "--action", '{"price": "$5"}'], Path("/results/run"), [Path("/a/policy.py")]
)


def container(service: str, number: int = 1, *, exit_code: int | None = None) -> Container:
    name = f"{service}-{number}"
    return Container(name, name, service, number, running=exit_code is None, exit_code=exit_code)


class Listed:
    """An engine whose containers are what a test says."""

    def __init__(self, *containers: Container) -> None:
        self.containers: list[Container] | None = list(containers)
        self.removed = False

    def start_generators(self, order: LoadOrder) -> None:
        self.order = order

    def generator_containers(self) -> list[Container]:
        if self.containers is None:
            raise LoadTestError("the engine does not answer")
        return self.containers

    def follow_generators(self, log: Path) -> list["subprocess.Popen[bytes]"]:
        with log.open("ab") as output:
            return [subprocess.Popen([sys.executable, "-c", "print('copied')"], stdout=output)]

    def stop_master(self) -> None:
        self.containers = [container(MASTER, exit_code=0)]

    def remove_generators(self) -> None:
        self.removed = True


Start = Callable[[Listed], ContainerGenerators]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def started(engine: Listed, said: Callable[[str], None] = lambda _: None) -> ContainerGenerators:
        found = ContainerGenerators(engine, ORDER, said)
        with (tmp_path / "locust.log").open("wb") as log:
            found.start(log)
        return found

    return started


def test_the_masters_exit_code_is_that_of_the_run(start: Start) -> None:
    engine = Listed(container(MASTER), container(WORKER))
    found = start(engine)
    assert found.poll() is None
    engine.containers = [container(MASTER, exit_code=3), container(WORKER, exit_code=1)]
    assert found.poll() == 3
    assert found.incidents() == []


def test_a_master_that_was_killed_is_one_that_a_signal_ended(start: Start) -> None:
    assert start(Listed(container(MASTER, exit_code=137))).poll() == -9


def test_an_engine_that_does_not_answer_ends_no_run(start: Start) -> None:
    engine = Listed(container(MASTER))
    found = start(engine)
    engine.containers = None
    assert found.poll() is None


def test_a_worker_that_is_killed_is_said_at_once_and_an_incident() -> None:
    said: list[str] = []
    engine = Listed(container(MASTER), container(WORKER), container(WORKER, 2, exit_code=137))
    found = ContainerGenerators(engine, ORDER, said.append)
    found.start(None)
    assert (found.poll(), found.poll()) == (None, None)
    assert said == ["locust-worker-2 ended, with exit code 137 (killed; LOCUST_MEMORY may be too little)"]
    assert [line.split(",")[0] for line in found.incidents()] == ["locust-worker-2 ended before the load did"]


def test_a_worker_that_ends_long_before_the_master_is_an_incident_whatever_it_says(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Listed(container(MASTER), container(WORKER, exit_code=0))
    found = start(engine)
    assert found.poll() is None
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    engine.containers = [container(MASTER, exit_code=0)]
    assert found.poll() == 0
    assert [line[:37] for line in found.incidents()] == ["locust-worker-1 ended before the load"]


def test_stopping_waits_for_the_masters_end(start: Start) -> None:
    found = start(Listed(container(MASTER)))
    found.stop(5)
    assert found.poll() == 0


def test_their_last_output_is_kept_when_they_are_removed(start: Start, tmp_path: Path) -> None:
    engine = Listed(container(MASTER, exit_code=0))
    found = start(engine)
    found.poll()
    found.kill()
    assert engine.removed
    assert (tmp_path / "locust.log").read_text() == "copied\n"


def test_nothing_is_removed_that_was_not_started() -> None:
    engine = Listed()
    found = ContainerGenerators(engine, ORDER, lambda _: None)
    found.stop(1)
    found.kill()
    assert not engine.removed


def test_an_order_becomes_commands_and_files_of_the_same_names() -> None:
    parts = overlay(ORDER, 3)
    master, worker = parts["services"][MASTER], parts["services"][WORKER]
    # Compose makes one of two dollar signs.
    assert '{"price": "$$5"}' in master["command"]
    assert master["command"][-2:] == ["--run-directory", "/results/run"]
    assert worker["command"][:3] == ["--worker", "--master-host", MASTER]
    assert worker["deploy"]["replicas"] == 3
    (config,) = worker["configs"]
    assert (config["target"], parts["configs"][config["source"]]) == (
        "/a/policy.py",
        {"file": "/a/policy.py"},
    )
    assert "configs" not in overlay(LoadOrder([], Path("/run")), 1)


def test_generators_run_as_who_may_write_to_the_run_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 100)
    assert generators.variables(ORDER, rootless=False)["LOCUST_USER"] == "1000:100"
    assert generators.variables(ORDER, rootless=True)["LOCUST_USER"] == "0:0"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_in_place_of_root_generators_run_as_the_images_user_who_gets_the_run_directory(
    tmp_path: Path,
) -> None:
    run_json, policy = tmp_path / "run.json", tmp_path / "policy.py"
    run_json.touch()
    policy.touch(mode=0o644)
    order = LoadOrder([], tmp_path, [policy])
    assert generators.variables(order, rootless=False)["LOCUST_USER"] == "10001:10001"
    engine = Listed(container(MASTER, exit_code=0))
    found = ContainerGenerators(engine, order, lambda _: None)
    found.start(None)
    assert (tmp_path.stat().st_uid, run_json.stat().st_uid) == (10001, 10001)
    found.kill()
    assert (tmp_path.stat().st_uid, run_json.stat().st_gid) == (0, 0)
    policy.chmod(0o600)
    assert generators.variables(order, rootless=False)["LOCUST_USER"] == "0:0", "nobody else may read it"
