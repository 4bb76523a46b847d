"""A program that does nothing but sleep, and knows how late it was woken up: what the machine does to others.

It prints an empty line when it has slept once, and the lateness at p50 and at p99, in seconds, when its input
ends.
"""

import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from select import select

import numpy as np

from loadtests.places import PACKAGES

_SLEEP_S = 0.003


@dataclass
class Lateness:
    """How late the witness was woken up, in seconds; known once it has ended."""

    p50: float = 0.0
    p99: float = 0.0


@contextmanager
def witness() -> Iterator[Lateness]:
    """A witness in a process of its own, as long as the block lasts."""
    command = [sys.executable, "-m", "benchmarks.calibration.witness"]
    process = subprocess.Popen(command, cwd=PACKAGES, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    seen = Lateness()
    try:
        process.stdout.readline()  # it has begun
        yield seen
        output, _ = process.communicate()
        seen.p50, seen.p99 = map(float, output.split())
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Sleeps until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends the input
    late = array("d")
    while True:
        due = time.perf_counter() + _SLEEP_S
        if select([sys.stdin], [], [], _SLEEP_S)[0]:
            break
        late.append(time.perf_counter() - due)
        if len(late) == 1:
            sys.stdout.write("\n")
            sys.stdout.flush()
    p50, p99 = np.percentile(late, [50, 99]) if late else (0.0, 0.0)
    sys.stdout.write(f"{p50} {p99}\n")


if __name__ == "__main__":
    main()
