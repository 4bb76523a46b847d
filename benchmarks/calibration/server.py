"""The reference server: speaks OpenEnv, over WebSocket and HTTP, takes known times to reply, and notes them.

`python -m benchmarks.calibration.server --reply-times lognormal:0.02:0.5 --seed 1 --truth truth.parquet`
prints the port on which it listens on 127.0.0.1. When its standard input ends, it writes the truth and ends.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import secrets
import signal
import socket
import sys
import time
from array import array
from http import HTTPStatus
from pathlib import Path

import httptools
import pyarrow as pa
import pyarrow.parquet as pq
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.calibration.arrival import received, stamp_arrivals
from benchmarks.calibration.fine_selector import FineSelector
from benchmarks.calibration.reply_times import ReplyTimes, parse_reply_times
from benchmarks.calibration.witness import Lateness, witness
from loadtests.clock import unix_time
from loadtests.deployments.ports import LOOPBACK
from reports.records.truth import TRUTH

_PAGES = {
    "/health": {"status": "healthy"},
    "/metadata": {"name": "reference", "version": "1"},
    "/schema": {"action": {"type": "object"}, "observation": {"type": "object"}},
}


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Truth:
    """The steps that were answered, a row each."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self._session, self._step = array("i"), array("q")
        self._arrived, self._took, self._late = array("d"), array("d"), array("d")
        self._cpu_began_s = self._cpu_s = self._first = self._last = 0.0

    def add(self, session: int, step: int, arrived: float, took_s: float, late_s: float) -> None:
        """Notes a step of a session, which arrived at a moment of `time.perf_counter`."""
        self._cpu_s = time.process_time()
        if not self._first:
            self._first, self._cpu_began_s = arrived, self._cpu_s
        self._last = arrived + took_s
        self._session.append(session)
        self._step.append(step)
        self._arrived.append(arrived)
        self._took.append(took_s)
        self._late.append(late_s)

    def write(self, path: Path, woken: Lateness) -> None:
        """Writes what was noted, and how late the machine woke up a witness meanwhile."""
        length_s = self._last - self._first
        cores = (self._cpu_s - self._cpu_began_s) / length_s if length_s else 0.0
        names = pa.array(self.sessions, pa.string())
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(self._session, pa.int32()), names),
            pa.array(self._step, pa.int64()),
            pa.array(map(unix_time, self._arrived), pa.float64()),
            pa.array(self._took, pa.float64()),
            pa.array(self._late, pa.float64()),
        ]
        schema = TRUTH.with_metadata(
            {"cpu_cores": str(cores), "woken_p50_s": str(woken.p50), "woken_p99_s": str(woken.p99)}
        )
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)


class Reference:
    """What all sessions share: the reply times, and the truth about them."""

    def __init__(self, reply_times: ReplyTimes, seed: int) -> None:
        self.truth = Truth()
        self._reply_times = reply_times
        self._chance = random.Random(seed)
        self._start = time.perf_counter()

    def due(self, arrived: float) -> float:
        """When the reply to what arrived is due, both as `time.perf_counter` counts."""
        return self._start + self._reply_times.due(arrived - self._start, self._chance)


class Session:
    """One connection: a WebSocket with a session of its own, steps over HTTP, or one question.

    Over HTTP a connection counts as a session, too, so that each step can be matched. It reads its socket
    itself, because the kernel tells only then when a request arrived.
    """

    def __init__(self, reference: Reference, connection: socket.socket) -> None:
        self._reference = reference
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._protocol = ServerProtocol()
        self._requests: httptools.HttpRequestParser | None = None
        """Reads what is posted; None: it is a WebSocket, or a question."""
        self._path = b""
        self._arrived = 0.0
        self._hash = secrets.token_hex(8)
        self._steps = 0
        host, port = connection.getsockname()
        self._who = (
            f'"host_url": "http://{host}:{port}", "pid": {os.getpid()}, "session_hash": "{self._hash}"'
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp_arrivals(connection)
        self._loop.add_reader(connection, self._read)

    def close(self) -> None:
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection)
            self._connection.close()

    def _read(self) -> None:
        try:
            data, arrived = received(self._connection)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self.close()
            return
        if self._requests is None and data.startswith(b"POST "):
            self._requests = httptools.HttpRequestParser(self)
            self._begin()
        if self._requests is not None:
            self._arrived = arrived
            self._requests.feed_data(data)
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._greet(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._take(json.loads(bytes(event.data))["type"], arrived)
        self._send()

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
        self._take(self._path.removeprefix(b"/").decode(), self._arrived)

    def _begin(self) -> None:
        self._number = len(self._reference.truth.sessions)
        self._reference.truth.sessions.append(self._hash)

    def _greet(self, request: Request) -> None:
        if request.path == "/ws":
            self._begin()
            self._protocol.send_response(self._protocol.accept(request))
            return
        page = _PAGES.get(request.path)
        status = HTTPStatus.NOT_FOUND if page is None else HTTPStatus.OK
        self._protocol.send_response(self._protocol.reject(status, json.dumps(page)))

    def _take(self, what: str, arrived: float) -> None:
        if what == "reset":
            self._steps = 0
            self._write(self._observation(0.0))
        elif what == "step":
            self._steps += 1
            due = self._reference.due(arrived)
            if due <= time.perf_counter():
                self._reply(arrived, due)
            else:
                self._loop.call_at(due, self._reply, arrived, due)

    def _reply(self, arrived: float, due: float) -> None:
        if self._connection.fileno() < 0:
            return
        took_s = time.perf_counter() - arrived
        reply = self._observation(took_s)
        # Before the kernel has it: it may wake up the client before it comes back to us.
        written = time.perf_counter()
        if self._write(reply):
            late_s = written - max(due, arrived)
            self._reference.truth.add(self._number, self._steps, arrived, written - arrived, late_s)

    def _observation(self, waited_s: float) -> bytes:
        """A reply as it is sent."""
        result = (
            f'{{"observation": {{{self._who}, "waited_seconds": {waited_s!r}, "timestamp": {time.time()!r}, '
            f'"metadata": {{"step_count": {self._steps}}}}}, "reward": null, "done": false}}'
        ).encode()
        if self._requests is not None:
            return _HEAD % len(result) + result
        self._protocol.send_text(b'{"type": "observation", "data": %b}' % result)
        return b"".join(self._protocol.data_to_send())

    def _send(self) -> None:
        for data in self._protocol.data_to_send():
            if not (data and self._write(data)):
                self.close()
                return

    def _write(self, data: bytes) -> bool:
        """Hands data to the kernel; False where the client has gone, or does not read its replies."""
        try:
            self._connection.sendall(data)
        except OSError:
            self.close()
            return False
        return True


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose clock is `time.perf_counter`."""

    def time(self) -> float:
        return time.perf_counter()


async def serve(reference: Reference) -> None:
    """Serves until standard input ends; prints the port first."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    with socket.create_server((LOOPBACK, 0), backlog=4096) as listening:
        listening.setblocking(False)
        loop.add_reader(listening, _accept, reference, listening)
        loop.add_reader(sys.stdin.fileno(), ended.set)
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        await ended.wait()
        loop.remove_reader(listening)


def _accept(reference: Reference, listening: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listening.accept()
            connection.setblocking(False)
            Session(reference, connection)


def main() -> None:
    """Serves, and writes the truth at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.server", description=__doc__)
    parser.add_argument("--reply-times", required=True, type=parse_reply_times)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--truth", required=True, type=Path)
    options = parser.parse_args()
    # Ctrl-C is for who started it, and ends the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    reference = Reference(options.reply_times, options.seed)
    with witness() as woken, asyncio.Runner(loop_factory=lambda: _Loop(FineSelector())) as runner:
        runner.run(serve(reference))
    reference.truth.write(options.truth, woken)


if __name__ == "__main__":
    main()
