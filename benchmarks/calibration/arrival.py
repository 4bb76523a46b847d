"""When data arrived at a socket, as the kernel noted it: a program knows only when it came to read it."""

import socket
import struct
import time

from loadtests.clock import both_clocks

_SO_TIMESTAMPNS = 35
"""Of Linux, asm-generic/socket.h; Python has no name for it."""
_TIMESPEC = struct.Struct("@ll")
_MOST_BYTES = 65_536
_ROOM = socket.CMSG_SPACE(_TIMESPEC.size)


def stamp_arrivals(connection: socket.socket) -> None:
    """Has the kernel note when data arrives. Raises OSError where it does not do that."""
    connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def received(connection: socket.socket) -> tuple[bytes, float]:
    """What is there to read, and when the last of it arrived, as `time.perf_counter` counts.

    That is now where the kernel does not tell. Raises what `socket.recvmsg` does.
    """
    data, told, _, _ = connection.recvmsg(_MOST_BYTES, _ROOM)
    for level, kind, value in told:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            read, now_ns = both_clocks()
            seconds, nanoseconds = _TIMESPEC.unpack(value)
            # Not before: somebody may have set the clock.
            return data, read - max(now_ns - (seconds * 1_000_000_000 + nanoseconds), 0) / 1e9
    return data, time.perf_counter()
