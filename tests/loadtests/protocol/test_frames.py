import random
from collections.abc import Iterator

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from websockets.utils import apply_mask

from loadtests.protocol.frames import MessageReader, TextFrame
from loadtests.protocol.replies import MAX_MESSAGE_BYTES
from tests.loadtests.protocol.streams import in_pieces

LENGTHS = (0, 1, 5, 124, 125, 126, 127, 300, 65535, 65536, 70000)


def connection() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://127.0.0.1/ws"), state=State.OPEN, max_size=MAX_MESSAGE_BYTES)


def reader_of(protocol: ClientProtocol) -> MessageReader:
    return MessageReader(lambda: protocol)


def frame(
    opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = False
) -> bytes:
    first = bytes([fin << 7 | reserved << 4 | opcode])
    size, mask = len(data), masked << 7
    if size < 126:
        head = first + bytes([mask | size])
    elif size < 65536:
        head = first + bytes([mask | 126]) + size.to_bytes(2)
    else:
        head = first + bytes([mask | 127]) + size.to_bytes(8)
    return head + b"abcd" + apply_mask(data, b"abcd") if masked else head + data


def random_frames(rng: random.Random) -> Iterator[bytes]:
    """What a server may send: messages, some in fragments with control frames between them, and errors."""

    def some_bytes(longest: int = 70000) -> bytes:
        return rng.randbytes(rng.choice([length for length in LENGTHS if length <= longest]))

    def data(opcode: int, fin: bool) -> bytes:
        return frame(opcode, some_bytes(), fin=fin)

    def control() -> bytes:
        return frame(rng.choice([Opcode.PING, Opcode.PONG]), some_bytes(125))

    def close() -> bytes:
        return frame(
            Opcode.CLOSE, rng.choice([b"", Close(1012, "restart").serialize(), b"\x03", some_bytes(125)])
        )

    def error() -> bytes:
        return rng.choice(
            [
                frame(rng.randrange(16), some_bytes(), fin=rng.random() < 0.5, reserved=rng.randrange(8)),
                frame(Opcode.TEXT, some_bytes(), masked=True),
                frame(Opcode.PING, rng.randbytes(rng.choice([126, 65536]))),
                frame(Opcode.PING, b"x", fin=False),
                frame(Opcode.CONT, some_bytes()),
                bytes([0x81, 127])
                + rng.choice([MAX_MESSAGE_BYTES + 1, 2**63, 2**64 - 1]).to_bytes(8)
                + b"x" * 9,
                rng.randbytes(20),
            ]
        )

    for _ in range(rng.randrange(1, 9)):
        kind = rng.random()
        if kind < 0.5:
            yield data(rng.choice([Opcode.TEXT, Opcode.BINARY]), fin=True)
        elif kind < 0.7:
            yield data(rng.choice([Opcode.TEXT, Opcode.BINARY]), fin=False)
            for _ in range(rng.randrange(3)):
                yield control() if rng.random() < 0.5 else data(Opcode.CONT, fin=False)
            yield data(Opcode.CONT if rng.random() < 0.8 else Opcode.TEXT, fin=True)
        elif kind < 0.85:
            yield control()
        elif kind < 0.9:
            yield close()
        elif kind < 0.95:
            yield error()


def received(frames: list[bytes], rng: random.Random) -> Iterator[bytes]:
    """A frame at a time, or cut anywhere, and perhaps cut short."""
    if rng.random() < 0.4:
        yield from frames
        return
    stream = b"".join(frames)
    if rng.random() < 0.2:
        stream = stream[: rng.randrange(len(stream) + 1)]
    yield from in_pieces(stream, rng)


class Reference:
    """What `websockets` itself makes of a stream."""

    def __init__(self) -> None:
        self.protocol = connection()
        self.messages: list[bytes] = []
        self._fragments: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._fragments.append(bytes(event.data))
                if event.fin:
                    self.messages.append(b"".join(self._fragments))
                    self._fragments.clear()


def said(protocol: ClientProtocol) -> list[Frame]:
    """The frames that a client sent, without their masks."""
    frames = []
    for data in protocol.data_to_send():
        if data:
            size = data[1] & 0x7F
            start = 4 if size == 126 else 2
            frames.append(Frame(Opcode(data[0] & 15), apply_mask(data[start + 4 :], data[start : start + 4])))
    return frames


def outcome(protocol: ClientProtocol) -> tuple[object, ...]:
    error = protocol.parser_exc
    return (
        protocol.state,
        type(error),
        # How much of a frame came before the end is told differently, and told to nobody.
        None if isinstance(error, EOFError) else str(error),
        protocol.close_rcvd,
        protocol.close_sent,
        protocol.close_rcvd_then_sent,
    )


@pytest.mark.parametrize("seed", range(8))
def test_it_reads_what_websockets_reads_however_the_stream_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        reference, protocol = Reference(), connection()
        reader = reader_of(protocol)
        for piece in received(list(random_frames(rng)), rng):
            reference.feed(piece)
            told = reader.feed(piece)
            assert reader.messages == reference.messages
            assert reader.open == (reference.protocol.state is State.OPEN)
            assert outcome(protocol) == outcome(reference.protocol)
            answers = said(protocol)
            assert answers == said(reference.protocol)
            assert told or not answers
        reference.protocol.receive_eof()
        reader.feed_eof()
        assert not reader.open
        assert outcome(protocol) == outcome(reference.protocol)


def test_a_message_in_too_many_bytes_is_refused_before_they_come() -> None:
    protocol = connection()
    reader = reader_of(protocol)
    reader.feed(frame(Opcode.TEXT, b"x" * 10, fin=False))
    reader.feed(bytes([0x80, 127]) + (MAX_MESSAGE_BYTES - 9).to_bytes(8))
    assert not reader.open
    assert "exceeds limit" in str(protocol.parser_exc)


@pytest.mark.parametrize("mark", [126, 127, 128, 200, 255])
def test_a_piece_that_is_as_long_as_a_mark_of_its_length_is_no_message(mark: int) -> None:
    piece = bytes([0x81, mark]) + bytes(mark)
    protocol, reference = connection(), Reference()
    reader = reader_of(protocol)
    reader.feed(piece)
    reference.feed(piece)
    assert reader.messages == reference.messages
    assert outcome(protocol) == outcome(reference.protocol)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_message_is_framed_as_websockets_reads_it(length: int) -> None:
    message = random.Random(length).randbytes(length)
    framed = TextFrame.of(message)
    server = ServerProtocol(state=State.OPEN, max_size=None)
    server.receive_data(framed)
    assert server.events_received() == [Frame(Opcode.TEXT, message)]
