"""Loads a local deployment for a long time; exits with 1 where a process grows or does not come back.

`python -m benchmarks.soak`, or `make soak`: ten minutes of sessions that come and go, beside a pool that
stays. Each second memory, descriptors and threads of the servers, of nginx, of the generators, which record,
and of the harness are sampled. Slopes have intervals that hold together at 95 %; levels are those after a
short load before the long one, and after that.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.soak.samples import Phase, Sampler, write
from benchmarks.soak.trend import Trend
from benchmarks.soak.verdict import SESSIONS, Line, Verdict, judge
from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.processes import uninterrupted
from loadtests.deployments.registry import MARKER
from loadtests.errors import LoadTestError
from loadtests.places import PACKAGES
from loadtests.run.config import whole_seconds
from loadtests.terminal import end_on_termination, tell
from reports.records.directory import RunDirectoryError
from reports.records.run_directory import RunDirectory

SAMPLES = "samples.parquet"
EXIT_INTERRUPTED = 130
_SETTLE_S = 2.0
"""Of a phase, at its beginning and its end, in which it may not be what it is called."""
_STOP_S = 90.0
_WIDTH = 110
"""Of a table that is not for a terminal."""


@dataclass(frozen=True)
class Load:
    """What a soak asks of a deployment."""

    duration_s: int
    warmup_s: int = 15
    idle_s: int = 6
    """How long nothing is asked after the warm-up, and after the load."""
    arrivals: float = 20.0
    """Sessions a second that come, take their steps and go."""
    pool: int = 32
    """Sessions that stay."""
    steps: int = 5
    every_s: float = 1.0
    """Between two samples."""

    def commands(self, url: str, results: Path, length_s: int) -> list[list[str]]:
        """The load tests of one phase, side by side: of sessions that come and go, and of those that stay."""
        whole_s = length_s + self.idle_s
        common = [
            *(sys.executable, "-m", "loadtests", "run", "--target", url, "--results", str(results)),
            *("--duration", str(whole_s), "--shape", f"spike:0:{length_s}:{self.idle_s}"),
        ]
        visits = ("--arrivals", f"poisson:{self.arrivals:g}", "--steps-per-episode", str(self.steps))
        return [
            [*common, *visits, "--action", '{"wait_seconds": 0.05}', "--tag", "visits"],
            [*common, "--users", str(self.pool), "--action", '{"wait_seconds": 0.5}', "--tag", "pool"],
        ]


@dataclass
class Soak:
    """What was seen so far."""

    sampler: Sampler = field(default_factory=Sampler)
    complete: bool = False
    sessions: int = 0
    """That came and went under the long load."""


def soaked(
    deployment: LocalDeployment, load: Load, results: Path, seen: Soak, tick: Callable[[str], None]
) -> None:
    """Loads a deployment that is up, and samples; `seen` has what there is if it is interrupted.

    Raises LoadTestError where a load test cannot be run.
    """
    _load(deployment, load, results / "warm-up", load.warmup_s, ("warm-up", "idle before"), seen, tick)
    _load(deployment, load, results / "load", load.duration_s, ("load", "idle after"), seen, tick)
    seen.complete = True


def _load(
    deployment: LocalDeployment,
    load: Load,
    results: Path,
    length_s: int,
    phases: tuple[Phase, Phase],
    seen: Soak,
    tick: Callable[[str], None],
) -> None:
    results.mkdir(parents=True)
    running: list[subprocess.Popen[bytes]] = []
    begun: float | None = None
    try:
        for number, command in enumerate(load.commands(deployment.url, results, length_s)):
            running.append(_started(command, _output(results, number)))
        while any(each.poll() is None for each in running):
            due = time.monotonic() + load.every_s
            if begun is None and len(list(results.glob("*/steps.arrows"))) == len(running):
                begun = time.monotonic()
            passed = time.monotonic() - begun if begun is not None else -1.0
            if 0 <= passed < length_s - _SETTLE_S:
                seen.sampler.sample(phases[0])
            elif _SETTLE_S <= passed - length_s < load.idle_s - 1 and _all_go_on(running):
                seen.sampler.sample(phases[1])
            tick(phases[0])
            time.sleep(max(0.0, due - time.monotonic()))
    finally:
        _stop(running)
        if phases[0] == "load":
            seen.sessions = sessions_of(results)
    for number, process in enumerate(running):
        if process.returncode not in (0, 1):
            said = _output(results, number).read_text(errors="replace").strip()
            raise LoadTestError(f"a load test ended with exit code {process.returncode}:\n{said[-2000:]}")


def _output(results: Path, number: int) -> Path:
    return results / f"output-{number}.txt"


def _started(command: list[str], output: Path) -> "subprocess.Popen[bytes]":
    with output.open("wb") as file:
        return subprocess.Popen(
            command,
            cwd=PACKAGES,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process, which ends them in its turn
        )


def _all_go_on(running: list["subprocess.Popen[bytes]"]) -> bool:
    return all(each.poll() is None for each in running)


def _stop(running: list["subprocess.Popen[bytes]"]) -> None:
    """Ends load tests as Ctrl-C does, if they still run."""
    with uninterrupted():
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in running:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def sessions_of(results: Path) -> int:
    """How many sessions began in the load tests in a folder."""
    total = 0
    for path in results.glob("*/run.json"):
        with suppress(RunDirectoryError):
            total += RunDirectory(path.parent).read_steps(["op"])["op"].to_pylist().count("connect")
    return total


def table_of(verdict: Verdict) -> Table:
    """A line for each measure of each kind of process."""
    table = Table(box=box.SIMPLE)
    for title in ("process", "measure", f"growth for {SESSIONS:,} sessions", "before → after", "verdict"):
        table.add_column(title, no_wrap=True)
    for line in verdict.lines:
        table.add_row(
            f"{line.processes} × {line.kind}",
            f"{line.measure}, MB" if line.measure == "memory" else line.measure,
            _growth(line.growth),
            f"{_level(line, line.before)} → {_level(line, line.after)}",
            "GROWS" if line.faults else "steady",
        )
    return table


def _growth(growth: Trend | None) -> str:
    if growth is None:
        return "too few samples"
    slope, low, high = (round(each, 2) + 0.0 for each in (growth.slope, growth.low, growth.high))
    return f"{slope:+,.2f} ({low:+,.2f} to {high:+,.2f})"


def _level(line: Line, value: float | None) -> str:
    return "–" if value is None else format(value, ",.1f" if line.measure == "memory" else ",.0f")


def conclude(seen: Soak, load_s: float, console: Console) -> int:
    """Prints what was seen; returns 1 where anything grows, 130 where the soak was cut short."""
    verdict = judge(seen.sampler.samples, seen.sessions / load_s if load_s else 0.0)
    console.print(table_of(verdict))
    tell(console, f"{seen.sessions:,} sessions came and went in {load_s:.0f} s")
    for fault in verdict.faults:
        tell(console, fault, "red")
    if verdict.faults:
        return 1
    tell(console, "nothing grows, and all came back" if seen.complete else "nothing was seen to grow so far")
    return 0 if seen.complete else EXIT_INTERRUPTED


def run(load: Load, results: Path, console: Console) -> int:
    """Soaks a deployment of its own; the exit code."""
    folder = results / f"soak-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    name = f"soak-{secrets.token_hex(4)}"
    deployment = LocalDeployment(DeploymentConfig(port=0, sessions=load.pool + 1000), name=name)
    seen = Soak()
    length_s = load.warmup_s + load.duration_s + 2 * load.idle_s
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    os.environ[MARKER] = name  # by which all that is started is found, should this process be killed
    try:
        deployment.up()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("soak", total=length_s)
            soaked(
                deployment,
                load,
                folder,
                seen,
                lambda phase: progress.update(task, description=phase, advance=load.every_s),
            )
    except KeyboardInterrupt:
        tell(console, "stopped by Ctrl-C: this is what was seen so far")
    finally:
        os.environ.pop(MARKER, None)
        deployment.down()
    write(seen.sampler.samples, folder / SAMPLES)
    code = conclude(seen, _length(seen), console)
    tell(console, f"samples: {folder / SAMPLES}")
    return code


def _length(seen: Soak) -> float:
    """Seconds of the long load that were sampled."""
    at = [each.at for each in seen.sampler.samples if each.phase == "load"]
    return max(at) - min(at) if at else 0.0


def main(arguments: list[str] | None = None) -> int:
    """Soaks, and prints what that did."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--duration", default="10m", help="of the long load (default: %(default)s)")
    parser.add_argument(
        "--warmup", type=int, default=15, help="seconds of the short one (default: %(default)s)"
    )
    parser.add_argument("--arrivals", type=float, default=20, help="sessions a second (default: %(default)s)")
    parser.add_argument("--pool", type=int, default=32, help="sessions that stay (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    end_on_termination()
    try:
        load = Load(
            whole_seconds({"DURATION": options.duration}, "DURATION"),
            warmup_s=options.warmup,
            arrivals=options.arrivals,
            pool=options.pool,
        )
        return run(load, options.results, console)
    except (LoadTestError, OSError) as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
