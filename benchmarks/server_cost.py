"""What the Benchmark environment's server costs beside plain uvicorn with OpenEnv's `create_app`.

Both serve the same environment from one worker, in turns, on the same load: steps per second of the server's
CPU, then, for many sessions that connect, reset, step once and stay, CPU and memory a session. What a server
takes before its first session is left out. The figures to quote are the medians of the ratios of
neighbouring runs.
"""

import argparse
import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.figures import Figure, conclude
from benchmarks.generator_runs import run_ours
from loadtests.deployments import DeploymentConfig, health
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.ports import LOOPBACK, free_port
from loadtests.deployments.processes import raise_open_file_limit
from loadtests.places import PACKAGES

_PLAIN = """
import sys
import uvicorn
from openenv.core.env_server.http_server import create_app
from benchmark_env.models import BenchmarkAction, BenchmarkObservation
from benchmark_env.server.benchmark_environment import BenchmarkEnvironment
app = create_app(
    BenchmarkEnvironment, BenchmarkAction, BenchmarkObservation,
    env_name="benchmark_env", max_concurrent_envs=100_000,
)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
"""
_USERS = 64
_START_S = 60.0
_SETTLE_S = 1.0
_AT_ONCE = 100


@dataclass(frozen=True)
class Cost:
    """What one worker did and took."""

    ws_steps: float
    """Steps per CPU second over WebSocket."""
    http_steps: float
    cpu_us: float
    """CPU microseconds to connect, reset and step once."""
    memory_kb: float
    """Memory of a session that is open, in kB."""


_READINGS: dict[str, Callable[[Cost], float]] = {
    "WebSocket steps per CPU second": lambda cost: cost.ws_steps,
    "HTTP steps per CPU second": lambda cost: cost.http_steps,
    "CPU µs to connect, reset and step": lambda cost: cost.cpu_us,
    "kB a session": lambda cost: cost.memory_kb,
}
_WORSE_BY = 0.05
"""Ratios on a shared machine scatter by some per cent: this much is not worse."""


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where no figure is worse than the plain server's by more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each server (default: 3)")
    parser.add_argument("--seconds", type=float, default=4, help="what is measured of a load (default: 4)")
    parser.add_argument("--sessions", type=int, default=2000, help="sessions held at once (default: 2000)")
    options = parser.parse_args(arguments)
    return conclude(measure(options.rounds, options.seconds, options.sessions))


def measure(rounds: int = 3, seconds: float = 4, sessions: int = 2000) -> list[Figure]:
    """Measures both servers in turns."""
    raise_open_file_limit()
    ours: list[Cost] = []
    plain: list[Cost] = []
    for number in range(1, rounds + 1):
        turns = ((_serve_ours, ours), (_serve_plain, plain))
        for serve, costs in turns if number % 2 else reversed(turns):
            with serve() as address:
                costs.append(_measure(address, seconds, sessions))
        for name, read in _READINGS.items():
            mine, peer = read(ours[-1]), read(plain[-1])
            print(
                f"server, {name}, round {number}: {mine:,.0f}, plain {peer:,.0f}, ratio {mine / peer:.2f}",
                flush=True,
            )
    return [_figure(name, read, ours, plain) for name, read in _READINGS.items()]


def _figure(name: str, read: Callable[[Cost], float], ours: list[Cost], plain: list[Cost]) -> Figure:
    less_is_better = not name.endswith("second")
    return Figure(
        f"server: {name}",
        [read(cost) for cost in ours],
        ",.1f" if name.startswith("kB") else ",.0f",
        1 + _WORSE_BY if less_is_better else 1 - _WORSE_BY,
        at_most=less_is_better,
        peer="uvicorn",
        peer_values=[read(cost) for cost in plain],
    )


@contextlib.contextmanager
def _serve_ours() -> Iterator[str]:
    deployment = LocalDeployment(DeploymentConfig(replicas=1, workers=1, port=0), name="server-cost")
    try:
        deployment.up()
        yield deployment.hosts()[0]
    finally:
        deployment.down()


@contextlib.contextmanager
def _serve_plain() -> Iterator[str]:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-c", _PLAIN, str(port)],
        cwd=PACKAGES,
        stderr=subprocess.DEVNULL,  # a traceback for each client that leaves while a step is in flight
    )
    try:
        give_up = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError):
                health.post(f"http://{LOOPBACK}:{port}/reset", {}, timeout_s=5)
                break
            if server.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("the plain server did not start")
            time.sleep(0.1)
        yield f"{LOOPBACK}:{port}"
    finally:
        server.terminate()
        server.wait()


def _measure(address: str, seconds: float, sessions: int) -> Cost:
    reply = health.post(f"http://{address}/step", {"action": {"wait_seconds": 0}}, timeout_s=10)
    worker = int(reply.json_object()["observation"]["pid"])
    # First: later, sessions would fit into memory that the load has left free.
    cpu_us, memory_kb = asyncio.run(_hold_sessions(address, psutil.Process(worker), sessions))
    ws, http = (
        run_ours(f"http://{address}", transport, _USERS, seconds, server=[worker])
        for transport in ("ws", "http")
    )
    return Cost(ws.steps / ws.server_cpu_s, http.steps / http.server_cpu_s, cpu_us, memory_kb)


async def _hold_sessions(address: str, worker: psutil.Process, sessions: int) -> tuple[float, float]:
    """CPU microseconds and kB of the worker for each of so many sessions."""
    cpu, memory = _taken(worker)
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def begin() -> ClientConnection:
        async with at_once:
            session = await connect(f"ws://{address}/ws", compression=None, open_timeout=60)
            for message in ('{"type": "reset", "data": {}}', '{"type": "step", "data": {"wait_seconds": 0}}'):
                await session.send(message)
                await session.recv()
            return session

    held = await asyncio.gather(*(begin() for _ in range(sessions)))
    await asyncio.sleep(_SETTLE_S)
    cpu_then, memory_then = _taken(worker)
    await asyncio.gather(*(session.close() for session in held))
    return (cpu_then - cpu) / sessions * 1e6, (memory_then - memory) / sessions / 1000


def _taken(worker: psutil.Process) -> tuple[float, int]:
    times = worker.cpu_times()
    # Resident, not private: pages that a worker shared with its master at first are no cost of a session.
    return times.user + times.system, worker.memory_info().rss


if __name__ == "__main__":
    sys.exit(main())
