"""A simulation of queues: jobs that need processes, which share the cores of machines.

A process works on one job at a time, first come, first served, as an event loop does. The processes of a
machine that have work share its cores evenly (processor sharing): each runs at full speed while there are
cores for all, and at cores ÷ processes otherwise. A delay takes time and no core.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """CPU seconds of one process."""

    process: int
    cpu_s: float


Stage = Work | float
"""What a job does next: work, or a delay in seconds."""


@dataclass(frozen=True)
class Job:
    """Stages, one after the other, from a moment on."""

    stages: Sequence[Stage]
    starts_at: float = 0.0


@dataclass
class _Machine:
    number: int
    cores: int
    done: float = 0.0
    """Virtual time: the CPU seconds that a process would have got that always had work."""
    at: float = 0.0
    """When that was last brought up to date."""
    version: int = 0
    """Counts changes: what was planned before the last one does not happen."""
    ends: list[tuple[float, int]] = field(default_factory=list)
    """Virtual times at which processes finish the work that they are at."""

    @property
    def speed(self) -> float:
        return min(1.0, self.cores / len(self.ends)) if self.ends else 1.0

    def advance(self, now: float) -> None:
        self.done += (now - self.at) * self.speed
        self.at = now


def served(
    machines: Sequence[int], processes: Sequence[int], jobs: Sequence[Job]
) -> list[tuple[float, float]]:
    """When the first stage of each job began, having waited for its process, and when the last was done.

    `machines` has the cores of each machine, `processes` the machine of each process. All in seconds.
    """
    return _Simulation(machines, processes, jobs).run()


class _Simulation:
    def __init__(self, machines: Sequence[int], processes: Sequence[int], jobs: Sequence[Job]) -> None:
        self._machines = [_Machine(number, cores) for number, cores in enumerate(machines)]
        self._machine_of = [self._machines[machine] for machine in processes]
        self._waiting: list[deque[tuple[int, float]]] = [deque() for _ in processes]
        self._working_on: list[int | None] = [None] * len(processes)
        self._stages = [iter(job.stages) for job in jobs]
        self._began: list[float | None] = [None] * len(jobs)
        self._done = [0.0] * len(jobs)
        self._events: list[tuple[float, int, int]] = []
        """Times, with a job that comes back, or with a machine (as -1 - its number) and its version."""
        for number, job in enumerate(jobs):
            heapq.heappush(self._events, (job.starts_at, number, 0))

    def run(self) -> list[tuple[float, float]]:
        while self._events:
            now, what, version = heapq.heappop(self._events)
            if what >= 0:
                self._continue(what, now)
            elif version == (machine := self._machines[-1 - what]).version:
                machine.advance(now)
                _, process = heapq.heappop(machine.ends)
                job = self._working_on[process]
                assert job is not None
                self._working_on[process] = None
                self._take_next(process, now)
                self._plan(machine)
                self._continue(job, now)
        return [(began or 0.0, done) for began, done in zip(self._began, self._done, strict=True)]

    def _continue(self, job: int, now: float) -> None:
        """The job's next stage begins, or its end is noted."""
        stage = next(self._stages[job], None)
        if stage is None:
            self._done[job] = now
        elif isinstance(stage, Work):
            self._waiting[stage.process].append((job, stage.cpu_s))
            if self._working_on[stage.process] is None:
                machine = self._machine_of[stage.process]
                machine.advance(now)
                self._take_next(stage.process, now)
                self._plan(machine)
        else:
            self._note_begin(job, now)
            heapq.heappush(self._events, (now + stage, job, 0))

    def _note_begin(self, job: int, now: float) -> None:
        if self._began[job] is None:
            self._began[job] = now

    def _take_next(self, process: int, now: float) -> None:
        if self._waiting[process]:
            job, cpu_s = self._waiting[process].popleft()
            self._note_begin(job, now)
            self._working_on[process] = job
            machine = self._machine_of[process]
            heapq.heappush(machine.ends, (machine.done + cpu_s, process))

    def _plan(self, machine: _Machine) -> None:
        """Plans when the machine's next work is done."""
        machine.version += 1
        if machine.ends:
            left = max(0.0, machine.ends[0][0] - machine.done)
            heapq.heappush(
                self._events, (machine.at + left / machine.speed, -1 - machine.number, machine.version)
            )
