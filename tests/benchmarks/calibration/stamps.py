"""A connection whose arrivals the kernel notes, and with it those of all others."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.calibration.arrival import stamp_arrivals


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client and its server."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
        listening.accept()[0] as server,
    ):
        yield client, server


@contextmanager
def stamped() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The same, once the kernel has begun to note arrivals: it does so a moment after it was asked to."""
    with connected() as (client, server):
        stamp_arrivals(server)
        told: list[tuple[int, int, bytes]] = []
        while not told:
            client.sendall(b"?")
            _, told, _, _ = server.recvmsg(1, 64)
        yield client, server
