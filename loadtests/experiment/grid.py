"""The grid of an experiment: its axes, its cells in random order, and their names."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from reports.page.words import count
from reports.records.schema import CellJson, Transport


@dataclass(frozen=True)
class Load:
    """How much load a cell has: users, or arrivals or groups of rollouts and the users that these take."""

    users: int
    arrivals: str | None = None
    groups: int | None = None


@dataclass(frozen=True)
class Axes:
    """The values that each axis of a grid takes."""

    targets: dict[str, str]
    """What to load, by its name in the experiment. What deployments are made of does not apply to a URL."""
    replicas: list[int]
    workers: list[int]
    balancing: list[str]
    reuse_port: list[bool]
    transport: list[str]
    wait: list[str]
    loads: list[Load]
    repetitions: int
    faults: tuple[str, ...] = ("",)
    """What is broken meanwhile; empty for nothing."""

    @property
    def size(self) -> int:
        """How many cells the grid has."""
        made_of: list[list[Any]] = [self.replicas, self.workers, self.balancing, self.reuse_port]
        topologies = math.prod(len(axis) for axis in made_of)
        deployments = sum(1 if "://" in target else topologies for target in self.targets.values())
        loads = len(self.transport) * len(self.wait) * len(self.loads)
        return deployments * loads * len(self.faults) * self.repetitions


DeploymentKey = tuple[str, int | None, int | None, str | None, bool | None]
"""What cells have in common that run on one deployment: target, replicas, workers, balancing, reuse_port."""


def deployment_key(cell: CellJson) -> DeploymentKey:
    """The deployment that a cell runs on."""
    return cell["deployment"], cell["replicas"], cell["workers"], cell["balancing"], cell["reuse_port"]


def cells_in_random_order(axes: Axes, seed: int) -> list[CellJson]:
    """All cells in random order, those of one deployment together, the deployments in random order too.

    The order is random so that drift over time, such as other work on the machine, is not mistaken for the
    effect of an axis. The same seed gives the same order.
    """
    generator = random.Random(seed)
    deployments = list(_deployments(axes))
    generator.shuffle(deployments)
    cells: list[CellJson] = []
    for name, replicas, workers, balancing, reuse_port in deployments:
        repetitions = range(1, axes.repetitions + 1)
        loads = list(itertools.product(axes.transport, axes.wait, axes.loads, axes.faults, repetitions))
        generator.shuffle(loads)
        for transport, wait, load, fault, repetition in loads:
            cell = CellJson(
                deployment=name,
                replicas=replicas,
                workers=workers,
                balancing=balancing,
                reuse_port=reuse_port,
                transport=cast(Transport, transport),
                wait=wait,
                users=load.users,
                repetition=repetition,
                status="pending",
                reason=None,
                run_id=None,
            )
            if fault:
                cell["fault"] = fault
            if load.arrivals is not None:
                cell["arrivals"] = load.arrivals
            if load.groups is not None:
                cell["groups"] = load.groups
            cells.append(cell)
    return cells


def _deployments(axes: Axes) -> Iterator[DeploymentKey]:
    for name, target in axes.targets.items():
        if "://" in target:
            yield name, None, None, None, None
        else:
            yield from itertools.product([name], axes.replicas, axes.workers, axes.balancing, axes.reuse_port)


class CellNames:
    """Names of cells and deployments for the terminal: only what differs within the experiment."""

    def __init__(self, cells: Sequence[CellJson]) -> None:
        self._varying = {
            key for key in CellJson.__annotations__ if len({str(cell.get(key)) for cell in cells}) > 1
        }

    def deployment(self, cell: CellJson) -> str:
        """For example `2 × 4`, or `compose 2 × 4, least_conn`."""
        parts = [cell["deployment"]] if "deployment" in self._varying or cell["replicas"] is None else []
        if cell["replicas"] is not None:
            parts.append(f"{cell['replicas']} × {cell['workers']}")
        named = [" ".join(parts)]
        if "balancing" in self._varying and cell["balancing"]:
            named.append(cell["balancing"])
        if "reuse_port" in self._varying and cell["reuse_port"] is False:
            named.append("shared port")
        return ", ".join(named)

    def cell(self, cell: CellJson) -> str:
        """For example `2 × 4, 64 users, repetition 2`."""
        parts = [self.deployment(cell)]
        if "transport" in self._varying:
            parts.append(cell["transport"])
        if "wait" in self._varying:
            parts.append(f"wait {cell['wait']}")
        parts.append(_load(cell))
        if "fault" in self._varying:
            parts.append(cell.get("fault") or "no fault")
        if "repetition" in self._varying:
            parts.append(f"repetition {cell['repetition']}")
        return ", ".join(parts)


def _load(cell: CellJson) -> str:
    if (arrivals := cell.get("arrivals")) is not None:
        return f"{arrivals.partition(':')[2]} arrivals/s"
    groups = cell.get("groups")
    return count(cell["users"], "user") if groups is None else count(groups, "group")
