import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.calibration.arrival import received, stamp_arrivals


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
        listening.accept()[0] as server,
    ):
        yield client, server


def test_data_arrives_when_it_is_sent_and_not_when_it_is_read() -> None:
    with connected() as (client, server):
        stamp_arrivals(server)
        before = time.perf_counter()
        client.sendall(b"step")
        after = time.perf_counter()
        time.sleep(0.2)
        data, arrived = received(server)
        assert data == b"step"
        assert before - 0.001 <= arrived <= after + 0.001


def test_data_arrives_before_it_is_read_although_somebody_sets_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connected() as (client, server):
        stamp_arrivals(server)
        client.sendall(b"step")
        monkeypatch.setattr(time, "time_ns", lambda: 0)
        arrived = received(server)[1]
        assert arrived <= time.perf_counter()


def test_where_the_kernel_does_not_tell_data_arrives_when_it_is_read() -> None:
    with connected() as (client, server):
        client.sendall(b"step")
        time.sleep(0.01)
        before = time.perf_counter()
        assert received(server)[1] >= before


def test_the_end_and_a_wait_are_those_of_the_socket() -> None:
    with connected() as (client, server):
        stamp_arrivals(server)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            received(server)
        client.close()
        server.setblocking(True)
        assert received(server)[0] == b""
