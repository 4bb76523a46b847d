"""The load that users make, as options of Locust: on its command line, in the environment, on its page."""

from argparse import SUPPRESS, Namespace

from locust.argument_parser import LocustArgumentParser

from loadtests import load_options
from loadtests.load_options import LoadOptions


def add_options(parser: LocustArgumentParser) -> None:
    """Adds the harness's options to Locust's own."""
    parser.add_argument(
        "--transport",
        choices=["ws", "http"],
        default="ws",
        env_var="LOADTEST_TRANSPORT",
        include_in_web_ui=False,
        help="ws: each user holds one session on a WebSocket; http: stateless requests (default: ws)",
    )
    parser.add_argument(
        "--wait",
        default=load_options.DEFAULT_WAIT,
        env_var="LOADTEST_WAIT",
        help="Seconds that each step asks the environment to wait: a number, uniform:LOW:HIGH, "
        "exponential:MEAN or lognormal:MEDIAN:SIGMA",
    )
    parser.add_argument(
        "--steps-per-episode",
        type=int,
        default=load_options.DEFAULT_STEPS_PER_EPISODE,
        env_var="LOADTEST_STEPS_PER_EPISODE",
        help="Steps before the next reset; 0: one reset only",
    )
    parser.add_argument(
        "--think-time",
        default=load_options.DEFAULT_THINK_TIME,
        env_var="LOADTEST_THINK_TIME",
        help="Seconds that a user thinks between steps: a number or a distribution, as for the wait",
    )
    parser.add_argument(
        "--connect-timeout",
        type=float,
        default=load_options.DEFAULT_CONNECT_TIMEOUT,
        env_var="LOADTEST_CONNECT_TIMEOUT",
        help="Seconds until a connection that is not open counts as failed",
    )
    parser.add_argument(
        "--step-timeout",
        type=float,
        default=load_options.DEFAULT_STEP_TIMEOUT,
        env_var="LOADTEST_STEP_TIMEOUT",
        help="Seconds until a reset or step without reply counts as failed",
    )
    parser.add_argument(
        "--action",
        default="",
        env_var="LOADTEST_ACTION",
        help='The action of every step as JSON, for other environments: {"message": "hello"}',
    )
    parser.add_argument(
        "--results",
        default="results",
        env_var="LOADTEST_RESULTS",
        include_in_web_ui=False,
        help="The folder that gets a run directory for each run (default: results)",
    )
    parser.add_argument("--run-directory", default="", include_in_web_ui=False, help=SUPPRESS)
    parser.add_argument("--run-template", default="", include_in_web_ui=False, help=SUPPRESS)
    parser.add_argument(
        "--no-recorder",
        action="store_true",
        include_in_web_ui=False,
        help="Record nothing but Locust's own statistics",
    )


def parsed_load_options(options: Namespace) -> LoadOptions:
    """Checks parsed options. Raises ValueError with the bad value and what is allowed."""
    return load_options.check(
        wait=options.wait,
        think_time=options.think_time,
        steps_per_episode=options.steps_per_episode,
        connect_timeout_s=options.connect_timeout,
        step_timeout_s=options.step_timeout,
        action=options.action,
    )
