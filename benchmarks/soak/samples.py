"""What each process of a soak uses, each second: memory, descriptors and threads."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

Kind = Literal["server worker", "server master", "nginx worker", "nginx master", "generator", "harness"]
"""The recorder lives in the generator."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Phase = Literal["warm-up", "idle before", "load", "idle after"]
"""Of two loads, the first of which is short, each with the time after it, when nothing is asked of anyone."""
SAMPLES = pa.schema(
    [
        ("at", pa.float64()),
        ("phase", pa.string()),
        ("kind", pa.string()),
        ("pid", pa.int64()),
        ("memory_bytes", pa.int64()),
        ("descriptors", pa.int64()),
        ("threads", pa.int64()),
    ]
)
"""`at` in Unix seconds, the same for all processes of a sample; memory is the resident set."""


@dataclass(frozen=True)
class Sample:
    """One process in one second."""

    at: float
    phase: Phase
    kind: Kind
    pid: int
    memory_bytes: int
    descriptors: int
    threads: int


class Sampler:
    """Samples what runs below this process."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._kinds: dict[tuple[int, float], Kind] = {}

    def sample(self, phase: Phase) -> None:
        """Adds a sample of each process; one that is about to end is left out."""
        at = time.time()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if kind := self._kind_of(process):
                    with process.oneshot():
                        # Resident, not proportional: what the kernel needs long to tell, and pages that are
                        # shared do not grow.
                        memory, threads = process.memory_info().rss, process.num_threads()
                    if memory:  # not of one that has just ended
                        self.samples.append(
                            Sample(at, phase, kind, process.pid, memory, process.num_fds(), threads)
                        )

    def _kind_of(self, process: psutil.Process) -> Kind | None:
        known = process.pid, process.create_time()
        if known not in self._kinds:
            kind = _kind_of(process)
            if kind is None:  # such as a process that has not become what it was started as
                return None
            self._kinds[known] = kind
        return self._kinds[known]


def _kind_of(process: psutil.Process) -> Kind | None:
    command = process.cmdline()
    parent = process.parent()
    below_its_like = parent is not None and parent.name() == process.name() == "nginx"
    if process.name() == "nginx":
        return "nginx worker" if below_its_like else "nginx master"
    if "gunicorn" in command or "gunicorn" in process.name():
        own = parent is not None and parent.cmdline() == command
        return "server worker" if own else "server master"
    if "locust" in command:
        return "generator"
    return "harness" if "loadtests" in command else None


def write(samples: list[Sample], path: Path) -> None:
    """Writes them as Parquet."""
    table = pa.Table.from_pylist([asdict(each) for each in samples], schema=SAMPLES)
    pq.write_table(table, path, compression="zstd")


def of_kind(samples: list[Sample], kind: Kind, phase: Phase) -> Iterator[tuple[float, list[Sample]]]:
    """The moments of a phase in order, each with the samples of the kind's processes."""
    moments: dict[float, list[Sample]] = {}
    for each in samples:
        if each.kind == kind and each.phase == phase:
            moments.setdefault(each.at, []).append(each)
    yield from sorted(moments.items())
