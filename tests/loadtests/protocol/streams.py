"""Streams as a network may deliver them."""

import random
from collections.abc import Iterator


def in_pieces(stream: bytes, rng: random.Random) -> Iterator[bytes]:
    """Cut anywhere: at each byte, in pieces of some length, or not at all."""
    longest = rng.choice([1, 3, 130, 5000, 65536, len(stream) + 1])
    if longest < 130 and len(stream) > 8000:
        longest = 5000
    while stream:
        size = rng.randint(1, longest)
        yield stream[:size]
        stream = stream[size:]
