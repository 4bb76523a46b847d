"""The commands: `python -m loadtests run`, `webui`, `scaling`, `capacity`, `up`, `down`."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from loadtests.capacity.config import CAPACITY_SETTINGS, capacity_config, without_effect
from loadtests.errors import LoadTestError
from loadtests.experiment.config import EXPERIMENT_SETTINGS
from loadtests.hidden import without_secrets
from loadtests.run.config import (
    DEPLOYMENT_SETTINGS,
    LOAD_SETTINGS,
    WEB_SETTINGS,
    deployment_config,
    load_test_config,
    web_port,
)
from loadtests.settings import add_settings
from reports.records.run_directory import RunDirectoryError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command. Returns its exit code: 0 passed, 1 SLO failed, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        return int(options.command(options, console))
    except (LoadTestError, RunDirectoryError) as error:
        Console(stderr=True, highlight=False).print(
            f"error: {without_secrets(str(error))}", markup=False, soft_wrap=True
        )
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, console: Console) -> int:
    config = load_test_config(vars(options))
    from loadtests.run.load_test import run_load_test

    return run_load_test(config, console)


def _webui(options: argparse.Namespace, console: Console) -> int:
    config = load_test_config(vars(options))
    port = web_port(vars(options))
    from loadtests.run.web import serve_page

    return serve_page(config, port, console)


def _scaling(options: argparse.Namespace, console: Console) -> int:
    from loadtests.experiment import runner
    from loadtests.experiment.config import resolve_settings

    given: dict[str, str | None] = dict(vars(options))
    if options.RESUME is not None:
        if options.GRID:
            raise LoadTestError(f"GRID={options.GRID}: an experiment resumes with its own grid: leave it out")
        results = Path(options.RESULTS or "results")
        path = runner.last_experiment(results) if options.RESUME == "last" else Path(options.RESUME)
        return runner.resume_experiment(path, given, console)
    file = Path(options.GRID) if options.GRID else None
    return runner.run_experiment(resolve_settings(given, file), console)


def _capacity(options: argparse.Namespace, console: Console) -> int:
    config = capacity_config(vars(options))
    from loadtests.capacity.runner import search_capacity
    from loadtests.terminal import progress

    if names := without_effect(os.environ):
        progress(console)(f"{', '.join(names)} mean nothing to a search: batches of growing size step once")
    return search_capacity(config, console)


def _up(options: argparse.Namespace, console: Console) -> int:
    config = deployment_config(vars(options))
    from loadtests.run.standing import bring_up

    return bring_up(options.TARGET, config, console)


def _down(_options: argparse.Namespace, console: Console) -> int:
    from loadtests.run.standing import take_down

    return take_down(console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description="Load-tests OpenEnv environment servers.",
        epilog="Every option can be set in the environment too, as make does: USERS=100 is --users 100. "
        "Exit codes: 0 the SLO passed, 1 it failed, 2 bad input, 130 interrupted.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="one load test, from deployment to report")
    add_settings(run, DEPLOYMENT_SETTINGS + LOAD_SETTINGS)
    run.set_defaults(command=_run)
    webui = commands.add_parser("webui", help="a deployment under Locust's web page")
    add_settings(webui, DEPLOYMENT_SETTINGS + LOAD_SETTINGS + WEB_SETTINGS)
    webui.set_defaults(command=_webui)
    scaling = commands.add_parser(
        "scaling",
        help="an experiment: many load tests over a grid, and how the figures grow",
        description="Runs a grid of load tests, each with its report, and reports how they scale. Settings "
        "with several values take commas between them. Exit codes: 0 every cell completed, 1 some did not, "
        "2 bad input, 130 interrupted.",
    )
    add_settings(scaling, EXPERIMENT_SETTINGS, defaults=False)
    scaling.add_argument(
        "--grid",
        dest="GRID",
        metavar="GRID",
        default=os.environ.get("GRID") or None,
        help="a TOML file of settings, such as users = [1, 8, 64]; options and variables take precedence",
    )
    scaling.add_argument(
        "--resume",
        dest="RESUME",
        metavar="EXPERIMENT",
        nargs="?",
        const="last",
        default=os.environ.get("RESUME") or None,
        help="resume an experiment, results/<experiment_id>; without a name the last unfinished one",
    )
    scaling.set_defaults(command=_scaling)
    capacity = commands.add_parser(
        "capacity",
        help="searches how many sessions a deployment holds",
        description="Searches the largest batch of sessions that meets the SLO when all connect, reset and "
        "step at once, and says what was hit first. Exit codes: 0 found, 1 no batch met the SLO or the "
        "search failed, 2 bad input, 130 interrupted.",
    )
    add_settings(capacity, CAPACITY_SETTINGS)
    capacity.set_defaults(command=_capacity)
    up = commands.add_parser("up", help="bring a deployment up and leave it running")
    add_settings(up, DEPLOYMENT_SETTINGS)
    up.set_defaults(command=_up)
    down = commands.add_parser("down", help="take down what `up` left running")
    down.set_defaults(command=_down)
    return parser


if __name__ == "__main__":
    sys.exit(main())
