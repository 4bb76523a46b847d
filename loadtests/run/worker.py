"""Locust workers on this machine for a master on another one: they join, do its test, and end with it."""

import contextlib
import socket
import sys
import time
from dataclasses import dataclass

import psutil
from rich.console import Console

from loadtests.deployments.processes import deferred
from loadtests.deployments.url import base_url
from loadtests.errors import EXIT_MASTER_LOST, EXIT_REFUSED, LoadTestError
from loadtests.protocol.access import HEADERS, Access, headers_text, parse_headers
from loadtests.run.config import processes_here, whole_seconds
from loadtests.run.generator import LOCUSTFILE, Generator
from loadtests.settings import Values, whole
from loadtests.terminal import end_on_termination, progress
from reports.page.words import seconds

EXIT_LOST, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

_CONNECT_SECONDS = 5.0
_GREETING = b"\xff" + bytes(8) + b"\x7f"
"""What a ZeroMQ socket, Locust's channel, says first; only the ends of it are fixed (ZMTP 3.1)."""
_RETRY_SECONDS = 1.0
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class WorkerConfig:
    """Where the master is, and how many processes work for it."""

    master: str
    port: int
    processes: int
    wait_s: int
    target: str | None
    """The one server that headers may be sent to."""
    access: Access


def worker_config(values: Values) -> WorkerConfig:
    """Checks all settings. Raises LoadTestError with the bad value and what is allowed."""
    master, target = values["MASTER"].strip(), values["TARGET"]
    if not master:
        raise LoadTestError("MASTER is missing: give the name or address of the machine with the master")
    headers = parse_headers(headers_text() or "")
    if headers and not target:
        raise LoadTestError(f"{HEADERS} are set: name the server that they are for, TARGET=https://…")
    return WorkerConfig(
        master=master,
        port=whole(values, "MASTER_PORT", 1, 65535),
        processes=processes_here(values),
        wait_s=whole_seconds(values, "JOIN_WAIT"),
        target=base_url(target, "TARGET") if target else None,
        access=Access(headers=headers),
    )


def run_worker(config: WorkerConfig, console: Console) -> int:
    """Works for a master until it ends.

    Returns 0 then, 1 where the master was lost, 2 where it refused this worker, 130 after Ctrl-C. Raises
    LoadTestError where it cannot be reached.
    """
    say = progress(console)
    end_on_termination()
    _wait_for_master(config, console)
    say(f"joining the master at {config.master}:{config.port}")
    generator = Generator(worker_command(config), config.access)
    try:
        generator.start(None)
        while (code := generator.poll()) is None:
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        say("leaving the test")
        with contextlib.suppress(KeyboardInterrupt):
            _stop(generator)
        return EXIT_INTERRUPTED
    finally:
        with deferred():
            generator.kill()
    if code == EXIT_REFUSED:
        return EXIT_BAD_INPUT
    ends = {
        0: "the master has ended the test",
        EXIT_MASTER_LOST: "the master was lost: the test is over here",
    }
    say(ends.get(code, f"Locust ended with exit code {code}"))
    return EXIT_LOST if code else 0


def worker_command(config: WorkerConfig) -> list[str]:
    """The Locust command line of the workers. What they do, the master's options say."""
    return [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker", "--exit-code-on-error", "0"),
        *("--master-host", config.master, "--master-port", str(config.port), "--loglevel", "WARNING"),
        *(["--processes", str(config.processes)] if config.processes > 1 else []),
        *(["--host", config.target] if config.target else []),
    ]


def _wait_for_master(config: WorkerConfig, console: Console) -> None:
    """Waits until a master answers. Raises LoadTestError where none does."""
    where = f"{config.master}:{config.port}"
    deadline = time.monotonic() + config.wait_s
    is_first = True
    while why := _silence(config):
        if time.monotonic() > deadline:
            raise LoadTestError(
                f"no master answered at {where} within {seconds(config.wait_s)} ({why}): is it up, is its "
                "MASTER_BIND an address that this machine reaches, is MASTER_PORT the same, does a firewall "
                "let it through?"
            )
        if is_first:
            progress(console)(f"no master at {where} yet ({why}): waiting up to {seconds(config.wait_s)}")
            is_first = False
        time.sleep(_RETRY_SECONDS)


def _silence(config: WorkerConfig) -> str | None:
    """Why no master answers now; None where one does. Raises LoadTestError where none ever will."""
    where = (config.master, config.port)
    try:
        with socket.create_connection(where, timeout=_CONNECT_SECONDS) as connection:
            greeting = connection.recv(len(_GREETING))
    except (socket.gaierror, UnicodeError):
        raise LoadTestError(
            f"MASTER={config.master} is not known here: give the name or address of the master's machine"
        ) from None
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if greeting[:1] + greeting[-1:] != _GREETING[:1] + _GREETING[-1:]:
        raise LoadTestError(
            f"what answers at {config.master}:{config.port} is no Locust master: give the MASTER_PORT that "
            "the master says"
        )
    return None


def _stop(generator: Generator) -> None:
    """Lets every process say goodbye to the master; Locust's parent of several merely waits for them."""
    with contextlib.suppress(psutil.Error):
        processes = psutil.Process(generator.pid).children() or [psutil.Process(generator.pid)]
        for process in processes:
            process.terminate()
    generator.wait()
