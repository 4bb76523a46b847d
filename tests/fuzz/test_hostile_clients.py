"""Clients that mean harm are let go of in time, and hardly cost others anything."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fuzz.attacks import ATTACKS, Outcome
from tests.fuzz.conftest import NGINX_TIMEOUT_S, PING_INTERVAL_S, REQUEST_TIMEOUT_S, Target
from tests.fuzz.effort import LONG
from tests.fuzz.users import STEPS, USERS, Experience

pytestmark = pytest.mark.servers

CLOSING_S = 10.0
"""How long a client that takes no leave may take."""
SLACK_S = 60.0
"""This machine may be busy: that an attack is over is what counts, and the long form prints when it was."""
MOST_TIMES, MOST_MORE_S = 20.0, 0.05
"""What an attack may do to others' 99th percentile: so many times what it is in calm, and so much more."""
MOST_MEMORY_MB = 100.0
"""What an attack may add to the memory of the server, or of nginx."""
USERS_S = 3.0

UNREAD_S = {"deaf": 2 * PING_INTERVAL_S + CLOSING_S, "pings": 2 * PING_INTERVAL_S + CLOSING_S}
SESSIONS_S = dict.fromkeys(("mute", "slow_frame"), 2 * PING_INTERVAL_S)
REQUESTS = (
    *("silent", "slow_head", "half_a_body", "slow_body", "empty_lines"),
    *("deaf_requests", "long_body", "endless_body"),
)
LIMITS_S = {
    "server": dict.fromkeys(ATTACKS, 0.0)
    | dict.fromkeys(REQUESTS, REQUEST_TIMEOUT_S)
    | SESSIONS_S
    | UNREAD_S,
    "nginx": SESSIONS_S
    # Not those whose every piece is in time: each holds one connection of nginx, and none of the server.
    | dict.fromkeys(("silent", "slow_head", "half_a_body"), NGINX_TIMEOUT_S)
    | {"deaf": UNREAD_S["deaf"] + NGINX_TIMEOUT_S}
    | dict.fromkeys(("long_header", "many_headers", "long_body"), 0.0),
}
"""When each attack has to be over."""
ANSWERS = {
    "slow_head": "408",
    "slow_body": "408",
    "half_a_body": "408",
    "long_header": "431",
    "endless_header": "431",
    "many_headers": "431",
    "many_headers_of_a_handshake": "431",
    "long_body": "413",
}
"""The status that the server itself gives."""
FLOODS = ("silent", "mute")
COUNTS = dict.fromkeys(("deaf", "deaf_requests", "pings"), 5)
AT_WORK = (*COUNTS, "long_body")
"""These have thousands of messages answered, or a gigabyte read: real load, which others feel."""


class Use:
    """Open files and megabytes of the server and of nginx."""

    def __init__(self, target: Target) -> None:
        self.files: dict[str, int] = {}
        self.megabytes: dict[str, float] = {}
        for name, process in target.masters.items():
            family = [process, *process.children(recursive=True)]
            self.files[name] = sum(each.num_fds() for each in family)
            self.megabytes[name] = sum(each.memory_full_info().pss for each in family) / 1e6

    def raise_to(self, other: "Use") -> None:
        """Takes the larger of each figure."""
        for name, files in other.files.items():
            self.files[name] = max(self.files[name], files)
            self.megabytes[name] = max(self.megabytes[name], other.megabytes[name])


@contextmanager
def attacking(clients: Mapping[tuple[str, int], int]) -> Iterator[list[Outcome]]:
    """Attacks from a process of its own; what became of them is known at the end."""
    outcomes: list[Outcome] = []
    arguments = [f"{name}:{port}:{count}" for (name, port), count in clients.items()]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.attacks", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield outcomes
        finally:
            printed, _ = process.communicate("")
    outcomes += [Outcome(**each) for each in json.loads(printed)]


def experience(target: Target) -> Experience:
    """What good clients get meanwhile, from a process of their own."""
    command = [sys.executable, "-m", "tests.fuzz.users", target.deployment.url, str(USERS_S)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    return Experience(**json.loads(done.stdout))


def p99(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99))


def over_in(target: Target, calm: Use, allowed: int, limit_s: float, begin: float, most: Use) -> float:
    """Seconds from `begin` until there are no more open files than in calm, or `allowed` more.

    Raises AssertionError where that is not within the limit.
    """
    while True:
        now = Use(target)
        most.raise_to(now)
        seconds = time.monotonic() - begin
        more = {name: files - calm.files[name] for name, files in now.files.items()}
        if max(more.values()) <= allowed:
            return seconds
        assert seconds < limit_s + SLACK_S, f"{more} more open files than before"
        time.sleep(0.2)


def test_all_attacks_at_once_are_over_in_time_and_others_are_served(target: Target) -> None:
    clients = {
        (name, target.ports[place]): 100 if name in FLOODS else 5
        for place, limits in LIMITS_S.items()
        for name in limits
    }
    limit_s = max(max(limits.values()) for limits in LIMITS_S.values())
    calm, most = Use(target), Use(target)
    begin = time.monotonic()
    with attacking(clients) as outcomes:
        seen = experience(target)
        over_in(target, calm, sum(clients.values()) // 20, limit_s, begin, most)
    assert seen.failures == []
    assert len(seen.steps) >= USERS * STEPS
    for outcome in outcomes:
        if outcome.port == target.ports["server"] and outcome.attack in ANSWERS:
            assert_answered(outcome, ANSWERS[outcome.attack])
    target.check_logs()


def assert_answered(outcome: Outcome, status: str) -> None:
    # A client that is still sending may be told by a reset, before it has read the answer.
    answers = dict(outcome.answers)
    answers.pop("nothing", None)
    assert answers.keys() <= {f"HTTP/1.1 {status}"} or all(f" {status} " in each for each in answers), outcome
    assert outcome.ended == outcome.clients, outcome


@pytest.fixture(scope="module")
def calm_seen(target: Target) -> Experience:
    """What good clients get where nobody attacks."""
    return experience(target)


@pytest.mark.parametrize(
    ("place", "name", "count"),
    [
        *(
            (place, name, 5 if name in AT_WORK else 100)
            for place, limits in LIMITS_S.items()
            for name in limits
        ),
        *((place, name, 2000) for place in LIMITS_S for name in FLOODS),
    ],
)
def test_each_attack_is_over_in_time_and_others_are_hardly_slower(
    place: str, name: str, count: int, target: Target, calm_seen: Experience, tell: list[str]
) -> None:
    calm, most = Use(target), Use(target)
    begin = time.monotonic()
    with attacking({(name, target.ports[place]): count}) as outcomes:
        seen = experience(target)
        most.raise_to(Use(target))
        seconds = over_in(target, calm, max(5, count // 20), LIMITS_S[place][name], begin, most)
    after = Use(target)
    (outcome,) = outcomes
    tell.append(
        f"{count} × {name} at the {place}: over in {seconds:.0f} s; read: {outcome.answers or 'nothing'}; "
        + "; ".join(
            f"{part}: {calm.files[part]} → {most.files[part]} → {after.files[part]} files, "
            f"{calm.megabytes[part]:.0f} → {most.megabytes[part]:.0f} → {after.megabytes[part]:.0f} MB"
            for part in calm.files
        )
        + f"; others: {len(seen.failures)} of {len(seen.steps)} steps failed, "
        f"p99 {p99(calm_seen.steps) * 1000:.0f} → {p99(seen.steps) * 1000:.0f} ms a step, "
        f"{p99(calm_seen.connects) * 1000:.0f} → {p99(seen.connects) * 1000:.0f} ms to connect"
    )
    assert seen.failures == []
    assert max(most.megabytes[part] - calm.megabytes[part] for part in calm.files) < MOST_MEMORY_MB
    for kind in ("steps", "connects") if name not in AT_WORK and (name, count) != ("mute", 2000) else ():
        limit = MOST_TIMES * p99(getattr(calm_seen, kind)) + MOST_MORE_S
        assert p99(getattr(seen, kind)) < limit, (kind, limit)
    target.check_logs()


# At length each attack is tried by itself, and floods; in short all at once.
if LONG:
    del test_all_attacks_at_once_are_over_in_time_and_others_are_served
else:
    del test_each_attack_is_over_in_time_and_others_are_hardly_slower
