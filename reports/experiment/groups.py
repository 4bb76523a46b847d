"""Groups: what an experiment holds fixed while the number of users varies, their order and their names."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import compress
from typing import Any

from reports.page.formatting import shortened
from reports.page.words import TRANSPORTS, printable
from reports.records.schema import CellJson, Transport

_NAME_LENGTH = 60


@dataclass(frozen=True)
class Group:
    """What is held fixed while the number of users varies."""

    deployment: str
    """The name of the target within the experiment."""
    replicas: int | None
    workers: int | None
    """Workers of each replica."""
    balancing: str | None
    reuse_port: bool | None
    transport: Transport
    wait: str
    """As written: `0.5`, `uniform:0:1` …"""
    fault: str = ""
    """What was broken meanwhile: `kill-worker@3s`; empty for nothing."""

    @classmethod
    def of(cls, cell: CellJson) -> "Group":
        """The group that a cell belongs to."""
        values: dict[str, Any] = {"fault": "", **cell}
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    @property
    def total_workers(self) -> int | None:
        """Replicas × workers; None where unknown."""
        return None if self.replicas is None or self.workers is None else self.replicas * self.workers

    @property
    def size(self) -> str:
        """`2 × 4`: replicas × workers; empty where unknown."""
        return "" if self.total_workers is None else f"{self.replicas} × {self.workers}"

    @property
    def wait_s(self) -> float | None:
        """The wait in seconds where it is a constant, else None."""
        try:
            value = float(self.wait)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    @property
    def family(self) -> tuple[Any, ...]:
        """What deployments that differ in size only have in common, in a form that can be sorted."""
        return (
            self.deployment,
            self.transport != "ws",
            math.inf if self.wait_s is None else self.wait_s,
            self.wait,
            self.balancing or "",
            self.reuse_port is not True,
            self.reuse_port is None,
            self.fault,
        )

    @property
    def order(self) -> tuple[Any, ...]:
        """What groups are sorted by in all sections: their family, then their size."""
        return self.family, self.replicas or 0, self.workers or 0


def ordered(groups: Iterable[Group]) -> list[Group]:
    """Each group once, in the order of all sections."""
    return sorted(set(groups), key=lambda group: group.order)


def labels(groups: Iterable[Group]) -> dict[Group, str]:
    """A short name for each group that says only what differs between them: `2 × 2, least_conn`."""
    groups = list(dict.fromkeys(groups))
    found = [
        name or (group.size if len(groups) == 1 else "") or _names(group)[0]
        for group, name in zip(groups, _differences(map(_names, groups)), strict=True)
    ]
    return dict(zip(groups, _told_apart(found), strict=True))


def family_labels(groups: Iterable[Group]) -> dict[tuple[Any, ...], str]:
    """A short name for each family of groups by its key; empty where there is one family only."""
    groups = list(groups)
    names = _differences((deployment, *rest) for deployment, _, *rest in map(_names, groups))
    found = {group.family: name for group, name in zip(groups, names, strict=True)}
    return dict(zip(found, _told_apart(found.values()), strict=True))


def _names(group: Group) -> tuple[str, ...]:
    """All that can tell a group from others, in the order in which labels have it; empty where unknown."""
    return (
        shortened(group.deployment, _NAME_LENGTH),
        group.size,
        shortened(group.balancing or "", _NAME_LENGTH),
        port_name(group),
        transport_name(group.transport),
        f"wait {shortened(group.wait, _NAME_LENGTH)}{'' if group.wait_s is None else ' s'}",
        shortened(group.fault, _NAME_LENGTH) or "no fault",
    )


def _differences(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Of each row what is not the same in all of them."""
    rows = list(rows)
    differing = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    return [", ".join(filter(None, compress(row, differing))) for row in rows]


def _told_apart(names: Iterable[str]) -> list[str]:
    """The names, with a number behind each that one before it has already."""
    found: list[str] = []
    for name in names:
        numbered, number = name, 1
        while numbered in found:
            number += 1
            numbered = f"{name} ({number})"
        found.append(numbered)
    return found


def transport_name(transport: str) -> str:
    """`WebSocket` or `HTTP`."""
    return TRANSPORTS.get(transport, printable(transport, _NAME_LENGTH))


def port_name(group: Group) -> str:
    """`own ports` or `shared port`; empty where unknown."""
    return {True: "own ports", False: "shared port", None: ""}[group.reuse_port]
