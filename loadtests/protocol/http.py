"""OpenEnv over stateless HTTP."""

import time
from email.message import Message
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from types import SimpleNamespace
from typing import cast
from urllib.request import Request

from websockets.headers import build_host
from websockets.uri import WebSocketURI

from loadtests.protocol.access import Access
from loadtests.protocol.connection import Connection, address
from loadtests.protocol.deadlines import NEVER
from loadtests.protocol.replies import OperationError
from loadtests.protocol.responses import Response, ResponseReader
from reports.records.schema import UNASKED_REPLY

_BRIEFLY_S = 0.001
_HEADERS = {
    "User-Agent": "openenv-loadtest",
    "Accept": "application/json",
    "Content-Type": "application/json",
}


class HttpClient:
    """Posts JSON to one server for one user: over a connection that is kept alive, with cookies, without
    redirects or retries.
    """

    def __init__(self, base_url: str, access: Access, connect_timeout_s: float) -> None:
        self._base_url = base_url
        self._access = access
        self._connect_timeout_s = connect_timeout_s
        self._connection: _HttpConnection | None = None
        self._heads: dict[str, bytes] = {}
        self._own_cookies = any(name.lower() == "cookie" for name in access.headers)
        self._cookies: CookieJar | None = None

    def post(self, path: str, body: bytes, timeout_s: float) -> Response:
        """Sends JSON to a path below the base URL and reads the whole response, whatever its status.

        It takes `timeout_s` seconds at most, with connecting where that is needed. Raises OperationError
        where no response came, and where one had come that nothing asked for.
        """
        head = self._heads.get(path)
        if head is None:
            head = self._heads[path] = self._head(path)
        cookies = self._cookie_header(path) if self._cookies is not None else b""
        connection = self._connection
        if connection is None or not connection.is_usable():
            if connection is not None and connection.has_unasked:
                self.close()
                raise OperationError("protocol", UNASKED_REPLY)
            begin = time.monotonic()
            connection = self._connect(path, timeout_s)
            timeout_s = max(0.0, timeout_s - (time.monotonic() - begin))
        try:
            response = connection.exchange(b"%b%d\r\n%b\r\n%b" % (head, len(body), cookies, body), timeout_s)
        except BaseException:
            self.close()
            raise
        if not response.kept_alive:
            self.close()
        if response.cookies and not self._own_cookies:
            self._keep_cookies(path, response.cookies)
        return response

    def close(self) -> None:
        """Closes the connection. The next request opens another."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _connect(self, path: str, timeout_s: float) -> "_HttpConnection":
        self.close()
        uri = address(self._base_url, path)
        self._connection = _HttpConnection(uri, self._access, min(timeout_s, self._connect_timeout_s))
        return self._connection

    def _head(self, path: str) -> bytes:
        """The head of a request, up to the length of its body."""
        uri = address(self._base_url, path)
        given = {name.lower() for name in self._access.headers}
        headers = {
            "Host": build_host(uri.host, uri.port, uri.secure),
            **{name: value for name, value in _HEADERS.items() if name.lower() not in given},
            **self._access.headers,
        }
        lines = [
            f"POST {uri.resource_name} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"Content-Length: "

    def _cookie_header(self, path: str) -> bytes:
        assert self._cookies is not None
        asked = self._asked(path)
        self._cookies.add_cookie_header(asked)
        cookies = asked.get_header("Cookie")
        return f"Cookie: {cookies}\r\n".encode("latin-1") if cookies else b""

    def _keep_cookies(self, path: str, values: list[bytes]) -> None:
        if self._cookies is None:
            self._cookies = CookieJar()
        headers = Message()
        for value in values:
            headers["Set-Cookie"] = value.decode("latin-1")
        response = cast(HTTPResponse, SimpleNamespace(info=lambda: headers))
        self._cookies.extract_cookies(response, self._asked(path))

    def _asked(self, path: str) -> Request:
        """What the rules for cookies look at."""
        return Request(self._base_url + path)  # noqa: S310 - nothing is opened with it


class _HttpConnection(Connection[Response]):
    _reader: ResponseReader
    _replied_at = NEVER

    def __init__(self, uri: WebSocketURI, access: Access, timeout_s: float) -> None:
        self._reader = ResponseReader()
        super().__init__(uri, access, timeout_s)

    def abort(self) -> None:
        """Closes the connection at once."""
        super().abort()
        self._reader.close()

    def is_usable(self) -> bool:
        """Whether it may carry another request."""
        if self._lost is None and self._reader.open and time.monotonic() - self._replied_at > _BRIEFLY_S:
            self._read()  # the end may have come without the hub having had its turn since
        return self._reader.open and self._lost is None and not self._unsent

    @property
    def has_unasked(self) -> bool:
        """Whether a response came that nothing asked for."""
        return self._reader.unasked

    def exchange(self, request: bytes, timeout_s: float) -> Response:
        """Sends a request and reads its response, within `timeout_s` seconds. Raises OperationError."""
        self._reader.expect()
        self._send(request)
        response = self._next_message(timeout_s)
        self._replied_at = time.monotonic()
        return response

    def _greet(self, give_up: float) -> None:
        self._wait_until_open(give_up)

    def _ended(self) -> OperationError:
        if self._reader.failure is not None:
            return OperationError("protocol", self._reader.failure)
        where = "in the middle of the reply" if self._reader.begun else "before a reply"
        return OperationError("connection_lost", f"the server closed the connection {where}")
