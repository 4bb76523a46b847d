"""Ports on 127.0.0.1, held from before anything starts until it is down."""

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from loadtests.commands import invocation
from loadtests.deployments.registry import Registry
from loadtests.errors import LoadTestError

LOOPBACK = "127.0.0.1"
REPLICA_PORTS = range(18001, 32000)
"""Below the ports that the kernel assigns to outgoing connections."""


class HeldPort:
    """A port that others find taken; a server with SO_REUSEADDR or SO_REUSEPORT can listen on it."""

    def __init__(self, port: int, *, recently_used: bool = False) -> None:
        """Takes the port, or any free one for 0. Raises OSError.

        Recently closed connections make a port unavailable too, unless `recently_used` allows for them:
        then only a server that listens there does.
        """
        self._socket = socket.socket()
        try:
            if recently_used:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((LOOPBACK, port))
        except OSError:
            self._socket.close()
            raise
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.port: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Gives the port back; may be called twice."""
        self._socket.close()


def hold_balancer_port(port: int, registry: Registry) -> HeldPort:
    """Holds the port that clients connect to. Raises LoadTestError that says why it is not available."""
    try:
        return HeldPort(port, recently_used=port != 0)
    except PermissionError:
        raise LoadTestError(f"PORT={port}: only root may listen there; use 1024 to 65535") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise LoadTestError(f"PORT={port}: cannot listen on {LOOPBACK}: {error.strerror}") from error
    running = registry.left_running()
    if running is not None and port in running.ports:
        raise LoadTestError(
            f"port {port} is taken by the deployment that `{invocation('up')}` left running: "
            f"use TARGET={running.url}, or `{invocation('down')}` first"
        )
    raise LoadTestError(
        f"port {port} is taken{_by_whom(port)}: choose another with PORT=…, or PORT=0 for any free one"
    )


def check_free(port: int, setting: str) -> None:
    """Raises LoadTestError where something listens on the port that `setting` names."""
    try:
        HeldPort(port, recently_used=True).release()
    except OSError:
        raise LoadTestError(
            f"{setting}={port}: the port is taken{_by_whom(port)}; choose another with {setting}=…"
        ) from None


def free_port() -> int:
    """A port that nothing listens on now."""
    held = HeldPort(0)
    held.release()
    return held.port


def to_one_server() -> int:
    """How many connections one local address can have to one server: the ports that the system hands out."""
    try:
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        first, last = 49152, 65535  # what IANA sets aside, and systems without that file use
    return last - first + 1


def hold_replica_ports(count: int) -> list[HeldPort]:
    """Holds free ports for replicas. Raises LoadTestError where there are not enough."""
    held: list[HeldPort] = []
    for port in REPLICA_PORTS:
        if len(held) == count:
            return held
        with suppress(OSError):
            held.append(HeldPort(port))
    release(held)
    raise LoadTestError(
        f"REPLICAS={count}: not enough free ports from {REPLICA_PORTS.start} to {REPLICA_PORTS.stop - 1}"
    )


def release(ports: Iterable[HeldPort]) -> None:
    """Gives all of the ports back."""
    for port in ports:
        port.release()


def _by_whom(port: int) -> str:
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid is not None:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
