"""The commands: `python -m loadtests run`, `up`, `down`, `webui`, `finish`."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from loadtests.config import (
    DEPLOYMENT_SETTINGS,
    LOAD_SETTINGS,
    WEB_SETTINGS,
    deployment_config,
    load_test_config,
    web_port,
)
from loadtests.errors import LoadTestError
from loadtests.settings import add_settings
from reports.run_directory import RunDirectory, RunDirectoryError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command. Returns its exit code: 0 passed, 1 SLO failed, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        return int(options.command(options, console))
    except (LoadTestError, RunDirectoryError) as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, console: Console) -> int:
    config = load_test_config(vars(options))
    from loadtests.load_test import run_load_test

    return run_load_test(config, console)


def _webui(options: argparse.Namespace, console: Console) -> int:
    config = load_test_config(vars(options))
    port = web_port(vars(options))
    from loadtests.web import serve_page

    return serve_page(config, port, console)


def _up(options: argparse.Namespace, console: Console) -> int:
    config = deployment_config(vars(options))
    from loadtests.standing import bring_up

    return bring_up(options.TARGET, config, console)


def _down(_options: argparse.Namespace, console: Console) -> int:
    from loadtests.standing import take_down

    return take_down(console)


def _finish(options: argparse.Namespace, console: Console) -> int:
    from loadtests.finish import finish_run, print_verdict

    directory = RunDirectory(options.run_directory)
    report = finish_run(directory, "completed")
    print_verdict(report, directory, console)
    return 0 if report.slo.passed else 1


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
    up = commands.add_parser("up", help="bring a deployment up and leave it running")
    add_settings(up, DEPLOYMENT_SETTINGS)
    up.set_defaults(command=_up)
    down = commands.add_parser("down", help="take down what `up` left running")
    down.set_defaults(command=_down)
    finish = commands.add_parser("finish", help="complete a recorded run and write its report")
    finish.add_argument("run_directory", type=Path, metavar="RUN")
    finish.set_defaults(command=_finish)
    return parser


if __name__ == "__main__":
    sys.exit(main())
