"""The machine that generates the load, and the versions of what runs on it."""

import hashlib
import os
import platform
import socket
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from loadtests.places import PACKAGES

_PACKAGES = ("locust", "gevent", "websockets", "pyarrow", "pandas")


def machine() -> dict[str, Any]:
    """Host name, platform, processor, cores and memory."""
    return {
        "hostname": socket.gethostname(),
        "platform": platform.platform(),
        "cpu_model": _cpu_model(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_name(pid: int | None = None) -> str:
    """What the records call a process of this machine, this one unless told: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid() if pid is None else pid}"


def machine_of(process: str) -> str:
    """The host name in what the records call a process."""
    return process.rpartition(":")[0]


@cache
def code() -> str:
    """A hash of our source files that Locust's processes run: the same where they are the same."""
    folders = ("loadtests", "loadtests/actions", "loadtests/load", "loadtests/protocol", "reports/records")
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (PACKAGES / folder).glob("*.py")):
        digest.update(f"{path.relative_to(PACKAGES).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that generate and record the load."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
