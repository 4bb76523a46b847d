"""Local processes of a deployment: started so that they can be found again, and stopped to the last one."""

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from loadtests.deployments.registry import CLOCK_TOLERANCE_S, MARKER, Process, Record, Registry
from loadtests.places import PACKAGES

STOP_S = 5.0
"""How long a process that was told to stop has before it is killed."""
KILL_ROUNDS = 5
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def raise_open_file_limit() -> int:
    """Raises the open-file limit of this process, and of those it starts, as far as allowed; returns it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def start(
    command: Sequence[str],
    *,
    record: Record,
    registry: Registry,
    log: Path,
    environ: Mapping[str, str],
    folder: Path = PACKAGES,
) -> subprocess.Popen[bytes]:
    """Starts a process of the deployment in a folder, that of our packages by default, and records it.

    It leads a session of its own, so that a terminal's Ctrl-C does not reach it, and carries the marker, by
    which it is found even if this command dies before recording it.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environ, MARKER: record.name},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with suppress(psutil.NoSuchProcess):
        record.processes.append(Process.of(process.pid))
        registry.update(record)
    return process


def members(record: Record, home: Path) -> list[psutil.Process]:
    """The processes of the deployment that are running now.

    They carry its marker, are an nginx with its configuration (nginx overwrites its environment), or belong
    to the session of one that was recorded.
    """
    leaders = {process.pid: process.created for process in record.processes}
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with suppress(psutil.Error, OSError):
            if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            session = leaders.get(os.getsid(process.pid))
            if (
                (session is not None and process.create_time() >= session - CLOCK_TOLERANCE_S)
                or (process.name() == "nginx" and f"{home}/" in " ".join(process.cmdline()))
                or process.environ().get(MARKER) == record.name
            ):
                found.append(process)
    return found


def stop(record: Record, home: Path, *, patience_s: float = STOP_S) -> int:
    """Stops all processes of the deployment, by force after `patience_s`; returns how many there were."""
    running = members(record, home)
    ours = {process.pid for process in running}
    for process in running:
        with suppress(psutil.Error):
            if process.ppid() not in ours:
                process.terminate()
    psutil.wait_procs(running, timeout=patience_s)
    for _ in range(KILL_ROUNDS):
        # Searched again each time: a gunicorn master replaces the workers that it loses.
        left = members(record, home)
        if not left:
            break
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1.0)
    return len(running)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-lines:])


def uninterrupted() -> AbstractContextManager[None]:
    """Ignores Ctrl-C and SIGTERM for the duration of a block: for taking down, which is bounded in time."""
    return _interrupts_handled(signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[list[int]]:
    """Puts Ctrl-C and SIGTERM off until the block has ended: for what must not be left half done.

    Yields the list of those received so far; what is removed from it has no effect.
    """
    received: list[int] = []
    try:
        with _interrupts_handled(lambda number, _: received.append(number)):
            yield received
    finally:
        if received:
            signal.raise_signal(received[0])


@contextmanager
def _interrupts_handled(handler: signal.Handlers | Callable[[int, Any], None]) -> Iterator[None]:
    # Only the main thread may set handlers, and only it is interrupted.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
