"""Groups: what an experiment holds fixed while the number of users varies, their order and their names."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
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

    @classmethod
    def of(cls, cell: CellJson) -> "Group":
        """The group that a cell belongs to."""
        values: dict[str, Any] = {**cell}
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
    groups = list(groups)
    name_of = [name for name in _NAMES if len({name(group) for group in groups}) > 1] or [_size, _deployment]
    found = {}
    for group in groups:
        parts = [text for name in name_of if (text := name(group))]
        found[group] = ", ".join(parts if len(groups) > 1 else parts[:1]) or _deployment(group)
    return dict(zip(found, _told_apart(found.values()), strict=True))


def family_labels(groups: Iterable[Group]) -> dict[tuple[Any, ...], str]:
    """A short name for each family of groups by its key; empty where there is one family only."""
    groups = list(groups)
    names = [name for name in _NAMES if name is not _size and len({name(group) for group in groups}) > 1]
    found = {group.family: ", ".join(filter(None, (name(group) for name in names))) for group in groups}
    return dict(zip(found, _told_apart(found.values()), strict=True))


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


def _deployment(group: Group) -> str:
    return shortened(group.deployment, _NAME_LENGTH)


def _size(group: Group) -> str:
    return group.size


def _balancing(group: Group) -> str:
    return shortened(group.balancing or "", _NAME_LENGTH)


def port_name(group: Group) -> str:
    """`own ports` or `shared port`; empty where unknown."""
    return {True: "own ports", False: "shared port", None: ""}[group.reuse_port]


def _transport(group: Group) -> str:
    return transport_name(group.transport)


def _wait(group: Group) -> str:
    text = shortened(group.wait, _NAME_LENGTH)
    return f"wait {text}" if group.wait_s is None else f"wait {text} s"


_NAMES = (_deployment, _size, _balancing, port_name, _transport, _wait)
