"""Runs the capacity search several times on a server of known capacity; exits with 1 if an answer is wrong.

`python -m benchmarks.capacity_truth` brings up one replica of four workers that hold 64 sessions each, five
times in a row: every search must find 256 sessions and say that the server turns further ones away.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

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

    def command(self, results: Path) -> list[str]:
        """The search of this deployment."""
        return [
            *(sys.executable, "-m", "loadtests", "capacity", "--target", self.target, "--port", "0"),
            *("--replicas", str(self.replicas), "--workers", str(self.workers), "--results", str(results)),
        ]


def search(truth: Truth, results: Path) -> CapacityJson:
    """Runs one search in a folder of its own. Raises RuntimeError if it does not give a complete answer."""
    done = subprocess.run(
        truth.command(results),
        cwd=_ROOT,
        env={**os.environ, "MAX_CONCURRENT_ENVS": str(truth.cap)},
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
    experiment = ExperimentDirectory(found[0].parent).read()
    if experiment["status"] != "completed" or "capacity" not in experiment:
        detail = experiment.get("status_detail")
        raise RuntimeError(f"the search is {experiment['status']} ({detail or 'it gave no answer'})")
    return experiment["capacity"]


def fault(capacity: CapacityJson, truth: Truth) -> str | None:
    """What is wrong with an answer, in words; None where it is right."""
    if capacity["sessions"] != truth.sessions:
        return f"{capacity['sessions']} sessions instead of {truth.sessions}"
    if capacity["limit"] != "errors" or "CAPACITY_REACHED" not in capacity["explanation"]:
        return f"the limit is not the server's cap: {capacity['limit']}: {capacity['explanation']}"
    return None


def judged(truth: Truth, results: Path) -> tuple[bool, str]:
    """Searches once. Returns whether the answer is right, and a line that says so; no answer is wrong."""
    begin = time.monotonic()
    try:
        capacity = search(truth, results)
    except (RuntimeError, RunDirectoryError) as error:
        return False, f"no answer: {error}"
    seconds = time.monotonic() - begin
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
    parser.add_argument("--results", type=Path, help="a folder that keeps the searches (default: none)")
    options = parser.parse_args(arguments)
    truth = Truth(options.target, options.replicas, options.workers, options.cap)
    right = 0
    with tempfile.TemporaryDirectory(prefix="capacity-truth-") as scratch:
        # A new folder each time: --results may hold the searches of an earlier call.
        kept = options.results / time.strftime("%Y%m%d-%H%M%S") if options.results else Path(scratch)
        for call in range(1, options.calls + 1):
            is_right, line = judged(truth, kept / f"call-{call}")
            right += is_right
            sys.stdout.write(f"call {call}: {line}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{right} of {options.calls} right\n")
    return 0 if right == options.calls else 1


if __name__ == "__main__":
    sys.exit(main())
