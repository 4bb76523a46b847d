"""The configuration of a capacity search, from the command line and the environment, checked first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from loadtests.capacity.search import SearchPlan
from loadtests.commands import LOAD_SETTINGS, NOT_OF_A_BATCH
from loadtests.errors import LoadTestError
from loadtests.run.config import LoadTestConfig, load_test_config, whole_seconds
from loadtests.settings import Values, number, whole


@dataclass(frozen=True)
class CapacityConfig:
    """A capacity search, every value checked."""

    load: LoadTestConfig
    """A batch, of which only the number of users varies."""
    plan: SearchPlan
    budget_s: int

    def batch(self, users: int) -> LoadTestConfig:
        """The load test that is one batch."""
        return replace(self.load, users=users, spawn_rate=float(users))


def without_effect(environ: Mapping[str, str]) -> list[str]:
    """Variables that are set, mean something to other commands, and nothing to a search."""
    return sorted(name for name in NOT_OF_A_BATCH if environ.get(name))


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
        load=replace(load, scenario="batch", deployment=replace(load.deployment, sessions=most)),
        plan=SearchPlan(
            start, most, whole(values, "TRIES", 1, 99), precision / 100, load.slo["success_rate"]
        ),
        budget_s=whole_seconds(values, "BUDGET"),
    )
