"""What a session and a step cost each part, and from that what a great many sessions take.

Measured on this machine: local replicas of one worker each behind nginx, and Locust, all on the same cores.
A simulation of queues with the measured CPU times is held against batches that were measured, and then says
how long a batch takes where the parts have machines of their own. Where operations of a real server work, its
own CPU time comes on top: the Benchmark environment only waits.
"""

import argparse
import math
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.batches import PARTS, Try, batch_config, sampled_run, try_batch
from benchmarks.figures import Figure, conclude
from benchmarks.queues import Job, Stage, Work, served
from loadtests.commands import DEPLOYMENT_SETTINGS, LOAD_SETTINGS
from loadtests.machine import cores
from loadtests.run.config import load_test_config

SIZES = (1024, 2048, 4096, 8192, 16384)
TARGETS = (100_000, 1_000_000)
WAITS = (1.0, 10.0)
BUSY = 0.7
"""The share of its core that a process may use on average: beyond it, queues grow fast."""
LOCAL_PORTS = 28_231
"""What Linux has by default for connections from one address to one address and port."""
OPEN_FILES = 65_536
"""What a process may have in the containers of the compose file."""
MACHINE_CORES, MACHINE_GB = 16, 64
HERE = {"generator": 2, "nginx": cores(), "server": 2}
"""Processes of each part in the batches that are measured."""
_STEPPING_USERS = 512
_PERIODS = 3


@dataclass(frozen=True)
class Cost:
    """What one part takes."""

    step_us: float
    """CPU microseconds of a step, or of a reset."""
    session_us: float
    """CPU microseconds to connect and to close."""
    session_kb: float
    """Memory of a session that is held."""
    open_files: float
    """Open files of a session that is held."""


Costs = Mapping[str, Cost]
"""By part."""


@dataclass(frozen=True)
class Need:
    """What one part needs for so many sessions."""

    processes: int
    limit: str
    """What keeps one process from holding more sessions."""
    sessions_a_process: int
    cores: float
    """Kept busy on average."""
    memory_gb: float
    machines: int


def main(arguments: list[str] | None = None) -> int:
    """Measures, simulates and prints; returns 0 where the simulation is near to what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=list(SIZES),
        metavar="N",
        help="batches to run and to simulate",
    )
    parser.add_argument(
        "--wait", type=float, default=10.0, help="seconds that their step waits (default: 10)"
    )
    options = parser.parse_args(arguments)
    return conclude(measure(options.sizes, options.wait))


def measure(sizes: Sequence[int] = SIZES, wait_s: float = 10.0) -> list[Figure]:
    """Measures, simulates and tells. The figure is how far the simulation is from what was measured."""
    with tempfile.TemporaryDirectory(prefix="scaling-out-") as scratch:
        step_us = sustained_step_us(Path(scratch))
        tries = {users: try_batch(batch_config(users, wait_s, Path(scratch))) for users in sorted(sizes)}
    made = list(tries.values())
    costs = measured_costs(made[0], made[len(made) // 2], step_us)
    print("part        CPU µs a step   CPU µs to connect and close   kB a session   open files a session")
    for part, cost in costs.items():
        print(
            f"{part:<12}{cost.step_us:>13,.0f}{cost.session_us:>30,.0f}{cost.session_kb:>15,.1f}"
            f"{cost.open_files:>23,.1f}"
        )
    print(f"\nbatches on these {cores()} cores, wait {wait_s:g} s: 99th percentile of total time")
    compared: list[tuple[float, float]] = []
    for users, one in tries.items():
        simulated = float(np.percentile(simulated_batch(costs, users, wait_s, HERE), 99))
        measured = one.outcome.total_p99_s
        told = f"{measured:6.2f} s" if measured else "nothing: none succeeded"
        print(f"{users:>9,} users: simulated {simulated:6.2f} s, measured {told}")
        if measured:
            compared.append((simulated, measured))
    for sessions in TARGETS:
        for every_s in WAITS:
            found = needs(costs, sessions, every_s)
            p99 = float(np.percentile(simulated_steps(costs, found, every_s), 99))
            print(
                f"\n{sessions:,} sessions that step every {every_s:g} s, "
                f"99th percentile of what a step takes beyond its wait: {p99 * 1000:,.0f} ms (simulated)"
            )
            print(f"{'':<12}processes   sessions each, limited by   cores busy   GB   machines")
            for part, need in found.items():
                each = f"{need.sessions_a_process:,}, {need.limit}"
                print(
                    f"{part:<12}{need.processes:>9,}{each:>29}{need.cores:>13,.0f}"
                    f"{need.memory_gb:>5,.0f}{need.machines:>11,}"
                )
            print(
                f"{address_pairs(sessions):,} pairs of a generator's address and a balancer's, "
                "and of a balancer's and a replica's"
            )
    return [
        Figure(
            "simulated batches: p99 of total, seconds",
            [simulated for simulated, _ in compared],
            ".2f",
            1.25,
            at_most=True,
            peer="measured",
            peer_values=[measured for _, measured in compared],
        )
    ]


def needs(costs: Costs, sessions: int, wait_s: float) -> dict[str, Need]:
    """What each part needs where every session steps again as soon as its step of `wait_s` seconds is done.

    A process holds as many sessions as its core and its open files allow.
    """
    found = {}
    for part, cost in costs.items():
        limits = {
            "CPU": BUSY / (cost.step_us / 1e6 / wait_s),
            "open files": OPEN_FILES / max(1.0, cost.open_files),
        }
        limit = min(limits, key=lambda name: limits[name])
        most = int(limits[limit])
        processes = math.ceil(sessions / most)
        busy = sessions / wait_s * cost.step_us / 1e6
        memory_gb = sessions * cost.session_kb / 1e6
        machines = max(processes / MACHINE_CORES, memory_gb / MACHINE_GB)
        found[part] = Need(processes, limit, most, busy, memory_gb, math.ceil(machines))
    return found


def address_pairs(sessions: int) -> int:
    """How many pairs of addresses so many connections need: a pair carries one for each local port."""
    return math.ceil(sessions / LOCAL_PORTS)


def simulated_batch(costs: Costs, users: int, wait_s: float, processes: Mapping[str, int]) -> list[float]:
    """Seconds from the connect to the reply of the step, of each user of a batch on this machine."""
    of_part = _numbered(processes)
    jobs = []
    for user in range(users):
        via = _via(of_part, user)
        stages = _round_trip(costs, via, "session_us", 0.0)
        stages += _round_trip(costs, via, "step_us", 0.0) + _round_trip(costs, via, "step_us", wait_s)
        jobs.append(Job(stages))
    return [done - began for began, done in served([cores()], [0] * sum(processes.values()), jobs)]


def simulated_steps(costs: Costs, needed: Mapping[str, Need], wait_s: float) -> list[float]:
    """Seconds that each step takes beyond its wait, where each part has cores for all its processes.

    Simulated are as many sessions as one process of the roomiest part holds, which step at any time, each
    once in `wait_s` seconds and its round trip; the first of these periods fills the queues and is left out.
    """
    sessions = max(need.sessions_a_process for need in needed.values())
    of_part = _numbered(
        {part: math.ceil(sessions / need.sessions_a_process) for part, need in needed.items()}
    )
    rng = random.Random(1)
    jobs = []
    for user in range(sessions):
        stages = _round_trip(costs, _via(of_part, user), "step_us", wait_s)
        phase = rng.random() * wait_s
        jobs += [Job(stages, phase + period * wait_s) for period in range(_PERIODS)]
    machines = [len(numbers) for numbers in of_part.values()]
    placed = [machine for machine, count in enumerate(machines) for _ in range(count)]
    spans = served(machines, placed, jobs)
    return [
        done - job.starts_at - wait_s
        for job, (_, done) in zip(jobs, spans, strict=True)
        if job.starts_at >= wait_s
    ]


def _numbered(processes: Mapping[str, int]) -> dict[str, list[int]]:
    """The numbers of each part's processes, counted through all parts."""
    numbers = iter(range(sum(processes.values())))
    return {part: [next(numbers) for _ in range(processes[part])] for part in PARTS}


def _via(of_part: Mapping[str, Sequence[int]], user: int) -> dict[str, int]:
    """The process of each part that a user's messages go through."""
    return {part: numbers[user % len(numbers)] for part, numbers in of_part.items()}


def _round_trip(costs: Costs, via: Mapping[str, int], figure: str, wait_s: float) -> list[Stage]:
    """Half of a part's work is on the way to the server and half on the way back."""
    half = {part: Work(via[part], getattr(cost, figure) / 2e6) for part, cost in costs.items()}
    there: list[Stage] = [half["generator"], half["nginx"], half["server"]]
    return [*there, wait_s, *reversed(there)]


def measured_costs(small: Try, large: Try, step_us: Mapping[str, float]) -> Costs:
    """The costs of each part from two batches of different size, and from sustained steps."""
    more = large.outcome.users - small.outcome.users
    return {
        part: Cost(
            step_us=step_us[part],
            session_us=max(0.0, large.cpu_us[part] - 2 * step_us[part]),
            session_kb=(large.memory_bytes[part] - small.memory_bytes[part]) / more / 1000,
            open_files=(large.open_files[part] - small.open_files[part]) / more,
        )
        for part in PARTS
    }


def sustained_step_us(results: Path) -> dict[str, float]:
    """CPU microseconds of a step of each part, at about half of what this machine can do."""
    given = {
        "TARGET": "local",
        "WORKERS": "1",
        "PORT": "0",
        "PROCESSES": "2",
        "RESULTS": str(results),
        "USERS": str(_STEPPING_USERS),
        "WAIT": "0.2",
        "DURATION": "14",
        "SPAWN_RATE": "256",
    }
    defaults = {each.name: each.default for each in (*DEPLOYMENT_SETTINGS, *LOAD_SETTINGS)}
    directory, _, sampler = sampled_run(load_test_config(defaults | given))
    rows = directory.read_steps(["started_at", "latency_s", "op"])
    done_at = rows["started_at"].to_numpy() + rows["latency_s"].to_numpy()
    end = float(done_at.max()) - 1
    begin = end - 8
    steps = int(np.count_nonzero((done_at >= begin) & (done_at < end)))
    return {part: used / steps * 1e6 for part, used in sampler.between(begin, end).items()}


if __name__ == "__main__":
    sys.exit(main())
