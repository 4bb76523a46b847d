"""An OpenEnv server over WebSocket and HTTP, made by hand, with a fault on purpose on each of its paths."""

import asyncio
import itertools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import time
from typing import Any, Literal, get_args

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

Fault = Literal[
    "none",
    "shares_a_session",
    "loses_a_step",
    "answers_twice",
    "answers_twice_late",
    "moves_a_session",
    "reuses_a_hash",
    "waits_too_short",
    "reports_too_long_a_wait",
    "swaps_replies",
    "answers_out_of_order",
]

_EVERY = 5
"""Faults befall every fifth step of a session, over HTTP of the server."""
_LATE_S = 0.05
_PARTNER_S = 0.5
_TOO_MUCH_S = 0.2

Result = dict[str, Any]


@dataclass
class _Session:
    """One environment; `number` counts its steps, `step_count` is what it says."""

    session_hash: str
    pid: int = 1
    step_count: int = 0
    number: int = 0

    def result(self, waited_s: float) -> Result:
        observation = {
            "host_url": "http://broken:8000",
            "pid": self.pid,
            "session_hash": self.session_hash,
            "waited_seconds": waited_s,
            "timestamp": time(),
            "metadata": {"step_count": self.step_count},
        }
        return {"observation": observation, "reward": 0.5, "done": False}


@dataclass
class _Faulty:
    """The state of one path of the server."""

    fault: Fault
    shared: _Session = field(default_factory=lambda: _Session(os.urandom(8).hex()))
    worker_hash: str = field(default_factory=lambda: os.urandom(8).hex())
    over: list[str] = field(default_factory=list)
    """Hashes of sessions that are over."""
    parked: "list[tuple[Result, asyncio.Future[Result]]]" = field(default_factory=list)
    pids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    stateless_steps: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def connected(self) -> _Session:
        if self.fault == "shares_a_session":
            return self.shared
        if self.fault == "reuses_a_hash":
            return _Session(self.over.pop(0) if self.over else os.urandom(8).hex(), pid=next(self.pids))
        return _Session(os.urandom(8).hex())

    def stateless(self) -> _Session:
        if self.fault == "shares_a_session":
            return self.shared
        pid = next(self.pids) % 2 if self.fault == "moves_a_session" else 1
        return _Session(self.worker_hash, pid)

    async def reset(self, session: _Session) -> Result:
        session.step_count = session.number = 0
        return session.result(0.0)

    async def step(self, session: _Session, wait_s: float, *, over_http: bool) -> Result:
        number = session.number = next(self.stateless_steps) if over_http else session.number + 1
        befalls = number % _EVERY == 0
        if befalls and self.fault == "waits_too_short":
            wait_s /= 2
        await asyncio.sleep(wait_s)
        session.step_count += 1
        if befalls and self.fault == "loses_a_step":
            session.step_count += -1 if over_http else 1
        if befalls and self.fault == "moves_a_session" and not over_http:
            session.pid += 1
        result = session.result(wait_s)
        if befalls and self.fault == "reports_too_long_a_wait":
            result["observation"]["waited_seconds"] += _TOO_MUCH_S
        if self.fault == "answers_out_of_order" and not over_http:
            shift = {_EVERY - 2: 1, _EVERY - 1: -1}.get(number % _EVERY, 0)
            result["observation"]["metadata"]["step_count"] += shift
        return await self._swapped(result) if befalls and self.fault == "swaps_replies" else result

    async def _swapped(self, result: Result) -> Result:
        """The reply to another request that goes on, which gets this one instead."""
        if self.parked:
            other, waiting = self.parked.pop()
            waiting.set_result(result)
            return other
        swapped: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        place = (result, swapped)
        self.parked.append(place)
        await asyncio.wait([swapped], timeout=_PARTNER_S)
        if swapped.done():
            return swapped.result()
        self.parked.remove(place)
        return result


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def serve(self, servers: dict[str, _Faulty]) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await self._reader.readuntil(b"\r\n\r\n")
                _, path, _ = head.decode().split(" ", 2)
                _, fault, operation = path.split("/", 2)
                if operation == "ws":
                    await self._serve_session(head, servers[fault])
                    break
                if not await self._serve_request(head, operation, servers.get(fault)):
                    break
        self._writer.close()

    async def _serve_request(self, head: bytes, operation: str, server: _Faulty | None) -> bool:
        """Answers a request over HTTP. Returns whether another may follow."""
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await self._reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
        if server is None or operation not in ("reset", "step"):
            self._writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return True
        session = server.stateless()
        if operation == "reset":
            result = await server.reset(session)
        else:
            result = await server.step(session, json.loads(body)["action"]["wait_seconds"], over_http=True)
        befalls = operation == "step" and session.number % _EVERY == 0
        ends = befalls and server.fault == "reuses_a_hash"
        reply = json.dumps(result).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(reply)}\r\n".encode()
        await self._answer(server.fault, head + b"Connection: close\r\n" * ends + b"\r\n" + reply, befalls)
        return not ends

    async def _serve_session(self, head: bytes, server: _Faulty) -> None:
        """Holds a session over WebSocket."""
        protocol = ServerProtocol()
        protocol.receive_data(head)
        (request,) = protocol.events_received()
        assert isinstance(request, Request)
        protocol.send_response(protocol.accept(request))
        session = server.connected()
        while True:
            self._write_if_open(b"".join(protocol.data_to_send()))
            data = await self._reader.read(65536)
            if not data:
                break
            protocol.receive_data(data)
            for event in protocol.events_received():
                if not isinstance(event, Frame) or event.opcode is not Opcode.TEXT:
                    continue
                message = json.loads(bytes(event.data))
                befalls = message["type"] == "step" and (session.number + 1) % _EVERY == 0
                if befalls and server.fault == "reuses_a_hash":
                    server.over.append(session.session_hash)
                    return
                if message["type"] == "reset":
                    result = await server.reset(session)
                else:
                    result = await server.step(session, message["data"]["wait_seconds"], over_http=False)
                reply = json.dumps({"type": "observation", "data": result}).encode()
                await self._answer(server.fault, Frame(Opcode.TEXT, reply).serialize(mask=False), befalls)

    async def _answer(self, fault: Fault, reply: bytes, befalls: bool) -> None:
        self._write_if_open(reply * 2 if befalls and fault == "answers_twice" else reply)
        if befalls and fault == "answers_twice_late":
            asyncio.get_running_loop().call_later(_LATE_S, self._write_if_open, reply)

    def _write_if_open(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)


@contextmanager
def broken_server() -> Iterator[str]:
    """Gives its URL on 127.0.0.1; below it lies a server for each fault, at `/<fault>`."""
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = []
    ready = threading.Event()

    async def serve() -> None:
        servers = {fault: _Faulty(fault) for fault in get_args(Fault)}
        done = asyncio.Event()
        server = await asyncio.start_server(lambda *ends: _Connection(*ends).serve(servers), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        started.append((asyncio.get_running_loop(), done, f"http://127.0.0.1:{port}"))
        ready.set()
        await done.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    loop, done, url = started[0]
    yield url
    loop.call_soon_threadsafe(done.set)
    thread.join(10)
