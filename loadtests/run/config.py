"""The configuration of a load test, from the command line and the environment, checked before it runs."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from loadtests.deployments import Balancing, DeploymentConfig
from loadtests.errors import LoadTestError
from loadtests.load.options import LoadOptions, load_options
from loadtests.settings import Values, above_zero, choice, number, whole
from reports.records.schema import Scenario, Slo, Transport

_SPAWNS_A_SECOND = 100


@dataclass(frozen=True)
class LoadTestConfig:
    """A load test, every value checked."""

    target: str
    deployment: DeploymentConfig
    transport: Transport
    users: int
    spawn_rate: float
    duration_s: int
    options: LoadOptions
    processes: int
    results: Path
    slo: Slo
    scenario: Scenario = "sustained"
    warmup_s: int | None = None
    """Seconds after all users are there that do not count, nor does the ramp-up before; None: all counts."""


def deployment_config(values: Values) -> DeploymentConfig:
    """Checks the settings of a deployment. Raises LoadTestError with the bad value and what is allowed."""
    return DeploymentConfig(
        replicas=whole(values, "REPLICAS", 1, 256),
        workers=whole(values, "WORKERS", 1, 256),
        balancing=cast(Balancing, choice(values, "BALANCING", get_args(Balancing))),
        port=whole(values, "PORT", 0, 65535),
        access_log=choice(values, "ACCESS_LOG", ("0", "1")) == "1",
        reuse_port=choice(values, "REUSE_PORT", ("0", "1")) == "1",
    )


def load_test_config(values: Values) -> LoadTestConfig:
    """Checks all settings. Raises LoadTestError with the bad value and what is allowed."""
    users = whole(values, "USERS", 1, 1_000_000)
    processes = whole(values, "PROCESSES", 1, 256)
    success_rate = number(values, "SLO_SUCCESS_RATE")
    if not 0 <= success_rate <= 1:
        raise LoadTestError(f"SLO_SUCCESS_RATE={values['SLO_SUCCESS_RATE']} is not a share: give 0 to 1")
    options = load_options(values)
    return LoadTestConfig(
        target=values["TARGET"],
        deployment=replace(deployment_config(values), access=options.access),
        transport=cast(Transport, choice(values, "TRANSPORT", get_args(Transport))),
        users=users,
        spawn_rate=above_zero(values, "SPAWN_RATE")
        if values["SPAWN_RATE"]
        else max(1.0, min(users / 2, float(_SPAWNS_A_SECOND * processes))),
        duration_s=whole_seconds(values, "DURATION"),
        options=options,
        processes=processes,
        results=Path(values["RESULTS"]),
        slo=Slo(
            success_rate=success_rate,
            total_p99_s=above_zero(values, "SLO_P99") if values["SLO_P99"] else None,
        ),
    )


def web_port(values: Values) -> int:
    """Checks the port of Locust's page. Raises LoadTestError."""
    return whole(values, "WEB_PORT", 1, 65535)


def web_login(values: Values) -> bool:
    """Whether Locust's page asks for a user and password. Raises LoadTestError."""
    return choice(values, "WEB_LOGIN", ("0", "1")) == "1"


_SECONDS: dict[Literal["", "s", "m", "h"], int] = {"": 1, "s": 1, "m": 60, "h": 3600}


def whole_seconds(values: Values, name: str) -> int:
    """A length of time, a week at most, in whole seconds. Raises LoadTestError."""
    text = values[name]
    match = re.fullmatch(r"(\d{1,9})([smh]?)", text.strip())
    seconds = int(match[1]) * _SECONDS[cast(Literal["", "s", "m", "h"], match[2])] if match else 0
    if not 1 <= seconds <= 7 * 86400:
        raise LoadTestError(
            f"{name}={text} is not allowed: give whole seconds, minutes or hours (20, 90s, 5m, 1h), "
            "a week at most"
        )
    return seconds
