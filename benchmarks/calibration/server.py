"""The reference server: speaks OpenEnv over WebSocket, takes known times to reply, and notes what they were.

`python -m benchmarks.calibration.server --reply-times lognormal:0.02:0.5 --seed 1 --truth truth.parquet`
prints the port on which it listens on 127.0.0.1. When its standard input ends, it writes the truth and ends.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import secrets
import signal
import sys
import time
from array import array
from http import HTTPStatus
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

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


class Truth:
    """The steps that were answered, a row each."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self._session, self._step = array("i"), array("q")
        self._read, self._took, self._late = array("d"), array("d"), array("d")
        self._cpu_s = self._first = self._last = 0.0

    def add(self, session: int, step: int, read: float, took_s: float, late_s: float) -> None:
        """Notes a step of a session, read at a moment of `time.perf_counter`."""
        if not self._first:
            self._first, self._cpu_s = read, time.process_time()
        self._last = read + took_s
        self._session.append(session)
        self._step.append(step)
        self._read.append(read)
        self._took.append(took_s)
        self._late.append(late_s)

    def write(self, path: Path, woken: Lateness) -> None:
        """Writes what was noted, and how late the machine woke up a witness meanwhile."""
        length_s = self._last - self._first
        cores = (time.process_time() - self._cpu_s) / length_s if length_s else 0.0
        names = pa.array(self.sessions, pa.string())
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(self._session, pa.int32()), names),
            pa.array(self._step, pa.int64()),
            pa.array(map(unix_time, self._read), pa.float64()),
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

    def due(self, read: float) -> float:
        """When the reply to what was read is due, as `time.perf_counter` counts."""
        return self._start + self._reply_times.due(read - self._start, self._chance)


class Session(asyncio.Protocol):
    """One connection: a WebSocket with a session of its own, or one question over HTTP."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._loop = asyncio.get_running_loop()
        self._protocol = ServerProtocol()
        self._hash = secrets.token_hex(8)
        self._steps = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self._who = (
            f'"host_url": "http://{host}:{port}", "pid": {os.getpid()}, "session_hash": "{self._hash}"'
        )

    def data_received(self, data: bytes) -> None:
        read = time.perf_counter()
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._greet(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._take(json.loads(bytes(event.data)), read)
        self._send()

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def _greet(self, request: Request) -> None:
        if request.path == "/ws":
            self._number = len(self._reference.truth.sessions)
            self._reference.truth.sessions.append(self._hash)
            self._protocol.send_response(self._protocol.accept(request))
            return
        page = _PAGES.get(request.path)
        status = HTTPStatus.NOT_FOUND if page is None else HTTPStatus.OK
        self._protocol.send_response(self._protocol.reject(status, json.dumps(page)))

    def _take(self, message: dict[str, object], read: float) -> None:
        if message["type"] == "reset":
            self._steps = 0
            self._protocol.send_text(self._observation(0.0))
        elif message["type"] == "step":
            self._steps += 1
            due = self._reference.due(read)
            if due <= time.perf_counter():
                self._reply(read, due)
            else:
                self._loop.call_at(due, self._reply, read, due)

    def _reply(self, read: float, due: float) -> None:
        if self._transport.is_closing():
            return
        took_s = time.perf_counter() - read
        self._protocol.send_text(self._observation(took_s))
        reply = b"".join(self._protocol.data_to_send())
        # Before the kernel has it: it may wake up the client before it comes back to us.
        written = time.perf_counter()
        self._transport.write(reply)
        self._reference.truth.add(self._number, self._steps, read, written - read, written - max(due, read))

    def _observation(self, waited_s: float) -> bytes:
        return (
            f'{{"type": "observation", "data": {{"observation": {{{self._who}, '
            f'"waited_seconds": {waited_s!r}, "timestamp": {time.time()!r}, '
            f'"metadata": {{"step_count": {self._steps}}}}}, "reward": null, '
            '"done": false}}'
        ).encode()

    def _send(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose clock is `time.perf_counter`."""

    def time(self) -> float:
        return time.perf_counter()


async def serve(reference: Reference) -> None:
    """Serves until standard input ends; prints the port first."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    server = await loop.create_server(lambda: Session(reference), LOOPBACK, 0, backlog=4096)
    loop.add_reader(sys.stdin.fileno(), ended.set)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()


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
