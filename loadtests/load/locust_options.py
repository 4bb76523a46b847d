"""The harness's settings as Locust options: on its command line, in the environment, on its page."""

from argparse import SUPPRESS, Namespace
from functools import partial
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
            include_in_web_ui=setting.name != "POLICY",  # which is code to run
        )
    add = partial(parser.add_argument, include_in_web_ui=False)
    add(
        "--transport",
        choices=["ws", "http"],
        default="ws",
        env_var="LOADTEST_TRANSPORT",
        help="ws: each user holds one session on a WebSocket; http: stateless requests (default: ws)",
    )
    add(
        "--scenario",
        choices=get_args(Scenario),
        default="sustained",
        env_var="LOADTEST_SCENARIO",
        help="sustained: users step until the test ends; batch: all users connect, reset, step once and "
        "close at the same time, and the test ends with the last; rollouts: groups of users play an episode "
        "each, and start the next when their slowest is done (default: sustained)",
    )
    add(
        "--results",
        default="results",
        env_var="LOADTEST_RESULTS",
        help="the folder that gets a run directory for each run (default: results)",
    )
    add("--run-directory", default="", help=SUPPRESS)
    add("--run-template", default="", help=SUPPRESS)
    add("--lag-folder", default="", help=SUPPRESS)
    add("--sharing", default=[], help=SUPPRESS)
    add("--load-seconds", type=float, default=None, help=SUPPRESS)
    add("--no-recorder", action="store_true", help="record nothing but Locust's own statistics")


def parsed_load_options(options: Namespace) -> LoadOptions:
    """Checks parsed options. Raises LoadTestError with the bad value and what is allowed."""
    return load_options(
        {setting.name: str(getattr(options, setting.name.lower())) for setting in USER_SETTINGS}
    )
