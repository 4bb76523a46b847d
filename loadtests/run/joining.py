"""A load test whose load comes from Locust workers that join over the network: waiting for them."""

import contextlib
import errno
import socket
import time
from dataclasses import replace

from loadtests.commands import invocation
from loadtests.deployments import Deployment, Progress
from loadtests.deployments.generators import ContainerGenerators
from loadtests.deployments.ports import LOOPBACK
from loadtests.errors import LoadTestError
from loadtests.protocol.access import Access
from loadtests.run.config import Joining
from loadtests.run.generator import STOP_SECONDS, Generator
from reports.page.words import count, listing, printable, seconds
from reports.records.run_directory import RunDirectory

_POLL_SECONDS = 0.25
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where the user says so
_ELSEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): nothing is sent there."""


def listening(joining: Joining) -> Joining:
    """The same with an address in digits and a port that is free. Raises LoadTestError."""
    address = "" if joining.bind == "*" else joining.bind
    try:
        with socket.create_server((address, joining.port)) as probe:
            bind, port = probe.getsockname()[:2]
            return replace(joining, bind=bind, port=port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LoadTestError(
                f"MASTER_PORT={joining.port} is taken on {joining.bind}: give another, to the workers too"
            ) from None
        why = (error.strerror or str(error)).partition(" (while")[0].lower()
        raise LoadTestError(
            f"MASTER_BIND={joining.bind}: cannot listen on port {joining.port} there ({why}): give an "
            "address of this machine"
        ) from None


def how_to_join(joining: Joining, deployment: Deployment, access: Access) -> list[str]:
    """What to run on the other machines, and what may be in the way."""
    is_open = joining.bind != LOOPBACK
    master = _own_address() if joining.bind == _EVERYWHERE else joining.bind
    settings: dict[str, object] = {"MASTER": master, "MASTER_PORT": joining.port}
    if access.headers:
        settings["TARGET"] = deployment.url
    command = invocation("worker", **settings, PROCESSES="auto")
    wait = f"waiting up to {seconds(joining.wait_s)} for {count(joining.workers, 'worker')}"
    lines = [f"{wait}: on each machine that is to make load run {command}"]
    if not is_open:
        lines.append(
            f"the master listens on {joining.bind}, for workers of this machine and for tunnels: "
            "MASTER_BIND=0.0.0.0 lets others join, whoever can reach it, unencrypted"
        )
    elif deployment.kind != "url":
        lines.append(
            f"the deployment listens on {LOOPBACK} only: workers of other machines cannot reach it, "
            "give TARGET=URL"
        )
    return lines


def wait_for_workers(
    joining: Joining, generator: Generator | ContainerGenerators, directory: RunDirectory, say: Progress
) -> str | None:
    """Waits until all have joined; returns what went wrong otherwise, with the master stopped."""
    deadline = time.monotonic() + joining.wait_s
    there: list[str] = []
    refused: list[str] = []
    while generator.poll() is None:
        run = directory.read()
        names = [each["name"] for each in run.get("generators", [])]
        for why in run.get("refused_workers", [])[len(refused) :]:
            refused.append(why)
            say(f"refused: {why}")
        if names != there:
            say(_attendance(names, joining.workers))
            there = names
        if len(there) >= joining.workers:
            return None
        if time.monotonic() > deadline:
            generator.stop(STOP_SECONDS)
            return _gave_up(joining, there, refused)
        time.sleep(_POLL_SECONDS)
    return None  # what follows says how Locust ended


def _attendance(names: list[str], expected: int) -> str:
    are = "is" if len(names) == 1 else "are"
    said = f": {printable(listing(names))}" if names else ""
    return f"{len(names)} of {count(expected, 'worker')} {are} there{said}"


def _gave_up(joining: Joining, there: list[str], refused: list[str]) -> str:
    said = f"after {seconds(joining.wait_s)} {_attendance(there, joining.workers)}"
    if refused:
        said += f"; refused: {'; '.join(refused)}"
    what = f"expect no more than {len(there)}, or start" if there else "start"
    return f"{said}: {what} the others in time (JOIN_WAIT=… waits longer)"


def _own_address() -> str:
    """This machine's address as others may reach it, else its name."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        return str(probe.getsockname()[0])
    return socket.gethostname()
