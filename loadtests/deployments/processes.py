"""Local processes of a deployment: started so that they can be found again, and stopped to the last one."""

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from loadtests.deployments.registry import CLOCK_TOLERANCE_S, MARKER, Process, Record, Registry
from loadtests.places import PACKAGES

STOP_S = 5.0
"""How long a process told to stop has before it is killed."""
KILL_ROUNDS = 5
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


def raise_open_file_limit() -> int:
    """Allows this process, and those it starts, as many open files as may be had; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def start(
    command: Sequence[str], *, record: Record, registry: Registry, log: Path, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts a process of the deployment where our packages are and notes it in the record.

    It leads a session of its own, so that a terminal's Ctrl-C does not reach it, and bears the marker, by
    which it is found even when the command dies before it could be noted.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=PACKAGES,
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
    """The processes of the deployment that run now.

    They bear its marker, are an nginx with its configuration (nginx overwrites its environment), or belong to
    the session of one that was noted.
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
        # Looked for again each time: a gunicorn master replaces the workers that it loses.
        left = members(record, home)
        if not left:
            break
        for process in left:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(left, timeout=1.0)
    return len(running)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-lines:])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignores Ctrl-C and SIGTERM meanwhile: for taking down, which is bounded in time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[list[int]]:
    """Puts Ctrl-C and SIGTERM off until the block has ended: for what must not be done by halves.

    Gives the list of those that have come; what is taken from it has no effect any more.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {
        number: signal.signal(number, lambda number, _: received.append(number)) for number in _INTERRUPTS
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])
