import gzip
import random
import zlib

import h11
import pytest

from loadtests.protocol.replies import MAX_MESSAGE_BYTES, OperationError
from loadtests.protocol.responses import Response, ResponseReader
from tests.loadtests.protocol.streams import in_pieces

STATUSES = (200, 200, 200, 201, 204, 304, 404, 422, 503)
WITHOUT_BODY = (204, 304)
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def random_response(rng: random.Random) -> bytes:
    """What a server may answer: lengths, chunks, bodies to the end, odd headers, interim responses."""

    def letters(name: str) -> str:
        return "".join(rng.choice([letter.lower(), letter.upper()]) for letter in name)

    def header(name: str, value: str) -> str:
        spaces = [rng.choice(["", " ", "\t "]) for _ in range(2)]
        return f"{letters(name)}:{spaces[0]}{value}{spaces[1]}\r\n"

    def some_headers() -> list[str]:
        choice = [
            header("X-Served-By", f"h:{rng.randrange(9)};pid=7"),
            header("Set-Cookie", f"a={rng.randrange(9)}; Path=/"),
            header("Date", "Fri, 27 Nov 2026 19:19:47 GMT"),
            header("X-Empty", ""),
            header("X-Text", "\xe9\xff: é, b"),
            header("X-Long", "x" * rng.randrange(40)),
        ]
        return rng.choices(choice, k=rng.randrange(7))

    def chunks(body: bytes) -> bytes:
        sent = b""
        while body:
            size = rng.randint(1, len(body))
            written = format(size, rng.choice(["x", "X", "04x"]))
            extension = rng.choice(["", ";a=1", ';a="b"'])
            sent += f"{written}{extension}\r\n".encode() + body[:size] + b"\r\n"
            body = body[size:]
        trailer = rng.choice(["", "", "X-Served-By: trailer\r\nSet-Cookie: c=trailer\r\n"])
        return sent + f"{rng.choice(['0', '000'])}\r\n{trailer}\r\n".encode()

    begin = ""
    while rng.random() < 0.15:
        begin += f"HTTP/1.1 {rng.choice([100, 102, 103])} Wait\r\n{''.join(some_headers())}\r\n"
    version = rng.choice(["1.1"] * 5 + ["1.0"])
    status = rng.choice(STATUSES)
    headers = some_headers()
    if version == "1.1" and rng.random() < 0.3:
        headers.append(header("Connection", rng.choice(["close", "Close, x", "keep-alive", "x, Keep-Alive"])))
    body = rng.randbytes(rng.choice([0, 1, 2, 300, 5000, 70000]))
    framing = rng.choice(["length", "length", "chunks", "to the end"])
    if status in WITHOUT_BODY:
        body = b""
        framing = rng.choice(["length", "to the end"])
    if framing == "length":
        headers.append(header("Content-Length", str(len(body))))
    elif framing == "chunks":
        # Neither parser keeps the value as it came; and llhttp knows no tab after it.
        headers.append(f"{letters('Transfer-Encoding')}: chunked{rng.choice(['', ' '])}\r\n")
        body = chunks(body)
    rng.shuffle(headers)
    reason = rng.choice([" OK", " ", "", " Not quite (é)"])
    head = f"{begin}HTTP/{version} {status}{reason}\r\n{''.join(headers)}\r\n"
    return head.encode("latin-1") + body


class Reference:
    """What h11 makes of a response."""

    def __init__(self) -> None:
        self.messages: list[Response] = []
        self.failed = False
        self._connection = h11.Connection(h11.CLIENT)
        self._connection.send(h11.Request(method="POST", target="/step", headers=[("Host", "h")]))
        self._connection.send(h11.EndOfMessage())
        self._head: h11.Response | None = None
        self._body = b""
        self._at_end = False

    def feed(self, data: bytes) -> None:
        """Reads what was received; nothing: its end."""
        if self.failed or self.messages:
            return
        self._at_end = not data
        try:
            self._connection.receive_data(data)
            while (event := self._connection.next_event()) is not h11.NEED_DATA:
                match event:
                    case h11.Response():
                        self._head = event
                    case h11.Data():
                        self._body += event.data
                    case h11.EndOfMessage():
                        self._end()
                        return
                    case h11.ConnectionClosed():
                        return
        except h11.RemoteProtocolError:
            self.failed = True

    def _end(self) -> None:
        assert self._head is not None
        headers = [(bytes(name), bytes(value)) for name, value in self._head.headers]
        cookies = [value for name, value in headers if name == b"set-cookie"]
        kept_alive = self._connection.their_state is h11.DONE and not self._at_end
        self.messages.append(Response(self._head.status_code, dict(headers), cookies, self._body, kept_alive))


def read(*pieces: bytes, ends: bool = False) -> ResponseReader:
    reader = ResponseReader()
    reader.expect()
    for piece in pieces:
        reader.feed(piece)
    if ends:
        reader.feed_eof()
    return reader


@pytest.mark.parametrize("seed", range(8))
def test_it_reads_what_h11_reads_however_the_stream_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        reference, reader = Reference(), read()
        stream = random_response(rng)
        if rng.random() < 0.25:
            stream = stream[: rng.randrange(len(stream))]
        for piece in in_pieces(stream, rng):
            reference.feed(piece)
            assert reader.feed(piece) is False
            assert reader.messages == reference.messages
            assert reader.failure is None
            assert reader.open
        reference.feed(b"")
        reader.feed_eof()
        assert reader.messages == reference.messages
        assert not reader.open


@pytest.mark.parametrize("seed", range(8))
def test_what_is_wrong_is_wrong_however_it_is_cut_and_never_read_in_another_way(seed: int) -> None:
    rng = random.Random(seed)
    wrong = 0
    for _ in range(100):
        stream = bytearray(random_response(rng)[:10000])
        for _ in range(rng.randint(1, 3)):
            stream[rng.randrange(min(300, len(stream)))] = rng.choice(b"\0\r\n :;,019aZ\xff")
        reference = Reference()
        reference.feed(bytes(stream))
        reference.feed(b"")
        whole = read(bytes(stream), ends=True)
        cut = read(*in_pieces(bytes(stream), rng), ends=True)
        assert cut.messages == whole.messages
        assert (cut.failure is None) == (whole.failure is None)
        if whole.messages and reference.messages:
            assert whole.messages == reference.messages
        wrong += whole.failure is not None
    assert wrong > 10


def test_responses_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.protocol.responses.MAX_MESSAGE_BYTES", len(PLAIN))
    reader = read(PLAIN)
    first = reader.messages.pop()
    reader.expect()
    reader.feed(PLAIN.replace(b"200", b"404"))
    assert (first.status, reader.messages[0].status, reader.open) == (200, 404, True)


@pytest.mark.parametrize(
    ("surplus", "is_reply"),
    [
        (PLAIN, True),
        (PLAIN + b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", True),
        (b"x", False),
        (b"\0", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", False),
    ],
)
def test_what_nobody_asked_for_ends_the_connection(surplus: bytes, is_reply: bool) -> None:
    at_once, later = read(PLAIN + surplus), read(PLAIN)
    later.feed(surplus)
    for reader in (at_once, later):
        assert [response.body for response in reader.messages] == [b"{}"]
        assert (reader.open, reader.failure, reader.unasked) == (False, None, is_reply)


def test_another_protocol_is_a_response_and_the_end() -> None:
    upgrade = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x00"
    for stream in (upgrade, b"HTTP/1.1 101 Switching\r\n\r\n"):
        reader = read(stream)
        assert (reader.messages[0].status, reader.open, reader.failure) == (101, False, None)


def test_a_response_in_too_many_bytes_is_refused() -> None:
    piece = b"x" * 2**20
    reader = read(b"HTTP/1.1 200 OK\r\n\r\n", *[piece] * (MAX_MESSAGE_BYTES // len(piece)))
    assert not reader.open
    assert "more than" in (reader.failure or "")


def response(body: bytes, coding: str) -> Response:
    return Response(200, {b"content-encoding": coding.encode()}, [], body, True)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0)),
        ("X-GZIP", gzip.compress(b"{}", mtime=0)),
        ("deflate", zlib.compress(b"{}")),
        ("deflate", zlib.compress(b"{}")[2:-4]),
        ("identity", b"{}"),
        ("Identity", b"{}"),
    ],
)
def test_content_codings_are_taken_off(coding: str, body: bytes) -> None:
    assert response(body, coding).content() == b"{}"


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        ("zstd", b"x", "zstd"),
        ("gzip", b"x", "decompressed"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-9], "cut short"),
        ("gzip", gzip.compress(bytes(MAX_MESSAGE_BYTES + 1), 1, mtime=0), "too large"),
    ],
)
def test_what_cannot_be_decompressed_is_no_reply(coding: str, body: bytes, why: str) -> None:
    with pytest.raises(OperationError) as raised:
        response(body, coding).content()
    assert (raised.value.category, why in raised.value.detail) == ("protocol", True)
