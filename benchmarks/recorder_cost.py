"""What recording costs: steps/s at full speed with and without the recorder, one generator, one worker.

The two alternate, so that a machine that slows down meanwhile affects both; the figure to quote is the
median of the ratios of neighbouring runs. CPU seconds per step are those of the generator process alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, conclude
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.places import PACKAGES
from loadtests.run.generator import LOCUSTFILE


@dataclass(frozen=True)
class Measurement:
    """One run of the generator."""

    steps_per_s: float
    cpu_us_per_step: float

    def __str__(self) -> str:
        return f"{self.steps_per_s:.0f} steps/s at {self.cpu_us_per_step:.0f} µs of CPU"


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where the median cost is at most 5 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument("--seconds", type=int, default=8, help="length of each run (default: 8)")
    parser.add_argument("--users", type=int, default=32, help="sessions of the generator (default: 32)")
    options = parser.parse_args(arguments)
    return conclude(measure(options.pairs, options.seconds, options.users))


def measure(pairs: int = 5, seconds: int = 8, users: int = 32) -> list[Figure]:
    """Measures with and without the recorder, in turns."""
    deployment = LocalDeployment(DeploymentConfig(replicas=1, workers=1, port=0), name="recorder-cost")
    runs: dict[bool, list[Measurement]] = {True: [], False: []}
    try:
        deployment.up()
        url = f"http://{deployment.hosts()[0]}"
        _run(url, users, 3, recorder=True)
        for number in range(1, pairs + 1):
            for on in [True, False] if number % 2 else [False, True]:
                runs[on].append(_run(url, users, seconds, recorder=on))
            print(f"recorder, pair {number}: with {runs[True][-1]}, without {runs[False][-1]}", flush=True)
    finally:
        deployment.down()
    return [
        Figure(
            "recorder: steps/s",
            [run.steps_per_s for run in runs[True]],
            ",.0f",
            0.95,
            peer="no recorder",
            peer_values=[run.steps_per_s for run in runs[False]],
        )
    ]


def _run(url: str, users: int, seconds: int, *, recorder: bool) -> Measurement:
    """Runs Locust at full speed, with or without the recorder."""
    with tempfile.TemporaryDirectory() as scratch:
        summary = Path(scratch) / "summary.json"
        command = [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url, "--headless"),
            *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"),
            *("--wait", "0", "--only-summary", "--json-file", str(summary.with_suffix(""))),
        ]
        if recorder:
            (Path(scratch) / "run").mkdir()
            command += ["--run-directory", str(Path(scratch) / "run")]
        else:
            command += ["--no-recorder"]
        process = subprocess.Popen(
            command, cwd=PACKAGES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"Locust failed with status {status}")
        (steps,) = [entry for entry in json.loads(summary.read_text()) if entry["name"] == "step"]
    elapsed = steps["last_request_timestamp"] - steps["start_time"]
    return Measurement(
        steps_per_s=steps["num_requests"] / elapsed,
        cpu_us_per_step=(usage.ru_utime + usage.ru_stime) / steps["num_requests"] * 1e6,
    )


if __name__ == "__main__":
    sys.exit(main())
