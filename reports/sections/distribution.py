"""Who answered: sessions and steps of every replica and worker against their fair share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReplicaShare:
    """What one replica carried."""

    host: str
    name: str
    """The name to show: the deployment's for it, else the host."""
    sessions: int
    steps: int
    share: float
    """Its steps over all attributed steps, 0…1."""


@dataclass(frozen=True)
class WorkerShare:
    """What one worker process carried. An expected worker that got nothing has no pid."""

    host: str
    name: str
    pid: int | None
    sessions: int
    steps: int
    share: float


@dataclass(frozen=True)
class Fairness:
    """How evenly a load was spread over all expected parts, idle ones included.

    Over WebSocket the load is sessions, over stateless HTTP it is steps.
    """

    jain: float
    """Jain, Chiu, Hawe (1984): (Σx)² / (n Σx²); 1 is even, 1/n is all on one."""
    chi2_p: float | None
    """Pearson's chi-squared test of equal shares: how often chance alone spreads at least this unevenly."""
    max_over_min: float | None
    """None where the least loaded part got nothing."""


@dataclass(frozen=True)
class Distribution:
    """How a run was spread. Both lists are empty where no observation named who answered."""

    replicas: list[ReplicaShare]
    workers: list[WorkerShare]
    replica_fairness: Fairness | None
    worker_fairness: Fairness | None
    expected_workers: int | None
    """Replicas × workers as deployed; None where unknown."""
    unit: str
    """What fairness counts: sessions or steps."""
    unattributed_steps: int
    """Successful steps whose observation named no host."""
    takeaways: list[str]
