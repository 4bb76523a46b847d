"""Local addresses to connect from: where the ports of one are used up, another is taken.

To one address and port, a local address has about 28,000 ports. A machine has many addresses to reach itself
with, and a load on a server of this machine may take them all.
"""

import _socket
import errno
import os
import socket

PlainSocket = _socket.socket
"""What Python's own sockets, and gevent's, are made from."""

_PORT_LATER = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # Python 3.12 has a name for it
_MOST_SOURCES = 250


class _Sources:
    """The address that connections to this machine come from now."""

    def __init__(self) -> None:
        self._number = 1

    @property
    def address(self) -> str | None:
        """None: as the system chooses."""
        return None if self._number == 1 else f"127.0.0.{self._number}"

    def move_on(self) -> bool:
        """Takes the next one; False where there is none."""
        if self._number >= _MOST_SOURCES:
            self._number = 1
            return False
        self._number += 1
        return True


_SOURCES = _Sources()


def begin_to_connect(host: str, port: int) -> PlainSocket:
    """A TCP socket that does not block and connects to an IP address, or has already. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    of_here = host.startswith("127.")
    while True:
        connection = PlainSocket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if of_here and (source := _SOURCES.address) is not None:
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
        if error != errno.EADDRNOTAVAIL or not of_here or not _SOURCES.move_on():
            raise OSError(error, os.strerror(error))
