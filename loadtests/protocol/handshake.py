"""The opening handshake: requests made once but for their keys, and plain replies read without a parser.

Any other reply, such as a refusal, one in pieces or one with unusual headers, is left to `websockets`.
"""

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.uri import WebSocketURI, parse_uri

_KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_END_OF_HEAD = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 101 [\t\x20-\x7e]*")
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)[ \t]*")
_MOST_HEADERS = 32
_MOST_BYTES = 4096
_UNUSUAL = frozenset(
    (
        *(b"sec-websocket-extensions", b"sec-websocket-protocol"),
        *(b"content-length", b"transfer-encoding", b"content-encoding"),
    )
)


class Opening(NamedTuple):
    """A handshake's request as it is sent, in two parts with the key between them."""

    before: bytes
    after: bytes


def new_key() -> bytes:
    """A key for one handshake."""
    return base64.b64encode(os.urandom(_KEY_BYTES))


@lru_cache(maxsize=64)
def websocket_uri(base_url: str) -> WebSocketURI:
    """The address of `/ws` below an http or https URL without a slash at its end."""
    return parse_uri(f"ws{base_url.removeprefix('http')}/ws")


def opening(base_url: str, headers: Mapping[str, str]) -> Opening:
    """The request for the `/ws` below a URL, as `websockets` writes it, with headers that take precedence."""
    return _opening(base_url, tuple(headers.items()))


@lru_cache(maxsize=64)
def _opening(base_url: str, headers: tuple[tuple[str, str], ...]) -> Opening:
    protocol = ClientProtocol(websocket_uri(base_url))
    request = protocol.connect()
    for name, value in headers:
        request.headers.pop(name, None)
        request.headers[name] = value
    before, _, after = request.serialize().partition(protocol.key.encode())
    return Opening(before, after)


def plain_reply(received: bytes, key: bytes) -> tuple[dict[bytes, bytes], bytes] | None:
    """The headers of a reply that accepts the handshake with this key, by their names in lower case, and what
    came behind it.

    None: the reply is not plain, and may be anything.
    """
    end = received.find(_END_OF_HEAD, 0, _MOST_BYTES)
    if end < 0:
        return None
    status, *lines = received[:end].split(b"\r\n")
    if not _STATUS.fullmatch(status) or len(lines) > _MOST_HEADERS:
        return None
    headers: dict[bytes, bytes] = {}
    for line in lines:
        if (match := _LINE.fullmatch(line)) is None:
            return None
        headers[match[1].lower()] = match[2]
    if (
        len(headers) < len(lines)
        or not _UNUSUAL.isdisjoint(headers)
        or headers.get(b"upgrade", b"").lower() != b"websocket"
        or headers.get(b"connection", b"").lower() != b"upgrade"
        or headers.get(b"sec-websocket-accept") != _accept(key)
    ):
        return None
    return headers, received[end + len(_END_OF_HEAD) :]


def _accept(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
