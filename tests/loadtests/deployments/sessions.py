"""Sessions with an environment server, as few lines as they take."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect


@contextmanager
def session(url: str) -> Iterator[tuple[ClientConnection, str]]:
    """A connection, and the upstream that the balancer named."""
    with connect(url.replace("http", "ws", 1) + "/ws", compression=None, open_timeout=60) as connection:
        assert connection.response is not None
        yield connection, connection.response.headers["X-Upstream"]


def reset(connection: ClientConnection) -> dict[str, Any]:
    """The observation of a reset."""
    connection.send(json.dumps({"type": "reset", "data": {}}))
    observation: dict[str, Any] = json.loads(connection.recv(timeout=60))["data"]["observation"]
    return observation
