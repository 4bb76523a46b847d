"""The configuration of a load test, from the command line and the environment, checked before it runs."""

import argparse
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from loadtests import load_options
from loadtests.deployments import Balancing, DeploymentConfig
from loadtests.errors import LoadTestError
from loadtests.load_options import LoadOptions
from reports.schema import Slo, Transport

_SPAWNS_A_SECOND = 100


@dataclass(frozen=True)
class Setting:
    """One setting: `NAME=value` for make and in the environment, `--name value` on the command line."""

    name: str
    default: str
    help: str

    @property
    def option(self) -> str:
        return "--" + self.name.lower().replace("_", "-")


DEPLOYMENT_SETTINGS = (
    Setting("TARGET", "auto", "auto, compose, local, or the URL of a server that runs already"),
    Setting("REPLICAS", "2", "environment servers behind the balancer"),
    Setting("WORKERS", "2", "worker processes of each replica"),
    Setting("BALANCING", "round_robin", "round_robin, least_conn, ip_hash or random"),
    Setting("PORT", "8000", "where the balancer listens on 127.0.0.1; 0: any free port"),
    Setting("ACCESS_LOG", "0", "1: the balancer writes an access log"),
)

LOAD_SETTINGS = (
    Setting("USERS", "64", "simulated users; over WebSocket each holds one session"),
    Setting("SPAWN_RATE", "", "users started a second (default: all within 2 s, 100 a second at most)"),
    Setting("DURATION", "20", "how long the load lasts: 20, 90s, 5m or 1h"),
    Setting("TRANSPORT", "ws", "ws or http"),
    Setting(
        "WAIT",
        load_options.DEFAULT_WAIT,
        "seconds each step waits: a number, uniform:LOW:HIGH, exponential:MEAN or lognormal:MEDIAN:SIGMA",
    ),
    Setting("THINK_TIME", load_options.DEFAULT_THINK_TIME, "seconds between steps, written like WAIT"),
    Setting(
        "STEPS_PER_EPISODE",
        str(load_options.DEFAULT_STEPS_PER_EPISODE),
        "steps before the next reset; 0: one reset only",
    ),
    Setting("CONNECT_TIMEOUT", f"{load_options.DEFAULT_CONNECT_TIMEOUT:g}", "seconds until a connect fails"),
    Setting("STEP_TIMEOUT", f"{load_options.DEFAULT_STEP_TIMEOUT:g}", "seconds until a reset or step fails"),
    Setting("ACTION", "", 'the action of every step as JSON, for other environments: {"message": "hello"}'),
    Setting("PROCESSES", "1", "Locust processes that make the load"),
    Setting("RESULTS", "results", "the folder that gets a run directory for each run"),
    Setting("SLO_SUCCESS_RATE", "0.95", "the least share of operations that must succeed"),
    Setting(
        "SLO_P99", "", "the bound on the 99th percentile of total time in seconds (default: 2 × (wait + 0.5))"
    ),
)

WEB_SETTINGS = (Setting("WEB_PORT", "8089", "where Locust's page is served on 127.0.0.1"),)


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


def add_settings(parser: argparse.ArgumentParser, settings: tuple[Setting, ...]) -> None:
    """Adds an option for each setting; its default comes from the environment, so that make can set it."""
    for setting in settings:
        default = f" (default: {setting.default})" if setting.default else ""
        parser.add_argument(
            setting.option,
            metavar=setting.name,
            dest=setting.name,
            default=os.environ.get(setting.name) or setting.default,
            help=setting.help.replace("%", "%%") + default,
        )


def deployment_config(values: Mapping[str, str]) -> DeploymentConfig:
    """Checks the settings of a deployment. Raises LoadTestError with the bad value and what is allowed."""
    return DeploymentConfig(
        replicas=_whole(values, "REPLICAS", 1, 256),
        workers=_whole(values, "WORKERS", 1, 256),
        balancing=cast(Balancing, _choice(values, "BALANCING", get_args(Balancing))),
        port=_whole(values, "PORT", 0, 65535),
        access_log=_choice(values, "ACCESS_LOG", ("0", "1")) == "1",
    )


def load_test_config(values: Mapping[str, str]) -> LoadTestConfig:
    """Checks all settings. Raises LoadTestError with the bad value and what is allowed."""
    users = _whole(values, "USERS", 1, 1_000_000)
    processes = _whole(values, "PROCESSES", 1, 256)
    try:
        options = load_options.check(
            wait=values["WAIT"],
            think_time=values["THINK_TIME"],
            steps_per_episode=_whole(values, "STEPS_PER_EPISODE", 0, 10**9),
            connect_timeout_s=_number(values, "CONNECT_TIMEOUT"),
            step_timeout_s=_number(values, "STEP_TIMEOUT"),
            action=values["ACTION"],
        )
    except ValueError as error:
        raise LoadTestError(str(error)) from None
    success_rate = _number(values, "SLO_SUCCESS_RATE")
    if not 0 <= success_rate <= 1:
        raise LoadTestError(f"SLO_SUCCESS_RATE={values['SLO_SUCCESS_RATE']} is not a share: give 0 to 1")
    return LoadTestConfig(
        target=values["TARGET"],
        deployment=deployment_config(values),
        transport=cast(Transport, _choice(values, "TRANSPORT", get_args(Transport))),
        users=users,
        spawn_rate=_above_zero(values, "SPAWN_RATE")
        if values["SPAWN_RATE"]
        else max(1.0, min(users / 2, float(_SPAWNS_A_SECOND * processes))),
        duration_s=_duration(values),
        options=options,
        processes=processes,
        results=Path(values["RESULTS"]),
        slo=Slo(
            success_rate=success_rate,
            total_p99_s=_above_zero(values, "SLO_P99") if values["SLO_P99"] else None,
        ),
    )


def web_port(values: Mapping[str, str]) -> int:
    """Checks the port of Locust's page. Raises LoadTestError."""
    return _whole(values, "WEB_PORT", 1, 65535)


def _whole(values: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = values[name]
    if not re.fullmatch(r"-?\d{1,12}", text.strip()) or not least <= int(text) <= most:
        raise LoadTestError(f"{name}={text} is not allowed: give a whole number from {least} to {most}")
    return int(text)


def _number(values: Mapping[str, str], name: str) -> float:
    try:
        value = float(values[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LoadTestError(f"{name}={values[name]} is not a number")
    return value


def _above_zero(values: Mapping[str, str], name: str) -> float:
    value = _number(values, name)
    if value <= 0:
        raise LoadTestError(f"{name}={values[name]} is not allowed: give a number above 0")
    return value


def _choice(values: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    if values[name] not in choices:
        *others, last = choices
        raise LoadTestError(f"{name}={values[name]} is not known: give {', '.join(others)} or {last}")
    return values[name]


_SECONDS: dict[Literal["", "s", "m", "h"], int] = {"": 1, "s": 1, "m": 60, "h": 3600}


def _duration(values: Mapping[str, str]) -> int:
    text = values["DURATION"]
    match = re.fullmatch(r"(\d{1,9})([smh]?)", text.strip())
    seconds = int(match[1]) * _SECONDS[cast(Literal["", "s", "m", "h"], match[2])] if match else 0
    if not 1 <= seconds <= 7 * 86400:
        raise LoadTestError(
            f"DURATION={text} is not allowed: give whole seconds, minutes or hours (20, 90s, 5m, 1h), "
            "a week at most"
        )
    return seconds
