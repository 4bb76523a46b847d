"""A locustfile that records by turns: every other second of its load runs without the recorder.

What each turn took is written to `turns.json` in the run directory. Neighbouring turns share the process, its
sessions, and whatever else the machine does.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment

from loadtests.load.recorder import FLUSH_SECONDS
from loadtests.load.users import OpenEnvUser
from loadtests.locustfile import OpenEnvWebSocketUser

__all__ = ["OpenEnvWebSocketUser"]

_TURNS = "turns.json"
_SETTLE_SECONDS = 4.0


@dataclass(frozen=True)
class Turn:
    """About a second of load."""

    recorded: bool
    steps: int
    cpu_s: float
    """CPU seconds of the Locust process."""


def _begin(environment: Environment, **_: Any) -> None:
    turns: list[Turn] = []
    taking = gevent.spawn(_take_turns, environment, turns)

    def end(**_: Any) -> None:
        taking.kill()
        assert environment.parsed_options is not None
        file = Path(environment.parsed_options.run_directory) / _TURNS
        file.write_text(json.dumps([asdict(turn) for turn in turns]))

    environment.events.test_stopping.add_listener(end)


def _take_turns(environment: Environment, turns: list[Turn]) -> None:
    """Adds pairs of turns, one with the recorder and one without; which is first alternates."""
    gevent.sleep(_SETTLE_SECONDS)
    recorder = OpenEnvUser.recorder
    assert recorder is not None
    taken = environment.stats.get("step", OpenEnvWebSocketUser.request_type)
    recorded = True
    while True:
        OpenEnvUser.recorder = recorder if recorded else None
        recorder.flush()
        steps, cpu_s = taken.num_requests, time.process_time()
        gevent.sleep(FLUSH_SECONDS)
        if recorded:
            recorder.flush()
            recorder.flush()  # what came during the first: a turn bears the cost of its own rows
        turns.append(Turn(recorded, taken.num_requests - steps, time.process_time() - cpu_s))
        if len(turns) % 2:
            recorded = not recorded


events.test_start.add_listener(_begin)
