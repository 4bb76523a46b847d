"""Whether the open model reports the sojourn times that queueing theory says; exits with 1 where it does not.

`python -m benchmarks.queue_truth` loads the Benchmark environment, of which a worker lets only so many steps
wait at the same time (MAX_STEPS_IN_FLIGHT), with steps that arrive by Poisson: M/D/1 and M/M/c queues. In
some the queue stands in the generator instead: a pool of as many users as the queue has servers, before a
server without a limit. There everything that waits has not been sent yet, so that latency is right only
where it counts from when steps were due.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks import queueing_theory
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import Registry
from loadtests.errors import LoadTestError
from loadtests.places import PACKAGES
from loadtests.run.generator import LOCUSTFILE
from reports.records.run_directory import RunDirectory
from reports.records.steps import STEP, StepColumns, load_failures, load_steps
from reports.statistics.dependence import BINS, spread_of_sum

Floats = NDArray[np.float64]

TOLERANCE = 0.05
"""How far, beyond the confidence interval, a figure may be from theory: the machine is none of its parts."""
_SHARE = 0.99
_POOL = 100
_AT_ONCE = 4
"""Queues loaded at the same time; each takes a few hundredths of a core."""
_EDGE_S = 1.0
"""What is not counted at both ends: the queue is empty at first, and at last steps are cut off."""


@dataclass(frozen=True)
class Queue:
    """Steps that arrive by Poisson and are served first come, first served."""

    servers: int
    service: Literal["constant", "exponential"]
    service_s: float
    load: float
    """The share of time for which a server is busy."""
    queues_in: Literal["server", "generator"] = "server"

    @property
    def name(self) -> str:
        kind = "D" if self.service == "constant" else "M"
        return f"M/{kind}/{self.servers} at {self.load:g}, queue in the {self.queues_in}"

    @property
    def rate(self) -> float:
        """Arrivals a second."""
        return self.load * self.servers / self.service_s

    @property
    def limit(self) -> int:
        """Steps that go on in the server at the same time; 0: no limit."""
        return self.servers if self.queues_in == "server" else 0

    @property
    def users(self) -> int:
        return self.servers if self.queues_in == "generator" else _POOL

    @property
    def wait(self) -> str:
        """As the setting WAIT."""
        return f"{self.service_s:g}" if self.service == "constant" else f"exponential:{self.service_s:g}"


@dataclass(frozen=True)
class Served:
    """What a run recorded of each step, in the order in which they were due. Times are in seconds."""

    due_s: Floats
    """Since the first."""
    sojourn_s: Floats
    """From when it was due to the reply."""
    late_s: Floats
    """From when it was due until it was sent."""
    waited_s: Floats
    """What the server says to have waited, which is how long the step had a place in it."""

    def service_s(self, queue: Queue) -> Floats:
        """The wait that the server measured; in a queue of the generator the time from sending to the reply.

        During that a user is taken.
        """
        return self.waited_s if queue.queues_in == "server" else self.sojourn_s - self.late_s

    def path_s(self, queue: Queue) -> Floats:
        """The sojourns that these very arrivals and services lead to."""
        service_s = self.service_s(queue).tolist()
        return np.array(queueing_theory.sojourns(self.due_s.tolist(), service_s, queue.servers))


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval at 95 %, in seconds."""

    value: float
    low: float
    high: float

    def agrees_with(self, truth: float) -> bool:
        """Whether the truth is in the interval, or within TOLERANCE of it."""
        return self.low * (1 - TOLERANCE) <= truth <= self.high * (1 + TOLERANCE)


@dataclass(frozen=True)
class Figure:
    """A measured figure of the sojourn times."""

    name: str
    measured: Estimate
    theory_s: float
    """What the queue's theory says, with the generator's floor."""
    path_s: float
    """The same figure of the sojourns that these very arrivals and services lead to, step by step."""

    @property
    def right(self) -> bool:
        """Whether it agrees with theory."""
        return self.measured.agrees_with(self.theory_s)


@dataclass(frozen=True)
class Judged:
    """A queue's sojourn times beside theory."""

    queue: Queue
    steps: int
    rate: float
    service_s: float
    """The mean, as measured."""
    floor_s: float
    """The median latency beyond the service, of steps that found a server free."""
    figures: tuple[Figure, Figure]
    """The mean and the 99th percentile."""

    @property
    def right(self) -> bool:
        """Whether both agree with theory, and the mean with what these arrivals lead to."""
        mean = self.figures[0]
        near = abs(mean.measured.value - mean.path_s) <= TOLERANCE * mean.path_s
        return near and all(figure.right for figure in self.figures)


@contextmanager
def server_of(queue: Queue, folder: Path) -> Iterator[str]:
    """Brings up one worker with the queue's limit; gives its URL."""
    before = os.environ.get("MAX_STEPS_IN_FLIGHT")
    config = DeploymentConfig(replicas=1, workers=1, port=0)
    deployment = LocalDeployment(
        config, name=f"queue-{os.getpid()}-{folder.name}", registry=Registry(folder / "deployments")
    )
    try:
        os.environ["MAX_STEPS_IN_FLIGHT"] = str(queue.limit)
        try:
            deployment.up()
        finally:
            del os.environ["MAX_STEPS_IN_FLIGHT"]
            if before is not None:
                os.environ["MAX_STEPS_IN_FLIGHT"] = before
        yield deployment.url
    finally:
        deployment.down()


def load(queue: Queue, url: str, seconds: int, folder: Path) -> Served:
    """Loads a server with the queue's steps. Raises RuntimeError where some failed."""
    directory = folder / "run"
    directory.mkdir()
    command = [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url, "--headless"),
        *("--users", str(queue.users), "--spawn-rate", str(queue.users), "--run-time", f"{seconds}s"),
        *("--arrivals", f"poisson:{queue.rate:g}", "--arrivals-of", "steps", "--steps-per-episode", "0"),
        *("--wait", queue.wait, "--only-summary", "--run-directory", str(directory)),
    ]
    done = subprocess.run(
        command, cwd=PACKAGES, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"Locust ended with exit code {done.returncode}:\n{done.stdout[:2000].rstrip()}")
    return recorded(directory)


def recorded(directory: Path) -> Served:
    """The steps of a run of the open model, with the latency that its report counts."""
    columns = StepColumns.of_run(RunDirectory(directory))
    failures = load_failures(columns)
    if failures.rows.size:
        raise RuntimeError(f"{failures.rows.size} operations failed, as with {failures.categories}")
    steps, waited_s = load_steps(columns, failures), columns.floats("waited_s")
    if steps.late_s is None or waited_s is None:
        raise RuntimeError("no step arrived that was served")
    order = np.argsort(steps.started_s, kind="stable")
    order = order[steps.op[order] == STEP]
    due_s = steps.started_s[order]
    return Served(due_s - due_s[0], steps.latency_s[order], steps.late_s[order], waited_s[order])


def judge(queue: Queue, served: Served) -> Judged:
    """Holds the sojourn times from the moment that steps were due against theory.

    Theory gets the rate and the mean service as measured.
    """
    sojourn_s, service_s, path_s = served.sojourn_s, served.service_s(queue), served.path_s(queue)
    floor_s = float(np.median((sojourn_s - service_s)[path_s <= service_s * 1.0001]))
    counted = (served.due_s >= _EDGE_S) & (served.due_s <= served.due_s[-1] - _EDGE_S)
    at_s, sojourn_s, path_s = served.due_s[counted], sojourn_s[counted], path_s[counted] + floor_s
    rate, mean_service_s = (at_s.size - 1) / (at_s[-1] - at_s[0]), float(service_s[counted].mean())
    mean_s, beyond = _theory(queue, rate, mean_service_s)
    percentile_s = queueing_theory.quantile(beyond, _SHARE, mean_service_s)
    figures = (
        Figure("mean", _mean(at_s, sojourn_s), mean_s + floor_s, float(path_s.mean())),
        Figure("p99", _quantile(at_s, sojourn_s), percentile_s + floor_s, float(np.quantile(path_s, _SHARE))),
    )
    return Judged(queue, at_s.size, rate, mean_service_s, floor_s, figures)


def _theory(queue: Queue, rate: float, service_s: float) -> tuple[float, Callable[[float], float]]:
    if queue.service == "constant":
        return (
            queueing_theory.mean_of_md1(rate, service_s),
            partial(queueing_theory.chance_beyond_in_md1, rate, service_s),
        )
    return (
        queueing_theory.mean_of_mmc(rate, service_s, queue.servers),
        partial(queueing_theory.chance_beyond_in_mmc, rate, service_s, queue.servers),
    )


def _mean(at_s: Floats, values: Floats) -> Estimate:
    mean = float(values.mean())
    half = _half_width(at_s, values - mean)
    return Estimate(mean, mean - half, mean + half)


def _quantile(at_s: Floats, values: Floats) -> Estimate:
    """With an interval by that of the share of values beyond it (Woodruff 1952)."""
    value = float(np.quantile(values, _SHARE))
    half = _half_width(at_s, np.where(values > value, _SHARE, _SHARE - 1))
    low, high = np.quantile(values, [max(_SHARE - half, 0.0), min(_SHARE + half, 1.0)])
    return Estimate(value, float(low), float(high))


def _half_width(at_s: Floats, scores: Floats) -> float:
    """Of the interval of the mean score, whose neighbours in time depend on each other."""
    place = (at_s - at_s[0]) / (at_s[-1] - at_s[0]) * BINS
    by_bin: Floats = np.bincount(np.minimum(place, BINS - 1).astype(np.intp), scores, minlength=BINS).astype(
        np.float64
    )
    spread = spread_of_sum(by_bin, scores, float(scores @ scores), float(BINS))
    return spread.half_width / scores.size


QUEUES = (
    *(Queue(1, "constant", 0.01, load) for load in (0.3, 0.6, 0.8)),
    *(Queue(3, "exponential", 0.03, load) for load in (0.4, 0.7, 0.8)),
    Queue(1, "constant", 0.01, 0.6, "generator"),
    Queue(3, "exponential", 0.03, 0.7, "generator"),
)


def line(judged: Judged) -> str:
    """What a run found, in words."""
    told = (
        f"{judged.queue.name}: {judged.steps:,} steps, {judged.rate:.2f}/s of "
        f"{judged.service_s * 1000:.2f} ms, floor {judged.floor_s * 1000:.2f} ms"
    )
    for each in judged.figures:
        low, value, high = (1000 * x for x in (each.measured.low, each.measured.value, each.measured.high))
        told += (
            f"\n  {each.name} {value:.1f} ms ({low:.1f} to {high:.1f}), theory {each.theory_s * 1000:.1f}, "
            f"these arrivals {each.path_s * 1000:.1f}: {'right' if each.right else 'WRONG'}"
        )
    return told


def measured(queues: Sequence[Queue], seconds: int, folder: Path) -> list[Served]:
    """Loads a server of each queue's own, all at the same time, for so long.

    Raises RuntimeError, ValueError or LoadTestError where a run gives no answer.
    """
    with ExitStack() as stack:
        places = []
        for number, queue in enumerate(queues):
            place = folder / str(number)
            place.mkdir(parents=True)
            places.append((queue, stack.enter_context(server_of(queue, place)), place))
        with ThreadPoolExecutor() as threads:
            return list(threads.map(lambda each: load(each[0], each[1], seconds, each[2]), places))


def main(arguments: list[str] | None = None) -> int:
    """Loads the queues and prints what was measured beside theory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue_truth", description=__doc__)
    parser.add_argument("--seconds", type=int, default=90, help="of each queue (default: %(default)s)")
    options = parser.parse_args(arguments)
    right = 0
    for first in range(0, len(QUEUES), _AT_ONCE):
        queues = QUEUES[first : first + _AT_ONCE]
        with tempfile.TemporaryDirectory(prefix="queue-truth-") as folder:
            try:
                runs = measured(queues, options.seconds, Path(folder))
                answers = [judge(queue, served) for queue, served in zip(queues, runs, strict=True)]
            except (RuntimeError, ValueError, LoadTestError) as error:
                sys.stdout.write(f"no answer: {error}\n")
                continue
        right += sum(each.right for each in answers)
        for each in answers:
            sys.stdout.write(f"{line(each)}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{right} of {len(QUEUES)} right\n")
    return 0 if right == len(QUEUES) else 1


if __name__ == "__main__":
    sys.exit(main())
