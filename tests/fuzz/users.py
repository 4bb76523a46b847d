"""Good clients, whose latencies tell what attacks do to others: `python -m tests.fuzz.users URL SECONDS`.

Each of 16 opens a session, steps 20 times with a little pause, and begins anew. At the end what they got is
printed as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

USERS = 16
STEPS = 20
PAUSE_S = 0.05


@dataclass
class Experience:
    """Of all users: seconds of every connect and step that succeeded, and what went wrong."""

    connects: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def session(url: str, seen: Experience) -> None:
    """One session. It fails where an answer is not that of its own next step."""
    begin = time.perf_counter()
    async with connect(f"ws{url.removeprefix('http')}/ws", open_timeout=60, close_timeout=5) as connection:
        seen.connects.append(time.perf_counter() - begin)
        own = None
        for number in range(1, STEPS + 1):
            begin = time.perf_counter()
            await connection.send('{"type": "step", "data": {}}')
            observation = json.loads(await asyncio.wait_for(connection.recv(), 60))["data"]["observation"]
            seen.steps.append(time.perf_counter() - begin)
            own = own or observation["session_hash"]
            if (observation["session_hash"], observation["metadata"]["step_count"]) != (own, number):
                seen.failures.append(f"step {number} of {own}: {observation}")
            await asyncio.sleep(PAUSE_S)


async def user(url: str, until: float, seen: Experience) -> None:
    """One session after another, at least one, and each to its end."""
    while True:
        try:
            await session(url, seen)
        except (OSError, TimeoutError, WebSocketException, KeyError, ValueError) as error:
            seen.failures.append(repr(error))
            await asyncio.sleep(PAUSE_S)
        if time.monotonic() > until:
            return


async def use(url: str, seconds: float) -> Experience:
    """All users, for so long, and until their last sessions are over."""
    seen = Experience()
    until = time.monotonic() + seconds
    await asyncio.gather(*(user(url, until, seen) for _ in range(USERS)))
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(use(sys.argv[1], float(sys.argv[2]))))))
