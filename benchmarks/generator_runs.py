"""Runs of our load generator and of k6 on the same server, of which only the middle is measured.

Start and end are left out: steps and CPU seconds are those between two moments in the middle of a run. Ours
records every step; k6 writes no record of its steps and does not parse the replies.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from loadtests.deployments.ports import LOOPBACK, free_port
from loadtests.places import PACKAGES
from loadtests.run.generator import LOCUSTFILE
from reports.records.run_directory import RunDirectory

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


@dataclass(frozen=True)
class Middle:
    """What happened in the middle of a run."""

    steps: int
    seconds: float
    generator_cpu_s: float
    """CPU seconds of the generator's processes."""
    server_cpu_s: float
    """The same of the server's, where these were named; else 0."""


def run_ours(
    url: str, transport: str, users: int, seconds: float, *, processes: int = 1, server: Sequence[int] = ()
) -> Middle:
    """Loads a server with Locust at full speed; every operation must succeed and is recorded."""
    with tempfile.TemporaryDirectory() as scratch:
        length = round(_BEFORE_S + seconds + _AFTER_S)
        command = [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url, "--headless"),
            *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{length}s"),
            *("--wait", "0", "--only-summary", "--transport", transport, "--run-directory", scratch),
        ]
        if processes > 1:
            port = str(free_port())
            command += ["--processes", str(processes), "--master-bind-host", LOOPBACK]
            command += ["--master-bind-port", port, "--master-host", LOOPBACK, "--master-port", port]

        def steps(begin: float, end: float) -> int:
            rows = RunDirectory(Path(scratch)).read_steps()
            done_at = rows["started_at"].to_numpy() + rows["latency_s"].to_numpy()
            if rows["error"].null_count < rows.num_rows:
                raise RuntimeError("operations failed")
            stepped = rows["op"].to_numpy(zero_copy_only=False) == "step"
            return int(np.count_nonzero((done_at >= begin) & (done_at < end) & stepped))

        begin = time.time() + _BEFORE_S
        return _middle(command, begin, begin + seconds, server, steps)


def run_k6(k6: str, url: str, transport: str, users: int, seconds: float) -> Middle:
    """Loads a server with k6 at full speed."""
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
        return _middle(command, begin, end, (), lambda *_: int(json.loads(summary.read_text())["steps"]))


def _middle(
    command: list[str],
    begin: float,
    end: float,
    server: Sequence[int],
    steps: Callable[[float, float], int],
) -> Middle:
    generator = psutil.Popen(command, cwd=PACKAGES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(begin - time.time())
        loading = [generator, *generator.children(recursive=True)]
        serving = [psutil.Process(pid) for pid in server]
        before = [_cpu_seconds(loading), _cpu_seconds(serving)]
        time.sleep(end - time.time())
        after = [_cpu_seconds(loading), _cpu_seconds(serving)]
        if status := generator.wait(60):
            raise RuntimeError(f"{command[0]} failed with status {status}")
    finally:
        if generator.is_running():
            generator.kill()
    return Middle(steps(begin, end), end - begin, after[0] - before[0], after[1] - before[1])


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    times = [one.cpu_times() for one in processes]
    return sum(one.user + one.system for one in times)
