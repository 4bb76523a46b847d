"""A good client in the middle of bad ones."""

import json
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect


class Bystander:
    """One session that steps, and whose hash and count tell whether anything has disturbed it."""

    def __init__(self, url: str) -> None:
        address = f"ws{url.removeprefix('http')}/ws"
        self._connection = connect(address, open_timeout=60, close_timeout=5, legacy=True)
        self._steps = 0
        self._hash: str = self._ask("reset")["session_hash"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def step(self) -> None:
        """Steps once. Raises AssertionError where the answer is not that of this session's next step."""
        self._steps += 1
        seen = self._ask("step")
        assert (seen["session_hash"], seen["metadata"]["step_count"]) == (self._hash, self._steps)

    def _ask(self, kind: str) -> dict[str, Any]:
        self._connection.send(json.dumps({"type": kind, "data": {}}))
        observation: dict[str, Any] = json.loads(self._connection.recv(timeout=60))["data"]["observation"]
        return observation
