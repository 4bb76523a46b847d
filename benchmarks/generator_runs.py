"""Runs of our load generator and of k6 on the same server, of which only the middle is measured.

Start and end are left out: steps and CPU seconds are those between two moments in the middle of a run. Ours
records every step, unless told not to; k6 writes no record of its steps and does not parse the replies.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    url: str,
    transport: str,
    users: int,
    seconds: int,
    *,
    processes: int = 1,
    server: Sequence[int] = (),
    recorder: bool = True,
) -> Middle:
    """Loads a server with Locust at full speed; every operation must succeed and be in the records, if any.

    Steps are those that Locust itself counted, which it does by whole seconds, with the recorder and without.
    Raises RuntimeError where an operation failed or is missing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        summary, run = Path(scratch) / "summary.json", Path(scratch) / "run"
        length = round(_BEFORE_S + 1 + seconds + _AFTER_S)
        command = [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url, "--headless"),
            *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{length}s"),
            *("--wait", "0", "--only-summary", "--transport", transport),
            *("--json-file", str(summary.with_suffix(""))),
        ]
        if recorder:
            run.mkdir()
            command += ["--run-directory", str(run)]
        else:
            command += ["--no-recorder"]
        if processes > 1:
            port = str(free_port())
            command += ["--processes", str(processes), "--master-bind-host", LOOPBACK]
            command += ["--master-bind-port", port, "--master-host", LOOPBACK, "--master-port", port]

        def steps(begin: float, end: float) -> int:
            entries = json.loads(summary.read_text())
            if any(entry["num_failures"] for entry in entries):
                raise RuntimeError("operations failed")
            counted = sum(entry["num_requests"] for entry in entries)
            if recorder and (rows := RunDirectory(run).read_steps().num_rows) != counted:
                raise RuntimeError(f"{rows} operations were recorded, Locust counted {counted}")
            return _steps_between(entries, begin, end)

        begin = math.ceil(time.time() + _BEFORE_S)
        return _middle(command, begin, begin + seconds, server, steps)


def _steps_between(entries: Sequence[dict[str, Any]], begin: float, end: float) -> int:
    """Steps that Locust's summary counts in the seconds from `begin` to before `end`."""
    (step,) = [entry for entry in entries if entry["name"] == "step"]
    return sum(number for second, number in step["num_reqs_per_sec"].items() if begin <= int(second) < end)


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
