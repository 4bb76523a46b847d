"""The configuration of a capacity search, from the command line and the environment, checked first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from loadtests.capacity.search import SearchPlan
from loadtests.commands import LOAD_SETTINGS, NOT_OF_A_BATCH, NOT_OF_RATES
from loadtests.errors import LoadTestError
from loadtests.load.arrivals import Arrivals, Process
from loadtests.run.config import (
    LoadTestConfig,
    load_test_config,
    users_an_arrival,
    users_enough,
    whole_seconds,
)
from loadtests.settings import Values, number, whole
from reports.records.schema import ArrivalUnit, CapacityUnit

_START, _DURATION = 16, "8"
_PRECISION, _PRECISION_OF_RATES = "2.5", "5"
"""Per cent. That of rates is about what chance leaves of a try of eight seconds."""
_ENOUGH: Mapping[ArrivalUnit, int] = {"steps": 400, "sessions": 100}
"""Arrivals of a try. Of so many steps four lie above the 99th percentile, so that none alone decides it."""
_LONGEST_S = 60
"""No try is measured longer for the sake of that; at lower rates DURATION can be."""
_STAYS = 8
"""A try lasts for so many stays of a session, so that how many are there varies little by chance."""
_SPAWNS_A_SECOND = 200.0
_MOST_USERS = 1_000_000


@dataclass(frozen=True)
class CapacityConfig:
    """A capacity search, every value checked."""

    load: LoadTestConfig
    """A batch, of which only the number of users varies, or arrivals, of which only the rate does."""
    plan: SearchPlan
    budget_s: int
    duration_given: bool = False
    """Whether somebody asked for the length of tries; otherwise it may be longer."""

    @property
    def unit(self) -> CapacityUnit:
        """What is searched the most of."""
        arrivals = self.load.options.arrivals
        if arrivals is None:
            return "sessions"
        return "steps/s" if arrivals.of == "steps" else "sessions/s"

    def attempt(self, load: int, number: int) -> LoadTestConfig:
        """The load test that is the n-th try of a load, in the search's unit."""
        return self.batch(load) if self.unit == "sessions" else self.at_rate(load, number)

    def batch(self, users: int) -> LoadTestConfig:
        """The load test that is one batch."""
        return replace(self.load, users=users, spawn_rate=float(users))

    def at_rate(self, rate: int, number: int) -> LoadTestConfig:
        """The load test in which so many steps or sessions arrive a second.

        Each try draws moments of its own, the same at every rate. The time in which users start, and in which
        the server fills from empty, does not count.
        """
        load, options = self.load, self.load.options
        assert options.arrivals is not None
        arrivals = replace(options.arrivals, rate=float(rate), seed=_seed(options.arrivals, number))
        users = users_enough(arrivals, options, load.slo, _MOST_USERS)
        fills_s = max(1, math.ceil(2 * options.wait.mean))
        length_s = load.duration_s if self.duration_given else self._long_enough(rate, arrivals.of)
        if arrivals.of == "steps":
            spawn_rate = min(float(users), _SPAWNS_A_SECOND * load.processes)
            ramp_s = math.ceil(users / spawn_rate)
        else:
            # Users wait for sessions to arrive; the first of these leave after a stay.
            spawn_rate, ramp_s = float(users), math.ceil(2 * options.stay_s)
        return replace(
            load,
            users=users,
            spawn_rate=spawn_rate,
            warmup_s=fills_s,
            duration_s=ramp_s + fills_s + length_s,
            options=replace(options, arrivals=arrivals),
        )

    def _long_enough(self, rate: int, of: ArrivalUnit) -> int:
        """Seconds in which enough arrive for a 99th percentile, and sessions come and go often enough."""
        length_s = max(self.load.duration_s, min(math.ceil(_ENOUGH[of] / rate), _LONGEST_S))
        return length_s if of == "steps" else max(length_s, math.ceil(_STAYS * self.load.options.stay_s))

    def most_load(self, sessions: int) -> int:
        """The largest load, in the search's unit, for which so many sessions are enough; at least 1."""
        arrivals = self.load.options.arrivals
        if arrivals is None:
            return max(1, sessions)
        return max(1, math.floor(sessions / users_an_arrival(arrivals, self.load.options, self.load.slo)))


def _seed(arrivals: Arrivals, number: int) -> int:
    return number - 1 if arrivals.process == "poisson" else 0


def without_effect(environ: Mapping[str, str]) -> list[str]:
    """Variables that are set, mean something to other commands, and nothing to a search."""
    names = NOT_OF_RATES if environ.get("ARRIVALS") else NOT_OF_A_BATCH
    return sorted(name for name in names if environ.get(name))


def capacity_config(values: Values) -> CapacityConfig:
    """Checks all settings. Raises LoadTestError with the bad value and what is allowed."""
    defaults = {setting.name: setting.default for setting in LOAD_SETTINGS}
    process, _, rate = values["ARRIVALS"].strip().partition(":")
    most = whole(values, "MOST", 1, 1_000_000)
    start = _start(values, process, rate, most)
    per_cent = values["PRECISION"] or (_PRECISION_OF_RATES if process else _PRECISION)
    precision = number({"PRECISION": per_cent}, "PRECISION")
    if not 0 <= precision <= 50:
        raise LoadTestError(f"PRECISION={values['PRECISION']} is not allowed: give per cent, 0 to 50")
    wait = values["WAIT"] or ("0.01" if process else "1")
    arrivals = f"{process}:{start}" if process else ""
    chosen = {"WAIT": wait, "ARRIVALS": arrivals, "DURATION": values["DURATION"] or _DURATION}
    load = load_test_config({**defaults, **values, **chosen})
    sessions = most
    if load.options.arrivals is not None:
        at_most = replace(load.options.arrivals, rate=float(most))
        sessions = users_enough(at_most, load.options, load.slo, _MOST_USERS)
    return CapacityConfig(
        load=replace(
            load,
            scenario="sustained" if process else "batch",
            deployment=replace(load.deployment, sessions=sessions),
        ),
        plan=SearchPlan(
            start, most, whole(values, "TRIES", 1, 99), precision / 100, load.slo["success_rate"]
        ),
        budget_s=whole_seconds(values, "BUDGET"),
        duration_given=bool(values["DURATION"]),
    )


def _start(values: Values, process: str, rate: str, most: int) -> int:
    """The first load. Raises LoadTestError, also where ARRIVALS is nothing that a search can vary."""
    text = values["ARRIVALS"]
    if process and process not in get_args(Process):
        raise LoadTestError(
            f"ARRIVALS={text} is no stream of arrivals: write constant or poisson, or where the search is to "
            "begin, such as poisson:50"
        )
    if rate and values["START"]:
        raise LoadTestError(
            f"ARRIVALS={text} and START={values['START']} both say where to begin: leave one out"
        )
    name = "ARRIVALS" if rate else "START"
    first = rate or values["START"] or str(_START)
    if rate and not (rate.isascii() and rate.isdigit() and 1 <= int(rate) <= 1_000_000):
        raise LoadTestError(
            f"ARRIVALS={text} is not where a search can begin: it tries whole numbers a second, from 1 to "
            "1000000"
        )
    start = whole({"START": first}, "START", 1, 1_000_000)
    if start > most and values["START"] + rate:
        begin = text if rate else first
        raise LoadTestError(f"{name}={begin} is more than MOST={most}: give a smaller first load")
    return min(start, most)
