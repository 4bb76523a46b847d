"""The kinds of process that are killed, and how each is found below the harness."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import psutil

_LOCAL = ("--target", "local", "--replicas", "2", "--workers", "2")

Phase = Literal["start", "load", "report", "again"]
"""When it is killed: while the deployment comes up, under load, after it as the harness writes the report, or
as `python -m reports` writes that of a run which ended well."""
Role = Literal["harness", "generator", "part", "replaced"]
"""What is left without it. `harness`: nobody who tells how the run ended. `generator`: nobody with its rows.
`part`: a run that cannot pass. `replaced`: one that can, as its parent starts another."""
Find = Callable[[psutil.Process], list[psutil.Process]]


@dataclass(frozen=True)
class Kind:
    """A kind of process, and when and how it is killed."""

    name: str
    find: Find | None = None
    """The candidates, given the harness; None: a container of a replica."""
    options: tuple[str, ...] = _LOCAL
    phase: Phase = "load"
    role: Role = "part"


def _children(harness: psutil.Process) -> list[tuple[psutil.Process, list[str]]]:
    found = []
    for child in harness.children():
        with suppress(psutil.Error):  # it may have just ended
            found.append((child, child.cmdline()))
    return found


def _the_harness(harness: psutil.Process) -> list[psutil.Process]:
    return [harness]


def locust(harness: psutil.Process) -> list[psutil.Process]:
    """The Locust that the harness started: the master, where there are several processes."""
    return [child for child, command in _children(harness) if "locust" in command]


def locust_workers(harness: psutil.Process) -> list[psutil.Process]:
    """The processes that it forked."""
    return [worker for master in locust(harness) for worker in master.children()]


def _gunicorns(harness: psutil.Process) -> list[psutil.Process]:
    return [child for child, command in _children(harness) if "gunicorn" in " ".join(command)]


def _gunicorn_workers(harness: psutil.Process) -> list[psutil.Process]:
    return [worker for master in _gunicorns(harness) for worker in master.children()]


def _nginx(harness: psutil.Process) -> list[psutil.Process]:
    return [child for child, _ in _children(harness) if child.name() == "nginx"]


def _nginx_workers(harness: psutil.Process) -> list[psutil.Process]:
    return [worker for master in _nginx(harness) for worker in master.children()]


_TWO = (*_LOCAL, "--processes", "2")
KINDS = (
    Kind("harness, at the start", _the_harness, phase="start", role="harness"),
    Kind("harness, under load", _the_harness, role="harness"),
    Kind("harness, at its report", _the_harness, phase="report", role="harness"),
    Kind("Locust", locust, role="generator"),
    Kind("Locust's master", locust, options=_TWO, role="generator"),
    Kind("Locust's worker", locust_workers, options=_TWO, role="generator"),
    Kind("gunicorn's master", _gunicorns),
    Kind("gunicorn's worker", _gunicorn_workers, role="replaced"),
    Kind("nginx's master", _nginx),
    Kind("nginx's worker", _nginx_workers, role="replaced"),
    Kind("python -m reports", phase="again"),
    Kind("replica's container", options=("--target", "compose", "--replicas", "2", "--workers", "1")),
)
CONTAINER = KINDS[-1]
