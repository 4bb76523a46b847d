"""Load on any OpenEnv server with plain Locust: `locust -f loadtests/locustfile.py -H http://127.0.0.1:8000`.

A locustfile of your own may import OpenEnvWebSocketUser or OpenEnvHttpUser from here, subclass it and
override `act`; options, records and reports stay the same.
"""

import inspect
import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# In a checkout that is not installed.
if (_packages := str(Path(__file__).parent.parent)) not in sys.path:
    sys.path.insert(0, _packages)

import gevent
from flask import abort, request
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.actions.policy import policy_of_class
from loadtests.commands import invocation
from loadtests.deployments.url import base_url
from loadtests.errors import EXIT_REFUSED, LoadTestError
from loadtests.load.batch import Batch
from loadtests.load.garbage import QuietCollector
from loadtests.load.locust_options import add_options, parsed_load_options
from loadtests.load.loop_lag import LoopLag
from loadtests.load.open_load import OpenLoad
from loadtests.load.options import LoadOptions, check_when, played_by, settled
from loadtests.load.page.credentials import credentials
from loadtests.load.page.login import require_login
from loadtests.load.page.pulses import Pulses
from loadtests.load.page.tabs import Tabs
from loadtests.load.policy_watch import PolicyWatch
from loadtests.load.recording import Recording
from loadtests.load.rollouts import Rollouts
from loadtests.load.shaping import Shaping
from loadtests.load.trace import is_trace
from loadtests.load.users import OpenEnvHttpUser, OpenEnvUser, OpenEnvWebSocketUser
from loadtests.load.workers.carried import CarriedFiles
from loadtests.load.workers.generators import Generators
from loadtests.load.workers.presence import Presence
from loadtests.load.workers.watch import WorkerWatch
from loadtests.machine import process_name
from loadtests.protocol.access import HEADERS

__all__ = ["OpenEnvHttpUser", "OpenEnvWebSocketUser"]

logger = logging.getLogger(__name__)


@events.init_command_line_parser.add_listener
def _add_options(parser: LocustArgumentParser) -> None:
    add_options(parser)


@events.init.add_listener
def _prepare(environment: Environment, **_: Any) -> None:
    # Timers count from when the loop last looked at the clock, which was before the imports: without this
    # --run-time ends the load a second or two early.
    gevent.get_hub().loop.update_now()
    options = environment.parsed_options
    assert options is not None
    runner = environment.runner
    generators = Generators(environment) if isinstance(runner, MasterRunner) else None
    carried = CarriedFiles(environment, generators)
    lag = LoopLag(environment, Path(options.lag_folder) if options.lag_folder else None)
    if isinstance(runner, WorkerRunner):
        Presence(environment, lag)
    try:
        headers_for = base_url(environment.host, "-H") if environment.host else None
        _drop_classes_of_ours(environment)
        _use_options(environment, headers_for, test_begins=options.headless and not options.worker)
        who = credentials() if options.web_login else None
    except LoadTestError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
    if not (
        isinstance(environment.runner, WorkerRunner)
        or options.user_classes
        or options.class_picker
        or _classes_of_others(environment)
    ):
        environment.user_classes = [OpenEnvHttpUser if options.transport == "http" else OpenEnvWebSocketUser]
    if options.scenario == "batch" and options.spawn_rate is None:
        options.spawn_rate = options.num_users
    environment.events.test_start.add_listener(
        partial(
            _apply_options,
            headers_for=headers_for,
            policy=options.policy,
            shape=options.shape,
            carried=carried,
        )
    )
    if environment.web_ui is not None and environment.web_ui.app is not None:
        environment.web_ui.app.before_request(_refuse_other_pages)
        if who is not None:
            require_login(environment.web_ui, who, options.web_base_path or "")
    # Locust looks up who ends a load among all sources that it knows: 40 ms the first time, in which no reply
    # would be read.
    inspect.stack()
    Batch(environment)
    OpenLoad(environment)
    Rollouts(environment)
    Shaping(environment)
    OpenEnvUser.policy_watch = PolicyWatch(environment)
    if isinstance(runner, MasterRunner) and generators is not None:
        WorkerWatch(runner, generators)
    collector = QuietCollector()
    environment.events.test_start.add_listener(lambda **_: collector.start())
    environment.events.test_stop.add_listener(lambda **_: collector.stop())
    if (options.run_directory or options.run_template) and not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(_end_without_parent, os.getppid())
    if not options.no_recorder:
        pulses = Pulses(environment)
        watchers = [Tabs(environment, pulses)] if environment.web_ui is not None else []
        Recording(environment, options, lag, OpenEnvUser.policy_watch, watchers, generators)


def _refuse_other_pages() -> None:
    """Lets no page but our own, in the same browser, start tests or change what they load."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        abort(403)


def _classes_of_others(environment: Environment) -> list[type[OpenEnvUser]]:
    """The users that a locustfile of one's own adds to ours."""
    return [
        users
        for users in environment.user_classes
        if issubclass(users, OpenEnvUser) and users not in (OpenEnvHttpUser, OpenEnvWebSocketUser)
    ]


def _drop_classes_of_ours(environment: Environment) -> None:
    """Leaves out the classes that a locustfile of one's own merely imports in order to subclass them."""
    assert environment.parsed_options is not None
    if _classes_of_others(environment) and not environment.parsed_options.user_classes:
        environment.user_classes = [
            users
            for users in environment.user_classes
            if users not in (OpenEnvHttpUser, OpenEnvWebSocketUser)
        ]


def _with_own_policies(options: LoadOptions, environment: Environment) -> LoadOptions:
    """The options, which say that the users pick their own actions, if all of them do."""
    acting = [users for users in _classes_of_others(environment) if users.has_own_policy()]
    if acting and options.action_choice in ("given", "policy"):
        raise LoadTestError(
            f"{acting[0].__name__} picks its own actions: leave --policy, --action and --actions out"
        )
    if not acting or len(acting) < len(environment.user_classes):
        return options
    given = environment.parsed_options
    assert given is not None
    return played_by(options, policy_of_class(acting[0]), str(given.steps_per_episode))


def _apply_options(
    environment: Environment,
    headers_for: str | None,
    policy: str,
    shape: str,
    carried: CarriedFiles,
    **_: Any,
) -> None:
    options = environment.parsed_options
    assert options is not None
    try:
        carried.apply(options)
        _check_policy(environment, policy)
        _check_trace(environment, shape)
        _use_options(environment, headers_for, test_begins=True)
    except LoadTestError as error:
        logger.error("The test was not started: %s", error)  # noqa: TRY400 - the page shows this line
        if isinstance(environment.runner, WorkerRunner):
            _give_up(environment, environment.runner, error)
        raise gevent.GreenletExit from None


def _give_up(environment: Environment, runner: WorkerRunner, error: LoadTestError) -> None:
    """Ends a worker that cannot do what its master's options say, and the test, which would lack its load."""
    if OpenEnvUser.policy_watch is not None:
        OpenEnvUser.policy_watch.note(f"{process_name()} could not start: {error}")
    environment.process_exit_code = EXIT_REFUSED
    gevent.spawn(runner.quit)


def _check_policy(environment: Environment, policy: str) -> None:
    """Lets no page name code to run: the policy stays the one that Locust was started with."""
    options = environment.parsed_options
    assert options is not None
    if options.policy != policy and not isinstance(environment.runner, WorkerRunner):
        options.policy = policy
        raise LoadTestError("the page cannot change the policy: start Locust with another --policy")


def _check_trace(environment: Environment, shape: str) -> None:
    """Lets no page name files of this machine: a trace is the one that Locust was started with, or none."""
    options = environment.parsed_options
    assert options is not None
    is_other = is_trace(options.shape) and options.shape != shape
    if is_other and not isinstance(environment.runner, WorkerRunner):
        options.shape = shape
        raise LoadTestError("the page cannot name a trace: start Locust with another --shape")


def _end_without_parent(parent: int) -> None:
    """Ends Locust when the harness that started it is gone: nobody else would, before its time is up."""
    while os.getppid() == parent:
        gevent.sleep(1)
    logger.error("The harness is gone: ending the load")
    os.kill(os.getpid(), signal.SIGTERM)


def _use_options(environment: Environment, headers_for: str | None, *, test_begins: bool) -> None:
    """Checks the options. Headers go to no other server than the one that Locust was started for."""
    assert environment.parsed_options is not None
    options = parsed_load_options(environment.parsed_options)
    if environment.host:
        environment.host = base_url(environment.host, "-H")
        if options.access.headers and environment.host != headers_for:
            raise LoadTestError(
                f"{HEADERS} are not sent to a server that Locust was not started for: start it with "
                f"-H {environment.host} ({invocation('worker', TARGET=environment.host)})"
            )
    elif test_begins:
        raise LoadTestError("no server was named: give one with -H http://127.0.0.1:8000")
    if test_begins:
        given = environment.parsed_options
        check_when(options, given.scenario, given.run_time or given.load_seconds)
    options = _with_own_policies(options, environment)
    if environment.host and test_begins:
        options = settled(options, environment.host)
    OpenEnvUser.options = options
    ours: list[type[OpenEnvUser]] = [OpenEnvHttpUser, OpenEnvWebSocketUser]
    for users in ours + _classes_of_others(environment):
        users.prepare()
