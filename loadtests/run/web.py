"""A deployment under Locust's web page: each test that is started there becomes a run with a report."""

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from loadtests.deployments import Deployment
from loadtests.deployments.ports import check_free
from loadtests.deployments.processes import deferred
from loadtests.load.page.credentials import Credentials
from loadtests.run.config import LoadTestConfig
from loadtests.run.generator import Generator, locust_command
from loadtests.run.live_statistics import FollowedRun
from loadtests.run.load_test import check_writable, deployed, settled_for, target_of, too_many_sessions
from loadtests.run.resource_sampler import ResourceSampler
from loadtests.scratch import scratch_folder
from loadtests.terminal import progress
from reports.records.run_directory import RunDirectory, RunDirectoryError

if TYPE_CHECKING:
    from loadtests.run.metrics.meter import Meter

_POLL_SECONDS = 0.5


def serve_page(
    config: LoadTestConfig,
    port: int,
    console: Console,
    login: Credentials | None = None,
    meter: "Meter | None" = None,
) -> int:
    """Serves Locust's page on 127.0.0.1:`port` until Ctrl-C, only to those who can log in, if that is given.

    Each test on the page feeds the meter. Returns Locust's exit code.
    """
    check_writable(config.results)
    check_free(port, "WEB_PORT")
    with (
        deployed(config.target, config.deployment, progress(console)) as deployment,
        scratch_folder() as scratch,
    ):
        settled_for(config, deployment, progress(console))  # Locust asks again for every test
        if warning := too_many_sessions(config, deployment):
            progress(console)(warning)
        template = Path(scratch) / "run-template.json"
        template.write_text(json.dumps(target_of(config, deployment)))
        command = [
            *locust_command(config, deployment.url, Path(scratch), web=True, meter=meter),
            *("--web-host", "127.0.0.1", "--web-port", str(port)),
            *("--results", str(config.results.absolute()), "--run-template", str(template)),
        ]
        if login is not None:
            command.append("--web-login")
        generator = Generator(command, config.options.access, login.environ() if login is not None else None)
        try:
            generator.start(None)
            progress(console)(f"Locust's page is http://127.0.0.1:{port} (Ctrl-C ends it)")
            _follow_runs(generator, deployment, config.results, meter)
            return generator.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                generator.stop()
            return 0
        finally:
            with deferred():
                generator.kill()


def _follow_runs(generator: Generator, deployment: Deployment, results: Path, meter: "Meter | None") -> None:
    """Samples resources into each run that is started on the page, and meters it, for as long as it lasts."""
    current: RunDirectory | None = None
    with contextlib.ExitStack() as following:
        while generator.poll() is None:
            running = _running(results, deployment.url)
            if running != current:
                following.close()
                current = running
                if running is not None:
                    sampler = ResourceSampler(running, deployment.resources, generator.pid)
                    sampler.start()
                    following.callback(sampler.stop)
                    if meter is not None:
                        followed = FollowedRun(running, meter)
                        following.callback(followed.fold)
            if current is not None and meter is not None:
                followed.fold()
            time.sleep(_POLL_SECONDS)


def _running(results: Path, url: str) -> RunDirectory | None:
    for path in sorted(results.glob("*/steps.arrows"), reverse=True)[:1]:
        directory = RunDirectory(path.parent)
        with contextlib.suppress(RunDirectoryError):
            run = directory.read()
            if run["status"] == "running" and run["config"]["url"] == url:
                return directory
    return None
