"""Good clients, whose latencies tell what attacks do to others: `python -m tests.fuzz.users URL SECONDS`.

Each of 16 opens a session, steps 20 times with a little pause, and begins anew, for so long and until there
are enough steps, or one failed. At the end what they got is printed as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.fuzz.wire import PATIENCE_S

USERS = 16
STEPS = 20
PAUSE_S = 0.05
LEAST_STEPS = 200


@dataclass
class Experience:
    """Of all users: seconds of every connect and step that succeeded, and what went wrong."""

    connects: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def session(url: str, over: Callable[[], bool], seen: Experience) -> None:
    """One session. It fails where an answer is not that of its own next step."""
    begin = time.perf_counter()
    address = f"ws{url.removeprefix('http')}/ws"
    async with connect(address, open_timeout=PATIENCE_S, close_timeout=5) as connection:
        seen.connects.append(time.perf_counter() - begin)
        own = None
        for number in range(1, STEPS + 1):
            if over():
                return
            begin = time.perf_counter()
            await connection.send('{"type": "step", "data": {}}')
            observation = json.loads(await asyncio.wait_for(connection.recv(), PATIENCE_S))["data"][
                "observation"
            ]
            seen.steps.append(time.perf_counter() - begin)
            own = own or observation["session_hash"]
            if (observation["session_hash"], observation["metadata"]["step_count"]) != (own, number):
                seen.failures.append(f"step {number} of {own}: {observation}")
            await asyncio.sleep(PAUSE_S)


async def user(url: str, over: Callable[[], bool], seen: Experience) -> None:
    """One session after another."""
    while not over():
        try:
            await session(url, over, seen)
        except (OSError, TimeoutError, WebSocketException, KeyError, ValueError) as error:
            seen.failures.append(repr(error))
            await asyncio.sleep(PAUSE_S)


async def use(url: str, seconds: float) -> Experience:
    """All users, for so long and until there are enough steps, or one failed."""
    seen = Experience()
    until = time.monotonic() + seconds

    def over() -> bool:
        return time.monotonic() > until and (len(seen.steps) >= LEAST_STEPS or bool(seen.failures))

    await asyncio.gather(*(user(url, over, seen) for _ in range(USERS)))
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(use(sys.argv[1], float(sys.argv[2]))))))
