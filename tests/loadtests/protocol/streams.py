"""Streams as a network may deliver them."""

import random
from collections.abc import Callable, Iterator

import gevent


def in_pieces(stream: bytes, rng: random.Random) -> Iterator[bytes]:
    """Cut anywhere: at each byte, in pieces of some length, or not at all."""
    longest = rng.choice([1, 3, 130, 5000, 65536, len(stream) + 1])
    if longest < 130 and len(stream) > 8000:
        longest = 5000
    while stream:
        size = rng.randint(1, longest)
        yield stream[:size]
        stream = stream[size:]


def wait_until(happened: Callable[[], bool]) -> None:
    """Lets the hub go on until that has happened."""
    with gevent.Timeout(60):
        while not happened():
            gevent.sleep(0.01)
