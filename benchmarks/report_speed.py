"""Measures how long a report takes and how much memory it needs, against the promised bounds.

`python -m benchmarks.report_speed` reports synthetic runs of one and of ten million rows, each in a process
of its own, and exits with 1 if a bound is exceeded. `--rows 100000000` does so for a hundred million, which
takes several minutes and 20 GB of disk.

A run leaves a stream, which its first report sorts into a Parquet file. Both are measured: `sorting` is what
a report that begins with the stream takes longer than one that finds the file. The bound of time is for the
latter, that of memory for both. Time is judged by the processor's, where that is less than what went by: that
other programs keep the machine busy is no fault of the report.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, conclude
from reports.records.run_directory import RunDirectory

_BOUNDS = {1_000_000: (3.0, 700.0), 10_000_000: (5.0, 800.0), 100_000_000: (120.0, 8000.0)}
"""Rows: seconds, and MB of resident memory at the peak."""
_BY_DEFAULT = [1_000_000, 10_000_000]
_GOOD_EXITS = (0, 1)


@dataclass(frozen=True)
class Cost:
    """What one report takes, including imports and the page."""

    seconds: float
    cpu_seconds: float
    """Less than `seconds` on a busy machine, and what to compare there."""
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu_seconds:.1f} s of CPU), {self.peak_mb:,.0f} MB"

    @property
    def judged_seconds(self) -> float:
        return min(self.seconds, self.cpu_seconds)


def measure_report(run: Path) -> Cost:
    """Reports a run directory in a new process. Raises RuntimeError where that fails."""
    report = RunDirectory(run).report_json
    report.unlink(missing_ok=True)
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "reports", "run", str(run)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in _GOOD_EXITS or not report.exists():
        raise RuntimeError(f"the report of {run} ended with exit code {process.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def _make_run(run: Path, rows: int, users: int, transport: str) -> None:
    """Creates a synthetic run in its own process: this one's peak memory would count for its children."""
    command = [sys.executable, "-m", "benchmarks.synthetic_run", str(run), "--rows", str(rows)]
    command += ["--users", str(users), "--spawn-rate", str(users / 10), "--transport", transport, "--streams"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main(arguments: list[str] | None = None) -> int:
    """Creates the runs, measures their reports and prints; returns 0 where every bound is kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report_speed",
        description="Time and peak memory of the report of synthetic runs.",
    )
    parser.add_argument(
        "--rows", type=int, nargs="+", default=_BY_DEFAULT, metavar="N", help="operations of each run"
    )
    parser.add_argument("--rounds", type=int, default=3, help="reports of each run (default: 3)")
    parser.add_argument("--users", type=int, default=5000, help="simulated users (default: %(default)s)")
    parser.add_argument("--transport", choices=("ws", "http"), default="ws")
    options = parser.parse_args(arguments)
    return conclude(measure(options.rows, options.rounds, options.users, options.transport))


def measure(
    rows: Sequence[int] = _BY_DEFAULT, rounds: int = 3, users: int = 5000, transport: str = "ws"
) -> list[Figure]:
    """Reports each run several times; the first report sorts its rows besides."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="report-speed-") as scratch:
        for many in rows:
            run = Path(scratch) / f"rows-{many}"
            _make_run(run, many, users, transport)
            with_sorting = measure_report(run)
            print(f"report of {many:,} rows, with sorting: {with_sorting}", flush=True)
            costs = []
            for number in range(1, rounds + 1):
                costs.append(measure_report(run))
                print(f"report of {many:,} rows, round {number}: {costs[-1]}", flush=True)
            name = f"report of {many:,} rows"
            most_s, most_mb = _BOUNDS.get(many, (math.inf, math.inf))
            seconds = [cost.judged_seconds for cost in costs]
            figures.append(Figure(f"{name}: seconds", seconds, ".1f", most_s, at_most=True))
            peaks = [cost.peak_mb for cost in (with_sorting, *costs)]
            figures.append(Figure(f"{name}: MB at the peak", peaks, ",.0f", most_mb, at_most=True))
            shutil.rmtree(run)
    return figures


if __name__ == "__main__":
    sys.exit(main())
