"""Deployments that outlive the command that started them: after a crash, or left running on purpose."""

import time

from loadtests.deployments.registry import REGISTRY, Record, Registry
from loadtests.deployments.teardown import take_down
from loadtests.errors import LoadTestError


def find_remains(registry: Registry = REGISTRY) -> list[Record]:
    """The deployments whose owner has ended without taking them down."""
    return [record for record in registry.records() if record.abandoned]


def remove_remains(registry: Registry = REGISTRY) -> list[str]:
    """Takes down what crashed commands have left; returns a line about each, for people to read."""
    lines = []
    for record in find_remains(registry):
        what = f"what a crashed command{_when(record)} left behind ({record.kind} deployment {record.name})"
        try:
            take_down(record, registry)
            lines.append(f"removed {what}")
        except LoadTestError as error:
            lines.append(f"could not remove {what}: {error}")
    registry.remove_drafts()
    return lines


def take_down_running(registry: Registry = REGISTRY) -> list[str]:
    """Takes down what `make up` left running; returns a line about each, none where nothing runs.

    Raises LoadTestError where it cannot be taken down.
    """
    lines = []
    for record in registry.records():
        if record.left_running:
            take_down(record, registry)
            lines.append(f"took down the {record.kind} deployment at {record.url}")
    return lines


def _when(record: Record) -> str:
    if not record.started_at:
        return ""
    return time.strftime(" that started on %Y-%m-%d at %H:%M:%S", time.localtime(record.started_at))
