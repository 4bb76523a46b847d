import random
from collections.abc import Iterator

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from loadtests.protocol.handshake import new_key, opening, plain_reply, websocket_uri

URL = "http://127.0.0.1:8000"


def reply(key: bytes, *, status: bytes = b"HTTP/1.1 101 Switching Protocols", more: bytes = b"") -> bytes:
    accept = accept_key(key.decode()).encode()
    return (
        status + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n"
        b"x-served-by: 127.0.0.1:18001;pid=7\r\nX-Upstream: 127.0.0.1:18001\r\n" + more + b"\r\n"
    )


def in_full(received: bytes, key: bytes) -> ClientProtocol:
    """What `websockets` makes of a reply."""
    protocol = ClientProtocol(websocket_uri(URL))
    protocol.key = key.decode()
    protocol.receive_data(received)
    return protocol


def test_a_request_is_what_websockets_sends() -> None:
    protocol = ClientProtocol(websocket_uri(URL))
    request = opening(URL, {})
    assert request.before + protocol.key.encode() + request.after == protocol.connect().serialize()


def test_given_headers_take_precedence() -> None:
    request = opening(URL, {"Authorization": "Bearer a", "User-Agent": "mine"})
    server = ServerProtocol()
    server.receive_data(request.before + new_key() + request.after)
    (received,) = server.events_received()
    assert isinstance(received, Request)
    assert received.headers.get_all("authorization") == ["Bearer a"]
    assert received.headers.get_all("user-agent") == ["mine"]
    assert server.accept(received).status_code == 101


def test_each_handshake_has_a_key_of_its_own() -> None:
    assert len({new_key() for _ in range(100)}) == 100


def test_a_plain_reply_gives_its_headers_and_what_came_behind_it() -> None:
    key = new_key()
    plain = plain_reply(reply(key) + b"\x81\x02{}", key)
    assert plain is not None
    headers, after = plain
    assert headers[b"x-served-by"] == b"127.0.0.1:18001;pid=7"
    assert headers[b"x-upstream"] == b"127.0.0.1:18001"
    assert after == b"\x81\x02{}"


@pytest.mark.parametrize(
    "received",
    [
        reply(new_key()),  # that of another key
        reply(b"k", status=b"HTTP/1.1 200 OK"),
        reply(b"k", status=b"HTTP/1.0 101 Switching Protocols"),
        reply(b"k", more=b"Sec-WebSocket-Protocol: chat\r\n"),
        reply(b"k", more=b"Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        reply(b"k", more=b"Sec-WebSocket-Accept: again\r\n"),
        reply(b"k", more=b"Upgrade: h2c\r\n"),
        reply(b"k", more=b" folded\r\n"),
        reply(b"k", more=b"no header\r\n"),
        reply(b"k", more=b"Odd : name\r\n"),
        reply(b"k").replace(b"\r\n", b"\n"),
        reply(b"k")[:-1],
        b"",
    ],
)
def test_all_other_replies_are_left_to_websockets(received: bytes) -> None:
    assert plain_reply(received, b"k") is None


def spoilt(rng: random.Random, key: bytes) -> Iterator[bytes]:
    """Replies, most of them spoilt in a way or two."""
    parts = [
        *(b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 101 ", b"HTTP/1.1 101", b"HTTP/1.1 404 Not Found"),
        *(b"Upgrade: websocket", b"upgrade:WebSocket", b"Upgrade: h2c", b"Upgrade: websocket, h2c"),
        *(b"Connection: Upgrade", b"connection: keep-alive, upgrade", b"Connection: close"),
        *(b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode(), b"Sec-WebSocket-Accept: bm8="),
        *(b"Sec-WebSocket-Protocol: a", b"Sec-WebSocket-Extensions: b", b"Content-Length: 3", b"X-A:"),
        *(
            b"X-Served-By: h:1;pid=2",
            b"x-served-by: \t h:3 \t",
            b"X-\xe4: 1",
            b"X-B: \xe4",
            b"X-C: \x01",
            b": d",
        ),
    ]
    begin = [parts[0], parts[4], parts[8], parts[11]]
    for _ in range(2000):
        lines = list(begin)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            match rng.randrange(4):
                case 0:
                    lines.insert(rng.randint(1, len(lines)), rng.choice(parts[4:]))
                case 1:
                    lines[rng.randrange(len(lines))] = rng.choice(parts)
                case 2 if len(lines) > 1:
                    del lines[rng.randrange(len(lines))]
                case _:
                    at = rng.randrange(len(lines))
                    line = bytearray(lines[at])
                    line[rng.randrange(len(line))] = rng.choice(b"\r\n\t :\x00\x7f\xffaA0,;")
                    lines[at] = bytes(line)
        data = b"\r\n".join((*lines, b"", b""))
        yield (
            data[: rng.randint(0, len(data))]
            if rng.random() < 0.1
            else data + rng.choice((b"", b"\x81\x01x"))
        )


@pytest.mark.parametrize("seed", range(4))
def test_what_is_read_as_plain_is_what_websockets_reads(seed: int) -> None:
    rng = random.Random(seed)
    key = new_key()
    accepted = plain_ones = 0
    for received in spoilt(rng, key):
        protocol = in_full(received, key)
        plain = plain_reply(received, key)
        accepted += protocol.state is State.OPEN
        if plain is None:
            continue
        plain_ones += 1
        headers, after = plain
        assert protocol.state is State.OPEN, received
        response, *_ = protocol.events_received()
        assert isinstance(response, Response)
        assert not response.body
        read = {
            name.lower().encode(): value.encode("latin-1") for name, value in response.headers.raw_items()
        }
        assert headers == read
        assert received.endswith(b"\r\n\r\n" + after)
    assert accepted * 0.5 < plain_ones <= accepted
    assert plain_ones > 500


def test_websockets_is_right_about_what_is_not_plain() -> None:
    key = new_key()
    for more in (b"Sec-WebSocket-Protocol: chat\r\n", b"Sec-WebSocket-Extensions: permessage-deflate\r\n"):
        error = in_full(reply(key, more=more), key).handshake_exc
        assert isinstance(error, InvalidHandshake)
