"""What users do one after the other, and when they pause, without a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.loadtests.locust_python import locust_python

PLAY = """
import json, sys
from functools import partial
from types import SimpleNamespace
from locust.env import Environment
from locust.exception import StopUser
from loadtests.commands import USER_SETTINGS
from loadtests.load import users
from loadtests.load.backoff import Backoff
from loadtests.load.groups import Groups
from loadtests.load.options import load_options
from loadtests.load.replay import Replay
from loadtests.load.schedule import InSystem, Schedule
from loadtests.protocol.replies import Answer, OperationError

told = json.loads(sys.argv[1])
begins, steps, settings = iter(told["begins"]), iter(told["steps"]), told["settings"]
said, numbers = [], []


class Noting(InSystem):
    def leave(self, due):
        said.append("gone")
        super().leave(due)


class User(users.OpenEnvUser):
    @staticmethod
    def encoded(action):
        return b""

    def begin(self):
        if not numbers or numbers[-1] != self._number:
            numbers.append(self._number)
        return next(begins, True)

    def reset(self):
        said.append("reset")
        return True

    def step(self, request):
        said.append("step")
        how = next(steps, "")
        failed = how in ("failed", "over")
        error = OperationError("validation", "", session_over=how == "over") if failed else None
        return Answer(done=how == "done"), error

    def leave(self):
        said.append("leave")


users.Backoff = partial(Backoff, lambda low, high: high)
users.gevent = SimpleNamespace(sleep=lambda s: said.append("think" if s == 7 else f"pause {s:g}"))
defaults = {setting.name: setting.default for setting in USER_SETTINGS}
of = users.OpenEnvUser
options = of.options = load_options(defaults | {"WAIT": "0", "THINK_TIME": "7"} | settings)
if told["group"]:
    of.groups = Groups(1)
elif options.trace is not None:
    of.replay = Replay(options.trace)
    of.replay._start = 1.0  # so long ago that all is due
elif options.arrivals is not None:
    of.schedule = Schedule(iter([0.0] * told["arrivals"]), gathers=options.arrivals.of == "steps")
    of.schedule.expect(1)
for given in (of.schedule, of.replay):
    if given is not None:
        given.in_system = Noting()
user = User(Environment())
try:
    for _ in range(told["episodes"]):
        user.episode()
except StopUser:
    said.append("end")
print(json.dumps({"said": said, "numbers": numbers, "counted": of.counted_arrivals()}))
"""
"""One user, whose steps end as they are told to, and who notes its pauses instead of making them."""


def played(
    *,
    episodes: int = 1,
    arrivals: int = 0,
    of: str = "",
    group: bool = False,
    begins: tuple[bool, ...] = (),
    steps: tuple[str, ...] = (),
    **settings: str,
) -> dict[str, Any]:
    """What a user says that plays so many episodes, and what was counted of arrivals."""
    if of:
        settings |= {"ARRIVALS": "constant:1", "ARRIVALS_OF": of}
    told = {
        "episodes": episodes,
        "arrivals": arrivals,
        "group": group,
        "begins": begins,
        "steps": steps,
        "settings": settings,
    }
    done = locust_python("-c", PLAY, json.dumps(told))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_users_think_after_each_step_of_a_session_that_they_keep() -> None:
    assert played(STEPS_PER_EPISODE="2")["said"] == ["reset", "step", "think", "step", "think"]
    pool = played(of="steps", arrivals=2, STEPS_PER_EPISODE="2")["said"]
    assert pool == ["reset", "step", "gone", "think", "step", "gone", "think"]


def test_they_do_not_think_before_they_leave_an_arrived_session() -> None:
    found = played(of="sessions", arrivals=1, STEPS_PER_EPISODE="3")
    assert found["said"] == ["reset", "step", "think", "step", "think", "step", "leave", "gone"]


def test_they_do_not_think_before_they_leave_a_rollout() -> None:
    found = played(group=True, episodes=2, STEPS="2", STEPS_PER_EPISODE="9")
    assert found["said"] == ["reset", "step", "think", "step", "leave"] * 2


def test_after_an_episode_s_last_step_they_do_not_think() -> None:
    assert played(steps=("", "done"))["said"] == ["reset", "step", "think", "step"]


def test_after_a_failed_step_of_the_closed_model_they_back_off_until_one_succeeds() -> None:
    found = played(steps=("failed", "failed", "", "failed", "over"), THINK_TIME="0")
    paused = ["step", "pause 0.1", "step", "pause 0.2"]
    assert found["said"] == ["reset", *paused, "step", *paused]


def test_after_a_failed_step_of_a_pool_they_do_not_back_off() -> None:
    found = played(of="steps", arrivals=3, steps=("failed", "over"), episodes=2, THINK_TIME="0")
    assert found["said"] == ["reset", "step", "gone", "step", "gone", "reset", "step", "gone", "end"]


def test_in_an_arrived_session_they_back_off_after_a_failed_step_unless_it_is_over() -> None:
    found = played(of="sessions", arrivals=1, steps=("failed", "over"), THINK_TIME="0")
    assert found["said"] == ["reset", "step", "pause 0.1", "step", "leave", "gone"]


def test_who_gets_no_session_backs_off_unless_others_arrive_meanwhile() -> None:
    assert played(begins=(False, False), episodes=2)["said"] == ["pause 0.1", "pause 0.2"]
    assert played(of="steps", arrivals=1, begins=(False,))["said"] == ["pause 0.1"]
    assert played(of="sessions", arrivals=1, begins=(False,))["said"] == ["leave", "gone"]


def test_each_arrived_session_is_another_user_and_each_arrival_leaves_once() -> None:
    found = played(of="sessions", arrivals=3, episodes=4, begins=(True, False), STEPS_PER_EPISODE="1")
    one = ["reset", "step", "leave", "gone"]
    assert found["said"] == [*one, "leave", "gone", *one, "end"]
    assert len(set(found["numbers"])) == len(found["numbers"]) == 3
    assert (found["counted"]["begun"], found["counted"]["done"]) == (3, 3)


def test_a_user_of_a_pool_stays_the_same_and_each_arrival_leaves_once() -> None:
    found = played(of="steps", arrivals=5, episodes=9, steps=("", "failed", "over"), STEPS_PER_EPISODE="2")
    assert len(found["numbers"]) == 1
    assert found["said"].count("gone") == found["said"].count("step") == 5
    assert (found["counted"]["begun"], found["counted"]["done"]) == (5, 5)


def test_each_session_of_a_trace_is_another_user(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text("".join(f'{{"at": {at}, "session": {at % 2}, "wait": 0}}\n' for at in range(4)))
    found = played(SHAPE=f"trace:{file}", episodes=3)
    assert len(set(found["numbers"])) == len(found["numbers"]) == 2
    assert found["said"] == [*(["reset", "step", "gone", "step", "gone", "leave"] * 2), "end"]


@pytest.mark.parametrize(("begins", "sent"), [((), 3), ((False, False, True), 2), ((False,) * 4, 0)])
def test_each_step_of_a_trace_leaves_once_with_a_session_or_without(
    tmp_path: Path, begins: tuple[bool, ...], sent: int
) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text("".join(f'{{"at": {at}, "session": 1, "wait": 0}}\n' for at in range(3)))
    found = played(SHAPE=f"trace:{file}", begins=begins, episodes=2)
    assert (found["said"].count("step"), found["said"].count("gone")) == (sent, 3)
    assert found["said"][-2:] == ["leave", "end"]
    assert (found["counted"]["begun"], found["counted"]["done"]) == (3, 3)
