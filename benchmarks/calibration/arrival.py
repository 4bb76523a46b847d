"""When data arrived at a socket, as the kernel noted it: a program knows only when it came to read it."""

import socket
import struct
import time

_SO_TIMESTAMPNS = 35
"""Of Linux, asm-generic/socket.h; Python has no name for it."""
_TIMESPEC = struct.Struct("@ll")
_MOST_BYTES = 65_536
_ROOM = socket.CMSG_SPACE(_TIMESPEC.size)
_TOGETHER_S = 2e-5
_TRIES = 1000


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
            read, now_ns = _both_clocks()
            seconds, nanoseconds = _TIMESPEC.unpack(value)
            # Not before: somebody may have set the clock.
            return data, read - max(now_ns - (seconds * 1_000_000_000 + nanoseconds), 0) / 1e9
    return data, time.perf_counter()


def _both_clocks() -> tuple[float, int]:
    """`time.perf_counter` and Unix nanoseconds of the same moment; the counter is not before that.

    They are read again where the process was held up between the two.
    """
    for _ in range(_TRIES):
        before, unix_ns, counter = time.perf_counter(), time.time_ns(), time.perf_counter()
        if counter - before < _TOGETHER_S:
            break
    return counter, unix_ns
