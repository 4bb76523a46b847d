"""Clients that want to keep a server busy: `python -m tests.fuzz.attacks NAME:PORT:COUNT…`.

So many of them attack 127.0.0.1 at once, and hold on for as long as the server lets them, or until the end of
the standard input. Then what became of them is printed as JSON.
"""

import asyncio
import json
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from tests.fuzz.wire import TEXT, frame, handshake

SLOWLY_S = 1.0
"""Between two bytes of a slow client."""
BODY = b"POST /step HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
GET = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n"
RESET = frame(TEXT, b'{"type": "reset"}')


@dataclass
class Outcome:
    """What became of the clients of one attack."""

    attack: str
    port: int
    clients: int
    ended: int = 0
    """Those that saw the server end their connection."""
    longest_s: float = 0.0
    """That one of these held on."""
    answers: dict[str, int] = field(default_factory=dict)
    """What these read first, or `nothing`, and how many."""


Pieces = AsyncIterator[bytes]


async def silent() -> Pieces:
    """Connects, and sends nothing."""
    return
    yield


async def slow_head() -> Pieces:
    async for each in _slowly(handshake()):
        yield each


async def slow_body() -> Pieces:
    yield BODY + b"Content-Length: 1000\r\n\r\n"
    async for each in _slowly(b'{"action": {' + b" " * 988):
        yield each


async def half_a_body() -> Pieces:
    yield BODY + b'Content-Length: 1000\r\n\r\n{"action"'


async def slow_frame() -> Pieces:
    yield handshake()
    await asyncio.sleep(0.5)
    async for each in _slowly(frame(TEXT, b" " * 1000)):
        yield each


async def mute() -> Pieces:
    """Opens a session, and is never heard of again: a client that has lost its network looks like that."""
    yield handshake()


async def deaf() -> Pieces:
    """Opens a session, sends messages, and reads none of the replies."""
    yield handshake()
    await asyncio.sleep(0.5)
    for _ in range(200):
        yield RESET * 100


async def deaf_requests() -> Pieces:
    """Sends requests, and reads none of the responses."""
    yield (GET + b"\r\n") * 500


async def pings() -> Pieces:
    """Opens a session, and sends pings without reading what answers them."""
    yield handshake()
    await asyncio.sleep(0.5)
    for _ in range(200):
        yield frame(9, bytes(125)) * 500


async def long_header() -> Pieces:
    yield GET + b"X-A: " + b"a" * 65536 + b"\r\n\r\n"


async def endless_header() -> Pieces:
    yield GET + b"X-A: "
    for _ in range(200):
        yield b"a" * 65536


async def many_headers() -> Pieces:
    yield GET + b"".join(b"X-%d: a\r\n" % number for number in range(10_000)) + b"\r\n"


async def many_headers_of_a_handshake() -> Pieces:
    yield handshake(*(f"X-{number}: a" for number in range(200)))


async def long_body() -> Pieces:
    yield BODY + b"Content-Length: 1000000000\r\n\r\n"
    for _ in range(200):
        yield b" " * 65536


async def endless_body() -> Pieces:
    yield BODY + b"Transfer-Encoding: chunked\r\n\r\n"
    for _ in range(200):
        yield b"10000\r\n" + b" " * 65536 + b"\r\n"


async def empty_lines() -> Pieces:
    """Sends an answered request, and then what is neither another nor nothing."""
    yield GET + b"\r\n"
    while True:
        await asyncio.sleep(SLOWLY_S)
        yield b"\r\n"


async def _slowly(data: bytes) -> Pieces:
    for byte in data:
        yield bytes((byte,))
        await asyncio.sleep(SLOWLY_S)


ATTACKS: dict[str, Callable[[], Pieces]] = {
    each.__name__: each
    for each in (
        silent,
        slow_head,
        slow_body,
        half_a_body,
        slow_frame,
        mute,
        deaf,
        deaf_requests,
        pings,
        long_header,
        endless_header,
        many_headers,
        many_headers_of_a_handshake,
        long_body,
        endless_body,
        empty_lines,
    )
}
LAST_WORDS_S = 30.0
NOT_READING = {"deaf", "deaf_requests", "pings"}


async def attack(outcome: Outcome) -> None:
    """One client, for as long as the server lets it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begin = time.monotonic()
        with suppress(OSError):
            await loop.sock_connect(connection, ("127.0.0.1", outcome.port))
        sending = asyncio.create_task(_send(connection, ATTACKS[outcome.attack]()))
        try:
            if outcome.attack in NOT_READING:
                # It does not learn of its end.
                await asyncio.Event().wait()
            first = await _first_line(connection)
        finally:
            sending.cancel()
    outcome.ended += 1
    outcome.longest_s = max(outcome.longest_s, time.monotonic() - begin)
    outcome.answers[first] = outcome.answers.get(first, 0) + 1


async def _send(connection: socket.socket, pieces: Pieces) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        async for piece in pieces:
            await loop.sock_sendall(connection, piece)


async def _first_line(connection: socket.socket) -> str:
    """The first line of what the server sends; returns when it has ended the connection."""
    loop = asyncio.get_running_loop()
    first = ""
    with suppress(OSError):
        while data := await loop.sock_recv(connection, 65536):
            first = first or data.partition(b"\r\n")[0].decode("latin-1")
    return first or "nothing"


async def attack_all(outcomes: list[Outcome]) -> None:
    """All at once, until the end of the standard input."""
    clients = {asyncio.create_task(attack(each)): each for each in outcomes for _ in range(each.clients)}
    await asyncio.to_thread(sys.stdin.read)
    # What the server has ended by now may not have been read yet.
    reading = [client for client, each in clients.items() if each.attack not in NOT_READING]
    if reading:
        await asyncio.wait(reading, timeout=LAST_WORDS_S)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


def main() -> None:
    """Attacks as the arguments say."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    outcomes = []
    for argument in sys.argv[1:]:
        name, port, count = argument.split(":")
        outcomes.append(Outcome(name, int(port), int(count)))
    asyncio.run(attack_all(outcomes))
    sys.stdout.write(json.dumps([asdict(each) for each in outcomes]))


if __name__ == "__main__":
    main()
