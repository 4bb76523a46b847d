"""The harness's settings as Locust options: on its command line, in the environment, on its page."""

from argparse import SUPPRESS, Namespace
from typing import get_args

from locust.argument_parser import LocustArgumentParser

from loadtests.commands import USER_SETTINGS
from loadtests.load.options import LoadOptions, load_options
from reports.records.schema import Scenario


def add_options(parser: LocustArgumentParser) -> None:
    """Adds the harness's options to Locust's own; `WAIT` is `--wait` there, and `LOADTEST_WAIT`."""
    for setting in USER_SETTINGS:
        parser.add_argument(
            setting.option,
            dest=setting.name.lower(),
            default=setting.default,
            env_var=f"LOADTEST_{setting.name}",
            help=setting.help.replace("%", "%%"),
        )
    parser.add_argument(
        "--transport",
        choices=["ws", "http"],
        default="ws",
        env_var="LOADTEST_TRANSPORT",
        include_in_web_ui=False,
        help="ws: each user holds one session on a WebSocket; http: stateless requests (default: ws)",
    )
    parser.add_argument(
        "--scenario",
        choices=get_args(Scenario),
        default="sustained",
        env_var="LOADTEST_SCENARIO",
        include_in_web_ui=False,
        help="sustained: users step until the test ends; batch: all users connect, reset, step once and "
        "close at the same time, and the test ends with the last (default: sustained)",
    )
    parser.add_argument(
        "--results",
        default="results",
        env_var="LOADTEST_RESULTS",
        include_in_web_ui=False,
        help="the folder that gets a run directory for each run (default: results)",
    )
    parser.add_argument("--run-directory", default="", include_in_web_ui=False, help=SUPPRESS)
    parser.add_argument("--run-template", default="", include_in_web_ui=False, help=SUPPRESS)
    parser.add_argument(
        "--no-recorder",
        action="store_true",
        include_in_web_ui=False,
        help="record nothing but Locust's own statistics",
    )


def parsed_load_options(options: Namespace) -> LoadOptions:
    """Checks parsed options. Raises LoadTestError with the bad value and what is allowed."""
    return load_options(
        {setting.name: str(getattr(options, setting.name.lower())) for setting in USER_SETTINGS}
    )
