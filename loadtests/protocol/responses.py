"""HTTP responses, put together from what a server sends."""

import zlib
from dataclasses import dataclass
from functools import cache

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from loadtests.protocol.replies import MAX_MESSAGE_BYTES, Answer, OperationError, served_by

_SWITCHING_PROTOCOLS = 101
_REQUEST_TIMEOUT = 408
_WINDOW_BITS = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
_IDENTITY = b"identity"
_SPACES = b" \t"


@dataclass(slots=True)
class Response:
    """What answers a request in the end."""

    status: int
    headers: dict[bytes, bytes]
    """By names in small letters; the last of those that are repeated."""
    cookies: list[bytes]
    """The values of Set-Cookie."""
    body: bytes
    """Without its transfer coding."""
    kept_alive: bool
    """Whether the connection may carry another request."""

    def served_by(self, upstream_header: str) -> Answer:
        """Who answered, as far as the headers say."""
        return served_by(self._header("X-Served-By"), self._header(upstream_header))

    def content(self) -> bytes:
        """The body without its content coding. Raises OperationError."""
        coding = self.headers.get(b"content-encoding", _IDENTITY)
        return self.body if coding == _IDENTITY else _decoded(self.body, coding)

    def _header(self, name: str) -> str | None:
        value = self.headers.get(_key(name))
        return None if value is None else value.decode("latin-1")


class ResponseReader:
    """Reads the responses to requests that follow each other over one connection.

    What comes where nothing was asked for ends it, as nobody could tell what else will come.
    """

    def __init__(self) -> None:
        self.messages: list[Response] = []
        self.open = True
        self.failure: str | None = None
        """What was wrong with the response."""
        self.begun = False
        """Whether something of the response came."""
        self.unasked = False
        """Whether a response came that nothing asked for."""
        self._expecting = False
        self._size = 0
        self._head_complete = False
        self._headers: dict[bytes, bytes] = {}
        self._cookies: list[bytes] = []
        self._body: list[bytes] = []
        self._parser = HttpResponseParser(self)

    def expect(self) -> None:
        """A request is sent now."""
        self._expecting = True
        self.begun = False
        self._size = 0

    def feed(self, data: bytes) -> bool:
        """Reads what was received. There is never anything to say to it."""
        self._size += len(data)
        self.begun = True
        if self._size > MAX_MESSAGE_BYTES:
            self._fail(f"a response of more than {MAX_MESSAGE_BYTES} bytes")
            return False
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.open = False
        except HttpParserError as error:
            self._fail(str(error))
        return False

    def feed_eof(self) -> None:
        """Nothing more can be received, which may be how a body ends."""
        if self._expecting and self._head_complete and self._lasts_to_the_end():
            self.on_message_complete()
        self.open = False

    def close(self) -> None:
        """Nothing is read any more."""
        self.open = False
        # The old one knows this reader, which nothing but a rare collection of garbage would free.
        self._parser = HttpResponseParser(None)

    def on_message_begin(self) -> None:
        """Called by the parser, like all that follow."""
        if not self._expecting:
            self.open = False
        self._head_complete = False
        self._headers, self._cookies, self._body = {}, [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_complete:
            return  # a trailer
        name, value = name.lower(), value.rstrip(_SPACES)
        self._headers[name] = value
        if name == b"set-cookie":
            self._cookies.append(value)

    def on_headers_complete(self) -> None:
        self._head_complete = True
        status = self._parser.get_status_code()
        # 408 is how some servers say that they close a connection on which nothing happens.
        self.unasked |= not self._expecting and status >= 200 and status != _REQUEST_TIMEOUT

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 and status != _SWITCHING_PROTOCOLS:
            return  # another follows
        if not self._expecting:
            return
        self._expecting = False
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self.messages.append(
            Response(status, self._headers, self._cookies, body, self._parser.should_keep_alive())
        )

    def _lasts_to_the_end(self) -> bool:
        """Whether nothing but the end of the connection ends the body: RFC 9112 section 6.3."""
        coding = self._headers.get(b"transfer-encoding")
        if coding is not None:
            return not coding.lower().endswith(b"chunked")
        return b"content-length" not in self._headers

    def _fail(self, failure: str) -> None:
        self.open = False
        if self._expecting:
            self.failure = failure


@cache
def _key(name: str) -> bytes:
    return name.lower().encode()


def _decoded(body: bytes, coding: bytes) -> bytes:
    name = coding.lower()
    if name == _IDENTITY or not body:
        return body
    window_bits = _WINDOW_BITS.get(name)
    if window_bits is None:
        raise OperationError("protocol", f"the reply's Content-Encoding is {name.decode('latin-1')}")
    if name == b"deflate" and body[0] & 0x0F != zlib.DEFLATED:
        window_bits = -zlib.MAX_WBITS  # some leave the zlib format out: RFC 9110 section 8.4.1.2
    decoder = zlib.decompressobj(window_bits)
    try:
        content = decoder.decompress(body, MAX_MESSAGE_BYTES)
    except zlib.error as error:
        raise OperationError("protocol", f"the reply cannot be decompressed: {error}") from None
    if not decoder.eof:
        raise OperationError("protocol", "the reply cannot be decompressed: it is cut short or too large")
    return content
