"""Takes down what a record names, whoever started it."""

from loadtests.deployments import docker_engine, processes, swarm
from loadtests.deployments.docker_engine import STOP_S
from loadtests.deployments.registry import Record, Registry


def take_down(record: Record, registry: Registry, *, keep: str | None = None, stop_s: int = STOP_S) -> None:
    """Stops the processes and containers of a deployment, then forgets it and deletes its files.

    Takes a bounded time, during which Ctrl-C is ignored; containers have `stop_s` seconds of it to end by
    themselves. Files that match the pattern `keep` stay. Raises LoadTestError, and keeps the record, where
    containers cannot be removed.
    """
    with processes.uninterrupted():
        processes.stop(record, registry.home(record.name))
        if record.project is not None and record.kind == "stack":
            swarm.remove_stack(record.project)
        elif record.project is not None:
            docker_engine.remove_project(record.project, stop_s)
        registry.remove(record.name, keep=keep)
