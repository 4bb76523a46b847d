"""What a client may send over WebSocket, bad and good, and what the server has to do about it."""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.conftest import MAX_MESSAGE_BYTES, MAX_WAIT_SECONDS
from tests.fuzz.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

PROTOCOL_ERROR, NOT_UTF8, TOO_BIG = 1002, 1007, 1009


@dataclass(frozen=True)
class Input:
    """Bytes for an open session."""

    kind: str
    data: bytes
    replies: int = 0
    """Texts that answer it, if it leaves the session open."""
    pongs: tuple[bytes, ...] = ()
    codes: tuple[int, ...] = ()
    """Those that may close the session; none leaves it open."""


def sent(kind: str, message: str, data: bytes | None = None, pongs: tuple[bytes, ...] = ()) -> Input:
    """A message, in one frame unless `data` has other ones; it may ask for the end of the session."""
    data = frame(TEXT, message.encode()) if data is None else data
    if _is_goodbye(message):
        return Input(kind, data, codes=(1000,))
    return Input(kind, data, replies=1, pongs=pongs)


def _is_goodbye(text: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") == "close" and value.keys() <= {"type"}


surrogates = st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), min_size=1, max_size=3)
texts = st.text(max_size=20) | surrogates
numbers = (
    st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.floats(0, MAX_WAIT_SECONDS)
    | st.booleans()
)
anything: SearchStrategy[Any] = st.recursive(
    st.none() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
actions = st.fixed_dictionaries(
    {}, optional={"wait_seconds": anything, "metadata": anything, "timeout_s": anything, "more": anything}
)
resets = st.fixed_dictionaries({}, optional={"seed": anything, "episode_id": anything, "more": anything})
calls = st.fixed_dictionaries(
    {
        "jsonrpc": st.just("2.0") | anything,
        "method": st.sampled_from(("tools/list", "tools/call")) | anything,
    },
    optional={"id": anything, "params": anything},
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(("step", "reset", "state", "mcp", "Step", "")) | anything,
        "data": actions | resets | calls | anything,
        "more": anything,
    },
)


@st.composite
def json_texts(draw: DrawFn) -> Input:
    return sent("JSON", json.dumps(draw(messages | anything)))


@st.composite
def cut_texts(draw: DrawFn) -> Input:
    """JSON with a piece missing or doubled."""
    text = json.dumps(draw(messages))
    start, stop = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    middle = text[start:stop] * draw(st.sampled_from((0, 2)))
    return sent("cut JSON", text[:start] + middle + text[stop:])


@st.composite
def deep_texts(draw: DrawFn) -> Input:
    depth = draw(st.integers(1, MAX_MESSAGE_BYTES // 12))
    opening, closing = draw(st.sampled_from((("[", "]"), ('{"a":', "}"))))
    value = opening * depth + "1" + closing * (depth if draw(st.booleans()) else 0)
    return sent("deep JSON", draw(_around(value)))


@st.composite
def long_numbers(draw: DrawFn) -> Input:
    digits = "9" * draw(st.integers(300, 10_000))
    value = draw(st.sampled_from((digits, f"-{digits}", f"0.{digits}", f"1e{digits}", f"{digits}.5")))
    return sent("long number", draw(_around(value)))


def _around(value: str) -> SearchStrategy[str]:
    return st.sampled_from(
        (
            value,
            f'{{"type": "step", "data": {{"wait_seconds": {value}}}}}',
            f'{{"type": "step", "data": {{"metadata": {{"a": {value}}}}}}}',
            f'{{"type": "reset", "data": {{"seed": {value}}}}}',
            f'{{"type": {value}}}',
            f'{{"type": "mcp", "data": {value}}}',
        )
    )


any_texts = st.text(max_size=200).map(lambda text: sent("any text", text))
json_like = json_texts() | cut_texts() | deep_texts() | long_numbers() | any_texts
binaries = st.binary(max_size=200).map(lambda data: Input("binary", frame(BINARY, data), replies=1))


@st.composite
def fragments(draw: DrawFn) -> Input:
    """A text in pieces, empty ones too, with pings between them."""
    text = json.dumps(draw(messages))
    payload = text.encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), min_size=1, max_size=6)))
    ends = [0, *cuts, len(payload)]
    pieces = [payload[start:stop] for start, stop in pairwise(ends)]
    data, pongs = b"", []
    for number, piece in enumerate(pieces):
        data += frame(TEXT if number == 0 else CONTINUATION, piece, fin=number == len(pieces) - 1)
        if number < len(pieces) - 1 and draw(st.booleans()):
            pongs.append(draw(st.binary(max_size=125)))
            data += frame(PING, pongs[-1])
    return sent("fragments", text, data, tuple(pongs))


farewells = st.just(sent("farewell", '{"type": "close"}'))
pings = st.binary(max_size=125).map(lambda data: Input("ping", frame(PING, data), pongs=(data,)))
pongs = st.binary(max_size=125).map(lambda data: Input("unasked pong", frame(PONG, data)))


@st.composite
def not_utf8(draw: DrawFn) -> Input:
    bad = st.sampled_from((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"))
    payload = draw(st.text(max_size=50)).encode() + draw(bad)
    if draw(st.booleans()):
        data = frame(TEXT, payload)
    else:
        cut = draw(st.integers(0, len(payload)))
        data = frame(TEXT, payload[:cut], fin=False) + frame(CONTINUATION, payload[cut:])
    return Input("not UTF-8", data, codes=(NOT_UTF8,))


@st.composite
def broken_frames(draw: DrawFn) -> Input:
    payload = draw(st.binary(max_size=60))
    control = draw(st.sampled_from((8, 9, 10)))
    kind, data = draw(
        st.sampled_from(
            (
                ("reserved bits", frame(TEXT, payload, reserved=draw(st.integers(1, 7)))),
                (
                    "reserved opcode",
                    frame(draw(st.sampled_from((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))), payload),
                ),
                ("no mask", frame(TEXT, payload, masked=False)),
                ("no mask on a ping", frame(PING, payload, masked=False)),
                ("long control frame", frame(control, payload + bytes(126))),
                ("control frame in pieces", frame(control, payload, fin=False)),
                ("continuation of nothing", frame(CONTINUATION, payload)),
                ("text amid a text", frame(TEXT, payload, fin=False) + frame(TEXT, payload)),
                ("close frame of one byte", frame(CLOSE, b"\x03")),
            )
        )
    )
    return Input(kind, data, codes=(PROTOCOL_ERROR,))


@st.composite
def too_big(draw: DrawFn) -> Input:
    opcode = draw(st.sampled_from((TEXT, BINARY)))
    match draw(st.integers(0, 2)):
        case 0:
            size = draw(st.integers(MAX_MESSAGE_BYTES + 1, 2**63 - 1))
            data = frame(opcode, b"{", length=size)
        case 1:
            data = frame(opcode, bytes(MAX_MESSAGE_BYTES // 2), fin=False)
            data += frame(CONTINUATION, bytes(MAX_MESSAGE_BYTES // 2), fin=False) + frame(CONTINUATION, b"1")
        case _:
            # The highest bit of a length has to be 0: that may be found first.
            return Input(
                "endless frame",
                frame(opcode, b"{", length=draw(st.integers(2**63, 2**64 - 1))),
                codes=(TOO_BIG, PROTOCOL_ERROR),
            )
    return Input("too big", data, codes=(TOO_BIG,))


@st.composite
def goodbyes(draw: DrawFn) -> Input:
    """Close frames: a code that may be sent is sent back, any other is a protocol error."""
    code = draw(st.integers(0, 5100) | st.integers(990, 1020))
    reason = draw(st.text(max_size=30)).encode()
    good = code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014) or (
        3000 <= code < 5000
    )
    if good and draw(st.booleans()):
        return Input("close reason that is not UTF-8", _close(code, reason + b"\xff"), codes=(NOT_UTF8,))
    after = draw(st.binary(max_size=30))
    return Input("close frame", _close(code, reason) + after, codes=(code if good else PROTOCOL_ERROR,))


def _close(code: int, reason: bytes) -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason)


harmless = (json_like | binaries | fragments() | pings | pongs).filter(lambda each: not each.codes)
fatal = farewells | not_utf8() | broken_frames() | too_big() | goodbyes()
