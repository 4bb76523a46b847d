import select
import time

import pytest

from benchmarks.calibration.arrival import received, stamp_arrivals
from tests.benchmarks.calibration.stamps import connected, stamped

CLOCKS_S = 0.001


def test_data_arrives_when_it_is_sent_and_not_when_it_is_read() -> None:
    with stamped() as (client, server):
        before = time.perf_counter()
        client.sendall(b"step")
        select.select([server], [], [])
        after = time.perf_counter()
        time.sleep(0.2)
        data, arrived = received(server)
        assert data == b"step"
        assert before - CLOCKS_S <= arrived <= after + CLOCKS_S


@pytest.mark.parametrize("clock", ["time_ns", "perf_counter"])
def test_data_arrives_no_earlier_or_later_where_the_reader_is_held_up_between_two_clocks(
    clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def held_up(name: str) -> object:
        read = getattr(time, name)

        def reading() -> object:
            reads.append(name)
            if name == clock and reads.count(name) <= 2:
                time.sleep(0.05)
            return read()

        return reading

    with stamped() as (client, server):
        before = time.perf_counter()
        client.sendall(b"step")
        select.select([server], [], [])
        after = time.perf_counter()
        with monkeypatch.context() as patch:
            for name in ("time_ns", "perf_counter"):
                patch.setattr(time, name, held_up(name))
            arrived = received(server)[1]
        assert reads.count(clock) > 2
        assert before - CLOCKS_S <= arrived <= after + CLOCKS_S


def test_data_arrives_before_it_is_read_although_somebody_sets_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stamped() as (client, server):
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
