"""One load test from deployment to report: bring up, make load, record, report, take down."""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtests.clock import now
from loadtests.config import LoadTestConfig
from loadtests.deployments import Deployment
from loadtests.deployments.choose import choose
from loadtests.deployments.processes import tail, uninterrupted
from loadtests.deployments.registry import MARKER
from loadtests.deployments.remains import remove_remains
from loadtests.errors import EXIT_ROWS_LOST, EXIT_WORKER_LOST, LoadTestError
from loadtests.generator import Generator, locust_command, stop_timeout
from loadtests.live_statistics import LiveStatistics
from loadtests.live_view import LiveView
from loadtests.machine import machine, versions
from loadtests.resource_sampler import ResourceSampler
from loadtests.terminal import end_on_termination, progress
from reports.run_directory import RunDirectory, RunDirectoryError, StreamReader
from reports.schema import SCHEMA_VERSION, RunConfig, RunJson, RunStatus

EXIT_PASSED, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130

_POLL_SECONDS = 0.25
_OVERTIME_SECONDS = 60.0

Outcome = tuple[RunStatus, str | None]
"""How the load ended, and why where it did not complete."""


def run_load_test(config: LoadTestConfig, console: Console) -> int:
    """Runs the load test and prints its verdict.

    Returns 0 where the SLO passed, 1 where it failed or the run broke, 130 after Ctrl-C. Raises
    LoadTestError for what a person can mend; nothing is left running in any case.
    """
    check_writable(config.results)
    with deployed(config, console) as deployment:
        directory = RunDirectory.create(config.results, f"{deployment.kind}-{config.transport}")
        directory.write_run(run_json(directory.path.name, config, deployment))
        status, detail = _make_load(config, deployment, directory, console)
        _note_incidents(directory, deployment)
    progress(console)("writing the report")
    try:
        from loadtests.finish import finish_run, print_verdict  # loads pandas and matplotlib: after the load

        report = finish_run(directory, status, detail)
    except KeyboardInterrupt:
        progress(console)(f"the report is not finished: make report RUN={directory.path}")
        return EXIT_INTERRUPTED
    except RunDirectoryError as error:
        raise LoadTestError(f"{detail or error}\n{tail(directory.path / 'locust.log')}".rstrip()) from None
    print_verdict(report, directory, console)
    if status == "interrupted":
        return EXIT_INTERRUPTED
    return EXIT_PASSED if report.slo.passed and status == "completed" else EXIT_FAILED


def _note_incidents(directory: RunDirectory, deployment: Deployment) -> None:
    alive: set[str] = set(deployment.hosts())
    with contextlib.suppress(Exception):  # the records matter more
        alive = {usage.name for usage in deployment.resources() if usage.role == "replica"}
    names = deployment.topology()["names"]
    if gone := [names.get(host, host) for host in deployment.hosts() if host not in alive]:
        run = directory.read_run()
        run["incidents"] = [f"{name} ended before the load did." for name in gone]
        directory.write_run(run)


@contextlib.contextmanager
def deployed(config: LoadTestConfig, console: Console) -> Iterator[Deployment]:
    """The target, up; taken down at the end whatever happens, undisturbed by Ctrl-C."""
    say = progress(console)
    for line in remove_remains():
        say(line)
    end_on_termination()
    name = f"run-{secrets.token_hex(4)}"
    deployment, why = choose(config.target, config.deployment, "run", name=name, progress=say)
    say(why)
    os.environ[MARKER] = name  # the load generator inherits it, and is found should this process be killed
    start = time.monotonic()
    is_up = False
    try:
        deployment.up()
        is_up = True
        if deployment.kind != "url":
            say(f"up after {time.monotonic() - start:.1f} s: {deployment.url}")
        most = deployment.most_sessions()
        if most is not None and config.transport == "ws" and config.users > most:
            say(f"USERS={config.users} is more than the {most} sessions that open files allow here")
        yield deployment
    finally:
        os.environ.pop(MARKER, None)
        if is_up:  # what is not up has taken down whatever it had started
            with uninterrupted():
                if deployment.kind != "url":
                    say("taking the deployment down")
                deployment.down()


def check_writable(results: Path) -> None:
    """Raises LoadTestError where no run directory could be made below `results`."""
    probe = results / f".probe-{os.getpid()}"
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LoadTestError(
            f"RESULTS={results} cannot be written ({error.strerror}): give another folder"
        ) from None


def run_json(run_id: str, config: LoadTestConfig, deployment: Deployment) -> RunJson:
    """run.json as it is when a run starts."""
    return RunJson(
        kind="run",
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        status="running",
        started_at=now(),
        ended_at=None,
        config=_run_config(config, deployment),
        topology=deployment.topology(),
        versions=_all_versions(deployment),
        machine=machine(),
    )


def _all_versions(deployment: Deployment) -> dict[str, str]:
    own = versions()
    server = {
        name if name not in own else f"server {name}": version
        for name, version in deployment.versions().items()
        if own.get(name) != version
    }
    return own | server


def run_template(config: LoadTestConfig, deployment: Deployment) -> dict[str, Any]:
    """What Locust cannot know of the runs that its page starts."""
    run = run_json("", config, deployment)
    return {"config": run["config"], "topology": run["topology"], "versions": run["versions"]}


def _run_config(config: LoadTestConfig, deployment: Deployment) -> RunConfig:
    options = config.options
    return RunConfig(
        deployment=deployment.kind,
        url=deployment.url,
        transport=config.transport,
        users=config.users,
        spawn_rate=config.spawn_rate,
        duration_s=config.duration_s,
        wait=options.wait.text,
        think_time=options.think_time.text,
        steps_per_episode=options.steps_per_episode,
        connect_timeout_s=options.connect_timeout_s,
        step_timeout_s=options.step_timeout_s,
        action=options.action,
        balancing=None if deployment.kind == "url" else config.deployment.balancing,
        processes=config.processes,
        slo=config.slo,
    )


def _make_load(
    config: LoadTestConfig, deployment: Deployment, directory: RunDirectory, console: Console
) -> Outcome:
    command = [*locust_command(config, deployment.url), "--run-directory", str(directory.path.absolute())]
    generator = Generator(command)
    sampler: ResourceSampler | None = None
    try:
        with (directory.path / "locust.log").open("wb") as log:
            generator.start(log)
        sampler = ResourceSampler(directory, deployment.resources, generator.pid)
        sampler.start()
        with _live_view(config, deployment, console) as view:
            return _watch(config, generator, directory, view)
    except KeyboardInterrupt:
        progress(console)("stopping the load; what was recorded is kept (Ctrl-C again to stop at once)")
        with contextlib.suppress(KeyboardInterrupt):
            generator.stop()
        return "interrupted", "stopped by Ctrl-C"
    finally:
        with uninterrupted():
            generator.kill()
            if sampler is not None:
                sampler.stop()


def _live_view(config: LoadTestConfig, deployment: Deployment, console: Console) -> LiveView:
    topology = deployment.topology()
    replicas, workers = topology["replicas"], topology["workers"]
    return LiveView(
        console,
        duration_s=config.duration_s,
        users=config.users,
        names=topology["names"],
        expected_workers=replicas * workers if replicas and workers else None,
        unit="sessions" if config.transport == "ws" else "users",
    )


def _watch(config: LoadTestConfig, generator: Generator, directory: RunDirectory, view: LiveView) -> Outcome:
    statistics = LiveStatistics()
    reader = StreamReader(directory.steps_stream)
    deadline = time.monotonic() + config.duration_s + stop_timeout(config) + _OVERTIME_SECONDS
    while (code := generator.poll()) is None:
        if time.monotonic() > deadline:
            generator.kill()
            return "failed", f"Locust did not end {_OVERTIME_SECONDS:.0f} s after its time and was killed"
        statistics.update(reader.read())
        view.show(statistics.snapshot())
        time.sleep(_POLL_SECONDS)
    statistics.update(reader.read())
    if code < 0:
        return "failed", f"the load generator was killed by {signal.Signals(-code).name}"
    if code == EXIT_ROWS_LOST:
        return "failed", "not every row could be written; the figures are of what could (is the disk full?)"
    if code == EXIT_WORKER_LOST:
        return "failed", "a Locust worker died, and its users' load was missing from then on"
    if code not in (0, 1):
        return "failed", f"Locust ended with exit code {code}; its log is {directory.path / 'locust.log'}"
    if not statistics.snapshot().users:
        return "failed", f"Locust made no load; its log is {directory.path / 'locust.log'}"
    return "completed", None
