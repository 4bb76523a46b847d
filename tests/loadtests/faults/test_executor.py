import time
from collections.abc import Callable
from threading import Event

import pytest

from loadtests.clock import now
from loadtests.deployments import Kind
from loadtests.deployments.breakable import Breakable, NotPossibleError
from loadtests.errors import LoadTestError
from loadtests.faults.executor import Faults
from loadtests.faults.plan import parse_faults
from reports.records.schema import FaultJson, Topology

A, B = "127.0.0.1:1", "127.0.0.1:2"
NEVER = 3600.0


class Noting(Breakable):
    """A deployment of two replicas that only notes what is done to it."""

    kind: Kind = "local"
    url = "http://127.0.0.1:9"

    def __init__(self, *, workers: int = 2) -> None:
        self.done: list[tuple[str, ...]] = []
        self._hosts, self._workers = [A, B], workers
        self._put_down: set[str] = set()
        self.adding, self.can_be_slow, self.restarts = Event(), 2, 0
        self.died: set[str] = set()
        self.resumes, self.resumed_at = True, 0.0

    def up(self) -> None:
        """It always is."""

    def down(self) -> None:
        """It never is."""

    def topology(self) -> Topology:
        names = {host: f"replica-{number}" for number, host in enumerate(self._hosts, 1)}
        return Topology(replicas=len(names), workers=self._workers, hosts=list(names), names=names)

    def running(self) -> set[str]:
        return {*self._hosts, "nginx"} - self._put_down - self.died

    def put_down(self) -> set[str]:
        return self._put_down

    def workers_of(self, host: str) -> list[int]:
        return [10 * (self._hosts.index(host) + 1) + number for number in range(self._workers)]

    def kill_worker(self, host: str, pid: int) -> None:
        self.done.append(("kill", host, str(pid)))

    def kill_replica(self, host: str) -> None:
        self._put_down.add(host)
        self.done.append(("kill", host))

    def pause_replica(self, host: str) -> None:
        self.done.append(("pause", host))

    def resume_replica(self, host: str) -> None:
        if not self.resumes:
            raise LoadTestError("it is gone")
        self.resumed_at = now()
        time.sleep(0.01)
        self.done.append(("resume", host))

    def restart_nginx(self) -> None:
        self.restarts += 1
        raise LoadTestError("nginx does not come back")

    def add_replica(self, given_up: Event) -> str:
        self.adding.set()
        if given_up.wait(60):
            raise LoadTestError("it was not ready in time")
        raise AssertionError

    def remove_replica(self, host: str, given_up: Event) -> None:
        if given_up.wait(60):
            raise LoadTestError(f"the sessions of {host} did not end in time")
        raise AssertionError

    def slow_network(self, host: str, delay_s: float) -> None:
        if self.can_be_slow == 0:
            raise NotPossibleError("it is not permitted")
        self.can_be_slow -= 1
        self.done.append(("slow", host, str(delay_s)))

    def restore_network(self, host: str) -> None:
        self.done.append(("restore", host))


def carried_out(
    text: str, deployment: Noting, until: Callable[[Noting], bool] | int, told: list[str] | None = None
) -> list[FaultJson]:
    """What the faults noted that were stopped after so many deeds, or when that holds."""
    lines: list[str] = []
    faults = Faults(parse_faults(text, NEVER + 1), deployment, lambda: True, lines.append)
    faults.start()
    give_up = time.monotonic() + 120
    while not (len(deployment.done) >= until if isinstance(until, int) else until(deployment)):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    notes = faults.stop()
    if told is not None:
        told += lines
    return notes


def by_name(notes: list[FaultJson]) -> dict[str, FaultJson]:
    """Those that take their time begin when their thread does."""
    return {note["name"]: note for note in notes}


def test_a_pause_ends_by_itself_and_both_are_told() -> None:
    deployment, told = Noting(), list[str]()
    (note,) = carried_out("pause-replica:0.2s@0s", deployment, 2, told)
    (_, host), second = deployment.done
    assert second == ("resume", host)
    assert (note["target"], note["outcome"], note["detail"]) == (host, "done", None)
    assert note["ended_at"] is not None
    assert note["ended_at"] - note["at"] >= 0.2
    assert note["ended_at"] <= deployment.resumed_at, "it may have answered from then on"
    name = deployment.topology()["names"][host]
    assert [line.partition(" s: ")[2] for line in told] == [f"paused {name}", f"resumed {name}"]


def test_what_is_in_effect_when_the_load_ends_is_taken_back() -> None:
    deployment = Noting()
    notes = carried_out("pause-replica:1h@0s,slow-network:50ms@0s", deployment, 3)
    assert sorted(each[0] for each in deployment.done) == [
        "pause",
        "restore",
        "restore",
        "resume",
        "slow",
        "slow",
    ]
    assert all(note["ended_at"] is not None for note in notes)
    assert {note["target"] for note in notes} > {f"{A}, {B}"}


def test_what_cannot_be_taken_back_is_told_and_the_rest_is_taken_back() -> None:
    deployment, told = Noting(), list[str]()
    deployment.resumes = False
    notes = carried_out("pause-replica:1h@0s,slow-network:50ms@0s", deployment, 3, told)
    paused, slowed = sorted(notes, key=lambda note: note["name"])
    assert (paused["outcome"], paused["ended_at"]) == ("done", None)
    assert paused["detail"] == "it could not be taken back: it is gone"
    assert (slowed["detail"], slowed["ended_at"] is None) == (None, False)
    assert [each[0] for each in deployment.done].count("restore") == 2
    assert any("pause-replica:1h@0s could not be taken back: it is gone" in line for line in told)
    assert not any("resumed" in line for line in told)


def test_a_slow_network_that_is_permitted_in_part_is_restored_there_and_left_out() -> None:
    deployment = Noting()
    deployment.can_be_slow = 1
    (note,) = carried_out("slow-network:50ms@0s", deployment, 2)
    assert deployment.done == [("slow", A, "0.05"), ("restore", A)]
    assert (note["outcome"], note["target"], note["ended_at"]) == ("left out", None, None)
    assert note["detail"] == "it is not permitted"


def test_what_the_load_does_not_live_to_see_is_left_out_with_its_time() -> None:
    before = time.time()
    notes = carried_out(f"kill-worker@0s,restart-nginx@{NEVER:g}s", Noting(), 1)
    assert [note["outcome"] for note in notes] == ["done", "left out"]
    assert notes[1]["at"] == pytest.approx(before + NEVER, abs=20)
    assert "load was over" in (notes[1]["detail"] or "")


def test_the_time_of_one_that_was_left_out_counts_from_the_begin_of_the_load() -> None:
    done, left_out = carried_out(f"kill-worker@0.5s,restart-nginx@{NEVER:g}s", Noting(), 1)
    assert left_out["at"] - NEVER <= done["at"] - 0.5 + 0.1


def test_a_fault_that_fails_says_why_and_the_next_comes() -> None:
    deployment, told = Noting(), list[str]()
    notes = by_name(carried_out("restart-nginx@0s,kill-worker@0.3s", deployment, 1, told))
    failed, done = notes["restart-nginx"], notes["kill-worker"]
    assert any("restart-nginx@0s failed: nginx does not come back" in line for line in told)
    assert (failed["outcome"], failed["detail"]) == ("failed", "nginx does not come back")
    assert done["outcome"] == "done"
    host, pid = (done["target"] or "").split()
    assert deployment.done == [("kill", host, pid)]


def test_one_that_takes_its_time_holds_up_no_other_and_is_given_up_at_the_end() -> None:
    deployment, told = Noting(), list[str]()
    notes = carried_out(
        "add-replica@0s,kill-worker@0.1s", deployment, lambda it: it.adding.is_set() and bool(it.done), told
    )
    added, killed = by_name(notes)["add-replica"], by_name(notes)["kill-worker"]
    assert (added["outcome"], added["detail"], added["target"]) == (
        "failed",
        "it was not ready in time",
        None,
    )
    assert killed["outcome"] == "done"
    assert " s: killed worker" in told[0]


def test_nobody_strikes_a_paused_replica_or_a_dead_one() -> None:
    deployment = Noting()
    notes = carried_out(
        "pause-replica:1h@0s,kill-replica@0.05s,kill-worker@0.1s,restart-nginx@0.2s",
        deployment,
        lambda it: it.restarts > 0,
    )
    paused, killed, left_out = notes[:3]
    assert {paused["target"], killed["target"]} == {A, B}
    assert (left_out["outcome"], left_out["detail"]) == (
        "left out",
        "no replica is running that could be struck",
    )


def test_nobody_strikes_a_replica_that_is_about_to_end_or_died_by_itself() -> None:
    plan = "remove-replica@0s,kill-replica@0.05s,kill-worker@0.1s,restart-nginx@0.2s"
    notes = by_name(carried_out(plan, Noting(), lambda it: it.restarts > 0))
    assert {notes["remove-replica"]["target"], notes["kill-replica"]["target"]} == {A, B}
    assert notes["kill-worker"]["outcome"] == "left out"
    deployment = Noting()
    deployment.died = {A}
    killed, left_out, _ = carried_out(
        "kill-replica@0s,kill-worker@0.1s,restart-nginx@0.2s", deployment, lambda it: it.restarts > 0
    )
    assert (killed["target"], left_out["outcome"]) == (B, "left out")


def test_a_replica_that_was_resumed_can_be_struck_again() -> None:
    deployment = Noting()
    notes = carried_out("pause-replica:0.05s@0s,kill-replica@1.5s,kill-replica@1.55s", deployment, 4)
    assert [note["outcome"] for note in notes] == ["done"] * 3


def test_the_last_replica_is_not_removed() -> None:
    deployment = Noting()
    notes = carried_out(
        "kill-replica@0s,remove-replica@0.05s,kill-worker@0.1s", deployment, lambda it: len(it.done) == 2
    )
    assert notes[1]["detail"] == "it would have been the last replica"


def test_a_server_of_one_process_has_no_worker_to_kill() -> None:
    deployment = Noting(workers=0)
    (left_out, _) = carried_out("kill-worker@0s,kill-replica@0.05s", deployment, 1)
    assert "one process serves alone" in (left_out["detail"] or "")


def test_the_same_plan_strikes_the_same_parts() -> None:
    text = ",".join(f"kill-worker@0.0{number}s" for number in range(1, 9))
    first, second = Noting(), Noting()
    carried_out(text, first, 8)
    carried_out(text, second, 8)
    assert first.done == second.done
    assert len(set(first.done)) > 2


def test_nothing_is_broken_where_the_load_never_begins() -> None:
    deployment = Noting()
    faults = Faults(parse_faults("kill-worker@0s", 1), deployment, lambda: False, lambda _: None)
    faults.start()
    time.sleep(0.2)
    assert faults.stop() == []
    assert deployment.done == []
