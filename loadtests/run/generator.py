"""Locust as a process of its own: started for one run, watched, stopped."""

import contextlib
import functools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

from loadtests.actions.policy import FOLDER
from loadtests.deployments.generators import LoadOrder
from loadtests.deployments.ports import LOOPBACK, HeldPort
from loadtests.deployments.processes import deferred, raise_open_file_limit
from loadtests.load.options import LoadOptions
from loadtests.places import PACKAGES
from loadtests.protocol.access import LOCUST_HEADERS, OPEN, Access
from loadtests.run.config import LoadTestConfig

if TYPE_CHECKING:
    from loadtests.run.metrics.meter import Meter

LOCUSTFILE = Path(__file__).parents[1] / "locustfile.py"
ACTIONS = "actions.jsonl"
REPLAYED = "replayed.jsonl"

_GRACE_SECONDS = 5.0
_LONGEST_GRACE_SECONDS = 30.0
_SHUTDOWN_SECONDS = 30.0
_MARGIN_SECONDS = 30.0
_START_SECONDS_A_USER = 0.01
_RESERVED_FILES = 100
"""Open files that a Locust process needs besides its sessions."""
STOP_SECONDS = _LONGEST_GRACE_SECONDS + _SHUTDOWN_SECONDS
"""How long Locust may take to end cleanly."""


def locust_command(
    config: LoadTestConfig, url: str, scratch: Path, *, web: bool = False, meter: "Meter | None" = None
) -> list[str]:
    """The Locust command line for the configured load on `url`, by processes of this machine.

    The meter, if there is one, is told by each process how late its event loop is.
    """
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE)]
    command += locust_options(config, url, scratch, web=web)
    if meter is not None:
        command += ["--lag-folder", str(meter.lag_folder)]
    if (joining := config.joining) is not None:
        command += ["--master", "--expect-workers", str(joining.workers)]
        command += ["--master-bind-host", joining.bind, "--master-bind-port", str(joining.port)]
    elif config.processes > 1:
        port = str(_master_port().port)
        command += ["--processes", str(config.processes)]
        command += ["--master-bind-host", LOOPBACK, "--master-bind-port", port]
        command += ["--master-host", LOOPBACK, "--master-port", port]
    return command


@functools.cache
def _master_port() -> HeldPort:
    """Where this command's Locust masters listen, one after another; nobody else is given it meanwhile."""
    return HeldPort(0)


def locust_options(config: LoadTestConfig, url: str, scratch: Path, *, web: bool = False) -> list[str]:
    """What Locust is told of the load, by whatever processes.

    Several actions are written to `actions.jsonl` in the folder `scratch`. Headers are not on the command
    line, where others could read them: Locust finds them in the environment.
    """
    options = config.options
    spawn_rate = config.users if config.scenario == "batch" else config.spawn_rate
    told = [
        *("--host", url, "--users", str(config.users), "--spawn-rate", f"{spawn_rate:.10g}"),
        *("--run-time", f"{longest_run_time(config)}s", "--stop-timeout", str(stop_timeout(config))),
        *("--scenario", config.scenario, "--transport", config.transport, "--wait", options.wait.text),
        *("--think-time", options.think_time.text, "--steps-per-episode", str(options.steps_per_episode)),
        *_when(options),
        *("--connect-timeout", f"{options.connect_timeout_s:g}"),
        *("--step-timeout", f"{options.step_timeout_s:g}"),
        *("--tls-verify", "1" if options.access.verify_tls else "0"),
        *("--upstream-header", options.access.upstream_header),
        *_actions(options, scratch / ACTIONS),
    ]
    return told if web else [*told, "--headless", "--only-summary"]


def load_order(config: LoadTestConfig, url: str, run_directory: Path) -> LoadOrder:
    """The configured load on `url`, for generators in containers."""
    folder = run_directory.absolute()
    if (trace := config.options.trace) is not None:
        # The master finds it in the run directory and sends it to the workers.
        copied = replace(trace, path=Path(shutil.copyfile(trace.path, folder / REPLAYED)))
        config = replace(config, options=replace(config.options, trace=copied))
    options = locust_options(config, url, folder)
    named = [folder / ACTIONS, config.options.policy.source if config.options.policy else None]
    headers = config.options.access.environ().get(LOCUST_HEADERS)
    return LoadOrder(
        options=options,
        run_directory=folder,
        files=[file for file in named if file is not None and file.exists()],
        environ={LOCUST_HEADERS: headers} if headers else {},
    )


def _when(options: LoadOptions) -> list[str]:
    shape = options.shape or options.trace
    told = ["--shape", shape.text] if shape is not None else []
    told += ["--group", str(options.group), "--steps", options.rollout_steps.text]
    if (arrivals := options.arrivals) is not None:
        told += ["--arrivals", arrivals.text, "--arrivals-of", arrivals.of]
    return told


def _actions(options: LoadOptions, file: Path) -> list[str]:
    if options.policy is not None:
        return ["--policy", options.policy.text]
    actions = options.actions
    if actions is None:
        return ["--actions", "" if options.action_choice == "as the schema says" else options.action_choice]
    if actions.constant is not None:
        return ["--action", json.dumps(actions.constant)]
    actions.write(file)
    return ["--actions", str(file.absolute()), "--action-order", actions.order]


def longest_run_time(config: LoadTestConfig) -> int:
    """Whole seconds after which the load ends at the latest.

    A batch ends by itself, so there it is a cap: long enough for every operation of a server that hangs to
    run into its time-out.
    """
    if config.scenario != "batch":
        return config.duration_s
    options = config.options
    time_outs = options.connect_timeout_s + 2 * options.step_timeout_s + options.wait.longest
    return math.ceil(time_outs + _MARGIN_SECONDS + _START_SECONDS_A_USER * config.users)


def most_sessions(processes: int, open_files: int) -> int:
    """How many WebSocket sessions Locust processes can hold that may have so many open files each."""
    return max(1, (open_files - _RESERVED_FILES) * processes)


def stop_timeout(config: LoadTestConfig) -> int:
    """Whole seconds that steps in flight get to finish when the load ends."""
    return math.ceil(min(config.options.longest_wait_s + _GRACE_SECONDS, _LONGEST_GRACE_SECONDS))


class Generator:
    """A Locust process and its workers, in a session of their own: Ctrl-C reaches only the harness."""

    def __init__(
        self, command: list[str], access: Access = OPEN, environ: Mapping[str, str] | None = None
    ) -> None:
        """`environ` is what Locust finds in its environment besides the harness's own and the access."""
        self._command = command
        self._environ = {**access.environ(), **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, log: IO[bytes] | None) -> None:
        """Starts Locust with as many open files as the machine allows; its output goes to `log`.

        None: with the harness's own.
        """
        raise_open_file_limit()
        with deferred():
            self._process = subprocess.Popen(
                self._command,
                cwd=PACKAGES,
                env=os.environ | {FOLDER: str(Path.cwd())} | self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it is running."""
        assert self._process is not None
        return self._process.poll()

    def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        assert self._process is not None
        return self._process.wait()

    def stop(self, timeout_s: float = STOP_SECONDS) -> None:
        """Asks for a clean end and waits for it, if it was started."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def kill(self) -> None:
        """Ends Locust and its workers at once, if they still run."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.Error):
            for worker in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    worker.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # workers outlive a master that was killed itself
        self._process.wait()

    def incidents(self) -> list[str]:
        """What happened to it that its exit code does not tell: nothing."""
        return []
