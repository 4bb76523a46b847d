"""Cells made by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reports.experiment.cells import Cell, Quantiles
from reports.experiment.groups import Group
from reports.statistics.saturation import Cpu

GROUP = Group("compose", 1, 1, "round_robin", True, "ws", "0.01")


def sized(replicas: int, workers: int, **changes: Any) -> Group:
    return replace(GROUP, replicas=replicas, workers=workers, **changes)


def quantiles(p50: float, p99: float) -> Quantiles:
    return Quantiles(p50, p99, p99, p99)


def cell(group: Group, users: int, throughput: float, repetition: int = 1, **changes: Any) -> Cell:
    """A finished cell that met its objective, with latencies of 0.1 s (p50) and 0.2 s (p99)."""
    usual: dict[str, Any] = {
        "status": "completed",
        "reason": None,
        "run_id": f"run-{users}-{repetition}",
        "valid": True,
        "usable": True,
        "throughput": throughput,
        "success_rate": 1.0,
        "latency": {
            "connect": quantiles(0.01, 0.02), "reset": quantiles(0.001, 0.002),
            "step": quantiles(0.1, 0.2), "total": quantiles(0.11, 0.22),
        },
        "steps": 1000,
        "jain_worker": 0.99,
        "slo_passed": True,
        "cpu": Cpu(0.2, 0.2, 0.3, 0.5, 0.1),
        "cores": 8,
        "processes": 1,
    }  # fmt: skip
    return Cell(group=group, users=users, repetition=repetition, **(usual | changes))


def missed(group: Group, users: int, throughput: float = 1.0, repetition: int = 1, **changes: Any) -> Cell:
    """A cell whose total time was too long."""
    late: dict[str, Any] = {
        "slo_passed": False,
        "slo_missed": ["99 % of the steps took at most 3.00 s in total; it must be less than 1.02 s."],
        "slo_missed_names": ["total_p99_s"],
    }
    return cell(group, users, throughput, repetition, **(late | changes))


def refused(group: Group, users: int, *, held: int, each: int | None = None, **changes: Any) -> Cell:
    """A cell whose server held fewer than came, and turned the others away; `each` is a worker's cap."""
    cap = each or held
    away: dict[str, Any] = {
        "usable": False,
        "success_rate": held / users,
        "slo_missed": [f"{held / users:.1%} of {users} sessions connected, reset and stepped."],
        "slo_missed_names": ["success_rate"],
        "errors": {"capacity": users - held},
        "examples": {"capacity": f"CAPACITY_REACHED: Server at capacity: {cap}/{cap} sessions active"},
        "connect_timeout_s": 10.0,
        "step_timeout_s": 30.0,
    }
    return missed(group, users, **(away | changes))


def curve(group: Group, throughputs: Mapping[int, Sequence[float]]) -> list[Cell]:
    """A usable cell for each throughput at each number of users."""
    return [
        cell(group, users, value, repetition)
        for users, values in throughputs.items()
        for repetition, value in enumerate(values, 1)
    ]
