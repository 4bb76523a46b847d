"""The largest batch that a capacity search may try, and what sets it."""

from dataclasses import dataclass
from typing import Literal

from loadtests.capacity.config import CapacityConfig
from loadtests.deployments import Deployment
from loadtests.deployments.processes import raise_open_file_limit
from loadtests.run.generator import most_sessions


@dataclass(frozen=True)
class Ceiling:
    """The largest batch that may be tried, and what sets it."""

    users: int
    kind: Literal["cap", "open_files"]
    explanation: str
    remedy: str


def ceiling(config: CapacityConfig, deployment: Deployment) -> Ceiling:
    """The largest batch that may be tried: as asked for, or as open files allow."""
    processes = config.load.processes
    files = raise_open_file_limit()
    setting = "GENERATORS" if config.load.deployment.generators else "PROCESSES"
    own = most_sessions(processes, files)
    bounds = [
        Ceiling(
            config.plan.most,
            "cap",
            f"a batch of {config.plan.most:,} sessions, the most to be tried, meets the objective",
            f"search further, MOST={4 * config.plan.most}",
        ),
        Ceiling(
            own,
            "open_files",
            f"the load generator may have {files:,} open files: {own:,} sessions",
            f"raise the limit of open files (ulimit -n), or use more processes, {setting}={2 * processes}",
        ),
    ]
    most = deployment.most_sessions()
    if most is not None and config.load.transport == "ws":
        bounds.append(
            Ceiling(
                max(1, most),
                "open_files",
                f"the balancer in front of the replicas has open files and ports for {most:,} sessions",
                "raise the limit of open files (ulimit -n) where the deployment is started, or use more "
                "replicas",
            )
        )
    return min(bounds, key=lambda bound: bound.users)
