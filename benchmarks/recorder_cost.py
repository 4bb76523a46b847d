"""What recording costs: steps per CPU second of the generator with and without the recorder, at full speed.

One Locust process loads one worker, with its recorder on for a second and off for a second, the order
alternated. On a shared machine the CPU time that a step takes can double from one run to the next, but hardly
from one second to the next. Start and end of a run are left out, and the medians of its seconds count.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, conclude
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.places import PACKAGES

_AT_LEAST = 0.95
"""Recording takes at most a twentieth of the steps per CPU second."""
_LOCUSTFILE = Path(__file__).with_name("recorder_turns.py")
_TURNS = "turns.json"


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where the median ratio reaches its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs (default: 5)")
    parser.add_argument("--seconds", type=int, default=25, help="length of each run (default: 25)")
    parser.add_argument("--users", type=int, default=64, help="sessions (default: 64)")
    options = parser.parse_args(arguments)
    return conclude(measure(options.runs, options.seconds, options.users))


def measure(runs: int = 5, seconds: int = 25, users: int = 64) -> list[Figure]:
    """Measures with and without the recorder, in turns."""
    deployment = LocalDeployment(DeploymentConfig(replicas=1, workers=1, port=0), name="recorder-cost")
    recorded, bare = [], []
    try:
        deployment.up()
        url = f"http://{deployment.hosts()[0]}"
        for number in range(1, runs + 1):
            rates = _rates(url, seconds, users)
            recorded.append(rates[True])
            bare.append(rates[False])
            print(
                f"recorder, run {number}: with {recorded[-1]:,.0f} steps per CPU second, "
                f"without {bare[-1]:,.0f}, ratio {recorded[-1] / bare[-1]:.3f}",
                flush=True,
            )
    finally:
        deployment.down()
    return [
        Figure(
            "recorder: steps per CPU second",
            recorded,
            ",.0f",
            _AT_LEAST,
            peer="no recorder",
            peer_values=bare,
        )
    ]


def _rates(url: str, seconds: int, users: int) -> dict[bool, float]:
    """Median steps per CPU second of the turns of one run, with the recorder and without."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            *(sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--host", url, "--headless"),
            *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"),
            *("--wait", "0", "--only-summary", "--run-directory", scratch),
        ]
        run = subprocess.run(command, cwd=PACKAGES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if run.returncode:
            raise RuntimeError(f"Locust failed with status {run.returncode}")
        turns = json.loads((Path(scratch) / _TURNS).read_text())
    return {
        recorded: statistics.median(
            turn["steps"] / turn["cpu_s"] for turn in turns if turn["recorded"] is recorded
        )
        for recorded in (True, False)
    }


if __name__ == "__main__":
    sys.exit(main())
