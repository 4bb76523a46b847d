"""Deployments that outlive the command that started them: after a crash, or left running on purpose."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.deployments.registry import REGISTRY, Process, Record, Registry
from loadtests.deployments.teardown import take_down
from loadtests.errors import LoadTestError
from loadtests.scratch import remove_abandoned_folders


@contextmanager
def noted(name: str, registry: Registry = REGISTRY) -> Iterator[None]:
    """Notes, for the time of a block, load on a server that is not ours.

    Its generators, which bear the name, are found then if this command is killed; not so where nothing can be
    written.
    """
    try:
        registry.create(Record(name, "url", "run", Process.of(os.getpid())))
    except LoadTestError:
        yield
        return
    try:
        yield
    finally:
        registry.remove(name)


def find_remains(registry: Registry = REGISTRY) -> list[Record]:
    """The deployments whose owner has ended without taking them down."""
    return [record for record in registry.records() if record.abandoned]


def remove_remains(registry: Registry = REGISTRY) -> list[str]:
    """Takes down what crashed commands have left; returns a line about each, for people to read."""
    lines = []
    for record in find_remains(registry):
        left = "load" if record.kind == "url" else f"{record.kind} deployment"
        what = f"what a crashed command{_when(record)} left behind ({left} {record.name})"
        try:
            take_down(record, registry)
            lines.append(f"removed {what}")
        except LoadTestError as error:
            lines.append(f"could not remove {what}: {error}")
    registry.remove_drafts()
    remove_abandoned_folders()
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
