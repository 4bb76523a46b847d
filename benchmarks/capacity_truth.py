"""Runs the capacity search several times on a server of known capacity; exits with 1 if an answer is wrong.

`python -m benchmarks.capacity_truth` brings up one replica of four workers that hold 64 sessions each, five
times in a row: every search must find 256 sessions and say that the server turns further ones away. Then it
brings up one worker that takes a step at a time, five times: every search over rates must find the rate that
queueing theory gives for the time a step takes, and none may find more than the worker can do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.queueing_theory import chance_beyond_in_md1
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectoryError
from reports.records.schema import CapacityJson

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Truth:
    """A deployment whose capacity is known."""

    target: str
    replicas: int
    workers: int
    cap: int
    """Sessions that each worker holds."""

    @property
    def sessions(self) -> int:
        return self.replicas * self.workers * self.cap

    @property
    def environ(self) -> dict[str, str]:
        """What its servers are told."""
        return {"MAX_CONCURRENT_ENVS": str(self.cap)}

    def command(self, results: Path) -> list[str]:
        """The search of this deployment."""
        return [
            *(sys.executable, "-m", "loadtests", "capacity", "--target", self.target, "--port", "0"),
            *("--replicas", str(self.replicas), "--workers", str(self.workers), "--results", str(results)),
        ]


@dataclass(frozen=True)
class RateTruth:
    """One worker that takes one step at a time, so that its highest rate within an objective is known."""

    target: str = "local"
    wait_s: float = 0.01
    p99_s: float = 0.2
    within: float = 0.12
    """By what share an answer may differ: of many simulated searches none differs by more."""

    @property
    def environ(self) -> dict[str, str]:
        """What its server is told."""
        return {"MAX_STEPS_IN_FLIGHT": "1"}

    def command(self, results: Path) -> list[str]:
        """The search of this deployment."""
        return [
            *(sys.executable, "-m", "loadtests", "capacity", "--target", self.target, "--port", "0"),
            *("--replicas", "1", "--workers", "1", "--results", str(results)),
            *("--arrivals", "poisson", "--arrivals-of", "steps", "--wait", f"{self.wait_s:g}"),
            *("--slo-p99", f"{self.p99_s:g}"),
        ]


def highest_rate(service_s: float, p99_s: float) -> float:
    """Poisson arrivals a second of which 99 % are done within `p99_s`, each served alone in `service_s`."""
    low, high = 0.0, 1 / service_s
    for _ in range(50):
        middle = (low + high) / 2
        if chance_beyond_in_md1(middle, service_s, p99_s) <= 0.01:
            low = middle
        else:
            high = middle
    return low


def search(truth: Truth | RateTruth, results: Path) -> ExperimentDirectory:
    """Runs one search in a folder of its own. Raises RuntimeError if it does not give a complete answer."""
    done = subprocess.run(
        truth.command(results),
        cwd=_ROOT,
        env={**os.environ, **truth.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the search ended with exit code {done.returncode}:\n{done.stdout.rstrip()}")
    found = list(results.glob("*/experiment.json"))
    if len(found) != 1:
        raise RuntimeError(f"{results} holds {len(found)} searches instead of one")
    directory = ExperimentDirectory(found[0].parent)
    experiment = directory.read()
    if experiment["status"] != "completed" or "capacity" not in experiment:
        detail = experiment.get("status_detail")
        raise RuntimeError(f"the search is {experiment['status']} ({detail or 'it gave no answer'})")
    return directory


def service_time(directory: ExperimentDirectory) -> float:
    """Seconds that a step took by the server's own clock, waiting for others not counted: the median."""
    took: list[float] = []
    for path in sorted(directory.runs.iterdir()):
        rows = directory.run(path.name).read_steps(["waited_s"]).to_pylist()
        took += [row["waited_s"] for row in rows if row["waited_s"] is not None]
    if not took:
        raise RuntimeError("no step says how long it took")
    return median(took)


def fault_of_rate(capacity: CapacityJson, truth: RateTruth, service_s: float) -> str | None:
    """What is wrong with an answer over rates, in words; None where it is right."""
    rate, known = capacity["sessions"], highest_rate(service_s, truth.p99_s)
    if rate >= 1 / service_s:
        return f"{rate} steps/s are more than the {1 / service_s:.1f} that the worker can do"
    if abs(rate / known - 1) > truth.within:
        return f"{rate} steps/s instead of {known:.1f}"
    if capacity["lower_bound"]:
        return f"it is said to be a lower bound: {capacity['limit']}: {capacity['explanation']}"
    return None


def fault(capacity: CapacityJson, truth: Truth) -> str | None:
    """What is wrong with an answer, in words; None where it is right."""
    if capacity["sessions"] != truth.sessions:
        return f"{capacity['sessions']} sessions instead of {truth.sessions}"
    if capacity["limit"] != "errors" or "CAPACITY_REACHED" not in capacity["explanation"]:
        return f"the limit is not the server's cap: {capacity['limit']}: {capacity['explanation']}"
    return None


def judged(truth: Truth | RateTruth, results: Path) -> tuple[bool, str]:
    """Searches once. Returns whether the answer is right, and a line that says so; no answer is wrong."""
    begin = time.monotonic()
    try:
        directory = search(truth, results)
        capacity = directory.read()["capacity"]
        service_s = service_time(directory) if isinstance(truth, RateTruth) else None
    except (RuntimeError, RunDirectoryError) as error:
        return False, f"no answer: {error}"
    seconds = time.monotonic() - begin
    if isinstance(truth, RateTruth):
        assert service_s is not None
        mistake = fault_of_rate(capacity, truth, service_s)
        known = highest_rate(service_s, truth.p99_s)
        line = (
            f"{capacity['sessions']} steps/s after {seconds:.0f} s and {len(capacity['tries'])} tries; "
            f"by theory {known:.1f}, of {1 / service_s:.1f} that the worker can do: {mistake or 'right'}"
        )
        return mistake is None, line
    mistake = fault(capacity, truth)
    line = (
        f"{capacity['sessions']} sessions after {seconds:.0f} s and {len(capacity['tries'])} batches, "
        f"batches up to {capacity['max_batch']} meet the objective: {mistake or 'right'}"
    )
    return mistake is None, line


def main(arguments: list[str] | None = None) -> int:
    """Searches and prints a line for each answer."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity_truth",
        description="Whether the capacity search finds the capacity of a server whose capacity is known.",
    )
    parser.add_argument("--calls", type=int, default=5, help="how often to search (default: %(default)s)")
    parser.add_argument("--target", choices=("local", "compose"), default="local")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--cap", type=int, default=64, help="sessions of each worker (default: %(default)s)")
    parser.add_argument("--only", choices=("sessions", "rates"), help="one of both (default: both)")
    parser.add_argument("--results", type=Path, help="a folder that keeps the searches (default: none)")
    options = parser.parse_args(arguments)
    truths: dict[str, Truth | RateTruth] = {
        "sessions": Truth(options.target, options.replicas, options.workers, options.cap),
        "rates": RateTruth(options.target),
    }
    if options.only:
        truths = {options.only: truths[options.only]}
    right = 0
    with tempfile.TemporaryDirectory(prefix="capacity-truth-") as scratch:
        # A new folder each time: --results may hold the searches of an earlier call.
        kept = options.results / time.strftime("%Y%m%d-%H%M%S") if options.results else Path(scratch)
        for name, truth in truths.items():
            for call in range(1, options.calls + 1):
                is_right, line = judged(truth, kept / name / f"call-{call}")
                right += is_right
                sys.stdout.write(f"{name}, call {call}: {line}\n")
                sys.stdout.flush()
    calls = options.calls * len(truths)
    sys.stdout.write(f"{right} of {calls} right\n")
    return 0 if right == calls else 1


if __name__ == "__main__":
    sys.exit(main())
