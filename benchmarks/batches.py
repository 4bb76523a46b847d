"""Large batches through nginx: whether they meet the objective, and what a session costs each part.

A batch is N users that connect, reset, step once and close, all at the same time, here on local replicas of
one worker each. CPU is that of the batch alone, from the first connect to the last reply, divided by N: a
sampler reads the processes' sampler meanwhile, and its samples are interpolated at both ends.
"""

import argparse
import math
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from benchmarks.figures import Figure, conclude
from loadtests.capacity.batch_outcome import BatchOutcome, batch_outcome
from loadtests.capacity.config import capacity_config
from loadtests.commands import CAPACITY_SETTINGS
from loadtests.deployments import Deployment
from loadtests.deployments.local import LocalDeployment
from loadtests.run.finish import finish_run
from loadtests.run.load_test import new_run, record_run
from loadtests.run.resource_sampler import generator_usage
from reports.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from loadtests.run.config import LoadTestConfig
    from reports.run.report import RunReport

TARGETS = ((4096, 1.0), (16384, 10.0), (32768, 10.0))
"""Users, and seconds that each step waits."""
PARTS = ("generator", "nginx", "server")
_PARTS_OF_ROLES = {"generator": "generator", "nginx": "nginx", "replica": "server"}
_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Try:
    """One batch, and the CPU seconds of each part while it went on."""

    outcome: BatchOutcome
    cpu_s: dict[str, float]
    memory_bytes: Counter[str]
    """The most that each part had at once."""
    open_files: Counter[str]
    """The same."""

    @property
    def cpu_us(self) -> dict[str, float]:
        """Microseconds a session."""
        return {part: seconds / self.outcome.users * 1e6 for part, seconds in self.cpu_s.items()}


class PartsSampler(threading.Thread):
    """Samples what the parts use: CPU seconds, and the most memory and open files."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(name="parts-sampler", daemon=True)
        self.memory_bytes: Counter[str] = Counter()
        """The most that each part had at once."""
        self.open_files: Counter[str] = Counter()
        """The same."""
        self._deployment = deployment
        self._stopped = threading.Event()
        self.samples: list[tuple[float, ...]] = []
        """The time, and the CPU seconds of each part."""

    def run(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            at = time.time()
            usages = [*self._deployment.resources()]
            for process in psutil.Process().children():
                with suppress(psutil.Error):
                    if "locust" in process.cmdline():
                        usages += generator_usage(process.pid)
            used: dict[str, float] = dict.fromkeys(PARTS, 0.0)
            memory, files = Counter[str](), Counter[str]()
            for usage in usages:
                part = _PARTS_OF_ROLES[usage.role]
                used[part] += usage.cpu_seconds
                memory[part] += usage.memory_bytes
                files[part] += usage.open_files or 0
            self.memory_bytes |= memory
            self.open_files |= files
            self.samples.append((at, *(used[part] for part in PARTS)))

    def stop(self) -> None:
        """Ends the sampling."""
        self._stopped.set()
        self.join()

    def between(self, begin: float, end: float) -> dict[str, float]:
        """CPU seconds of each part between two moments in Unix time.

        A part that had ended when it was sampled has used what it had before.
        """
        at, *used = np.maximum.accumulate(np.array(self.samples)).T
        return {
            part: float(np.interp(end, at, clock) - np.interp(begin, at, clock))
            for part, clock in zip(PARTS, used, strict=True)
        }


def main(arguments: list[str] | None = None) -> int:
    """Runs the batches and prints each; returns 0 where the median p99 of every size is within its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--batch",
        action="append",
        metavar="USERS:WAIT",
        type=_batch,
        help="a size, and the seconds that a step waits; may be repeated (default: the targets)",
    )
    parser.add_argument("--tries", type=int, default=3, help="how often to run each (default: 3)")
    parser.add_argument("--processes", default="2", help="Locust processes (default: 2)")
    parser.add_argument("--replicas", default="2", help="replicas of one worker each (default: 2)")
    parser.add_argument("--results", type=Path, help="a folder that keeps the runs (default: none)")
    options = parser.parse_args(arguments)
    return conclude(
        measure(options.batch or TARGETS, options.tries, options.processes, options.replicas, options.results)
    )


def measure(
    batches: Sequence[tuple[int, float]] = TARGETS,
    tries: int = 3,
    processes: str = "2",
    replicas: str = "2",
    results: Path | None = None,
) -> list[Figure]:
    """Runs each batch several times. One in which too few were served counts as endless."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="batches-") as scratch:
        for users, wait_s in batches:
            config = batch_config(users, wait_s, results or Path(scratch), processes, replicas)
            made = [_told(try_batch(config)) for _ in range(tries)]
            met = sum(one.outcome.met for one in made)
            print(
                f"{users:,} users, wait {wait_s:g} s: met in {met} of {tries} tries; CPU {_cpu(made)}",
                flush=True,
            )
            bound = made[0].outcome.total_limit_s
            seconds = [
                one.outcome.total_p99_s
                if one.outcome.total_p99_s and one.outcome.success_rate >= one.outcome.success_limit
                else math.inf
                for one in made
            ]
            name = f"batch of {users:,} that waits {wait_s:g} s: p99 of total, seconds"
            figures.append(Figure(name, seconds, ".2f", bound, at_most=True))
    return figures


def _batch(text: str) -> tuple[int, float]:
    users, _, wait_s = text.partition(":")
    return int(users), float(wait_s)


def batch_config(
    users: int, wait_s: float, results: Path, processes: str = "2", replicas: str = "2"
) -> "LoadTestConfig":
    """A batch on local replicas of one worker each."""
    given = {
        "TARGET": "local",
        "WORKERS": "1",
        "REPLICAS": replicas,
        "PROCESSES": processes,
        "WAIT": f"{wait_s:g}",
        # A connect may take longer than by default, as long as the total is within the objective.
        "CONNECT_TIMEOUT": "60",
        "MOST": str(users),
        "RESULTS": str(results),
    }
    settings = {each.name: each.default for each in CAPACITY_SETTINGS} | given
    return capacity_config(settings).batch(users)


def try_batch(config: "LoadTestConfig") -> Try:
    """One batch on a deployment of its own."""
    directory, report, sampler = sampled_run(config)
    cpu_s = sampler.between(*_span(directory))
    return Try(batch_outcome(directory, report), cpu_s, sampler.memory_bytes, sampler.open_files)


def sampled_run(config: "LoadTestConfig") -> "tuple[RunDirectory, RunReport, PartsSampler]":
    """Runs a load test on a local deployment of its own, and samples its parts."""
    deployment = LocalDeployment(config.deployment, name="batches")
    before = os.environ.get("MAX_CONCURRENT_ENVS")
    try:
        os.environ["MAX_CONCURRENT_ENVS"] = str(config.users)
        deployment.up()
        directory = new_run(config, deployment, config.results)
        sampler = PartsSampler(deployment)
        sampler.start()
        status, detail = record_run(config, deployment, directory, _ignore, _ignore)
        sampler.stop()
    finally:
        deployment.down()
        os.environ.pop("MAX_CONCURRENT_ENVS")
        if before is not None:
            os.environ["MAX_CONCURRENT_ENVS"] = before
    return directory, finish_run(directory, status, detail), sampler


def _span(directory: RunDirectory) -> tuple[float, float]:
    """From the first connect to the last reply; nothing where the batch recorded nothing."""
    rows = directory.read_steps(["started_at", "latency_s"])
    begun = rows["started_at"].to_numpy()
    if not begun.size:
        return 0.0, 0.0
    return float(begun.min()), float((begun + rows["latency_s"].to_numpy()).max())


def _told(one: Try) -> Try:
    """Prints a try, and returns it."""
    outcome = one.outcome
    p99, connect = outcome.total_p99_s, outcome.slowest.get("connect")
    print(
        f"{outcome.users:,} users: {'met' if outcome.met else 'MISSED'}; "
        f"p99 {f'{p99:.2f} s' if p99 else 'unknown'} (bound {outcome.total_limit_s:g} s), "
        f"connect p99 {f'{connect:.2f} s' if connect else 'unknown'}, "
        f"{outcome.success_rate:.1%} succeeded{f' {dict(outcome.errors)}' if outcome.errors else ''}; "
        f"CPU {_cpu([one])}",
        flush=True,
    )
    if outcome.broken or outcome.ended:
        print(f"  {outcome.broken or '; '.join(outcome.ended)}", flush=True)
    return one


def _cpu(tries: Sequence[Try]) -> str:
    medians = {part: statistics.median(each.cpu_us[part] for each in tries) for part in PARTS}
    parts = ", ".join(f"{part} {used:,.0f}" for part, used in medians.items())
    return f"µs a session: {parts}; sum {sum(medians.values()):,.0f}"


def _ignore(_: object) -> None:
    """Shows nothing."""


if __name__ == "__main__":
    sys.exit(main())
