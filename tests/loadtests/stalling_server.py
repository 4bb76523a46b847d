"""A server that freezes for one second in every five: `python -m tests.loadtests.stalling_server PORT`.

It speaks as much of OpenEnv as a load test needs. A step takes it 10 ms.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

STEP_S = 0.01
STALL_S = 1.0
EVERY_S = 5.0
_ANSWERS = {
    "/health": {"status": "healthy"},
    "/schema": {
        "action": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "observation": {"type": "object"},
    },
}


def _answer(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == "/ws":
        return None
    found = _ANSWERS.get(request.path)
    return connection.respond(200 if found else 404, json.dumps(found))


async def _session(connection: ServerConnection) -> None:
    reply = json.dumps({"type": "observation", "data": {"observation": {}, "reward": 0.0, "done": False}})
    with suppress(ConnectionClosed):
        async for message in connection:
            if json.loads(message)["type"] == "step":
                await asyncio.sleep(STEP_S)
            await connection.send(reply)


async def _serve(port: int) -> None:
    async with serve(_session, "127.0.0.1", port, process_request=_answer, compression=None):
        while True:
            await asyncio.sleep(EVERY_S - STALL_S)
            time.sleep(STALL_S)  # noqa: ASYNC251 - the whole server


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
