"""The configuration of a capacity search, from the command line and the environment, checked first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.capacity.search import SearchPlan
from loadtests.errors import LoadTestError
from loadtests.run.config import (
    DEPLOYMENT_SETTINGS,
    LOAD_SETTINGS,
    LoadTestConfig,
    load_test_config,
    whole_seconds,
)
from loadtests.settings import Setting, Values, number, whole

_NOT_OF_A_BATCH = {"USERS", "SPAWN_RATE", "DURATION", "THINK_TIME", "STEPS_PER_EPISODE"}
_OWN_DEFAULTS = {"PORT": "0", "WAIT": "1", "STEP_TIMEOUT": "30"}
"""A wait during which all sessions of a batch are there at once; a time-out that delays the search less."""

_SEARCH_SETTINGS = (
    Setting("START", "16", "users of the first batch; the next has twice as many, until one fails"),
    Setting("MOST", "16384", "the largest batch to try"),
    Setting("TRIES", "3", "the most tries that decide a batch along the way; more confirm the answer"),
    Setting("PRECISION", "2.5", "how close the answer must be to the next failing batch, in % of it"),
    Setting("BUDGET", "10m", "how long the search may take: 600, 90s, 10m or 1h"),
)

CAPACITY_SETTINGS = (
    *(
        Setting(setting.name, _OWN_DEFAULTS.get(setting.name, setting.default), setting.help)
        for setting in DEPLOYMENT_SETTINGS + LOAD_SETTINGS
        if setting.name not in _NOT_OF_A_BATCH
    ),
    *_SEARCH_SETTINGS,
)


@dataclass(frozen=True)
class CapacityConfig:
    """A capacity search, every value checked."""

    load: LoadTestConfig
    """A batch, of which only the number of users varies."""
    start: int
    most: int
    tries: int
    precision: float
    """As a share of the answer."""
    budget_s: int

    @property
    def results(self) -> Path:
        return self.load.results

    def batch(self, users: int) -> LoadTestConfig:
        """The load test that is one batch."""
        return replace(self.load, users=users, spawn_rate=float(users))

    def plan(self, most: int) -> SearchPlan:
        """The search, in which no batch is larger than `most`."""
        return SearchPlan(
            start=min(self.start, most),
            most=most,
            tries=self.tries,
            precision=self.precision,
            success_rate=self.load.slo["success_rate"],
        )


def without_effect(environ: Mapping[str, str]) -> list[str]:
    """Variables that are set, mean something to other commands, and nothing to a search."""
    return sorted(name for name in _NOT_OF_A_BATCH if environ.get(name))


def capacity_config(values: Values) -> CapacityConfig:
    """Checks all settings. Raises LoadTestError with the bad value and what is allowed."""
    defaults = {setting.name: setting.default for setting in LOAD_SETTINGS}
    start = whole(values, "START", 1, 1_000_000)
    most = whole(values, "MOST", 1, 1_000_000)
    if start > most:
        raise LoadTestError(f"START={start} is more than MOST={most}: give a smaller first batch")
    precision = number(values, "PRECISION")
    if not 0 <= precision <= 50:
        raise LoadTestError(f"PRECISION={values['PRECISION']} is not allowed: give per cent, 0 to 50")
    load = load_test_config({**defaults, **values})
    return CapacityConfig(
        load=replace(load, scenario="batch"),
        start=start,
        most=most,
        tries=whole(values, "TRIES", 1, 99),
        precision=precision / 100,
        budget_s=whole_seconds(values, "BUDGET"),
    )
