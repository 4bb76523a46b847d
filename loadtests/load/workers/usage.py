"""What generator processes use, as the harness reads it, or these processes themselves."""

from pathlib import Path

import psutil

from loadtests.deployments import Usage
from loadtests.machine import process_name


def usage_of(process: psutil.Process) -> Usage:
    """What a generator process of this machine has used so far. Raises psutil.Error."""
    with process.oneshot():
        cpu = process.cpu_times()
        memory = process.memory_info().rss
    return Usage(
        role="generator",
        name=process_name(process.pid),
        cpu_seconds=cpu.user + cpu.system,
        memory_bytes=memory,
        open_files=_open_files(process),
    )


def _open_files(process: psutil.Process) -> int:
    # Linux says it in the size of the folder since 6.2: to list it takes milliseconds with many sessions.
    try:
        return Path(f"/proc/{process.pid}/fd").stat().st_size or process.num_fds()
    except OSError:
        return process.num_fds()


class Rates:
    """CPU times of many parts, made into the cores that each kept busy since its last sample."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], tuple[float, float]] = {}

    def cores(self, part: tuple[str, str], at: float, cpu_seconds: float) -> float | None:
        """The cores kept busy by a part, given as role and name; None the first time."""
        before = self._before.get(part)
        self._before[part] = (at, cpu_seconds)
        if before is None or at <= before[0]:
            return None
        return max(0.0, cpu_seconds - before[1]) / (at - before[0])
