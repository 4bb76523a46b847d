"""Local addresses to connect from, to a server of this machine: none gives many of its ports to one load.

An address has about 28,000 ports to one server. The kernel looks for a free one among half of them first, and
that takes it milliseconds when these are in use, or were a minute ago. A machine has many addresses to reach
itself with.
"""

import _socket
import errno
import os
import socket

PlainSocket = _socket.socket
"""What Python's own sockets, and gevent's, are made from."""

_PORT_LATER = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # Python 3.12 has a name for it
_CONNECTIONS_EACH = 4000
_FIRST, _LAST = 2, 254


class _Sources:
    """The address that connections to this machine come from now."""

    def __init__(self) -> None:
        self._left = _CONNECTIONS_EACH
        self._number: int | None = None

    def next(self) -> str | None:
        """Where the next connection comes from; None: where the system chooses."""
        if not self._left:
            self.move_on()
        self._left -= 1
        return None if self._number is None else f"127.0.0.{self._number}"

    def move_on(self) -> None:
        """Takes another address. Each process begins at one of its own."""
        before = self._number if self._number is not None else os.getpid() * 61
        self._number = _FIRST + (before - _FIRST + 1) % (_LAST - _FIRST + 1)
        self._left = _CONNECTIONS_EACH


_SOURCES = _Sources()


def begin_to_connect(host: str, port: int) -> PlainSocket:
    """A TCP socket that does not block and connects to an IP address, or has already. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    of_here = host.startswith("127.")
    tries = _LAST if of_here else 1
    while True:
        connection = PlainSocket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if of_here and (source := _SOURCES.next()) is not None:
                # The port is chosen when it connects: then other connections may have it, to other servers.
                connection.setsockopt(socket.IPPROTO_IP, _PORT_LATER, 1)
                connection.bind((source, 0))
            error = connection.connect_ex((host, port))
        except BaseException:
            connection.close()
            raise
        if error in (0, errno.EINPROGRESS):
            return connection
        connection.close()
        tries -= 1
        if error != errno.EADDRNOTAVAIL or not tries:
            raise OSError(error, os.strerror(error))
        _SOURCES.move_on()
