"""Load on any OpenEnv server with plain Locust: `locust -f loadtests/locustfile.py -H http://127.0.0.1:8000`."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.batch import Batch
from loadtests.errors import LoadTestError
from loadtests.garbage import QuietCollector
from loadtests.locust_options import add_options, parsed_load_options
from loadtests.openenv_ws import websocket_uri
from loadtests.recording import Recording
from loadtests.server_actions import settled
from loadtests.users import OpenEnvHttpUser, OpenEnvUser, OpenEnvWebSocketUser, http_url

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
    try:
        _use_options(environment, test_begins=options.headless and not options.worker)
    except LoadTestError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
    if not (isinstance(environment.runner, WorkerRunner) or options.user_classes or options.class_picker):
        environment.user_classes = [OpenEnvHttpUser if options.transport == "http" else OpenEnvWebSocketUser]
    if options.scenario == "batch" and options.spawn_rate is None:
        options.spawn_rate = options.num_users
    environment.events.test_start.add_listener(_apply_options)
    Batch(environment)
    collector = QuietCollector()
    environment.events.test_start.add_listener(lambda **_: collector.start())
    environment.events.test_stop.add_listener(lambda **_: collector.stop())
    if (options.run_directory or options.run_template) and not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(_end_without_parent, os.getppid())
    if not options.no_recorder:
        Recording(environment, options)


def _apply_options(environment: Environment, **_: Any) -> None:
    try:
        _use_options(environment, test_begins=True)
    except LoadTestError as error:
        logger.error("The test is not started: %s", error)  # noqa: TRY400 - the page shows this line
        raise gevent.GreenletExit from None


def _end_without_parent(parent: int) -> None:
    """Ends Locust when the harness that started it is gone: nobody else would before its time is up."""
    while os.getppid() == parent:
        gevent.sleep(1)
    logger.error("The harness is gone: the load ends")
    os.kill(os.getpid(), signal.SIGTERM)


def _use_options(environment: Environment, *, test_begins: bool) -> None:
    assert environment.parsed_options is not None
    options = parsed_load_options(environment.parsed_options)
    if environment.host:
        websocket_uri(environment.host)
    elif test_begins:
        raise LoadTestError("no server is named: give one with -H http://127.0.0.1:8000")
    if environment.host and test_begins:
        options = settled(options, http_url(environment.host))
    OpenEnvUser.options = options
    for users in (OpenEnvHttpUser, OpenEnvWebSocketUser):
        users.prepare()
