"""What recording costs: steps per CPU second of the generator with and without the recorder, at full speed.

One Locust process loads one worker. Runs with and without alternate, and so does which of them is first, so
that a machine that slows down meanwhile affects both; the figure to quote is the median of the ratios of
neighbouring runs. Seconds of the clock say little here: they depend on who else uses the cores.
"""

import argparse
import sys

from benchmarks.figures import Figure, conclude
from benchmarks.generator_runs import run_ours
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment

_AT_LEAST = 0.95
"""Recording takes at most a twentieth of the steps per CPU second."""


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where the median ratio reaches its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument("--seconds", type=int, default=6, help="what is measured of a run (default: 6)")
    parser.add_argument("--users", type=int, default=64, help="sessions (default: 64)")
    options = parser.parse_args(arguments)
    return conclude(measure(options.pairs, options.seconds, options.users))


def measure(pairs: int = 5, seconds: int = 6, users: int = 64) -> list[Figure]:
    """Measures with and without the recorder, in turns."""
    deployment = LocalDeployment(DeploymentConfig(replicas=1, workers=1, port=0), name="recorder-cost")
    rates: dict[bool, list[float]] = {True: [], False: []}
    try:
        deployment.up()
        url = f"http://{deployment.hosts()[0]}"
        for number in range(1, pairs + 1):
            for recorder in (True, False) if number % 2 else (False, True):
                run = run_ours(url, "ws", users, seconds, recorder=recorder)
                rates[recorder].append(run.steps / run.generator_cpu_s)
            recorded, bare = rates[True][-1], rates[False][-1]
            print(
                f"recorder, pair {number}: with {recorded:,.0f} steps per CPU second, without {bare:,.0f}, "
                f"ratio {recorded / bare:.2f}",
                flush=True,
            )
    finally:
        deployment.down()
    return [
        Figure(
            "recorder: steps per CPU second",
            rates[True],
            ",.0f",
            _AT_LEAST,
            peer="no recorder",
            peer_values=rates[False],
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
