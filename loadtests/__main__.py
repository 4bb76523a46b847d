"""The command `openenv-loadtest`, also `python -m loadtests`."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from loadtests.capacity.config import capacity_config, without_effect
from loadtests.commands import COMMANDS, refusal_of_option
from loadtests.errors import LoadTestError
from loadtests.hidden import without_secrets
from loadtests.load.page.credentials import taken_credentials
from loadtests.places import version
from loadtests.run.config import deployment_config, load_test_config, web_login, web_port
from loadtests.run.outlets import open_outlets
from loadtests.run.worker import run_worker, worker_config
from loadtests.settings import add_settings
from loadtests.terminal import progress
from reports.__main__ import become_compare, become_csv, become_report, become_results, become_trace
from reports.records.directory import RunDirectoryError

Command = Callable[[argparse.Namespace], int]
"""Runs with the options that were given; returns the exit code."""

_CONSOLE = Console(highlight=False)
_OF_A_STACK = {"TARGET": "stack", "PROCESSES": "1", "ENV_PYTHON": ""}
"""What is no choice there."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command. Returns its exit code: 0 passed, 1 SLO failed, 2 bad input, 130 interrupted."""
    try:
        options = _parse(sys.argv[1:] if arguments is None else arguments)
        return int(options.command(options))
    except (LoadTestError, RunDirectoryError) as error:
        Console(stderr=True, highlight=False).print(
            f"error: {without_secrets(str(error))}", markup=False, soft_wrap=True
        )
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    config = load_test_config(vars(options))
    from loadtests.run.load_test import run_load_test

    with open_outlets(vars(options), progress(_CONSOLE)) as outlets:
        return run_load_test(config, _CONSOLE, outlets)


def _worker(options: argparse.Namespace) -> int:
    config = worker_config(vars(options))
    return run_worker(config, _CONSOLE)


def _stack(options: argparse.Namespace) -> int:
    config = load_test_config({**_OF_A_STACK, **vars(options)})
    from loadtests.run.load_test import run_load_test

    with open_outlets(vars(options), progress(_CONSOLE)) as outlets:
        return run_load_test(config, _CONSOLE, outlets)


def _webui(options: argparse.Namespace) -> int:
    config = load_test_config(vars(options))
    port = web_port(vars(options))
    login = taken_credentials() if web_login(vars(options)) else None
    from loadtests.run.web import serve_page

    with open_outlets(vars(options), progress(_CONSOLE)) as outlets:
        return serve_page(config, port, _CONSOLE, login, outlets.meter)


def _scaling(options: argparse.Namespace) -> int:
    from loadtests.experiment import runner
    from loadtests.experiment.config import resolve_settings
    from loadtests.experiment.state import last_experiment

    given: dict[str, str | None] = dict(vars(options))
    if options.RESUME is not None and options.GRID:
        raise LoadTestError(f"GRID={options.GRID}: an experiment resumes with its own grid: leave it out")
    with open_outlets(vars(options), progress(_CONSOLE)) as outlets:
        if options.RESUME is not None:
            results = Path(options.RESULTS or "results")
            path = last_experiment(results) if options.RESUME == "last" else Path(options.RESUME)
            return runner.resume_experiment(path, given, _CONSOLE, outlets)
        file = Path(options.GRID) if options.GRID else None
        return runner.run_experiment(resolve_settings(given, file), _CONSOLE, outlets)


def _capacity(options: argparse.Namespace) -> int:
    config = capacity_config(vars(options))
    from loadtests.capacity.runner import search_capacity

    if names := without_effect(os.environ):
        tried = "batches of growing size step once"
        if config.unit != "sessions":
            tried = f"{config.unit.removesuffix('/s')} arrive at one rate after another"
        progress(_CONSOLE)(f"{', '.join(names)} mean nothing to a search: {tried}")
    with open_outlets(vars(options), progress(_CONSOLE)) as outlets:
        return search_capacity(config, _CONSOLE, outlets)


def _up(options: argparse.Namespace) -> int:
    config = deployment_config(vars(options))
    from loadtests.run.standing import bring_up

    return bring_up(options.TARGET, config, _CONSOLE)


def _down(_options: argparse.Namespace) -> int:
    from loadtests.run.standing import take_down

    return take_down(_CONSOLE)


def _parse(arguments: list[str]) -> argparse.Namespace:
    """The command and its settings. Raises LoadTestError for an option that the command does not have."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    for each in rest:
        if each.startswith("--"):
            raise LoadTestError(refusal_of_option(each.partition("=")[0], options.name))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="openenv-loadtest",
        description="Load-tests OpenEnv environment servers.",
        epilog="Every option can be set in the environment too, as make does: USERS=100 is --users 100. "
        "Exit codes: 0 passed, 1 not passed, 2 bad input, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")

    def add(name: str, what: str, description: str | None = None) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, description=description, allow_abbrev=False)

    def add_with_settings(
        name: str, command: Command, what: str, description: str | None = None, *, defaults: bool = True
    ) -> None:
        added = add(name, what, description)
        added.usage = f"openenv-loadtest {name} [--help] [--SETTING VALUE ...]"
        add_settings(added, COMMANDS[name], defaults=defaults)
        added.set_defaults(command=command)

    add_with_settings("run", _run, "one load test, from deployment to report")
    add_with_settings(
        "faults",
        _run,
        "one load test during which parts of the deployment are killed, paused, added and removed",
        "Runs a load test like `run`, and breaks the deployment meanwhile as FAULT says. Exit codes: 0 "
        "passed, 1 not passed, 2 bad input, 130 interrupted.",
    )
    add_with_settings(
        "master",
        _run,
        "one load test whose load comes from workers that join over the network",
        "Runs a load test like `run`, but waits for Locust worker processes, on this machine or others, and "
        "has them make the load. Exit codes: 0 passed, 1 not passed, 2 bad input, 130 interrupted.",
    )
    add_with_settings(
        "worker",
        _worker,
        "worker processes for a master on another machine",
        "Starts Locust worker processes that join a master, do its test and end with it. Exit codes: 0 the "
        "test is over, 1 the master was lost, 2 bad input or refused, 130 interrupted.",
    )
    add_with_settings(
        "scaling",
        _scaling,
        "an experiment: many load tests over a grid, and how the figures grow",
        "Runs a grid of load tests, each with its report, and reports how they scale. Settings "
        "with several values take commas between them. Exit codes: 0 every cell completed, 1 some did not, "
        "2 bad input, 130 interrupted.",
        defaults=False,
    )
    add_with_settings(
        "capacity",
        _capacity,
        "searches how many sessions a deployment holds, or what rate of arrivals it carries",
        "Searches the largest batch of sessions that meets the SLO when all connect, reset and "
        "step at once, or with --arrivals the highest rate that meets it, and says what was hit first. Exit "
        "codes: 0 found, 1 nothing met the SLO or the search failed, 2 bad input, 130 interrupted.",
    )
    add_with_settings(
        "stack",
        _stack,
        "one load test on all nodes of a Docker Swarm",
        "Deploys replicas, balancer and load generators as a stack of the swarm that this machine's Docker "
        "engine manages, runs one load test, reports, and removes the stack.",
    )
    add_with_settings("webui", _webui, "a deployment under Locust's web page")
    add_with_settings("up", _up, "bring a deployment up and leave it running")
    add_with_settings("down", _down, "take down what `up` left running")
    become_report(add("report", "write the report of a run or an experiment again"))
    become_csv(add("csv", "write the rows of a run as CSV"))
    become_trace(add("trace", "make a trace of a run's steps, which SHAPE=trace:FILE replays"))
    become_compare(add("compare", "compare two runs or two experiments"))
    become_results(add("results", "list all runs, experiments and comparisons, with their trends"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
