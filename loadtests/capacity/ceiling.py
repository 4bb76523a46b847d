"""The largest load that a capacity search may try, and what sets it."""

from dataclasses import dataclass
from typing import Literal

from loadtests.capacity.config import CapacityConfig
from loadtests.deployments import Deployment
from loadtests.deployments.processes import raise_open_file_limit
from loadtests.run.generator import most_sessions
from reports.experiment.searched import Searched


@dataclass(frozen=True)
class Ceiling:
    """The largest batch, or rate, that may be tried, and what sets it."""

    load: int
    kind: Literal["cap", "open_files"]
    explanation: str
    remedy: str


def ceiling(config: CapacityConfig, deployment: Deployment) -> Ceiling:
    """The largest load that may be tried: as asked for, or as open files allow."""
    searched, most = Searched(config.unit), config.plan.most
    processes = config.load.processes
    files = raise_open_file_limit()
    setting = "GENERATORS" if config.load.deployment.generators else "PROCESSES"
    own = most_sessions(processes, files)
    bounds = [
        Ceiling(
            most,
            "cap",
            f"{searched.largest(most)}, the most to be tried, meets the objective",
            f"search further, MOST={4 * most}",
        ),
        Ceiling(
            config.most_load(own),
            "open_files",
            f"the load generator may have {files:,} open files: {own:,} sessions{_enough_for(own, config)}",
            f"raise the limit of open files (ulimit -n), or use more processes, {setting}={2 * processes}",
        ),
    ]
    held = deployment.most_sessions()
    if held is not None and config.load.transport == "ws":
        bounds.append(
            Ceiling(
                config.most_load(held),
                "open_files",
                f"the balancer in front of the replicas has open files and ports for {held:,} sessions"
                f"{_enough_for(held, config)}",
                "raise the limit of open files (ulimit -n) where the deployment is started, or use more "
                "replicas",
            )
        )
    return min(bounds, key=lambda bound: bound.load)


def _enough_for(sessions: int, config: CapacityConfig) -> str:
    """What rate so many sessions are enough for; empty where no rate is searched."""
    searched = Searched(config.unit)
    return f", enough for {searched.amount(config.most_load(sessions))}" if searched.is_rate else ""
