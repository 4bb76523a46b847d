"""The configuration of a load test, from the command line and the environment, checked before it runs."""

import math
import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from loadtests.commands import invocation
from loadtests.deployments import Balancing, DeploymentConfig
from loadtests.deployments.environment import Environment
from loadtests.errors import LoadTestError
from loadtests.faults.plan import Fault, parse_faults
from loadtests.load.arrivals import Arrivals
from loadtests.load.options import LoadOptions, check_when, load_options
from loadtests.load.trace import LEAD_S, Trace
from loadtests.machine import cores
from loadtests.places import ENVIRONMENT
from loadtests.settings import Values, above_zero, choice, number, whole
from reports.records.schema import Scenario, Slo, Transport

_USERS = 64
_DURATION_S = 20
_AFTER_TRACE_S = 2.0
"""How long after its last step, and the longest wait, the load of a trace goes on."""
_SPAWNS_A_SECOND = 100
_MOST_TAGS = 10
_MOST_USERS_BY_DEFAULT = 10_000
_TAG = re.compile(r"[\w.-]{1,40}", re.ASCII)


@dataclass(frozen=True)
class Joining:
    """How Locust's workers join its master over the network."""

    workers: int
    """Processes that are waited for."""
    bind: str
    """The address that the master listens on."""
    port: int
    """0: any that is free."""
    wait_s: int


@dataclass(frozen=True)
class LoadTestConfig:
    """A load test, every value checked."""

    target: str
    deployment: DeploymentConfig
    transport: Transport
    users: int
    users_given: bool
    """Whether somebody asked for this number of users; otherwise it may be fitted to the server."""
    spawn_rate: float
    duration_s: int
    options: LoadOptions
    processes: int
    """Locust processes that generate the load: of this machine, or one in each generator's container."""
    results: Path
    slo: Slo
    scenario: Scenario = "sustained"
    warmup_s: int | None = None
    """Seconds after all users are there that do not count, nor does the ramp-up before; None: all counts."""
    tags: tuple[str, ...] = ()
    """Words by which the run is found again among others."""
    faults: tuple[Fault, ...] = ()
    """What is broken while the load goes on, in the order of time."""
    joining: Joining | None = None
    """None: all processes are this machine's, started with the load test."""


def deployment_config(values: Values) -> DeploymentConfig:
    """Checks the settings of a deployment. Raises LoadTestError with the bad value and what is allowed."""
    return DeploymentConfig(
        environment=environment_of(values),
        replicas=whole(values, "REPLICAS", 1, 256),
        workers=whole(values, "WORKERS", 1, 256),
        balancing=cast(Balancing, choice(values, "BALANCING", get_args(Balancing))),
        port=whole(values, "PORT", 0, 65535),
        access_log=choice(values, "ACCESS_LOG", ("0", "1")) == "1",
        reuse_port=choice(values, "REUSE_PORT", ("0", "1")) == "1",
        generators=_generators(values),
        published=choice({"PUBLISH": "0", **values}, "PUBLISH", ("0", "1")) == "1",
    )


def _generators(values: Values) -> int:
    """Checks the number of load generators in containers, which not every command has."""
    target, policy = values["TARGET"], values.get("POLICY", "")
    if (number := whole({"GENERATORS": "0", **values}, "GENERATORS", 0, 256)) == 0:
        if target == "stack":
            raise LoadTestError(
                f"TARGET=stack is loaded from inside its network: use `{invocation('stack')}`, or "
                "GENERATORS=2 with loadtest, scaling or capacity"
            )
        return 0
    if target == "local" or "://" in target:
        raise LoadTestError(
            f"GENERATORS={number} are containers in a deployment's network, and TARGET={target} has none: "
            f"use TARGET=compose or stack, or PROCESSES={number} for processes of this machine"
        )
    if values["PROCESSES"] != "1":
        raise LoadTestError(
            f"PROCESSES={values['PROCESSES']} and GENERATORS={number} are both given: each generator is one "
            "process: leave PROCESSES out"
        )
    where = policy.rpartition(":")[0] or policy
    if policy and not where.endswith(".py") and os.sep not in where:
        raise LoadTestError(
            f"POLICY={policy} is a module, which generators in containers do not have: give its file, as in "
            "my_policy.py:function"
        )
    return number


def environment_of(values: Values) -> Environment:
    """The environment that ENV or IMAGE names, else the Benchmark environment. Raises LoadTestError."""
    directory, image, python = values["ENV"], values["IMAGE"], values["ENV_PYTHON"]
    if directory and image:
        raise LoadTestError(f"ENV={directory} and IMAGE={image} are both given: leave one of them out")
    if python and not directory:
        raise LoadTestError(f"ENV_PYTHON={python} serves an environment directory: name it with ENV=…")
    if python and shutil.which(python) is None:
        raise LoadTestError(f"ENV_PYTHON={python} is not a program: give the path of a python")
    if image:
        return Environment(image=image, image_port=whole(values, "IMAGE_PORT", 1, 65535))
    if not directory or Path(directory).resolve() == ENVIRONMENT:
        return Environment()
    environment = Environment(
        # Not resolved: a virtual environment is found by where its python lies.
        directory=Path(directory),
        python=Path(shutil.which(python) or python).absolute() if python else None,
    )
    _ = environment.source
    return environment


def load_test_config(values: Values) -> LoadTestConfig:
    """Checks all settings. Raises LoadTestError with the bad value and what is allowed."""
    users = whole(values, "USERS", 1, 1_000_000) if values["USERS"] else _USERS
    scenario = cast(Scenario, choice(values, "SCENARIO", get_args(Scenario)))
    joining = _joining(values) if "WORKERS_EXPECTED" in values else None
    processes = joining.workers if joining is not None else processes_here(values)
    success_rate = number(values, "SLO_SUCCESS_RATE")
    if not 0 <= success_rate <= 1:
        raise LoadTestError(f"SLO_SUCCESS_RATE={values['SLO_SUCCESS_RATE']} is not a share: give 0 to 1")
    options = load_options(values)
    slo = Slo(
        success_rate=success_rate,
        total_p99_s=above_zero(values, "SLO_P99") if values["SLO_P99"] else None,
    )
    duration_s = _duration_s(values, options)
    check_when(options, scenario, duration_s)
    deployment = deployment_config(values)
    processes = deployment.generators or processes
    if scenario == "rollouts":
        users = _users_of_groups(values, options.group, processes)
    elif options.arrivals is not None and not values["USERS"]:
        users = users_enough(options.arrivals, options, slo)
    elif options.trace is not None and not values["USERS"]:
        users = users_of_trace(options.trace, processes, options, slo)
    deployment = replace(deployment, sessions=users, access=options.access)
    return LoadTestConfig(
        target=values["TARGET"],
        deployment=deployment,
        transport=cast(Transport, choice(values, "TRANSPORT", get_args(Transport))),
        users=users,
        users_given=bool(values["USERS"]),
        spawn_rate=above_zero(values, "SPAWN_RATE")
        if values["SPAWN_RATE"]
        else default_spawn_rate(users, processes, options),
        duration_s=duration_s,
        options=options,
        processes=processes,
        results=Path(values["RESULTS"]),
        slo=slo,
        scenario=scenario,
        tags=tags(values["TAG"]),
        faults=faults(values, duration_s),
        joining=joining,
    )


def _users_of_groups(values: Values, group: int, processes: int) -> int:
    """The users of all groups. Raises LoadTestError where the processes could not have whole groups each."""
    groups = whole(values, "GROUPS", 1, 100_000)
    if groups % processes:
        raise LoadTestError(
            f"GROUPS={groups} cannot be shared by {processes} generator processes, each of which makes "
            f"whole groups: give a multiple of {processes}"
        )
    if values["USERS"] and values["USERS"] != str(group * groups):
        raise LoadTestError(
            f"USERS={values['USERS']} is not GROUP={group} × GROUPS={groups}: leave it out where "
            "SCENARIO=rollouts"
        )
    return group * groups


def faults(values: Values, duration_s: float) -> tuple[Fault, ...]:
    """What FAULT, which not every command has, asks for in a load of so long. Raises LoadTestError."""
    planned = parse_faults(values.get("FAULT", ""), duration_s)
    if planned and (values["TARGET"] == "stack" or "://" in values["TARGET"]):
        raise LoadTestError(
            f"FAULT={values['FAULT']} breaks parts of a deployment on this machine, which "
            f"TARGET={values['TARGET']} is not: use TARGET=compose or local"
        )
    return planned


def users_enough(
    arrivals: Arrivals, options: LoadOptions, slo: Slo, most: int = _MOST_USERS_BY_DEFAULT
) -> int:
    """As many users as arrivals need, within bounds."""
    return min(max(math.ceil(arrivals.highest_rate * users_an_arrival(arrivals, options, slo)), _USERS), most)


def users_an_arrival(arrivals: Arrivals, options: LoadOptions, slo: Slo) -> float:
    """Users for each arrival a second: what is in flight where the objective is just met, by Little's law.

    And half as many more.
    """
    within_s = _objective_s(options, slo)
    return 1.5 * (within_s + (options.stay_s if arrivals.of == "sessions" else 0.0))


def users_of_trace(trace: Trace, processes: int, options: LoadOptions, slo: Slo) -> int:
    """As many users as the trace's sessions need at once where the objective is just met, and a quarter more.

    Each process gets the same number, which suffices for its share of the sessions.
    """
    most = trace.most_at_once(processes, LEAD_S, _objective_s(options, slo))
    return min(processes * math.ceil(1.25 * most), _MOST_USERS_BY_DEFAULT)


def _objective_s(options: LoadOptions, slo: Slo) -> float:
    """What an operation may take in all."""
    return slo["total_p99_s"] or 2 * (options.longest_wait_s + 0.5)


def _duration_s(values: Values, options: LoadOptions) -> int:
    """Whole seconds that the load lasts: as given, else until a trace is over, else a default."""
    if values["DURATION"]:
        return whole_seconds(values, "DURATION")
    if (trace := options.trace) is None:
        return _DURATION_S
    return math.ceil(LEAD_S + trace.length_s + options.longest_wait_s + _AFTER_TRACE_S)


def default_spawn_rate(users: int, processes: int, options: LoadOptions) -> float:
    """Users started a second. Those that wait for sessions to arrive do nothing until then."""
    if options.trace is not None or (options.arrivals is not None and options.arrivals.of == "sessions"):
        return float(users)
    return max(1.0, min(users / 2, float(_SPAWNS_A_SECOND * processes)))


def processes_here(values: Values) -> int:
    """How many Locust processes this machine starts. Raises LoadTestError."""
    return cores() if values["PROCESSES"] == "auto" else whole(values, "PROCESSES", 1, 256)


def _joining(values: Values) -> Joining:
    bind = values["MASTER_BIND"].strip()
    if not bind:
        raise LoadTestError(
            "MASTER_BIND= is empty: give an address of this machine, or 0.0.0.0 for all of them"
        )
    return Joining(
        workers=whole(values, "WORKERS_EXPECTED", 1, 10_000),
        bind=bind,
        port=whole(values, "MASTER_PORT", 0, 65535),
        wait_s=whole_seconds(values, "JOIN_WAIT"),
    )


def tags(text: str) -> tuple[str, ...]:
    """The tags in `TAG`, with commas between them. Raises LoadTestError."""
    found = tuple(dict.fromkeys(tag.strip() for tag in text.split(","))) if text.strip() else ()
    if len(found) > _MOST_TAGS or not all(_TAG.fullmatch(tag) for tag in found):
        raise LoadTestError(
            f"TAG={text} is not allowed: give up to {_MOST_TAGS} words of letters, digits, '.', '_' and '-', "
            "of 40 characters at most, with commas between them"
        )
    return found


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
