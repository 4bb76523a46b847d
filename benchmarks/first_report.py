"""How long the first report takes: `make loadtest` twice in a fresh clone, from nothing installed.

The first call sets up .venv; the image of the environment, its layers and uv's cache are as the machine has
them. Times are wall-clock seconds, which vary with whatever else the machine does: the CPU seconds beside
them, of all that make started itself, vary less. What is not committed is not measured.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, conclude
from loadtests.deployments import docker_engine
from loadtests.places import PACKAGES

TARGETS_S = {"first call": 45.0, "second call": 24.0}
PHASES = {
    "virtual environment": r"· making a virtual environment",
    "installation": r"· installing ",
    "start of the command": r"Installed |Audited ",
    "deployment up": r"· target: ",
    "load": r"· up after ",
    "taking down, and the report": r"· (taking the deployment down|writing the report)",
    "end": r"report: ",
}
"""What begins with the first line that matches."""


@dataclass
class Call:
    """One `make loadtest`."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds of each, in their order; what comes before the first has no name of its own."""

    def __str__(self) -> str:
        phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.phases.items())
        return f"{self.seconds:.1f} s (CPU {self.cpu_seconds:.1f} s): {phases}"


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where both medians reach their targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="fresh clones (default: 1)")
    parser.add_argument("--target", help="compose or local (default: compose where an engine answers)")
    options = parser.parse_args(arguments)
    return conclude(measure(options.rounds, options.target))


def measure(rounds: int = 1, target: str | None = None) -> list[Figure]:
    """Times both calls in fresh clones. Raises RuntimeError where one fails."""
    target = target or ("local" if docker_engine.unavailable() else "compose")
    measured: dict[str, list[float]] = {name: [] for name in TARGETS_S}
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="openenv-loadtest-first-") as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", "--", PACKAGES, clone], check=True)
            for name in TARGETS_S:
                call = timed(["make", "loadtest", f"TARGET={target}", "PORT=0"], clone)
                measured[name].append(call.seconds)
                print(f"round {number}, {target}, {name}: {call}", flush=True)
    return [
        Figure(f"first report, {name}, {target}: seconds", seconds, ".1f", TARGETS_S[name], at_most=True)
        for name, seconds in measured.items()
    ]


def timed(command: Sequence[str], folder: Path) -> Call:
    """Runs a command as a user would in this folder. Raises RuntimeError with its output where it fails."""
    begin, cpu, lines = time.monotonic(), _cpu_seconds(), list[tuple[float, str]]()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=_of_a_user(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines += ((time.monotonic() - begin, line) for line in process.stdout)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(line for _, line in lines)}")
    seconds = time.monotonic() - begin
    return Call(seconds, _cpu_seconds() - cpu, phases(lines, seconds))


def phases(lines: Sequence[tuple[float, str]], end: float) -> dict[str, float]:
    """How long each phase took, from lines and the seconds after which they came."""
    begins: dict[str, float] = {}
    for at, line in lines:
        for name, pattern in PHASES.items():
            if name not in begins and re.match(pattern, line):
                begins[name] = at
    moments = [*begins.values(), end]
    return {name: after - at for name, at, after in zip(begins, moments, moments[1:], strict=False)}


def _of_a_user(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without what a `make` around this, or a developer's shell, tells Python and make."""
    ours = re.compile(r"MAKE|MFLAGS|PYTHON(PATH|DONTWRITEBYTECODE|UNBUFFERED)$|VIRTUAL_ENV$")
    kept = {name: value for name, value in environ.items() if not ours.match(name)}
    return {**kept, "PYTHONUNBUFFERED": "1"}  # so that lines come when they are written


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
