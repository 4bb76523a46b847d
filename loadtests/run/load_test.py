"""One load test from deployment to report: bring up, generate load, record, report, take down."""

import contextlib
import json
import math
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from rich.console import Console

from loadtests.commands import SERVER_VARIABLES
from loadtests.deployments import Deployment, DeploymentConfig, Progress
from loadtests.deployments.breakable import Breakable
from loadtests.deployments.choose import choose
from loadtests.deployments.compose import ComposeDeployment
from loadtests.deployments.generators import ContainerGenerators
from loadtests.deployments.processes import deferred, raise_open_file_limit, tail, uninterrupted
from loadtests.deployments.registry import MARKER
from loadtests.deployments.remains import noted, remove_remains
from loadtests.deployments.url import UrlDeployment
from loadtests.errors import (
    EXIT_POLICY_FAILED,
    EXIT_ROWS_LOST,
    EXIT_WORKER_LOST,
    POLICY_FAILED,
    ROWS_LOST,
    WORKER_LOST,
    LoadTestError,
)
from loadtests.faults.executor import Faults
from loadtests.load.options import settled
from loadtests.load.run_json import Target, starting_run
from loadtests.run.config import LoadTestConfig
from loadtests.run.finish import finish_run, list_in_index, print_outcome, reported
from loadtests.run.generator import (
    STOP_SECONDS,
    Generator,
    load_order,
    locust_command,
    longest_run_time,
    most_sessions,
    stop_timeout,
)
from loadtests.run.joining import how_to_join, listening, wait_for_workers
from loadtests.run.live_statistics import FollowedRun, Snapshot
from loadtests.run.live_view import LiveView
from loadtests.run.outlets import NO_OUTLETS, Outlets
from loadtests.run.resource_sampler import ResourceSampler
from loadtests.run.sessions_held import fitted
from loadtests.terminal import end_on_termination, progress
from reports.page.words import count, printable
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import FaultJson, RunStatus
from reports.write import load_meanwhile, write_run_outputs

if TYPE_CHECKING:
    from loadtests.run.metrics.meter import Meter

EXIT_PASSED, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130

_POLL_SECONDS = 0.25
_OVERTIME_SECONDS = 60.0

Outcome = tuple[RunStatus, str | None]
"""How the load ended, and why where it did not complete."""

Show = Callable[[Snapshot], None]
"""Called a few times a second with the state of the load."""


def run_load_test(config: LoadTestConfig, console: Console, outlets: Outlets = NO_OUTLETS) -> int:
    """Runs the load test, prints its verdict and feeds the outlets.

    Returns 0 where the SLO passed, 1 where it failed or the run broke, 130 after Ctrl-C. Raises
    LoadTestError for what a person can fix; nothing is left running in any case.
    """
    check_writable(config.results)
    say = progress(console)
    if config.joining is not None:
        config = replace(config, joining=listening(config.joining))
    with deployed(config.target, config.deployment, say) as deployment:
        config = fitted(settled_for(config, deployment, say), deployment, say)
        if warning := too_many_sessions(config, deployment):
            say(warning)
        directory = new_run(config, deployment, config.results)
        with LiveView(console, config, deployment.topology()) as view:
            outcome = record_run(config, deployment, directory, view.show, say, outlets.meter)
        with taken_down_meanwhile(deployment):
            return _report(config, directory, outcome, console, outlets)


def _report(
    config: LoadTestConfig, directory: RunDirectory, outcome: Outcome, console: Console, outlets: Outlets
) -> int:
    """Reports a recorded run; returns the exit code."""
    status, detail = outcome
    try:
        report = reported(lambda: finish_run(directory, status, detail), directory, console)
    except RunDirectoryError as error:
        list_in_index(config.results, console)
        raise LoadTestError(f"{error}\n{tail(directory.path / 'locust.log')}".rstrip()) from None
    if report is None:
        return EXIT_INTERRUPTED
    from reports.run.verdict import verdict_lines  # it loads pandas: after the load

    print_outcome(verdict_lines(report), directory, console, "bold green" if report.passed else "bold red")
    list_in_index(config.results, console)
    write_run_outputs(outlets.files, report, directory)
    if status == "interrupted":
        return EXIT_INTERRUPTED
    return EXIT_PASSED if report.passed else EXIT_FAILED


def settled_for(config: LoadTestConfig, deployment: Deployment, say: Progress) -> LoadTestConfig:
    """The load test with actions that the deployment takes, where none were given.

    Raises LoadTestError where none can be known.
    """
    options = config.options
    takes_waits = deployment.kind != "url" and config.deployment.environment.is_benchmark
    if takes_waits and options.action_choice not in ("given", "policy"):
        return replace(config, options=replace(options, action_choice="wait"))
    options = settled(options, deployment.url)
    if options.actions is not config.options.actions and options.actions is not None:
        actions = options.actions
        made_from = "the schemas of its tools" if actions.source == "tools" else "the server's schema"
        example = json.dumps(actions.values[0])
        say(
            f"{count(len(actions.values), 'action')} made from {made_from}, such as {printable(example, 120)}"
        )
    return replace(config, options=options)


def new_run(config: LoadTestConfig, deployment: Deployment, results: Path) -> RunDirectory:
    """Creates the directory of a new run in `results`. Raises RunDirectoryError."""
    directory = RunDirectory.create(results, f"{deployment.kind}-{config.transport}")
    directory.write(
        starting_run(
            directory.path.name,
            deployment.load_url,
            target_of(config, deployment),
            config.options,
            transport=config.transport,
            users=config.users,
            spawn_rate=config.spawn_rate,
            duration_s=config.duration_s,
            scenario=config.scenario,
            processes=config.processes,
            generators=config.deployment.generators,
            warmup_s=config.warmup_s,
            fault=",".join(fault.asked for fault in config.faults),
        )
    )
    return directory


def record_run(
    config: LoadTestConfig,
    deployment: Deployment,
    directory: RunDirectory,
    show: Show,
    say: Progress,
    meter: "Meter | None" = None,
) -> Outcome:
    """Loads a deployment that is up, and records the run in its new directory, without a report yet.

    Ctrl-C ends the load, not the caller: the status is "interrupted" then. Raises RunDirectoryError where
    nothing can be written.
    """
    faults = _faults(config, deployment, directory, say)
    outcome, incidents, struck = _make_load(config, deployment, directory, show, say, meter, faults)
    incidents += [f"{name} ended before the load did." for name in ended_parts(deployment)]
    if incidents or struck:
        run = directory.read()
        if incidents:
            run["incidents"] = incidents
        if struck:
            run["faults"] = struck
            # Replicas that were added have names too.
            run["topology"]["names"] = deployment.topology()["names"] | run["topology"]["names"]
        directory.write(run)
    return outcome


def _faults(
    config: LoadTestConfig, deployment: Deployment, directory: RunDirectory, say: Progress
) -> Faults | None:
    """The faults that are asked for, not started yet; None where there are none. Raises LoadTestError."""
    if not config.faults:
        return None
    if not isinstance(deployment, Breakable):
        raise LoadTestError(f"FAULT cannot break anything of TARGET={config.target}: it is not run from here")
    # Locust opens the stream when it starts the load.
    return Faults(config.faults, deployment, directory.steps.stream.exists, say)


def too_many_sessions(config: LoadTestConfig, deployment: Deployment) -> str | None:
    """A warning if the load needs more sessions than the deployment, or Locust, has open files for."""
    if config.transport != "ws":
        return None
    most = deployment.most_sessions()
    if most is not None and config.users > most:
        return (
            f"USERS={config.users} is more than the {most} sessions that open files and ports allow in front "
            "of the replicas"
        )
    if config.joining is not None or config.deployment.generators:
        return None  # their open files are not this machine's
    files = raise_open_file_limit()
    if config.users > most_sessions(config.processes, files):
        enough = math.ceil(config.users / most_sessions(1, files))
        return (
            f"USERS={config.users} is more than the {most_sessions(config.processes, files)} sessions that "
            f"the open files of PROCESSES={config.processes} allow: use PROCESSES={enough}"
        )
    return None


def ended_parts(deployment: Deployment) -> list[str]:
    """Names of replicas, and nginx, that are no longer there; empty where that cannot be known.

    What was killed or removed on purpose is not among them. Of a server that is given by its URL only whether
    it still answers can be known.
    """
    if isinstance(deployment, UrlDeployment):
        return [] if deployment.answers() else ["The server"]
    try:
        alive = deployment.running()
    except Exception:  # the records matter more
        return []
    names = deployment.topology()["names"]
    expected = [host for host in deployment.hosts() if host not in deployment.put_down()]
    gone = [names.get(host, host) for host in expected if host not in alive]
    return gone + (["nginx"] if deployment.hosts() and "nginx" not in alive else [])


@contextlib.contextmanager
def taken_down_meanwhile(deployment: Deployment) -> Iterator[None]:
    """Takes the deployment down while the block does something else, and waits for the end of that.

    Ctrl-C reaches the block only. Raises LoadTestError where it cannot be taken down.
    """
    aside = ThreadPoolExecutor(1, thread_name_prefix="down")
    try:
        down = aside.submit(deployment.down)
        yield
    finally:
        with uninterrupted():
            aside.shutdown()
    down.result()


@contextlib.contextmanager
def deployed(target: str, config: DeploymentConfig, say: Progress) -> Iterator[Deployment]:
    """Brings the target up, and takes it down at the end whatever happens; Ctrl-C does not disturb that."""
    for line in remove_remains():
        say(line)
    end_on_termination()
    name = f"run-{secrets.token_hex(4)}"
    deployment, why = choose(target, config, "run", name=name, progress=say)
    say(why)
    os.environ[MARKER] = name  # the load generator inherits it, and can be found if we are killed
    start = time.monotonic()
    is_up = False
    with noted(name) if deployment.kind == "url" else contextlib.nullcontext():
        try:
            if deployment.kind != "url":
                load_meanwhile()
            deployment.up()
            is_up = True
            if deployment.kind != "url":
                say(f"up after {time.monotonic() - start:.1f} s: {deployment.url}")
            yield deployment
        finally:
            os.environ.pop(MARKER, None)
            if is_up:  # otherwise `up` has cleaned up after itself
                with uninterrupted():
                    deployment.down()


def check_writable(results: Path) -> None:
    """Raises LoadTestError where no run directory could be made below `results`."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=results):
            pass
    except OSError as error:
        raise LoadTestError(
            f"RESULTS={results} cannot be written ({error.strerror}): give another folder"
        ) from None


def target_of(config: LoadTestConfig, deployment: Deployment) -> Target:
    """What run.json says of the target beyond the load on it."""
    ours = deployment.kind != "url"
    return Target(
        deployment=deployment.kind,
        topology=deployment.topology(),
        versions=deployment.versions(),
        environment=deployment.environment(),
        balancing=config.deployment.balancing if ours else None,
        reuse_port=config.deployment.reuse_port if ours else None,
        server_settings=server_settings() if ours else {},
        slo=config.slo,
        tags=list(config.tags),
    )


def server_settings() -> dict[str, str]:
    """The environment variables that are passed on to the environment servers."""
    names = [variable.name for variable in SERVER_VARIABLES]
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _make_load(
    config: LoadTestConfig,
    deployment: Deployment,
    directory: RunDirectory,
    show: Show,
    say: Progress,
    meter: "Meter | None",
    faults: Faults | None,
) -> tuple[Outcome, list[str], list[FaultJson]]:
    """The outcome, what happened to the load generators, a sentence each, and what was broken on purpose."""
    struck: list[FaultJson] = []
    sampler: ResourceSampler | None = None
    followed = FollowedRun(directory, meter)
    generator = _generator(config, deployment, directory, meter)
    outcome: Outcome = ("interrupted", "stopped by Ctrl-C")
    try:
        with (directory.path / "locust.log").open("wb") as log:
            generator.start(log)
        if config.joining is not None:
            for line in how_to_join(config.joining, deployment, config.options.access):
                say(line)
            if problem := wait_for_workers(config.joining, generator, directory, say):
                return ("failed", problem), [], []
        sampler = ResourceSampler(directory, deployment.resources, generator.pid)
        sampler.start()
        if faults is not None:
            faults.start()
        outcome = _watch(config, generator, directory, show, followed)
    except KeyboardInterrupt:
        say("stopping the load; what was recorded is kept (Ctrl-C again to stop at once)")
        if faults is not None:
            faults.end()
        with contextlib.suppress(KeyboardInterrupt):
            generator.stop(STOP_SECONDS)
    finally:
        with deferred() as interrupts:
            generator.kill()
            if faults is not None:
                struck = faults.stop()
            if sampler is not None:
                sampler.stop()
            if interrupts:
                outcome = ("interrupted", "stopped by Ctrl-C")
                interrupts.clear()
    return outcome, generator.incidents(), struck


def _generator(
    config: LoadTestConfig, deployment: Deployment, directory: RunDirectory, meter: "Meter | None"
) -> Generator | ContainerGenerators:
    """What makes the load, not started yet: containers of the deployment, or processes of this machine."""
    if config.deployment.generators and isinstance(deployment, ComposeDeployment):
        return deployment.load_generators(load_order(config, deployment.load_url, directory.path))
    command = locust_command(config, deployment.load_url, directory.path, meter=meter)
    command += ["--run-directory", str(directory.path.absolute())]
    return Generator(command, config.options.access)


def _watch(
    config: LoadTestConfig,
    generator: Generator | ContainerGenerators,
    directory: RunDirectory,
    show: Show,
    followed: FollowedRun,
) -> Outcome:
    deadline = time.monotonic() + longest_run_time(config) + stop_timeout(config) + _OVERTIME_SECONDS
    while (code := generator.poll()) is None:
        if time.monotonic() > deadline:
            generator.kill()
            return "failed", f"Locust did not end {_OVERTIME_SECONDS:.0f} s after its time and was killed"
        show(followed.fold())
        time.sleep(_POLL_SECONDS)
    last = followed.fold()
    if code < 0:
        return "failed", f"the load generator was killed by {signal.Signals(-code).name}"
    if code == EXIT_ROWS_LOST:
        return "failed", ROWS_LOST
    if code == EXIT_WORKER_LOST:
        return "failed", directory.read().get("status_detail") or WORKER_LOST
    if code == EXIT_POLICY_FAILED:
        return "failed", directory.read().get("status_detail") or POLICY_FAILED
    if code not in (0, 1):
        return "failed", f"Locust ended with exit code {code}; its log is {directory.path / 'locust.log'}"
    if not last.users:
        return "failed", f"Locust generated no load; its log is {directory.path / 'locust.log'}"
    return "completed", None
